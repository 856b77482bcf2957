//! Deadlines: the heartbeat, a peer that takes nothing or never finishes, and playing dead.

use std::time::Duration;

use holdwire_proto::time::Tick;
use holdwire_proto::{CloseCode, Config, Ended, HeartbeatConfig, Violation};

use super::super::Turn;
use super::bench::{Bench, Incoming, close, closed, frame, text};
use crate::shard::mailbox::Order;

const SECOND: Duration = Duration::from_secs(1);

fn beating() -> Bench {
    let heartbeat = HeartbeatConfig::new(10 * SECOND, 5 * SECOND).unwrap();
    Bench::new(Config::default().heartbeat(heartbeat))
}

fn due(turn: Turn) -> Tick {
    match turn {
        Turn::Wait(Some(due)) => due,
        other => panic!("nothing is due: {other:?}"),
    }
}

/// Waits until the deadline of this turn.
fn wait_for(bench: &mut Bench, turn: Turn) -> Turn {
    let duration = due(turn).since(bench.tools.now);
    bench.wait(duration)
}

#[test]
fn a_silent_peer_is_pinged_and_then_dead() {
    let mut bench = beating();
    let turn = bench.finish();

    let turn = wait_for(&mut bench, turn);
    assert_eq!(bench.frames()[0].0, 0x9);
    assert_eq!(due(turn), bench.tools.now.after(5 * SECOND));
    let turn = wait_for(&mut bench, turn);

    assert_eq!(turn, Turn::Over);
    assert_eq!(bench.slot.end().0.ended, Ended::HeartbeatTimeout);
}

#[test]
fn a_peer_that_answers_the_ping_lives() {
    let mut bench = beating();
    let turn = bench.finish();

    wait_for(&mut bench, turn);
    let (_, payload) = bench.frames().remove(0);
    bench.tools.now = bench.tools.now.after(Duration::from_millis(40));
    bench.receive(frame(0xA, &payload));
    bench.wait(5 * SECOND);

    assert!(!bench.slot.connection.is_over());
    let (_, stats) = bench.slot.end();
    assert_eq!(stats.round_trip, Some(Duration::from_millis(40)));
}

#[test]
fn a_busy_connection_is_looked_at_once_an_interval() {
    let mut bench = beating();
    let mut entry = due(bench.finish());
    let mut looks = 0;

    for _ in 0..100 {
        bench.tools.now = bench.tools.now.after(SECOND);
        bench.receive(text("hello"));
        if !bench.tools.now.is_before(entry) {
            looks += 1;
            entry = due(bench.finish());
        }
    }

    assert!((5..=13).contains(&looks), "{looks}");
    assert!(bench.frames().iter().all(|(opcode, _)| *opcode == 0x1));
}

#[test]
fn an_answer_to_the_ping_that_lies_unread_saves_the_peer() {
    let mut bench = beating();
    let turn = bench.finish();
    let turn = wait_for(&mut bench, turn);
    let (_, payload) = bench.frames().remove(0);
    bench.tools.input = vec![0; 11].into();
    // The first half fills the read buffer; the answer lies behind it.
    let both = [text("hello"), frame(0xA, &payload)].concat();
    bench.wire_mut().incoming.push_back(Incoming::Bytes(both));
    bench.slot.flags.is_unread = true;

    wait_for(&mut bench, turn);
    let turn = bench.go_on_until_done();

    assert!(matches!(turn, Turn::Wait(_)), "{turn:?}");
    assert_eq!(bench.texts(), ["hello"]);
}

#[test]
fn a_peer_that_takes_no_byte_is_left_after_the_write_stall() {
    let mut bench = Bench::new(Config::default().heartbeat(None));
    bench.wire_mut().room = 3;
    let stall = bench.config.limits.write_stall;

    let turn = bench.receive(text("hello"));
    assert_eq!(due(turn), bench.tools.now.after(stall));
    bench.tools.now = bench.tools.now.after(stall / 2);
    bench.writable(2);
    let turn = bench.wait(stall / 2);
    assert!(
        matches!(turn, Turn::Wait(Some(_))),
        "it took something since"
    );

    assert_eq!(bench.wait(stall / 2), Turn::Over);
    assert_eq!(bench.slot.end().0.ended, Ended::WriteStalled);
}

