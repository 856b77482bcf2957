//! Messages that come in many pieces, each received behind the one before.

use std::io::ErrorKind;

use holdwire_proto::{Config, Ended};

use super::super::Turn;
use super::bench::{Bench, Incoming, text};

const LONG: usize = 300_000;

fn long() -> (String, Vec<u8>) {
    let message: String = ('a'..='z').cycle().take(LONG).collect();
    let frame = text(&message);
    (message, frame)
}

#[test]
fn each_piece_of_a_long_message_is_read_once() {
    let mut bench = Bench::new(Config::default().heartbeat(None));
    let (message, frame) = long();
    // None of them fills the room that there is for it.
    let (first, rest) = frame.split_at(60_000);
    let pieces = std::iter::once(first).chain(rest.chunks(25_000));

    for (number, piece) in pieces.enumerate() {
        let turn = bench.receive(piece);
        assert!(matches!(turn, Turn::Wait(_)), "{turn:?}");
        assert_eq!(bench.wire().reads, number + 1);
    }

    assert!(bench.frames() == [(0x1, message.into_bytes())]);
    assert_eq!(bench.tools.moved.received.bytes, frame.len() as u64);
    assert_eq!(bench.slot.connection.held(), 0);
}

#[test]
fn more_than_there_is_room_for_is_read_in_the_next_turns() {
    let mut bench = Bench::new(Config::default().heartbeat(None));
    let (message, frame) = long();

    let turn = bench.receive([frame, text("next")].concat());
    assert!(matches!(turn, Turn::Again(_)), "{turn:?}");
    bench.go_on_until_done();

    let expected = [(0x1, message.into_bytes()), (0x1, b"next".to_vec())];
    assert!(bench.frames() == expected);
}

#[test]
fn an_end_in_the_middle_of_a_long_message_is_a_loss() {
    let mut bench = Bench::new(Config::default().heartbeat(None));
    bench.receive(&long().1[..50_000]);

    assert_eq!(bench.receive_end(), Turn::Over);

    assert_eq!(bench.slot.end().0.ended, Ended::Lost);
}

#[test]
fn a_signal_or_an_error_in_the_middle_of_a_long_message_is_what_it_always_is() {
    let mut bench = Bench::new(Config::default().heartbeat(None));
    let frame = long().1;
    bench.receive(&frame[..50_000]);
    let interrupted = Incoming::Error(ErrorKind::Interrupted);
    bench.wire_mut().incoming.push_back(interrupted);
    bench.receive(&frame[50_000..90_000]);
    assert_eq!(bench.tools.moved.received.bytes, 90_000);

    let reset = Incoming::Error(ErrorKind::ConnectionReset);
    bench.wire_mut().incoming.push_back(reset);

    assert_eq!(bench.readable(), Turn::Over);
    let ended = Ended::Io(ErrorKind::ConnectionReset);
    assert_eq!(bench.slot.end().0.ended, ended);
}
