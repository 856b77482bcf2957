//! Reading: once an event, to the end, and not at all while the session does not want it.

use std::io::ErrorKind;

use holdwire_proto::{Config, Ended};

use super::super::{Ready, Turn};
use super::bench::{Bench, Incoming, close, text};
use crate::shard::mailbox::Order;

fn plain() -> Bench {
    Bench::new(Config::default().heartbeat(None))
}

#[test]
fn one_event_costs_one_receive_and_one_send_however_many_messages_came() {
    for count in [1, 2, 16, 1000] {
        let mut bench = plain();

        let turn = bench.receive(text("hello").repeat(count));

        assert_eq!(turn, Turn::Wait(None), "{count}");
        assert_eq!((bench.wire().reads, bench.wire().writes), (1, 1), "{count}");
        assert_eq!(bench.texts().len(), count);
    }
}

#[test]
fn an_event_that_asks_for_no_answer_costs_no_send() {
    let mut bench = plain();

    bench.receive(&text("hello")[..3]);

    assert_eq!((bench.wire().reads, bench.wire().writes), (1, 0));
}

#[test]
fn an_event_without_bytes_changes_nothing() {
    let mut bench = plain();

    assert_eq!(bench.readable(), Turn::Wait(None));

    assert_eq!((bench.wire().reads, bench.wire().writes), (1, 0));
}

#[test]
fn a_read_that_was_interrupted_is_tried_again_at_once() {
    let mut bench = plain();
    let interrupted = Incoming::Error(ErrorKind::Interrupted);
    bench.wire_mut().incoming.push_back(interrupted);

    bench.receive(text("hello"));

    assert_eq!(bench.texts(), ["hello"]);
}

#[test]
fn a_read_that_fails_ends_the_connection_with_what_failed() {
    let mut bench = plain();
    let reset = Incoming::Error(ErrorKind::ConnectionReset);
    bench.wire_mut().incoming.push_back(reset);

    assert_eq!(bench.readable(), Turn::Over);

    let (closed, _) = bench.slot.end();
    assert_eq!(closed.ended, Ended::Io(ErrorKind::ConnectionReset));
}

#[test]
fn a_full_read_buffer_is_filled_again_in_the_next_turn() {
    let mut bench = plain();
    let message = text(&"x".repeat(25));
    let input = message.repeat(10);
    bench.tools.input = vec![0; input.len() / 2].into();

    assert_eq!(bench.receive(input), Turn::Again(None));
    assert_eq!(bench.texts().len(), 5);
    assert_eq!(bench.go_on(), Turn::Again(None));
    assert_eq!(bench.texts().len(), 5);
    assert_eq!(bench.go_on(), Turn::Wait(None));
    assert_eq!(bench.wire().reads, 3);
}

#[test]
fn the_end_of_the_peers_side_told_with_its_last_bytes_is_read() {
    let mut bench = plain();
    let last = Incoming::Bytes(text("last"));
    bench.wire_mut().incoming.push_back(last);

    let turn = bench.receive_end();

    assert_eq!(turn, Turn::Again(None));
    assert_eq!(bench.texts(), ["last"]);
    assert_eq!(bench.go_on(), Turn::Over);
    assert_eq!(bench.slot.end().0.ended, Ended::Lost);
}

#[test]
fn the_end_of_the_peers_side_is_not_forgotten_while_the_session_pauses() {
    let mut bench = plain();
    bench.receive(text("pause"));
    let last = Incoming::Bytes(text("last"));
    bench.wire_mut().incoming.push_back(last);

    assert_eq!(bench.receive_end(), Turn::Wait(None));
    bench.order(Order::Resume);
    let turn = bench.go_on_until_done();

    assert_eq!(turn, Turn::Over);
    assert_eq!(bench.log.lines(), ["open", "pause", "last"]);
}

#[test]
fn a_session_that_pauses_is_handed_nothing_and_its_socket_is_left_alone() {
    let mut bench = plain();

    bench.receive([text("pause"), text("kept")].concat());
    bench.receive(text("unread"));
    bench.readable();

    assert_eq!(bench.wire().reads, 1);
    assert_eq!(bench.log.lines(), ["open", "pause"]);
}

#[test]
fn after_a_pause_what_was_kept_comes_first_and_the_socket_is_gone_on_with() {
    let mut bench = plain();
    bench.receive([text("pause"), text("kept"), text("too")].concat());
    bench.receive(text("unread"));

    let turn = bench.order(Order::Resume);
    assert_eq!(turn, Turn::Again(None));
    assert_eq!(bench.go_on_until_done(), Turn::Wait(None));

    assert_eq!(bench.texts(), ["kept", "too", "unread"]);
}

#[test]
fn a_session_that_pauses_at_every_message_gets_one_for_each_time_it_is_resumed() {
    let mut bench = plain();
    bench.receive(text("pause").repeat(3));

    for count in 1..=3 {
        assert_eq!(bench.log.lines().len(), 1 + count);
        assert_eq!(bench.order(Order::Resume), Turn::Wait(None));
    }

    assert_eq!(bench.log.lines().len(), 4);
}

#[test]
fn to_resume_a_session_that_has_not_paused_does_nothing() {
    let mut bench = plain();

    assert_eq!(bench.order(Order::Resume), Turn::Wait(None));
    bench.receive([text("pause"), text("kept")].concat());

    assert_eq!(bench.log.lines(), ["open", "pause"]);
}

#[test]
fn a_message_that_came_in_parts_around_a_pause_is_whole() {
    let mut bench = plain();
    let message = text("in two parts");
    bench.receive([&text("pause"), &message[..7]].concat());
    bench.receive(&message[7..]);

    bench.order(Order::Resume);
    bench.go_on_until_done();

    assert_eq!(bench.texts(), ["in two parts"]);
}

#[test]
fn a_paused_session_is_closed_by_us_and_the_peers_answer_is_found() {
    let mut bench = plain();
    bench.receive([text("pause"), text("never seen")].concat());

    bench.order(Order::Close(
        holdwire_proto::CloseCode::NORMAL,
        String::new(),
    ));
    bench.receive(close(1000, ""));

    assert_eq!(bench.receive_end(), Turn::Over);
    assert_eq!(
        bench.log.lines(),
        ["open", "pause", "closed Some(CloseCode(1000))"]
    );
    assert!(bench.slot.end().0.is_clean());
}

#[test]
fn writing_alone_does_not_read() {
    let mut bench = plain();
    let unread = Incoming::Bytes(text("hello"));
    bench.wire_mut().incoming.push_back(unread);

    bench.ready(Ready {
        writable: true,
        ..Ready::default()
    });

    assert_eq!(bench.wire().reads, 0);
}
