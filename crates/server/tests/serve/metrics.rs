//! `/metrics` follows what happens.

use crate::peer::{BINARY, CLOSE, FIN};
use crate::running::{Running, field};

#[test]
fn numbers_follow_connections_and_messages() {
    let server = Running::start(&[]);
    let mut root = server.open("/");
    let mut echo = server.open("/echo");

    root.say("12345");
    echo.send(FIN | BINARY, &[7; 1000]);
    assert_eq!(root.text(), "Information from the server");
    assert_eq!(root.text(), "12345");
    echo.next();

    // A shard counts at the end of its turn, when the answers are written.
    for (name, expected) in [
        ("holdwire_connections ", 2),
        ("holdwire_messages_received_total ", 2),
        ("holdwire_messages_sent_total ", 3),
        ("holdwire_payload_received_bytes_total ", 1005),
        ("holdwire_payload_sent_bytes_total ", 1005 + 27),
    ] {
        server.await_metric(name, |count| count == expected);
    }
    root.close(1000);
    server.await_metric("holdwire_connections ", |open| open == 1);
}

#[test]
fn handshakes_are_counted_by_status() {
    let server = Running::start(&[]);
    let host = server.host();

    let _open = server.open("/");
    server.status("/", &format!("{host}Origin: https://evil.example\r\n"));
    server.status("/nothing", &host);
    server.status("/", &format!("{host}Sec-WebSocket-Key: AAAA\r\n"));
    server.status("/", "Host: evil.example\r\n");

    for status in [101, 403, 404, 400, 421] {
        let name = format!("holdwire_handshakes_total{{status=\"{status}\"}} ");
        // The answer is counted when it was written.
        server.await_metric(&name, |count| count == 1);
    }
}

#[test]
fn closes_are_counted_by_code() {
    let server = Running::start(&["--max-message", "10B"]);
    let count = |code: &str| {
        let name = format!("holdwire_closes_total{{code=\"{code}\"}} ");
        server.await_metric(&name, |count| count == 1);
    };

    server.open("/echo").close(1001);
    count("1001");
    let mut empty = server.open("/echo");
    empty.send(FIN | CLOSE, b"");
    empty.next();
    count("1005");
    drop(server.open("/echo"));
    count("1006");
    server.open("/echo").send(FIN | BINARY, &[7; 11]);
    count("1009");
    server.open("/echo").close(4321);
    count("4xxx");
}

#[test]
fn text_is_of_the_type_that_prometheus_reads() {
    let server = Running::start(&[]);

    let answer = server.get("/metrics");

    let media_type = field(&answer, "content-type").unwrap();
    assert!(
        media_type.starts_with("application/openmetrics-text"),
        "{media_type}"
    );
    assert!(answer.ends_with("# EOF\n"), "{answer}");
}
