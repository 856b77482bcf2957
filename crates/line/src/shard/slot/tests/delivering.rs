//! Encoded frames that many get: written from where they lie, kept without a copy, or refused.

use std::io::ErrorKind;
use std::time::Duration;

use bytes::Bytes;
use holdwire_proto::{CloseCode, Config, Ended};

use super::super::{Delivery, Turn};
use super::bench::{Bench, send_queue, text};
use crate::shard::mailbox::Order;

fn news(length: u8) -> Bytes {
    [vec![0x82, length], vec![b'n'; usize::from(length)]]
        .concat()
        .into()
}

#[test]
fn frames_that_the_socket_takes_are_written_once_from_where_they_lie() {
    let mut bench = Bench::new(send_queue(1000));
    let news = news(100);

    assert_eq!(bench.deliver(&news), Delivery::Done);

    assert_eq!(bench.wire().places, [(news.as_ptr().addr(), 102)]);
    assert!(bench.slot.cold.is_none());
    let (_, stats) = bench.slot.end();
    let sent = stats.sent;
    assert_eq!((sent.messages, sent.payload, sent.bytes), (1, 100, 102));
}

#[test]
fn what_the_socket_does_not_take_waits_where_it_lies() {
    let mut bench = Bench::new(send_queue(1000));
    let news = news(100);
    bench.wire_mut().room = 30;

    assert_eq!(bench.deliver(&news), Delivery::Waits);
    bench.finish();
    assert_eq!((bench.slot.queued(), bench.wire().writes), (72, 1));
    bench.writable(usize::MAX);

    let place = news.as_ptr().addr();
    assert_eq!(bench.wire().places, [(place, 30), (place + 30, 72)]);
    assert_eq!(bench.slot.end().1.sent.bytes, 102);
}

#[test]
fn frames_go_out_behind_what_waits_already() {
    let mut bench = Bench::new(send_queue(1000));
    bench.wire_mut().room = 0;
    bench.receive(text("first"));

    assert_eq!(bench.deliver(&news(3)), Delivery::Waits);
    bench.receive(text("last"));
    bench.writable(usize::MAX);

    let payloads: Vec<Vec<u8>> = bench
        .frames()
        .into_iter()
        .map(|(_, payload)| payload)
        .collect();
    assert_eq!(payloads, [&b"first"[..], b"nnn", b"last"]);
}

#[test]
fn a_subscriber_without_room_is_too_slow_and_keeps_what_it_has() {
    let mut bench = Bench::new(send_queue(100));
    bench.wire_mut().room = 0;

    assert_eq!(bench.deliver(&news(98)), Delivery::Waits);
    assert_eq!(bench.deliver(&news(1)), Delivery::TooSlow);
    bench.writable(usize::MAX);

    assert_eq!(bench.frames().len(), 1);
    assert_eq!(bench.slot.end().1.sent.messages, 1);
}

#[test]
fn an_empty_queue_takes_frames_of_any_size() {
    let mut bench = Bench::new(send_queue(10));
    bench.wire_mut().room = 0;

    assert_eq!(bench.deliver(&news(100)), Delivery::Waits);

    assert_eq!(bench.slot.queued(), 102);
}

#[test]
fn nothing_is_delivered_after_a_close_frame() {
    let mut bench = Bench::new(send_queue(1000));
    bench.order(Order::Close(CloseCode::NORMAL, String::new()));

    assert_eq!(bench.deliver(&news(3)), Delivery::Done);

    assert_eq!(bench.frames().len(), 1);
    assert_eq!(bench.slot.end().1.sent.messages, 0);
}

#[test]
fn who_plays_dead_is_delivered_nothing_before_it_lives_again() {
    let mut bench = Bench::new(send_queue(1000));
    bench.order(Order::PlayDead(Duration::from_secs(60)));

    assert_eq!(bench.deliver(&news(3)), Delivery::Waits);
    bench.finish();
    assert_eq!(bench.wire().writes, 0);
    bench.wait(Duration::from_secs(60));

    assert_eq!(bench.frames().len(), 1);
}

#[test]
fn a_subscriber_whose_socket_fails_is_over_in_its_next_turn() {
    let mut bench = Bench::new(send_queue(1000));
    bench.wire_mut().write_error = Some(ErrorKind::ConnectionReset);

    assert_eq!(bench.deliver(&news(3)), Delivery::Waits);

    assert_eq!(bench.finish(), Turn::Over);
    let (closed, _) = bench.slot.end();
    assert_eq!(closed.ended, Ended::Io(ErrorKind::ConnectionReset));
}

#[test]
fn a_subscriber_that_takes_nothing_is_left_after_the_write_stall() {
    let mut bench = Bench::new(Config::default().heartbeat(None));
    bench.wire_mut().room = 0;

    bench.deliver(&news(3));
    let turn = bench.finish();
    let stall = bench.config.limits.write_stall;
    assert_eq!(turn, Turn::Wait(Some(bench.tools.now.after(stall))));

    assert_eq!(bench.wait(stall), Turn::Over);
}