#[test]
fn a_message_that_is_never_finished_is_a_violation() {
    let mut bench = Bench::new(Config::default().heartbeat(None));
    let timeout = bench.config.limits.message_timeout;

    let turn = bench.receive(&text("hello")[..8]);
    assert_eq!(due(turn), bench.tools.now.after(timeout));
    wait_for(&mut bench, turn);

    let reason = "message was not finished in time";
    assert_eq!(bench.frames(), [closed(1008, reason)]);
    assert_eq!(bench.receive_end(), Turn::Over);
    let ended = bench.slot.end().0.ended;
    assert_eq!(ended, Ended::Violation(Violation::MessageTimeout));
}

#[test]
fn every_deadline_of_a_year_is_acted_on_in_a_bounded_number_of_turns() {
    let mut bench = beating();
    let mut turn = bench.finish();
    let mut turns = 0_u32;

    for _ in 0..10_000 {
        turn = wait_for(&mut bench, turn);
        turns += 1;
        if let Some((0x9, payload)) = bench.frames().pop() {
            turn = bench.receive(frame(0xA, &payload));
        }
    }

    assert_eq!(turns, 10_000);
    assert!(!bench.slot.connection.is_over());
}

#[test]
fn who_plays_dead_neither_reads_nor_writes() {
    let mut bench = beating();
    let until = bench.tools.now.after(60 * SECOND);

    let turn = bench.order(Order::PlayDead(60 * SECOND));
    assert_eq!(turn, Turn::Wait(Some(until)));
    assert_eq!(bench.receive(text("hello")), Turn::Wait(Some(until)));
    bench.order(Order::Wake);
    bench.wait(59 * SECOND);

    assert_eq!((bench.wire().reads, bench.wire().writes), (0, 0));
}

#[test]
fn who_has_played_dead_goes_on_with_what_waited_on_both_sides() {
    let mut bench = Bench::new(Config::default().heartbeat(None));
    bench.order(Order::PlayDead(60 * SECOND));
    bench.receive(text("hello"));
    bench.order(Order::Wake);

    bench.wait(60 * SECOND);
    bench.go_on_until_done();

    assert_eq!(bench.texts(), ["awake", "hello"]);
    assert!(bench.slot.cold.is_none());
}

#[test]
fn who_plays_dead_is_cut_all_the_same() {
    let mut bench = Bench::new(Config::default().heartbeat(None));

    bench.order(Order::PlayDead(60 * SECOND));

    assert_eq!(bench.order(Order::Cut), Turn::Over);
}

#[test]
fn to_play_dead_for_ever_ends_when_the_clock_can_count_no_further() {
    let mut bench = Bench::new(Config::default().heartbeat(None));

    let turn = bench.order(Order::PlayDead(Duration::MAX));

    assert_eq!(due(turn), bench.tools.now.after(Tick::MAX_DELAY));
}

#[test]
fn a_pause_is_no_silence_of_the_peer() {
    let mut bench = beating();

    let turn = bench.receive(text("pause"));
    assert_eq!(turn, Turn::Wait(None));
    bench.wait(3600 * SECOND);
    assert_eq!(bench.frames(), []);

    let turn = bench.order(Order::Resume);
    assert!(matches!(turn, Turn::Wait(Some(_))), "{turn:?}");
}

#[test]
fn a_close_order_while_playing_dead_is_carried_out_afterwards() {
    let mut bench = Bench::new(Config::default().heartbeat(None));
    bench.order(Order::PlayDead(60 * SECOND));

    bench.order(Order::Close(CloseCode::NORMAL, String::new()));
    assert_eq!(bench.frames(), []);
    bench.wait(60 * SECOND);

    assert_eq!(bench.frames(), [closed(1000, "")]);
    bench.receive(close(1000, ""));
    assert_eq!(bench.receive_end(), Turn::Over);
}
