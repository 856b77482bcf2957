//! Sessions that panic: their peer is told 1011, they are called no more, nobody else notices.

use holdwire_proto::Config;

use super::super::Turn;
use super::bench::{Bench, close, closed, text};
use crate::shard::mailbox::Order;

fn failing_in(call: &'static str) -> Bench {
    Bench::closed(Config::default().heartbeat(None), call)
}

#[test]
fn a_session_that_panics_when_opened_ends_with_1011() {
    let mut bench = failing_in("open");

    bench.open(&text("early"));

    assert_eq!(bench.frames(), [closed(1011, "")]);
    assert_eq!(bench.log.lines(), ["open"]);
}

#[test]
fn a_session_that_panics_in_an_event_ends_with_1011_after_its_answers() {
    let mut bench = failing_in("");
    bench.open(b"");

    bench.receive([text("before"), text("panic"), text("after")].concat());

    assert_eq!(
        bench.frames(),
        [(0x1, b"before".to_vec()), closed(1011, "")]
    );
    assert_eq!(bench.log.lines(), ["open", "before", "panic"]);
}

#[test]
fn a_session_that_panics_when_woken_ends_with_1011() {
    let mut bench = failing_in("wake");
    bench.open(b"");

    bench.order(Order::Wake);
    bench.order(Order::Wake);

    assert_eq!(bench.frames(), [closed(1011, "")]);
    assert_eq!(bench.log.lines(), ["open", "wake"]);
}

#[test]
fn a_session_that_paused_and_then_panicked_does_not_hold_its_connection() {
    let mut bench = failing_in("wake");
    bench.open(b"");
    bench.receive([text("pause"), text("kept")].concat());

    bench.order(Order::Wake);
    bench.receive(close(1011, ""));

    assert_eq!(bench.frames(), [closed(1011, "")]);
    assert_eq!(bench.receive_end(), Turn::Over);
    assert_eq!(bench.log.lines(), ["open", "pause", "wake"]);
}

#[test]
fn the_closing_handshake_of_a_session_that_panicked_is_clean() {
    let mut bench = failing_in("");
    bench.open(b"");
    bench.receive(text("panic"));

    bench.receive(close(1011, "sorry"));

    assert_eq!(bench.receive_end(), Turn::Over);
    let (closed, _) = bench.slot.end();
    assert_eq!((closed.code(), &*closed.reason), (1011, "sorry"));
    assert_eq!(bench.log.lines(), ["open", "panic"]);
}
