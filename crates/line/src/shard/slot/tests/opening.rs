//! The first turn: what came with the handshake, and what the owner wants at once.

use holdwire_proto::{CloseCode, Config, Ended, Violation};

use super::super::Turn;
use super::bench::{Bench, close, closed, text};
use crate::shard::mailbox::Order;

fn unopened() -> Bench {
    Bench::closed(Config::default().heartbeat(None), "")
}

#[test]
fn messages_that_came_with_the_handshake_are_answered() {
    let mut bench = unopened();

    let turn = bench.open(&text("early").repeat(3));

    assert_eq!(turn, Turn::Wait(None));
    assert_eq!(bench.texts(), ["early"; 3]);
    assert_eq!(bench.wire().writes, 1);
    assert_eq!(bench.slot.end().1.received.bytes, 33);
}

#[test]
fn half_a_message_that_came_with_the_handshake_is_finished_later() {
    let mut bench = unopened();
    let message = text("early");

    bench.open(&message[..8]);
    bench.receive(&message[8..]);

    assert_eq!(bench.texts(), ["early"]);
}

#[test]
fn a_close_frame_that_came_with_the_handshake_is_answered() {
    let mut bench = unopened();

    bench.open(&[text("early"), close(4001, "bye")].concat());

    assert_eq!(bench.frames(), [(0x1, b"early".to_vec()), closed(4001, "")]);
    assert_eq!(bench.wire().ends, 1);
    assert_eq!(bench.receive_end(), Turn::Over);
    assert_eq!(&*bench.slot.end().0.reason, "bye");
}

#[test]
fn a_violation_that_came_with_the_handshake_is_told() {
    let mut bench = unopened();

    bench.open(b"\x83\x80\0\0\0\0");

    assert_eq!(bench.frames(), [closed(1002, "opcode is reserved")]);
    let ended = bench.slot.end().0.ended;
    assert_eq!(ended, Ended::Violation(Violation::ReservedOpcode));
}

#[test]
fn a_pause_in_what_came_with_the_handshake_keeps_the_rest() {
    let mut bench = unopened();

    bench.open(&[text("pause"), text("kept")].concat());
    assert_eq!(bench.log.lines(), ["open", "pause"]);
    bench.order(Order::Resume);

    assert_eq!(bench.texts(), ["kept"]);
}

#[test]
fn a_connection_that_is_to_close_at_once_says_so_and_hands_nothing_on() {
    let mut bench = unopened();
    let order = Order::Close(CloseCode::SERVICE_RESTART, "soon".to_owned());

    let Bench {
        slot,
        tools,
        config,
        ..
    } = &mut bench;
    slot.open(text("early"), Some(order), tools, config);
    slot.finish(false, tools, config);

    assert_eq!(bench.frames(), [closed(1012, "soon")]);
    assert_eq!(bench.log.lines(), ["open"]);
}

#[test]
fn a_connection_that_is_to_be_cut_at_once_is_over_without_a_byte() {
    let mut bench = unopened();

    let Bench {
        slot,
        tools,
        config,
        ..
    } = &mut bench;
    slot.open(text("early"), Some(Order::Cut), tools, config);

    assert_eq!(slot.finish(false, tools, config), Turn::Over);
    assert_eq!(bench.frames(), []);
}

#[cfg(feature = "deflate")]
#[test]
fn a_connection_that_agreed_on_compression_inflates_deflates_and_counts_both() {
    use holdwire_proto::deflate::{DeflateConfig, accept_offer};
    use holdwire_proto::{Connection, Role};

    let deflate = DeflateConfig {
        threshold: Some(10),
        ..DeflateConfig::default()
    };
    let offers = holdwire_proto::extension::parse(["permessage-deflate"]).unwrap();
    let (params, _) = accept_offer(&deflate, &offers).unwrap();
    let connection = Connection::new(Role::Server).with_deflate(params);
    let config = Config::default().heartbeat(None).deflate(deflate);
    let mut bench = Bench::with(connection, config, "");
    bench.open(b"");
    // "Hello" as RFC 7692 §7.2.3.1 compresses it.
    let hello = b"\xc1\x87\0\0\0\0\xf2\x48\xcd\xc9\xc9\x07\0";

    bench.receive(*hello);
    bench.receive(text(&"x".repeat(100)));

    assert_eq!(bench.log.lines()[1], "Hello");
    let written = bench.wire().written.clone();
    assert_eq!(written[..7], *b"\x81\x05Hello");
    assert_eq!(written[7], 0xC1, "compressed");
    assert!(written.len() < 40, "{}", written.len());
    let (_, stats) = bench.slot.end();
    assert_eq!((stats.inflated.plain, stats.inflated.compressed), (5, 7));
    assert_eq!(stats.deflated.plain, 100);
    assert_eq!((stats.received.messages, stats.sent.messages), (2, 2));
    assert_eq!(stats.sent.bytes, written.len() as u64);
}
