//! However input is cut, and whenever the application pauses, the same comes of it.

use holdwire_proto::{Ended, Role};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::common::{Endpoint, Seen};
use crate::stream::{any_piece, any_role, bytes, config, endpoint, split};

/// All that a peer and an application see of a connection.
#[derive(Debug, PartialEq)]
struct Outcome {
    seen: Vec<Seen>,
    ended: Option<Ended>,
    written: Vec<u8>,
}

fn outcome(role: Role, feed: impl FnOnce(&mut Endpoint)) -> Outcome {
    let mut end = endpoint(role, config());
    feed(&mut end);
    let written = end.written();
    Outcome {
        seen: end.seen,
        ended: end.connection.ended(),
        written,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn every_way_to_receive_a_stream_has_the_same_outcome(
        role in any_role(),
        pieces in vec(any_piece(), 0..12),
        cuts in vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let stream = bytes(&pieces, role);

        let at_once = outcome(role, |end| end.receive(&stream));

        let bytewise = outcome(role, |end| end.receive_bytewise(&stream));
        prop_assert_eq!(&bytewise, &at_once);
        let cut = outcome(role, |end| {
            for piece in split(&stream, &cuts) {
                end.receive(piece);
            }
        });
        prop_assert_eq!(&cut, &at_once);
        let shared = outcome(role, |end| end.receive_shared(&stream));
        prop_assert_eq!(&shared, &at_once);
        let shared_and_cut = outcome(role, |end| {
            for piece in split(&stream, &cuts) {
                end.receive_shared(piece);
            }
        });
        prop_assert_eq!(&shared_and_cut, &at_once);
        let direct = outcome(role, |end| {
            for piece in split(&stream, &cuts) {
                end.receive_direct(piece);
            }
        });
        prop_assert_eq!(&direct, &at_once);
    }

    #[test]
    fn pauses_lose_nothing_double_nothing_and_keep_the_order(
        role in any_role(),
        pieces in vec(any_piece(), 0..12),
        cuts in vec(any::<prop::sample::Index>(), 0..20),
        pause_pattern in any::<u64>(),
        resumes in any::<u64>(),
        way in 0..3,
    ) {
        let stream = bytes(&pieces, role);
        let at_once = outcome(role, |end| end.receive(&stream));

        let with_pauses = outcome(role, |end| {
            end.pause_pattern = pause_pattern;
            for (number, piece) in split(&stream, &cuts).into_iter().enumerate() {
                match way {
                    0 => end.receive(piece),
                    1 => end.receive_shared(piece),
                    _ => end.receive_direct(piece),
                }
                // A driver that reads on in spite of the pause loses nothing either.
                if resumes >> (number % 64) & 1 == 1 {
                    end.resume();
                }
            }
            while end.connection.is_paused() {
                end.resume();
            }
        });

        prop_assert_eq!(with_pauses, at_once);
    }
}
