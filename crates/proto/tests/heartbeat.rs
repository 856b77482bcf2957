//! A cut line is noticed within the bound, a live one is never given up.

mod common;

use std::time::Duration;

use holdwire_proto::time::Tick;

use common::{Endpoint, Line, Seen, both_with, text, wire};
use holdwire_proto::{Config, Ended, HeartbeatConfig, HeartbeatError, HeartbeatWord, Limits, Role};

const SECOND: Duration = Duration::from_secs(1);

fn seconds(count: u32) -> Duration {
    SECOND * count
}

/// Both roles with the default heartbeat, open.
fn opened() -> [Endpoint; 2] {
    both_with(&Config::default()).map(|mut end| {
        end.open();
        end
    })
}

/// Lets time pass in small steps while the transport takes everything and nothing comes back;
/// gives what was sent, with its time.
fn silence(end: &mut Endpoint, span: Duration) -> Vec<(Duration, Vec<u8>)> {
    let mut sent = Vec::new();
    let mut passed = Duration::ZERO;
    while passed < span && end.connection.ended().is_none() {
        passed += SECOND / 10;
        end.pass(SECOND / 10);
        let said = end.says();
        if !said.is_empty() {
            sent.push((passed, said));
        }
    }
    sent
}

#[test]
fn cut_line_is_declared_dead_after_interval_and_timeout() {
    for mut end in opened() {
        let sent = silence(&mut end, seconds(60));

        let [(at, ping)] = &sent[..] else {
            panic!("one ping, not {sent:02x?}");
        };
        assert!((seconds(20)..=seconds(25)).contains(at), "after {at:?}");
        assert_eq!(ping[..2], [0x89, 3]);
        assert_eq!(end.connection.ended(), Some(Ended::HeartbeatTimeout));
        assert!(end.connection.is_over(), "abandoned at once");
        let bound = HeartbeatConfig::default().bound(&Limits::default());
        assert_eq!(bound, seconds(45));
        assert!(end.since_open() <= bound + SECOND / 10);
    }
}

#[test]
fn the_bound_holds_after_an_answer_where_the_timeout_is_longer_than_the_interval() {
    let heartbeat = HeartbeatConfig::new(seconds(2), seconds(10)).expect("in range");
    for mut end in both_with(&Config::default().heartbeat(heartbeat)) {
        end.open();
        let mut sent = silence(&mut end, seconds(2) + SECOND / 5);
        end.hears(b"\x81\x02hi");

        sent.extend(silence(&mut end, seconds(12) + SECOND / 5));

        let pings = sent.iter().filter(|(_, bytes)| bytes[0] == 0x89);
        assert_eq!(pings.count(), 2, "{sent:02x?}");
        assert_eq!(end.connection.ended(), Some(Ended::HeartbeatTimeout));
    }
}

#[test]
fn any_byte_is_life_even_half_a_frame() {
    for mut end in opened() {
        let role = end.connection.role();
        let long = wire::to(role, &[b"\x82\x7d".as_slice(), &[7; 125]].concat());

        // One byte now and then, each time after the ping and before the verdict.
        let mut limits = end.config.limits.clone();
        limits.message_timeout = seconds(100_000);
        end.config = end.config.clone().limits(limits);
        for byte in &long[..100] {
            silence(&mut end, seconds(40));
            end.receive(&[*byte]);
        }

        assert_eq!(end.connection.ended(), None, "{role:?}");
    }
}

#[test]
fn no_ping_goes_out_while_the_peer_talks() {
    for mut end in opened() {
        for _ in 0..1000 {
            let sent = silence(&mut end, seconds(10));
            assert!(sent.is_empty(), "{sent:02x?}");
            end.hears(b"\x81\x02hi");
        }
    }
}

