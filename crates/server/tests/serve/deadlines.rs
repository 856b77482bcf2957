//! The deadlines that flags set: each ends what would otherwise hang for seconds.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use crate::peer::{BINARY, FIN, TEXT};
use crate::running::{Running, status};

/// Below every default; above what a busy machine needs for a deadline of 200 ms.
const SHORT: Duration = Duration::from_secs(4);

#[test]
fn request_that_does_not_arrive_in_time_gets_408() {
    let server = Running::start(&["--handshake-timeout", "200ms"]);
    let mut stream = server.connect();
    let start = Instant::now();

    stream.write_all(b"GET / HTTP/1.1\r\nHost:").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();

    assert_eq!(status(&answer), 408);
    assert!(start.elapsed() >= Duration::from_millis(200));
    assert!(start.elapsed() < SHORT);
}

#[test]
fn client_that_asks_nothing_is_left_without_a_word() {
    let server = Running::start(&["--handshake-timeout", "200ms"]);
    let mut stream = server.connect();
    let start = Instant::now();

    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();

    assert_eq!(answer, "");
    assert!(start.elapsed() < SHORT);
}

#[test]
fn message_that_does_not_arrive_in_time_is_closed_with_1008() {
    let server = Running::start(&["--message-timeout", "200ms"]);
    let mut part = server.open("/echo");
    let mut fragment = server.open("/echo");
    let start = Instant::now();

    part.stream
        .write_all(&[FIN | TEXT, 0x85, 1, 2, 3, 4, 5])
        .unwrap();
    fragment.send(TEXT, b"not the last");

    assert_eq!(part.next().code(), 1008);
    assert_eq!(fragment.next().code(), 1008);
    assert!(start.elapsed() < SHORT);
}

#[test]
fn peer_that_does_not_answer_a_close_is_left_in_time() {
    let mut server = Running::start(&["--close-timeout", "200ms", "--drain", "20s"]);
    let mut peer = server.open("/echo");
    let start = Instant::now();

    server.signal("TERM");
    assert_eq!(peer.next().code(), 1012);
    peer.wait_for_end();

    assert_eq!(server.wait().code(), Some(0));
    assert!(start.elapsed() < SHORT);
}

#[test]
fn peer_that_does_not_read_is_left_in_time() {
    let mut server = Running::start(&["--write-stall", "200ms"]);
    let mut peer = server.open("/");
    let start = Instant::now();

    let message = crate::peer::Peer::frame(FIN | BINARY, &[7; 64 * 1024]);
    while peer.stream.write_all(&message).is_ok() {
        assert!(start.elapsed() < 2 * SHORT, "everything is taken");
    }

    server.await_log(&["holdwire::connection", "write-stall"]);
    assert!(start.elapsed() < 2 * SHORT);
}
