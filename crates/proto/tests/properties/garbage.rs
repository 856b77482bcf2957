//! Nothing that a peer sends makes a connection panic or hold more than its limits allow.

use holdwire_proto::Config;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::stream::{any_piece, any_role, bytes, config, endpoint, split};

/// The most that may be held for a peer: one message as it travels (compression may lengthen it
/// by a thousandth) and one control frame.
fn most(config: &Config) -> usize {
    let message = config.limits.max_message;
    message + message / 1024 + 64 + 125
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn random_bytes_never_panic_and_hold_no_more_than_the_limits(
        role in any_role(),
        garbage in vec(any::<u8>(), 0..600),
        cuts in vec(any::<prop::sample::Index>(), 0..10),
    ) {
        let mut end = endpoint(role, config());
        let most = most(&end.config);

        for piece in split(&garbage, &cuts) {
            end.receive(piece);
            prop_assert!(end.connection.held() <= most, "{}", end.connection.held());
        }
        end.connection.handle_eof();

        prop_assert_eq!(end.connection.held(), 0);
    }

    #[test]
    fn frames_and_garbage_hold_no_more_than_the_limits(
        role in any_role(),
        pieces in vec(any_piece(), 0..8),
        garbage in vec(any::<u8>(), 0..100),
        pause_pattern in any::<u64>(),
        step in 1_usize..200,
    ) {
        let mut end = endpoint(role, config());
        end.pause_pattern = pause_pattern;
        let most = most(&end.config);

        for piece in [bytes(&pieces, role), garbage].concat().chunks(step) {
            while end.connection.is_paused() {
                // What was read and not taken is the driver's one buffer at most.
                prop_assert!(end.connection.held() <= most + step);
                end.resume();
            }
            end.receive(piece);
            prop_assert!(end.connection.held() <= most + step, "{}", end.connection.held());
        }
    }
}