#[test]
fn the_pong_gives_the_round_trip_and_does_not_reach_the_application() {
    for mut end in opened() {
        let sent = silence(&mut end, seconds(26));
        let mut pong = sent[0].1.clone();
        pong[0] = 0x8a;
        let waited = seconds(26) - sent[0].0;

        end.hears(&pong);

        assert_eq!(end.connection.round_trip(), Some(waited));
        assert_eq!(end.seen, []);
        assert_eq!(silence(&mut end, seconds(19)), [], "the silence began anew");
    }
}

#[test]
fn a_pong_that_nobody_asked_for_is_the_application_s() {
    for mut end in opened() {
        end.hears(b"\x8a\x03hb\x01");
        end.hears(b"\x8a\x05hello");

        assert_eq!(
            end.seen,
            [Seen::Pong(b"hb\x01".into()), Seen::Pong(b"hello".into())]
        );
        assert_eq!(end.connection.round_trip(), None);
    }
}

#[test]
fn a_pong_counts_once_and_not_before_its_ping_was_sent() {
    for mut end in opened() {
        // The ping waits behind a frame that is half written; its pong is a guess.
        end.send("x".repeat(1000));
        let _begun = end.write(1);
        end.pass(seconds(25));
        end.hears(b"\x8a\x03hb\x01");
        assert_eq!(end.connection.round_trip(), None);

        let _ping = end.written();
        end.pass(seconds(1));
        end.hears(b"\x8a\x03hb\x01");
        assert_eq!(end.connection.round_trip(), Some(seconds(1)));
        assert_eq!(end.seen, []);

        end.pass(seconds(1));
        end.hears(b"\x8a\x03hb\x01");
        assert_eq!(end.connection.round_trip(), Some(seconds(1)));
        assert_eq!(end.seen, [Seen::Pong(b"hb\x01".into())]);
    }
}

#[test]
fn one_ping_at_a_time_and_a_late_pong_of_the_last_one_counts_once() {
    for mut end in opened() {
        let first = silence(&mut end, seconds(26))[0].1.clone();
        end.hears(b"\x81\x02hi");
        let second = silence(&mut end, seconds(26))[0].1.clone();
        assert_ne!(first, second, "each ping is its own");

        let mut late = first;
        late[0] = 0x8a;
        end.hears(&late);

        assert_eq!(end.connection.round_trip(), None, "not of this ping");
    }
}

#[test]
fn pings_of_many_connections_do_not_go_out_in_step() {
    let mut times = Vec::new();
    for seed in 0..100 {
        let mut end = Endpoint::with_keys(Role::Server, Config::default(), seed);
        end.open();
        times.push(silence(&mut end, seconds(26))[0].0);
    }

    times.sort();
    let spread = times[99] - times[0];
    assert!(spread > seconds(3), "{spread:?}");
    assert!(times[0] >= seconds(20) && times[99] <= seconds(25) + SECOND / 10);
}

#[test]
fn a_ping_overtakes_what_is_queued_but_not_a_frame_that_is_half_written() {
    for mut end in opened() {
        // Three messages, of which the transport took the beginning of the first.
        let first = "a".repeat(1000);
        for message in [first.as_str(), "second", "third"] {
            end.send(message);
        }
        let begun = end.write(10);
        end.pass(seconds(25));

        let rest = end.written();
        let all = wire::from(end.connection.role(), &[begun, rest].concat());
        let frames = wire::split(&all);
        let opcodes: Vec<u8> = frames.iter().map(|frame| frame[0]).collect();
        assert_eq!(opcodes, [0x81, 0x89, 0x81, 0x81], "{:?}", end.connection);
    }
}

