//! The end: who closes first, what the peer is told, and when the socket goes.

use std::time::Duration;

use holdwire_proto::{CloseCode, Config, Ended, Violation};

use super::super::Turn;
use super::bench::{Bench, close, closed, frame, text};
use crate::shard::mailbox::Order;

fn plain() -> Bench {
    Bench::new(Config::default().heartbeat(None))
}

fn order_close() -> Order {
    Order::Close(CloseCode::GOING_AWAY, "later".to_owned())
}

#[test]
fn a_violation_gets_its_close_code_then_our_end_then_the_socket_goes() {
    let mut bench = plain();
    let unmasked = b"\x81\x02hi";

    let turn = bench.receive(*unmasked);

    assert!(matches!(turn, Turn::Wait(Some(_))), "{turn:?}");
    assert_eq!(bench.frames(), [closed(1002, "client frame is not masked")]);
    assert_eq!(bench.wire().ends, 1);
    assert_eq!(bench.receive_end(), Turn::Over);
    let (closed, _) = bench.slot.end();
    assert_eq!(closed.ended, Ended::Violation(Violation::UnmaskedFrame));
}

#[test]
fn a_peer_that_closes_is_answered_and_its_reason_is_kept() {
    let mut bench = plain();

    bench.receive([text("hello"), close(4000, "had enough")].concat());

    assert_eq!(bench.frames(), [(0x1, b"hello".to_vec()), closed(4000, "")]);
    assert_eq!((bench.wire().writes, bench.wire().ends), (1, 1));
    assert_eq!(bench.receive_end(), Turn::Over);
    let (closed, _) = bench.slot.end();
    assert_eq!((closed.code(), &*closed.reason), (4000, "had enough"));
}

#[test]
fn our_end_waits_until_the_close_frame_is_written() {
    let mut bench = plain();
    bench.wire_mut().room = 2;

    bench.receive(close(1000, ""));
    assert_eq!(bench.wire().ends, 0);
    bench.writable(usize::MAX);

    assert_eq!(bench.wire().ends, 1);
    assert_eq!(bench.frames(), [closed(1000, "")]);
}

#[test]
fn closing_from_both_sides_at_once_is_clean_and_sends_one_close_frame() {
    let mut bench = plain();

    bench.order(order_close());
    bench.receive([text("on its way"), close(1000, "me too")].concat());

    assert_eq!(bench.frames(), [closed(1001, "later")]);
    assert_eq!(bench.wire().ends, 1);
    assert_eq!(bench.receive_end(), Turn::Over);
    let (closed, _) = bench.slot.end();
    assert_eq!((closed.code(), &*closed.reason), (1000, "me too"));
    assert_eq!(
        bench.log.lines(),
        ["open", "closed Some(CloseCode(1000))"],
        "nothing is handed on after our own Close frame"
    );
}

#[test]
fn to_close_twice_says_it_once() {
    let mut bench = plain();

    bench.order(order_close());
    bench.order(order_close());

    assert_eq!(bench.frames().len(), 1);
}

#[test]
fn a_peer_that_never_answers_our_close_frame_is_left_after_the_close_timeout() {
    let mut bench = plain();
    let timeout = bench.config.limits.close_timeout;

    let turn = bench.order(order_close());
    assert_eq!(turn, Turn::Wait(Some(bench.tools.now.after(timeout))));
    let early = bench.wait(timeout - Duration::from_millis(1));
    assert!(matches!(early, Turn::Wait(Some(_))), "{early:?}");

    assert_eq!(bench.wait(Duration::from_millis(1)), Turn::Over);
    assert_eq!(bench.slot.end().0.ended, Ended::CloseTimeout);
}

#[test]
fn a_peer_that_keeps_its_side_open_after_the_handshake_is_left_after_two_seconds() {
    let mut bench = plain();

    let turn = bench.receive(close(1000, ""));
    assert!(matches!(turn, Turn::Wait(Some(_))));
    let early = bench.wait(Duration::from_millis(1999));
    assert!(matches!(early, Turn::Wait(Some(_))), "{early:?}");

    assert_eq!(bench.wait(Duration::from_millis(1)), Turn::Over);
    assert!(bench.slot.end().0.is_clean());
}

#[test]
fn a_peer_that_floods_after_the_end_is_left() {
    let mut bench = plain();
    bench.receive(b"\x81\x02hi");
    let flood = vec![0; 64 * 1024];

    let mut turns = 0;
    while bench.receive(flood.clone()) != Turn::Over {
        turns += 1;
        assert!(turns < 1000, "it is read for ever");
    }

    assert_eq!(bench.wire().ends, 1);
}

#[test]
fn a_session_may_close_and_what_it_was_sent_later_is_not_handed_on() {
    let mut bench = plain();

    bench.receive([text("close"), text("late")].concat());

    assert_eq!(bench.frames(), [closed(1000, "asked")]);
    assert_eq!(bench.log.lines(), ["open", "close"]);
}

#[test]
fn cut_is_over_at_once_and_says_nothing() {
    let mut bench = plain();

    assert_eq!(bench.order(Order::Cut), Turn::Over);

    assert_eq!(bench.frames(), []);
    assert_eq!(bench.slot.end().0.ended, Ended::Lost);
}

#[test]
fn at_the_end_everything_that_went_over_it_is_counted() {
    let mut bench = plain();
    bench.receive([text("hello"), frame(0x2, b"bytes"), frame(0x9, b"")].concat());
    bench.receive(close(1000, ""));
    bench.receive_end();

    let (_, stats) = bench.slot.end();

    let (received, sent) = (stats.received, stats.sent);
    assert_eq!((received.messages, received.payload), (2, 10));
    assert_eq!(received.bytes, 11 + 11 + 6 + 8);
    assert_eq!((sent.messages, sent.payload), (1, 5));
    assert_eq!(sent.bytes, 7 + 2 + 4);
    assert_eq!(bench.tools.moved.received, received);
    assert_eq!(bench.tools.moved.sent, sent);
}
