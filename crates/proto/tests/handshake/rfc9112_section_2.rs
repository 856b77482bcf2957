//! RFC 9112 §2 to §5: where a head ends, and what may stand in it.

use holdwire_proto::handshake::{Flaw, HeadError, HeadLimits, HeadReader, Refusal};

use super::{REQUEST, head, read};

#[test]
fn a_head_without_its_empty_line_is_partial() {
    for end in 0..REQUEST.len() {
        assert!(
            read(&REQUEST.as_bytes()[..end])
                .expect("legal so far")
                .is_none(),
            "at {end}"
        );
    }
}

#[test]
fn bytes_after_the_head_are_left_to_the_next_reader() {
    let mut received = REQUEST.as_bytes().to_vec();
    received.extend_from_slice(&[0x81, 0x85, 0, 0, 0, 0, b'h', b'e', b'l', b'l', b'o']);

    let head = read(&received).expect("legal").expect("whole");

    assert_eq!(head.length, REQUEST.len());
    assert_eq!(received[head.length], 0x81);
}

#[test]
fn a_second_request_on_the_connection_is_read_by_the_same_reader() {
    let mut reader = HeadReader::new(HeadLimits::default());
    let page = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let first = reader.read_request(page).expect("legal").expect("whole");
    assert!(!first.wants_websocket());

    let second = reader
        .read_request(REQUEST.as_bytes())
        .expect("legal")
        .expect("whole");

    assert!(second.wants_websocket());
}

#[test]
fn repeated_fields_are_all_kept_in_order() {
    let head = head("GET / HTTP/1.1\r\nHost: a\r\nCookie: a=1\r\nX: y\r\ncookie: b=2\r\n\r\n");

    let cookies: Vec<_> = head.request.headers().get_all("cookie").iter().collect();
    assert_eq!(cookies, ["a=1", "b=2"]);
}

#[test]
fn path_and_query_reach_the_server_unchanged() {
    let head = head("GET /a%2Fb//c/../?x=%20&y=[1]&z HTTP/1.1\r\nHost: a\r\n\r\n");

    assert_eq!(
        head.request.uri().to_string(),
        "/a%2Fb//c/../?x=%20&y=[1]&z"
    );
}

#[test]
fn a_page_may_be_asked_for_by_http_1_0_without_host() {
    let head = head("GET /page HTTP/1.0\r\n\r\n");

    assert_eq!(head.request.version(), http::Version::HTTP_10);
    assert!(!head.wants_websocket());
    assert!(head.wants_close());
}

#[test]
fn bare_line_feeds_are_reported_and_not_refused_in_an_ordinary_request() {
    let head = head("GET /page HTTP/1.1\nHost: a\n\n");

    assert_eq!(head.flaw, Some(Flaw::BareLineFeed));
    assert_eq!(head.request.headers()["host"], "a");
}

#[test]
fn a_head_of_exactly_the_limit_is_read_and_one_byte_more_is_refused() {
    let fill = |length: usize| {
        let frame = "GET / HTTP/1.1\r\nX: \r\n\r\n".len();
        format!(
            "GET / HTTP/1.1\r\nX: {}\r\n\r\n",
            "a".repeat(length - frame)
        )
    };

    assert!(
        read(fill(16 * 1024).as_bytes())
            .expect("within the limit")
            .is_some()
    );
    let error = read(fill(16 * 1024 + 1).as_bytes()).expect_err("over the limit");

    assert_eq!((error, error.status().as_u16()), (HeadError::TooLarge, 431));
}

#[test]
fn an_endless_head_is_refused_when_the_limit_is_passed_and_not_later() {
    let limits = HeadLimits {
        max_bytes: 64,
        max_fields: 100,
    };
    let mut reader = HeadReader::new(limits);
    let endless = [b'a'; 65];

    assert!(
        reader
            .read_request(&endless[..64])
            .expect("not yet over")
            .is_none()
    );
    assert_eq!(
        reader.read_request(&endless).expect_err("over"),
        HeadError::TooLarge
    );
}

#[test]
fn a_field_too_many_is_refused_before_the_head_ends() {
    let limits = HeadLimits {
        max_bytes: 1024,
        max_fields: 2,
    };
    let bytes = b"GET / HTTP/1.1\r\nA: 1\r\nB: 2\r\nC: 3\r\n";

    let error = HeadReader::new(limits)
        .read_request(bytes)
        .expect_err("three fields");

    assert_eq!(
        (error, error.status().as_u16()),
        (HeadError::TooManyFields, 431)
    );
}

#[test]
fn something_else_than_http_is_refused_at_its_first_control_character() {
    assert_eq!(
        read(&[0x16]).expect_err("a TLS record"),
        HeadError::ControlCharacter
    );
}

#[test]
fn each_error_of_a_head_has_its_status() {
    for (bytes, error, status) in [
        (
            "GET / HTTP/3.0\r\nHost: a\r\n\r\n",
            HeadError::UnsupportedVersion,
            505,
        ),
        ("PRI * HTTP/2.0\r\n\r\n", HeadError::UnsupportedVersion, 505),
        ("GET / HTTQ/1.1\r\n\r\n", HeadError::StartLine, 400),
        (
            "GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n",
            HeadError::FoldedField,
            400,
        ),
        ("GET / HTTP/1.1\r\nA : b\r\n\r\n", HeadError::Field, 400),
        (
            "GET / HTTP/1.1\r\nA: b\rc\r\n\r\n",
            HeadError::ControlCharacter,
            400,
        ),
        ("GET http:// HTTP/1.1\r\n\r\n", HeadError::Target, 400),
    ] {
        assert_eq!(read(bytes.as_bytes()).expect_err(bytes), error, "{bytes:?}");
        let response = Refusal::from(error).into_response();
        assert_eq!(response.status().as_u16(), status, "{bytes:?}");
        assert_eq!(response.headers()["connection"], "close");
    }
}

#[test]
fn a_response_is_read_with_its_interim_responses_told_apart() {
    let mut reader = HeadReader::new(HeadLimits::default());
    let received =
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 101 Yes\r\n\r\n\x81\x00";

    let hints = reader
        .read_response(received)
        .expect("legal")
        .expect("whole");
    assert!(hints.is_interim());
    let rest = &received[hints.length..];
    let answer = reader.read_response(rest).expect("legal").expect("whole");

    assert!(!answer.is_interim());
    assert_eq!(&rest[answer.length..], b"\x81\x00");
}