#[test]
fn a_ping_goes_between_two_frames_whichever_way_they_are_queued() {
    use holdwire_proto::Prepared;

    let prepared = Prepared::binary(&[1; 700]);
    for taken in 0..8000 {
        let mut end = opened().into_iter().next().expect("a server");
        end.send("small");
        end.with(|connection, cx| connection.sender(cx).prepared(&prepared))
            .expect("room");
        // Long enough to go out without a copy.
        end.with(|connection, cx| connection.sender(cx).message(vec![2; 5000].into()))
            .expect("room");
        end.with(|connection, cx| connection.sender(cx).prepared(&prepared))
            .expect("room");
        end.hears(b"\x89\x01p");
        end.send("last");
        let all = end.output.len();
        if taken >= all {
            assert!(taken > 6000, "{all} bytes");
            return;
        }
        let mut said = end.write(taken);
        end.pass(seconds(25));
        said.extend(end.written());

        let frames = wire::split(&said);
        let opcodes: Vec<u8> = frames.iter().map(|frame| frame[0]).collect();
        let without: Vec<u8> = opcodes.iter().copied().filter(|op| *op != 0x89).collect();
        assert_eq!(without, [0x81, 0x82, 0x82, 0x82, 0x8a, 0x81], "{taken}");
        assert_eq!(opcodes.len(), 7, "{taken}");
        let before: usize = frames
            .iter()
            .take_while(|frame| frame[0] != 0x89)
            .map(|frame| frame.len())
            .sum();
        assert!(
            before >= taken && before - taken <= 5004,
            "after {taken} bytes the ping came at {before}"
        );
    }
    panic!("the queue was never written whole");
}

#[test]
fn a_ping_that_the_socket_does_not_take_is_judged_by_write_stall() {
    for mut end in opened() {
        end.send("stuck");
        let last_progress = end.since_open();

        let mut passed = Duration::ZERO;
        while end.connection.ended().is_none() {
            end.pass(SECOND / 10);
            end.write(0);
            passed += SECOND / 10;
            assert!(passed < seconds(60), "never noticed");
        }

        assert_eq!(end.connection.ended(), Some(Ended::WriteStalled));
        let stall = end.config.limits.write_stall;
        assert!(end.since_open() - last_progress <= stall + SECOND / 5);
    }
}

#[test]
fn a_slow_peer_that_takes_a_long_queue_byte_by_byte_is_kept() {
    for mut end in opened() {
        end.send("x".repeat(1_000_000));
        end.send("y".repeat(40_000));

        // 8 KiB a second for two minutes; the ping leaves after the first message, and until then
        // progress is what counts.
        let mut ponged = 0;
        let mut said = Vec::new();
        for _ in 0..1400 {
            end.pass(SECOND / 10);
            said.extend(end.write(819));
        }
        let role = end.connection.role();
        for frame in wire::split(&wire::from(role, &said)) {
            if frame[0] == 0x89 {
                ponged += 1;
                let mut pong = frame.to_vec();
                pong[0] = 0x8a;
                end.hears(&pong);
            }
        }

        assert_eq!(end.connection.ended(), None, "{role:?}");
        assert_eq!(ponged, 1, "{role:?}");
    }
}

#[test]
fn the_time_for_the_pong_begins_when_the_ping_is_handed_to_the_socket() {
    for mut end in opened() {
        end.send("x".repeat(100_000));
        let _begun = end.write(1);
        // The ping is queued behind the half-written frame for a while.
        for _ in 0..290 {
            end.pass(SECOND / 10);
            end.write(0);
        }
        let _all = end.written();

        let before = end.since_open();
        silence(&mut end, seconds(60));

        assert_eq!(end.connection.ended(), Some(Ended::HeartbeatTimeout));
        let waited = end.since_open() - before;
        assert!((seconds(20)..seconds(21)).contains(&waited), "{waited:?}");
    }
}

#[test]
fn our_own_pause_suspends_the_verdict() {
    for mut end in opened() {
        silence(&mut end, seconds(26));
        end.pauses = true;
        end.hears(b"\x81\x02hi");
        assert!(end.connection.is_paused());

        // Three times the bound, with nothing read and nothing asked.
        let sent = silence(&mut end, seconds(135));
        assert_eq!(sent, []);
        assert_eq!(end.connection.ended(), None);

        end.pauses = false;
        end.resume();
        let sent = silence(&mut end, seconds(60));
        assert_eq!(sent.len(), 1, "asks again after the pause");
        assert_eq!(end.connection.ended(), Some(Ended::HeartbeatTimeout));
    }
}

