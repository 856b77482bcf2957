//! The heartbeat in any conversation: what is written stays whole frames, and the dead are found.

use std::time::Duration;

use holdwire_proto::frame::{Expected, Head};
use holdwire_proto::{Config, Ended, HeartbeatWord, Prepared, Role};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::common::{Endpoint, wire};

#[derive(Clone, Debug)]
enum Step {
    Send(usize),
    /// Goes out without a copy at a server.
    SendLong(usize),
    SendPrepared(usize),
    /// The transport takes so many bytes.
    Write(usize),
    /// The peer says this.
    Hear(&'static [u8]),
    /// Milliseconds.
    Pass(u64),
    Pause(bool),
    Resume,
    Close,
}

fn step() -> impl Strategy<Value = Step> {
    let said: &[&'static [u8]] = &[
        b"\x81\x02hi",
        b"\x81\x09HeartBeat",
        b"\x89\x01p",
        b"\x8a\x03hb\x01",
        b"\x82\x00",
    ];
    prop_oneof![
        4 => (0_usize..300).prop_map(Step::Send),
        1 => (4096_usize..70_000).prop_map(Step::SendLong),
        2 => (0_usize..5000).prop_map(Step::SendPrepared),
        8 => (0_usize..6000).prop_map(Step::Write),
        3 => proptest::sample::select(said).prop_map(Step::Hear),
        8 => (0_u64..40_000).prop_map(Step::Pass),
        1 => any::<bool>().prop_map(Step::Pause),
        2 => Just(Step::Resume),
        1 => Just(Step::Close),
    ]
}

/// The opcodes of what was written, of which the last frame may be cut short.
fn opcodes(bytes: &[u8], role: Role) -> Vec<u8> {
    let mut opcodes = Vec::new();
    let mut rest = bytes;
    let expected = Expected {
        masked: role == Role::Client,
        compression: false,
        in_message: false,
    };
    while let Some((head, length)) = Head::parse(rest, expected).expect("a frame begins here") {
        opcodes.push(rest[0] & 0xf);
        let payload = usize::try_from(head.length).expect("short");
        match rest.get(length + payload..) {
            Some(more) => rest = more,
            None => break,
        }
    }
    opcodes
}

proptest! {
    #[test]
    fn what_is_written_is_whole_frames_and_no_ping_follows_a_close(
        role in prop_oneof![Just(Role::Client), Just(Role::Server)],
        steps in vec(step(), 0..60),
        seed in any::<u32>(),
    ) {
        let config = Config::default().heartbeat_word(HeartbeatWord::default());
        let mut end = Endpoint::with_keys(role, config, seed);
        end.open();
        let mut written = Vec::new();
        let mut silence = Duration::ZERO;
        for step in steps {
            match step {
                Step::Send(length) => drop(end.try_send("x".repeat(length))),
                Step::SendLong(length) => drop(end.try_send(vec![7; length])),
                Step::SendPrepared(length) => {
                    let message = Prepared::binary(&vec![8; length]);
                    let _ = end.with(|connection, cx| connection.sender(cx).prepared(&message));
                }
                Step::Write(most) => written.extend(end.write(most)),
                Step::Hear(frames) => {
                    end.hears(frames);
                    silence = Duration::ZERO;
                }
                Step::Pass(millis) => {
                    end.pass(Duration::from_millis(millis));
                    silence += Duration::from_millis(millis);
                }
                Step::Pause(pauses) => end.pauses = pauses,
                Step::Resume => {
                    if end.connection.is_paused() {
                        end.resume();
                    }
                }
                Step::Close => end.close(1000, ""),
            }
            if end.connection.ended() == Some(Ended::HeartbeatTimeout) {
                // A ping that was queued before the last byte came may have left after it.
                prop_assert!(silence >= Duration::from_secs(20), "{silence:?}");
                break;
            }
        }
        written.extend(end.written());

        let opcodes = opcodes(&written, role);
        let plain = wire::from(role, &written);
        prop_assert_eq!(wire::split(&plain).len(), opcodes.len());
        let close = opcodes.iter().position(|opcode| *opcode == 8);
        prop_assert!(close.is_none_or(|at| at + 1 == opcodes.len()), "{:?}", opcodes);
    }

    #[test]
    fn a_peer_that_says_nothing_more_is_given_up_within_the_bound(
        role in prop_oneof![Just(Role::Client), Just(Role::Server)],
        before in vec(step(), 0..30),
        seed in any::<u32>(),
        tick in 1_u64..900,
    ) {
        let mut end = Endpoint::with_keys(role, Config::default(), seed);
        end.open();
        for step in before {
            match step {
                Step::Send(length) => drop(end.try_send("x".repeat(length))),
                Step::Write(most) => drop(end.write(most)),
                Step::Hear(frames) => end.hears(frames),
                Step::Pass(millis) => end.pass(Duration::from_millis(millis)),
                _ => {}
            }
        }
        // From here on the transport takes what its buffers hold, and nothing comes.
        let mut room = 200_usize;
        let mut waited = Duration::ZERO;
        while end.connection.ended().is_none() {
            end.pass(Duration::from_millis(tick));
            waited += Duration::from_millis(tick);
            room -= end.write(room).len();
            // The bound, counted from the last byte that the transport took, and a late verdict.
            prop_assert!(waited <= Duration::from_secs(45 + 30 + 6), "{waited:?}");
        }
    }
}
