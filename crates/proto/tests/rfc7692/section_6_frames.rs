//! RSV1 marks a compressed message, on its first frame only (RFC 7692 §6).

use holdwire_proto::Violation;

use crate::agreed::{both, both_keeping};
use crate::common::{Seen, assert_refused, both_refuse, text, wire};

/// "Hello", compressed (RFC 7692 §7.2.3.1).
const HELLO: &[u8] = b"\xf2\x48\xcd\xc9\xc9\x07\x00";

#[test]
fn rsv1_is_refused_when_compression_was_not_agreed_on() {
    both_refuse(
        &[&b"\xc1\x07"[..], HELLO].concat(),
        Violation::ReservedBit,
        1002,
    );
}

#[test]
fn uncompressed_messages_are_still_taken() {
    for mut end in both().into_iter().chain(both_keeping()) {
        end.hears(b"\x81\x05Hello\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00\x82\x01\xff");

        assert_eq!(
            end.seen,
            [text("Hello"), text("Hello"), Seen::Binary(vec![0xff])]
        );
    }
}

#[test]
fn a_fragmented_message_has_rsv1_on_its_first_frame() {
    for mut end in both() {
        end.hears(b"\x41\x03\xf2\x48\xcd\x80\x04\xc9\xc9\x07\x00");

        assert_eq!(end.seen, [text("Hello")]);
    }
}

#[test]
fn a_compressed_message_may_be_fragmented_anywhere() {
    for first in 0..=HELLO.len() {
        for second in first..=HELLO.len() {
            let mut frames = Vec::new();
            for (head, piece) in [
                (0x41, &HELLO[..first]),
                (0x00, &HELLO[first..second]),
                (0x80, &HELLO[second..]),
            ] {
                frames.extend([head, u8::try_from(piece.len()).expect("short")]);
                frames.extend(piece);
            }
            for mut end in both().into_iter().chain(both_keeping()) {
                end.hears(&frames);
                assert_eq!(end.seen, [text("Hello")], "at {first} and {second}");
            }
            for mut end in both() {
                let bytes = wire::to(end.connection.role(), &frames);
                end.receive_bytewise(&bytes);
                assert_eq!(end.seen, [text("Hello")], "at {first} and {second}");
                assert_eq!(end.connection.held(), 0);
            }
        }
    }
}

#[test]
fn rsv1_on_a_continuation_is_refused() {
    for mut end in both() {
        end.hears(b"\x41\x03\xf2\x48\xcd\xc0\x04\xc9\xc9\x07\x00");
        assert_refused(&mut end, Violation::ReservedBit, 1002);
    }
}

#[test]
fn rsv1_on_a_control_frame_is_refused() {
    for first in [0xc8, 0xc9, 0xca] {
        for mut end in both() {
            end.hears(&[first, 0]);
            assert_refused(&mut end, Violation::ReservedBit, 1002);
        }
    }
}

#[test]
fn the_other_reserved_bits_are_refused() {
    for first in [0xa1, 0x91, 0xe1, 0xd1] {
        for mut end in both() {
            end.hears(&[first, 0]);
            assert_refused(&mut end, Violation::ReservedBit, 1002);
        }
    }
}

#[test]
fn control_frames_between_compressed_fragments_are_not_compressed() {
    for mut end in both() {
        end.hears(b"\x41\x03\xf2\x48\xcd\x89\x02hi\x8a\x02ho\x80\x04\xc9\xc9\x07\x00");

        assert_eq!(
            end.seen,
            [
                Seen::Ping(b"hi".to_vec()),
                Seen::Pong(b"ho".to_vec()),
                text("Hello")
            ]
        );
        assert_eq!(end.says(), b"\x8a\x02hi");
    }
}

#[test]
fn what_is_sent_has_rsv1_if_it_is_compressed_and_control_frames_never() {
    for mut end in both().into_iter().chain(both_keeping()) {
        end.send("a".repeat(1000));
        end.send("short");
        end.ping(&[b'p'; 125]);
        end.close(1000, &"r".repeat(123));
        let said = end.says();

        let first_bytes: Vec<u8> = wire::split(&said).iter().map(|frame| frame[0]).collect();
        assert_eq!(first_bytes, [0xc1, 0x81, 0x89, 0x88]);
    }
}

#[test]
fn an_uncompressed_fragmented_message_between_compressed_ones_is_taken() {
    for mut end in both_keeping() {
        end.hears(b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00");
        end.hears(b"\x01\x03Hel\x80\x02lo");
        // "Hello" again, out of the history (RFC 7692 §7.2.3.2).
        end.hears(b"\xc1\x05\xf2\x00\x11\x00\x00");

        assert_eq!(end.seen, [text("Hello"), text("Hello"), text("Hello")]);
    }
}