#[test]
fn a_ping_that_left_during_our_pause_has_its_whole_time_after_it() {
    for mut end in opened() {
        end.send("x".repeat(1000));
        let _begun = end.write(1);
        end.pass(seconds(25));
        end.pauses = true;
        end.hears(b"\x81\x02hi");
        let _ping = end.written();
        end.pass(seconds(100));

        end.pauses = false;
        end.resume();
        silence(&mut end, seconds(19));

        assert_eq!(end.connection.ended(), None);
        silence(&mut end, seconds(2));
        assert_eq!(end.connection.ended(), Some(Ended::HeartbeatTimeout));
    }
}

#[test]
fn a_verdict_that_comes_late_is_given_a_short_time_to_be_wrong() {
    for mut end in opened() {
        silence(&mut end, seconds(26));

        // The process is stopped for ten minutes; the answer lies in the socket meanwhile.
        end.pass(seconds(600));
        assert_eq!(end.connection.ended(), None, "no verdict at once");
        end.hears(b"\x81\x02hi");
        silence(&mut end, seconds(19));
        assert_eq!(end.connection.ended(), None);

        // And again, but this time nothing comes.
        silence(&mut end, seconds(7));
        end.pass(seconds(600));
        assert_eq!(end.connection.ended(), None);
        silence(&mut end, seconds(6));
        assert_eq!(end.connection.ended(), Some(Ended::HeartbeatTimeout));
    }
}

#[test]
fn a_driver_that_is_always_late_still_finds_the_dead() {
    for mut end in opened() {
        for _ in 0..10 {
            end.pass(seconds(60));
            end.written();
        }

        assert_eq!(end.connection.ended(), Some(Ended::HeartbeatTimeout));
    }
}

#[test]
fn the_closing_handshake_has_its_own_deadline() {
    for mut end in opened() {
        end.close(1000, "");
        silence(&mut end, seconds(30));

        assert_eq!(end.connection.ended(), Some(Ended::CloseTimeout));
    }
}

#[test]
fn no_ping_follows_our_close_frame() {
    let patient = Limits {
        close_timeout: seconds(1000),
        ..Limits::default()
    };
    for mut end in both_with(&Config::default().limits(patient)) {
        end.open();
        end.close(1000, "");
        assert_eq!(end.says().len(), 4);

        assert_eq!(silence(&mut end, seconds(500)), []);
        assert_eq!(end.connection.ended(), None);
    }
}

#[test]
fn without_a_heartbeat_silence_means_nothing() {
    for mut end in both_with(&Config::default().heartbeat(None)) {
        end.open();

        assert_eq!(end.connection.poll_timeout(), None);
        end.pass(seconds(1_000_000));
        assert_eq!(end.connection.ended(), None);
    }
}

#[test]
fn two_ends_keep_each_other_alive_past_the_wrap_of_the_clock() {
    let mut line = Line::open();
    let day = 24 * 60 * 60 * 1000;
    let before_the_wrap = Tick::from_millis(u64::from(u32::MAX) - day / 2);
    line.client.now = before_the_wrap;
    line.server.now = before_the_wrap;
    line.client.open();
    line.server.open();

    for _ in 0..(24 * 60 * 4) {
        line.pass(seconds(15));
        line.carry();
        for end in [&mut line.server, &mut line.client] {
            let seen = std::mem::take(&mut end.seen);
            assert!(seen.iter().all(|event| matches!(event, Seen::Ping(_))));
        }
    }

    assert_eq!(line.server.connection.ended(), None);
    assert_eq!(line.client.connection.ended(), None);
    let round_trips = [&line.server, &line.client].map(|end| end.connection.round_trip());
    assert!(round_trips.iter().all(Option::is_some), "{round_trips:?}");
}

