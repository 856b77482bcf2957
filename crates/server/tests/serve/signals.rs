//! How the server ends: SIGTERM drains, SIGINT is short, a second signal is at once.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use crate::peer::{CLOSE, FIN, Peer};
use crate::running::{Running, SOON, field, status};

#[test]
fn server_without_connections_ends_at_once() {
    for signal in ["TERM", "INT"] {
        let mut server = Running::start(&["--drain", "9s"]);
        let start = Instant::now();

        server.signal(signal);

        assert_eq!(server.wait().code(), Some(0));
        assert!(start.elapsed() < Duration::from_secs(2), "{signal}");
    }
}

#[test]
fn every_client_is_told_1012_spread_over_the_window() {
    const CLIENTS: usize = 20;
    let mut server = Running::start(&["--drain", "1s"]);
    let open = || {
        let mut peer = server.open("/");
        assert_eq!(peer.text(), "Information from the server");
        peer
    };
    let peers: Vec<Peer> = (0..CLIENTS).map(|_| open()).collect();
    let start = Instant::now();

    server.signal("TERM");
    let clients: Vec<_> = peers
        .into_iter()
        .map(|mut peer| {
            std::thread::spawn(move || {
                assert_eq!(peer.next().code(), 1012);
                let told = start.elapsed();
                peer.send(FIN | CLOSE, &1012_u16.to_be_bytes());
                told
            })
        })
        .collect();
    let told = clients.into_iter().map(|client| client.join().unwrap());
    let mut told: Vec<Duration> = told.collect();
    told.sort();

    assert_eq!(server.wait().code(), Some(0));
    let spread = told[CLIENTS - 1] - told[0];
    assert!(spread >= Duration::from_millis(600), "{told:?}");
    assert!(start.elapsed() < Duration::from_secs(3));
}

#[test]
fn draining_server_says_that_it_is_not_ready_from_the_first_moment() {
    let mut server = Running::start(&["--drain", "9s"]);
    let mut peer = server.open("/echo");

    server.signal("TERM");
    // The Close frame is sent after the server is said to drain.
    assert_eq!(peer.next().code(), 1012);

    assert_eq!(status(&server.get("/health/ready")), 503);
    assert_eq!(status(&server.get("/health")), 503);
    assert_eq!(status(&server.get("/health/live")), 200);
    peer.send(FIN | CLOSE, &1012_u16.to_be_bytes());
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn draining_server_refuses_new_handshakes_with_503_and_when_to_come_back() {
    let server = Running::start(&["--drain", "9s"]);
    let mut peer = server.open("/echo");

    server.signal("TERM");
    assert_eq!(peer.next().code(), 1012);

    let (_, refusal) = server.upgrade("/", &server.host());
    assert_eq!(status(&refusal), 503);
    assert!(field(&refusal, "retry-after").is_some(), "{refusal}");
}

#[test]
fn clients_that_come_while_the_server_drains_do_not_keep_it() {
    let mut server = Running::start(&["--drain", "9s"]);
    let mut peer = server.open("/echo");
    server.signal("TERM");
    assert_eq!(peer.next().code(), 1012);

    let _silent = server.connect();
    let start = Instant::now();
    peer.send(FIN | CLOSE, &1012_u16.to_be_bytes());

    assert_eq!(server.wait().code(), Some(0));
    assert!(start.elapsed() < Duration::from_secs(4));
}

#[test]
fn interrupt_ends_within_two_seconds_with_a_client_that_never_answers() {
    let mut server = Running::start(&[]);
    let mut peer = server.open("/echo");
    let start = Instant::now();

    server.signal("INT");
    assert_eq!(peer.next().code(), 1012);

    assert_eq!(server.wait().code(), Some(0));
    assert!(start.elapsed() < Duration::from_millis(2500));
}

#[test]
fn second_signal_ends_at_once() {
    for second in ["TERM", "INT"] {
        let mut server = Running::start(&["--drain", "20s", "--close-timeout", "20s"]);
        let mut peer = server.open("/echo");
        server.signal("TERM");
        assert_eq!(peer.next().code(), 1012);
        let start = Instant::now();

        server.signal(second);

        assert_eq!(server.wait().code(), Some(0));
        assert!(start.elapsed() < SOON / 4, "{second}");
    }
}

#[test]
fn idle_page_connection_does_not_keep_a_draining_server() {
    let mut server = Running::start(&["--drain", "9s"]);
    let mut browser = server.connect();
    let request = format!("GET /health/live HTTP/1.1\r\n{}\r\n", server.host());
    browser.write_all(request.as_bytes()).unwrap();
    let mut answer = [0; 12];
    browser.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
    let start = Instant::now();

    server.signal("TERM");

    assert_eq!(server.wait().code(), Some(0));
    assert!(start.elapsed() < Duration::from_secs(4));
}

#[test]
fn a_drain_says_when_to_come_back_and_where_if_there_is_another_server() {
    const URL: &str = "wss://live.example.com/";
    for (flags, urls) in [(&[][..], None), (&["--drain-url", URL][..], Some(URL))] {
        let server = Running::start(&[&["--drain", "9s"], flags].concat());
        let mut peer = server.open("/echo");

        server.signal("TERM");
        let frame = peer.next();

        assert_eq!(frame.code(), 1012);
        let advice = frame.advice();
        assert_eq!(advice["url"].as_str(), urls);
        let delay = advice["retry_after_ms"].as_u64().unwrap();
        // The fifth of the window that is for closing handshakes, if this server is to be back.
        assert_eq!(delay >= 1800, urls.is_none(), "{delay}");
        assert!(delay <= 9000);
    }
}

#[test]
fn a_page_that_comes_while_the_server_drains_is_told_when_to_come_back() {
    let server = Running::start(&["--drain", "9s"]);
    let mut peer = server.open("/echo");
    server.signal("TERM");
    assert_eq!(peer.next().code(), 1012);

    for path in ["/", "/echo"] {
        let (page, _) = server.upgrade(path, &server.page());

        let frame = page.unwrap().next();
        assert_eq!(frame.code(), 1012);
        assert!(frame.advice()["retry_after_ms"].is_u64());
    }
}
