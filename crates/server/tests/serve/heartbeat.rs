//! The heartbeat of the server: pings of its own, and the word of pages.

use std::time::{Duration, Instant};

use crate::peer::{FIN, Frame, PING, PONG};
use crate::running::Running;

/// Above the bound of a quick heartbeat on a busy machine, below that of the default one.
const SHORT: Duration = Duration::from_secs(10);

#[test]
fn the_word_is_answered_and_is_no_message() {
    let server = Running::start(&["--no-echo", "--greeting", ""]);
    let mut peer = server.open("/");

    peer.say("a message");
    peer.say("HeartBeat");
    peer.say("HeartBeat ");
    peer.send(FIN | PING, b"after");

    assert_eq!(peer.text(), "HeartBeat");
    assert_eq!(peer.next().first, FIN | PONG, "one answer");
}

#[test]
fn the_word_is_a_message_where_none_is_set() {
    let server = Running::start(&["--no-echo", "--greeting", "", "--heartbeat-word="]);
    let mut root = server.open("/");
    let mut echo = server.open("/echo");

    root.say("HeartBeat");
    root.send(FIN | PING, b"after");
    echo.say("HeartBeat");

    assert_eq!(root.next().first, FIN | PONG);
    assert_eq!(echo.text(), "HeartBeat");
    server.await_metric("holdwire_messages_received_total", |count| count == 2);
}

#[test]
fn peer_that_answers_no_ping_is_given_up() {
    let server = Running::start(&["--heartbeat=300ms", "--heartbeat-timeout=300ms"]);
    let start = Instant::now();
    let mut peer = server.open("/echo");

    assert_eq!(peer.next().first, FIN | PING);
    server.await_metric("holdwire_connections", |count| count == 0);

    assert!(start.elapsed() >= Duration::from_millis(400));
    assert!(start.elapsed() < SHORT);
}

#[test]
fn peer_that_answers_pings_is_kept() {
    let server = Running::start(&["--heartbeat=200ms", "--heartbeat-timeout=2s"]);
    let mut peer = server.open("/echo");

    // The next ping comes only after the answer to the one before.
    for _ in 0..3 {
        let Frame { first, payload } = peer.next();
        assert_eq!(first, FIN | PING);
        peer.send(FIN | PONG, &payload);
    }

    assert_eq!(server.metric("holdwire_connections"), 1);
    peer.say("still here");
    assert_eq!(peer.text(), "still here");
}