#[test]
fn the_word_is_answered_and_never_reaches_the_application() {
    let config = Config::default().heartbeat_word(HeartbeatWord::default());
    for mut end in both_with(&config) {
        end.hears(b"\x81\x09HeartBeat");

        assert_eq!(end.says(), b"\x81\x09HeartBeat");
        assert_eq!(end.seen, []);
    }
}

#[test]
fn the_word_is_a_whole_text_message_byte_for_byte() {
    let config = Config::default().heartbeat_word(HeartbeatWord::default());
    for mut end in both_with(&config) {
        end.hears(b"\x82\x09HeartBeat");
        end.hears(b"\x81\x09heartbeat");
        end.hears(b"\x81\x0aHeartBeat\n");
        end.hears(b"\x81\x08HeartBea");

        assert_eq!(end.says(), b"");
        assert_eq!(end.seen.len(), 4);
        // In fragments it is the same message.
        end.hears(b"\x01\x05Heart\x80\x04Beat");
        assert_eq!(end.says(), b"\x81\x09HeartBeat");
        assert_eq!(end.seen.len(), 4);
    }
}

#[test]
fn the_word_and_its_answer_can_be_chosen_and_are_off_by_default() {
    let word = HeartbeatWord::new("ping").unwrap().reply("pong").unwrap();
    for mut end in both_with(&Config::default().heartbeat_word(word)) {
        end.hears(b"\x81\x04ping");
        assert_eq!(end.says(), b"\x81\x04pong");
    }
    for mut end in both_with(&Config::default()) {
        end.hears(b"\x81\x09HeartBeat");
        assert_eq!(end.seen, [text("HeartBeat")]);
    }
    for bad in ["", &"x".repeat(126)] {
        assert!(HeartbeatWord::new(bad).is_err());
        assert!(HeartbeatWord::new("fine").unwrap().reply(bad).is_err());
    }
}

#[test]
fn a_flood_of_words_from_a_peer_that_does_not_read_queues_seventeen_answers() {
    let config = Config::default().heartbeat_word(HeartbeatWord::default());
    for mut end in both_with(&config) {
        for _ in 0..10_000 {
            end.hears(b"\x81\x09HeartBeat");
        }

        let said = end.says();
        assert_eq!(wire::split(&said).len(), 17);
    }
}

#[test]
fn after_our_close_frame_no_word_is_answered() {
    let config = Config::default().heartbeat_word(HeartbeatWord::default());
    for mut end in both_with(&config) {
        end.close(1000, "");
        let _close = end.says();

        end.hears(b"\x81\x09HeartBeat");

        assert_eq!(end.says(), b"");
    }
}

#[test]
fn a_heartbeat_out_of_range_cannot_be_made() {
    let day = seconds(24 * 60 * 60);
    assert!(HeartbeatConfig::new(day, day).is_ok());
    for (interval, timeout) in [
        (Duration::ZERO, SECOND),
        (SECOND, Duration::ZERO),
        (day + SECOND, SECOND),
        (SECOND, day + SECOND),
    ] {
        assert_eq!(HeartbeatConfig::new(interval, timeout), Err(HeartbeatError));
    }
}

#[test]
fn the_shortest_heartbeat_does_not_spin() {
    let shortest = HeartbeatConfig::new(HeartbeatConfig::MIN, HeartbeatConfig::MIN).unwrap();
    for seed in 0..300 {
        let config = Config::default().heartbeat(shortest);
        let mut end = Endpoint::with_keys(Role::Server, config, seed);
        end.open();
        while end.connection.ended().is_none() {
            end.pass(Duration::from_millis(1));
            end.written();
        }
        assert!(end.since_open() <= 3 * HeartbeatConfig::MIN);
    }
}
