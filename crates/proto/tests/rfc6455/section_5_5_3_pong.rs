//! Pongs (RFC 6455 §5.5.3).

use crate::common::{Seen, both, both_see};

#[test]
fn a_pong_is_handed_on_and_not_answered() {
    for mut end in both() {
        end.hears(b"\x8a\x05Hello");

        assert_eq!(end.seen, [Seen::Pong(b"Hello".to_vec())]);
        assert_eq!(end.says(), b"");
    }
}

#[test]
fn a_pong_may_be_sent_unasked() {
    for mut end in both() {
        end.with(|connection, cx| connection.sender(cx).pong(b"alive"))
            .expect("taken");

        assert_eq!(end.says(), b"\x8a\x05alive");
    }
    both_see(
        b"\x8a\x00\x8a\x01a",
        &[Seen::Pong(vec![]), Seen::Pong(b"a".to_vec())],
    );
}

/// `count` pings whose payloads are their numbers.
fn pings(count: u8) -> Vec<u8> {
    (0..count).flat_map(|number| [0x89, 1, number]).collect()
}

fn pongs(numbers: impl IntoIterator<Item = u8>) -> Vec<u8> {
    let numbers = numbers.into_iter();
    numbers.flat_map(|number| [0x8a, 1, number]).collect()
}

#[test]
fn of_more_than_16_waiting_pongs_only_the_newest_is_sent_with_the_first_16() {
    for mut end in both() {
        end.hears(&pings(100));

        assert_eq!(end.says(), pongs((0..16).chain([99])));
        assert_eq!(end.seen.len(), 100);
    }
}

#[test]
fn pongs_are_counted_anew_when_all_were_written() {
    for mut end in both() {
        end.hears(&pings(20));
        end.says();
        end.hears(&pings(16));

        assert_eq!(end.says(), pongs(0..16));
    }
}

#[test]
fn the_newest_pong_goes_out_before_a_close_frame() {
    let mut expected = pongs((0..16).chain([19]));
    expected.extend(b"\x88\x02\x03\xe8");

    for mut end in both() {
        end.hears(&pings(20));
        end.close(1000, "");
        assert_eq!(end.says(), expected);
    }
    for mut end in both() {
        end.hears(&[pings(20), b"\x88\x02\x03\xe8".to_vec()].concat());
        assert_eq!(end.says(), expected);
    }
}
