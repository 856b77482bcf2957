//! RFC 6455 §4.4: a version that the server does not speak.

use holdwire_proto::handshake::{Rules, encode_response};

use super::{REQUEST, check};

#[test]
fn another_version_is_answered_with_the_one_that_is_spoken() {
    let refusal = check(
        &Rules::default(),
        &REQUEST.replace("Version: 13", "Version: 25"),
    )
    .expect_err("version 25");

    let text = String::from_utf8(encode_response(refusal.response())).expect("ASCII");
    assert!(
        text.starts_with("HTTP/1.1 426 Upgrade Required\r\n"),
        "{text}"
    );
    assert!(text.contains("\r\nUpgrade: websocket\r\n"), "{text}");
    assert!(
        text.contains("\r\nConnection: upgrade, close\r\n"),
        "{text}"
    );
    assert!(text.contains("\r\nSec-WebSocket-Version: 13\r\n"), "{text}");
}
