//! A stream that is cut off yields what came whole, and nothing else.

use holdwire_proto::Ended;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::common::Seen;
use crate::stream::{any_role, bytes, endpoint, legal};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_truncated_stream_never_yields_a_partial_message(
        role in any_role(),
        pieces in vec(legal(), 1..6),
        cuts in vec(any::<prop::sample::Index>(), 1..10),
    ) {
        let stream = bytes(&pieces, role);
        let mut whole = endpoint(role, holdwire_proto::Config::default());
        whole.receive(&stream);
        prop_assert_eq!(whole.connection.ended(), None);
        let messages = pieces.iter().filter(|piece| matches!(piece, crate::stream::Piece::Message { .. }));
        let seen = whole.seen.iter().filter(|seen| matches!(seen, Seen::Text(_) | Seen::Binary(_)));
        prop_assert_eq!(seen.count(), messages.count());

        for at in cuts {
            let mut end = endpoint(role, holdwire_proto::Config::default());
            end.receive(&stream[..at.index(stream.len())]);
            prop_assert_eq!(end.connection.ended(), None);
            end.connection.handle_eof();

            prop_assert!(whole.seen.starts_with(&end.seen), "{:?}", end.seen);
            prop_assert!(end.seen.len() < whole.seen.len());
            prop_assert_eq!(end.connection.ended(), Some(Ended::Lost));
        }
    }
}
