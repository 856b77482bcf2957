//! RFC 6455 §4.2.1: what the server reads in the client's handshake.

use holdwire_proto::handshake::{Effective, Reason, Refusal, Rules};

use super::{REQUEST, check, head, request_with};

#[test]
fn intent_is_seen_in_broken_handshakes_too() {
    for (lines, wants) in [
        ("", false),
        ("Upgrade: h2c\r\n", false),
        ("Upgrade: websockets\r\n", false),
        ("Upgrade: h2c\r\nUpgrade: foo, WebSocket\r\n", true),
        ("Sec-WebSocket-Key: x\r\n", true),
        ("sec-websocket-version: 8\r\n", true),
        ("Sec-WebSocket-Protocol: chat\r\n", false),
    ] {
        let head = head(&format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n"));
        assert_eq!(head.wants_websocket(), wants, "{lines:?}");
    }
}

#[test]
fn each_broken_rule_has_its_own_reason() {
    let without = |line: &str| REQUEST.replace(line, "");
    for (bytes, reason) in [
        (REQUEST.replace("GET", "POST"), Reason::Method),
        (REQUEST.replace("HTTP/1.1", "HTTP/1.0"), Reason::HttpVersion),
        (
            "GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
            Reason::NotWebSocket,
        ),
        (without("Upgrade: websocket\r\n"), Reason::Upgrade),
        (without("Connection: Upgrade\r\n"), Reason::Connection),
        (without("Host: server.example.com\r\n"), Reason::HostMissing),
        (
            without("Sec-WebSocket-Version: 13\r\n"),
            Reason::VersionMissing,
        ),
        (
            without("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"),
            Reason::KeyMissing,
        ),
        (request_with("Content-Length: 5\r\n"), Reason::Body),
        (
            request_with("Transfer-Encoding: chunked\r\n"),
            Reason::TransferEncoding,
        ),
        (
            request_with("Host: server.example.com\r\n"),
            Reason::HostRepeated,
        ),
        (REQUEST.replace("/chat", "chat"), Reason::Target),
    ] {
        let refusal = check(&Rules::default(), &bytes).expect_err(&bytes);
        assert_eq!(refusal.reason(), &reason, "{bytes:?}");
    }
}

#[test]
fn a_refusal_says_in_plain_text_who_is_at_fault_and_what_to_do() {
    let refusal = check(&Rules::default(), &REQUEST.replace("ZQ==", "")).expect_err("a short key");

    let response = refusal.response();
    assert_eq!(
        response.headers()["content-type"],
        "text/plain; charset=utf-8"
    );
    let body = core::str::from_utf8(response.body()).expect("text");
    assert!(body.contains("the client's fault"), "{body}");
    assert!(
        body.contains("Sec-WebSocket-Key is not base64 of 16 bytes"),
        "{body}"
    );
    assert!(body.contains("Correct the request"), "{body}");
}

#[test]
fn a_head_that_does_not_come_in_time_has_its_response() {
    let response = Refusal::new(Reason::Timeout).into_response();

    assert_eq!(response.status(), 408);
    assert_eq!(response.headers()["connection"], "close");
}

#[test]
fn a_refused_head_request_gets_no_body() {
    let refusal =
        check(&Rules::default(), &REQUEST.replace("GET", "HEAD")).expect_err("another method");

    assert_eq!(refusal.response().status(), 405);
    assert!(refusal.response().body().is_empty());
}

#[test]
fn a_request_read_by_an_http_library_obeys_the_same_rules() {
    let request = head(&REQUEST.replace("13\r\n", "8\r\n"))
        .request
        .map(|()| "a body type");

    let refusal = Rules::default()
        .check_request(&request, &Effective::plain())
        .expect_err("version 8");

    assert_eq!(refusal.reason(), &Reason::VersionUnsupported);
}
