//! The limits that flags set.

use std::io::Write;
use std::time::{Duration, Instant};

use crate::peer::{BINARY, FIN, Peer, TEXT};
use crate::running::{Running, SOON, field, status};

#[test]
fn message_beyond_the_limit_is_closed_with_1009() {
    let server = Running::start(&["--max-message", "100B"]);
    let mut whole = server.open("/echo");
    let mut parts = server.open("/echo");

    whole.send(FIN | BINARY, &[7; 100]);
    assert_eq!(whole.next().payload.len(), 100, "the limit itself is fine");
    whole.send(FIN | BINARY, &[7; 101]);
    parts.send(TEXT, &[b'a'; 60]);
    parts.send(FIN, &[b'a'; 41]);

    assert_eq!(whole.next().code(), 1009);
    assert_eq!(parts.next().code(), 1009);
}

#[test]
fn frame_beyond_its_own_limit_is_closed_with_1009() {
    let server = Running::start(&["--max-message", "1KiB", "--max-frame", "64B"]);
    let mut peer = server.open("/echo");

    peer.send(BINARY, &[7; 64]);
    peer.send(FIN, &[7; 64]);
    assert_eq!(peer.next().payload.len(), 128, "a message may be larger");
    peer.send(FIN | BINARY, &[7; 65]);

    assert_eq!(peer.next().code(), 1009);
}

#[test]
fn fragment_beyond_the_limit_is_closed_with_1008() {
    let server = Running::start(&["--max-fragments", "3"]);
    let mut peer = server.open("/echo");

    peer.send(TEXT, b"");
    peer.send(0, b"");
    peer.send(FIN, b"three");
    assert_eq!(peer.text(), "three");
    for first in [TEXT, 0, 0, 0] {
        peer.send(first, b"");
    }

    assert_eq!(peer.next().code(), 1008);
}

#[test]
fn send_queue_bounds_what_waits_for_a_peer_that_does_not_read() {
    const MESSAGE: usize = 16 * 1024;
    // More than the kernel's buffers and the queue hold together.
    const MESSAGES: usize = 1500;
    for (flag, bytes) in [("64KiB", 64 * 1024), ("1MiB", 1024 * 1024)] {
        let server = Running::start(&["--send-queue", flag]);
        let mut peer = server.open("/");
        let mut writer = Peer {
            stream: peer.stream.try_clone().unwrap(),
        };
        let writing = std::thread::spawn(move || {
            for _ in 0..MESSAGES {
                writer.send(FIN | BINARY, &[7; MESSAGE]);
            }
        });

        let queued = server.await_metric("holdwire_queue_bytes ", |queued| queued > bytes / 2);
        // What is being written counts until it is written.
        assert!(queued <= bytes + 2 * MESSAGE as u64, "{flag}: {queued}");

        assert_eq!(peer.text(), "Information from the server");
        for _ in 0..MESSAGES {
            assert_eq!(peer.next().payload.len(), MESSAGE, "nothing is lost");
        }
        writing.join().unwrap();
        server.await_metric("holdwire_queue_bytes ", |queued| queued == 0);
    }
}

#[test]
fn echo_that_is_not_read_pauses_reading() {
    const MOST: usize = 64 << 20;
    let server = Running::start(&[]);
    let mut peer = server.open("/echo");
    peer.say("warm");
    assert_eq!(peer.text(), "warm");
    let before = server.memory();

    let frame = Peer::frame(FIN | BINARY, &[7; 64 * 1024]);
    let timeout = Some(Duration::from_millis(300));
    peer.stream.set_write_timeout(timeout).unwrap();
    let mut sent = 0;
    while sent < MOST && peer.stream.write_all(&frame).is_ok() {
        sent += frame.len();
    }

    assert!(sent < MOST, "nothing holds the client back");
    let grown = server.memory().saturating_sub(before);
    assert!(grown < 8 * 1024, "{grown} KiB for one client");
    assert_eq!(server.metric("holdwire_connections "), 1);
}

#[test]
fn connection_beyond_the_limit_gets_503_until_one_leaves() {
    let server = Running::start(&["--max-connections", "1"]);
    let mut first = server.open("/");

    let (_, refusal) = server.upgrade("/", &server.host());
    let live = server.get("/health/live");
    first.send(FIN | 0x8, &1000_u16.to_be_bytes());
    first.wait_for_end();

    assert_eq!(status(&live), 200, "a full server lives");
    assert_eq!(status(&refusal), 503);
    let seconds: u64 = field(&refusal, "retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&seconds));
    await_place(&server);
}

/// Waits until a connection is accepted again.
#[track_caller]
fn await_place(server: &Running) {
    let start = Instant::now();
    while server.status("/", &server.host()) != 101 {
        assert!(start.elapsed() < SOON, "the place is not given back");
    }
}

#[test]
fn connection_of_one_address_beyond_the_limit_gets_429() {
    let server = Running::start(&["--max-connections-per-ip", "2"]);
    let first = server.open("/");
    let _second = server.open("/echo");

    let (_, refusal) = server.upgrade("/", &server.host());

    assert_eq!(status(&refusal), 429);
    assert!(field(&refusal, "retry-after").is_some(), "{refusal}");
    assert_eq!(status(&server.get("/")), 200, "pages do not count");
    first.close(1000);
    await_place(&server);
}

#[test]
fn handshakes_beyond_the_rate_are_turned_away() {
    let server = Running::start(&["--handshakes-per-second", "1"]);
    let start = Instant::now();

    let refused = loop {
        let (_, answer) = server.upgrade("/echo", &server.host());
        if status(&answer) != 101 {
            break answer;
        }
        assert!(start.elapsed() < SOON, "as many as like are let in");
    };
    assert_eq!(status(&refused), 503);
    assert!(field(&refused, "retry-after").is_some(), "{refused}");
    server.await_metric("holdwire_turned_away_total{why=\"rate\"} ", |count| {
        count > 0
    });
}

#[test]
fn a_page_learns_that_the_server_is_full_and_a_foreign_one_does_not() {
    let server = Running::start(&["--max-connections", "1"]);
    let _open = server.open("/");

    let (page, _) = server.upgrade("/", &server.page());
    let foreign = format!("{}Origin: https://evil.example\r\n", server.host());

    let frame = page.unwrap().next();
    assert_eq!(frame.code(), 1013);
    assert!(frame.advice()["retry_after_ms"].as_u64().unwrap() >= 5000);
    assert_eq!(server.status("/", &foreign), 403);
    server.await_metric("holdwire_handshakes_total{status=\"503\"} ", |count| {
        count == 1
    });
}
