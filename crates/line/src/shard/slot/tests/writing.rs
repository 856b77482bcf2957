//! Writing: as much as the socket takes, the rest when it says so, and no peer fills the memory.

use std::io::ErrorKind;

use holdwire_proto::{Config, Ended};

use super::super::Turn;
use super::bench::{Bench, frame, send_queue, text};

#[test]
fn what_the_socket_does_not_take_is_written_when_it_says_that_it_can() {
    let mut bench = Bench::new(Config::default().heartbeat(None));
    bench.wire_mut().room = 10;

    bench.receive(text("hello").repeat(3));
    assert_eq!(bench.slot.queued(), 11);
    bench.writable(usize::MAX);

    assert_eq!(bench.slot.queued(), 0);
    assert_eq!(bench.texts(), ["hello"; 3]);
}

#[test]
fn a_blocked_socket_is_not_written_before_it_says_that_it_can() {
    let mut bench = Bench::new(Config::default().heartbeat(None));
    bench.wire_mut().room = 0;
    bench.receive(text("first"));
    bench.wire_mut().room = usize::MAX;

    for _ in 0..3 {
        bench.receive(text("later"));
        bench.finish();
    }

    assert_eq!(bench.wire().writes, 1);
    bench.writable(usize::MAX);
    assert_eq!(bench.texts(), ["first", "later", "later", "later"]);
    assert_eq!(bench.wire().writes, 2);
}

#[test]
fn a_connection_that_has_nothing_left_to_write_owns_nothing() {
    let mut bench = Bench::new(Config::default().heartbeat(None));
    bench.wire_mut().room = 3;

    bench.receive(text("hello"));
    assert!(bench.slot.cold.is_some());
    bench.writable(usize::MAX);

    assert!(bench.slot.cold.is_none());
}

#[test]
fn a_peer_that_does_not_read_is_not_read_while_too_much_waits_for_it() {
    let mut bench = Bench::new(send_queue(100));
    bench.wire_mut().room = 0;

    bench.receive(text(&"x".repeat(20)).repeat(50));
    let reads = bench.wire().reads;
    bench.receive(text("unread"));
    bench.readable();

    assert_eq!(bench.wire().reads, reads);
    assert!(bench.slot.queued() <= 100 + 22, "{}", bench.slot.queued());
}

#[test]
fn a_peer_that_reads_again_gets_every_answer_without_being_resumed() {
    let mut bench = Bench::new(send_queue(100));
    bench.wire_mut().room = 0;
    bench.receive(text(&"x".repeat(20)).repeat(50));
    bench.receive(text("unread"));

    let mut turn = bench.writable(30);
    for _ in 0..1000 {
        assert!(bench.slot.queued() <= 100 + 22, "{}", bench.slot.queued());
        turn = match turn {
            Turn::Again(_) => bench.go_on(),
            Turn::Wait(_) if bench.slot.queued() > 0 => bench.writable(30),
            done => {
                assert_eq!(done, Turn::Wait(None));
                break;
            }
        };
    }

    let texts = bench.texts();
    assert_eq!(
        (texts.len(), texts.last().unwrap().as_str()),
        (51, "unread")
    );
}

#[test]
fn one_answer_may_be_larger_than_the_queue() {
    let mut bench = Bench::new(send_queue(100));
    bench.wire_mut().room = 10;

    bench.receive([text("ask 5000"), text("next")].concat());
    assert_eq!(bench.log.lines(), ["open", "ask 5000"]);
    bench.writable(usize::MAX);

    assert_eq!(bench.log.lines(), ["open", "ask 5000", "next"]);
    assert_eq!(bench.frames()[0].1.len(), 5000);
}

#[test]
fn pings_of_a_peer_that_does_not_read_are_not_all_answered() {
    let mut bench = Bench::new(Config::default().heartbeat(None));
    bench.wire_mut().room = 0;

    for _ in 0..100 {
        bench.receive(frame(0x9, &[b'p'; 125]).repeat(100));
    }

    assert!(bench.slot.queued() < 20 * 127, "{}", bench.slot.queued());
}

#[test]
fn a_write_that_fails_ends_the_connection_with_what_failed() {
    let mut bench = Bench::new(Config::default().heartbeat(None));
    bench.wire_mut().write_error = Some(ErrorKind::BrokenPipe);

    assert_eq!(bench.receive(text("hello")), Turn::Over);

    assert_eq!(bench.wire().writes, 1);
    let (closed, _) = bench.slot.end();
    assert_eq!(closed.ended, Ended::Io(ErrorKind::BrokenPipe));
}
