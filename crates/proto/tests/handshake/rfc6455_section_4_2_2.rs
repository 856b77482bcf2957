//! RFC 6455 §4.2.2: what the server answers.

use core::time::Duration;

use bytes::Bytes;
use holdwire_proto::handshake::{
    AcceptError, Acceptance, Refusal, Rules, Subprotocols, encode_response, encode_response_head,
    forbidden, not_found, too_many_requests, unauthorized, unavailable,
};
use http::header::{HeaderName, HeaderValue};

use super::{REQUEST, check, request_with};

#[test]
fn the_accept_is_these_bytes() {
    let offer = check(&Rules::default(), REQUEST).expect("legal");

    let response = offer
        .accept(Acceptance::default())
        .expect("nothing asked for");

    assert_eq!(
        String::from_utf8(encode_response_head(&response)).expect("ASCII"),
        "HTTP/1.1 101 Switching Protocols\r\n\
         Upgrade: websocket\r\n\
         Connection: Upgrade\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
         \r\n"
    );
}

#[test]
fn the_application_may_choose_one_of_the_subprotocols_offered() {
    let rules = Rules {
        subprotocols: Subprotocols::FirstOffered,
        ..Rules::default()
    };
    let offer = check(&rules, &request_with("Sec-WebSocket-Protocol: a, b\r\n")).expect("legal");
    assert_eq!(offer.subprotocol().map(|name| name.as_str()), Some("a"));

    let subprotocol = offer.subprotocols().last().cloned();
    let response = offer
        .accept(Acceptance {
            subprotocol,
            ..Acceptance::default()
        })
        .expect("offered");

    assert_eq!(response.headers()["sec-websocket-protocol"], "b");
}

#[test]
fn a_subprotocol_that_was_not_offered_is_never_answered() {
    let offer = check(
        &Rules::default(),
        &request_with("Sec-WebSocket-Protocol: a\r\n"),
    );
    let other: holdwire_proto::handshake::Subprotocol = "A".parse().expect("a token");

    let error = offer
        .expect("legal")
        .accept(Acceptance {
            subprotocol: Some(other.clone()),
            ..Acceptance::default()
        })
        .expect_err("not offered");

    assert_eq!(error, AcceptError::SubprotocolNotOffered(other));
}

#[test]
fn extensions_of_all_lines_are_handed_out_and_answered_when_offered() {
    let lines = "Sec-WebSocket-Extensions: a; b=1\r\nSec-WebSocket-Extensions: c\r\n";
    let offer = check(&Rules::default(), &request_with(lines)).expect("legal");
    let names: Vec<_> = offer
        .extensions()
        .iter()
        .map(|extension| &extension.name)
        .collect();
    assert_eq!(names, ["a", "c"]);

    let extensions = Some(HeaderValue::from_static("c"));
    let response = offer
        .accept(Acceptance {
            extensions,
            ..Acceptance::default()
        })
        .expect("offered");

    assert_eq!(response.headers()["sec-websocket-extensions"], "c");
}

#[test]
fn extensions_are_never_answered_when_none_was_offered() {
    let extensions = Some(HeaderValue::from_static("permessage-deflate"));
    let error = check(&Rules::default(), REQUEST)
        .expect("legal")
        .accept(Acceptance {
            extensions,
            ..Acceptance::default()
        })
        .expect_err("none offered");

    assert_eq!(error, AcceptError::ExtensionsNotOffered);
}

#[test]
fn the_application_may_add_headers_of_its_own() {
    let mut acceptance = Acceptance::default();
    acceptance
        .headers
        .append("set-cookie", HeaderValue::from_static("a=1"));
    acceptance
        .headers
        .append("set-cookie", HeaderValue::from_static("b=2"));

    let response = check(&Rules::default(), REQUEST)
        .expect("legal")
        .accept(acceptance);

    let bytes = encode_response_head(&response.expect("its own"));
    let text = String::from_utf8(bytes).expect("ASCII");
    assert!(
        text.contains("\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n"),
        "{text}"
    );
}

#[test]
fn the_application_may_not_set_the_handshakes_headers() {
    for name in [
        "connection",
        "upgrade",
        "sec-websocket-accept",
        "sec-websocket-protocol",
        "sec-websocket-extensions",
        "content-length",
        "transfer-encoding",
    ] {
        let mut acceptance = Acceptance::default();
        acceptance
            .headers
            .insert(HeaderName::from_static(name), HeaderValue::from_static("x"));

        let error = check(&Rules::default(), REQUEST)
            .expect("legal")
            .accept(acceptance)
            .expect_err(name);

        assert_eq!(
            error,
            AcceptError::ReservedHeader(HeaderName::from_static(name))
        );
    }
}

#[test]
fn an_applications_refusal_goes_out_whole_and_closes() {
    let response = http::Response::builder()
        .status(418)
        .header("x-why", "tea")
        .header("content-length", "999")
        .header("transfer-encoding", "chunked")
        .body(Bytes::from_static(b"short and stout"))
        .expect("legal");

    let refusal = Refusal::application(response);

    assert_eq!(
        String::from_utf8(encode_response(refusal.response())).expect("ASCII"),
        "HTTP/1.1 418 I'm a teapot\r\n\
         X-Why: tea\r\n\
         Connection: close\r\n\
         Content-Length: 15\r\n\
         \r\n\
         short and stout"
    );
}

#[test]
fn common_refusals_carry_the_headers_that_their_status_asks_for() {
    let minute = Duration::from_millis(59_001);
    let challenge = HeaderValue::from_static("Bearer");

    assert_eq!(
        unauthorized(challenge).headers()["www-authenticate"],
        "Bearer"
    );
    assert_eq!(forbidden().status(), 403);
    assert_eq!(not_found().status(), 404);
    assert_eq!(too_many_requests(minute).headers()["retry-after"], "60");
    assert_eq!(unavailable(minute).headers()["retry-after"], "60");
    assert_eq!(unavailable(minute).status(), 503);
}
