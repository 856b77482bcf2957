//! Reserved bits, opcodes, lengths (RFC 6455 §5.2).

use holdwire_proto::Violation;

use crate::common::{Seen, both, both_refuse, both_see};

#[test]
fn a_reserved_bit_is_refused_on_every_kind_of_frame() {
    for bit in [0x40, 0x20, 0x10, 0x70] {
        for first in [0x81, 0x82, 0x01, 0x02, 0x88, 0x89, 0x8a] {
            both_refuse(&[first | bit, 0], Violation::ReservedBit, 1002);
        }
    }
}

#[test]
fn a_reserved_bit_is_refused_on_a_continuation() {
    both_refuse(b"\x01\x01a\xc0\x01b", Violation::ReservedBit, 1002);
    both_refuse(b"\x01\x01a\x20\x01b", Violation::ReservedBit, 1002);
}

#[test]
fn a_reserved_opcode_is_refused_with_and_without_fin() {
    for opcode in [3, 4, 5, 6, 7, 0xb, 0xc, 0xd, 0xe, 0xf] {
        both_refuse(&[0x80 | opcode, 0], Violation::ReservedOpcode, 1002);
        both_refuse(&[opcode, 0], Violation::ReservedOpcode, 1002);
    }
}

#[test]
fn a_bad_first_byte_is_refused_before_the_second_has_come() {
    for mut end in both() {
        end.receive(&[0x83]);
        assert!(end.connection.ended().is_some());
    }
}

#[test]
fn what_came_before_a_broken_frame_is_handed_on_and_what_follows_is_not() {
    for mut end in both() {
        end.hears(b"\x81\x03one\x83\x00\x81\x03two");

        assert_eq!(end.seen, [Seen::Text("one".into())]);
    }
}

#[test]
fn lengths_at_both_ends_of_each_form_are_taken() {
    for (head, length) in [
        (&b"\x82\x00"[..], 0),
        (b"\x82\x7d", 125),
        (b"\x82\x7e\x00\x7e", 126),
        (b"\x82\x7e\xff\xff", 65_535),
        (b"\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00", 65_536),
    ] {
        let payload: Vec<u8> = (0_u8..=250).cycle().take(length).collect();
        both_see(&[head, &payload].concat(), &[Seen::Binary(payload)]);
    }
}

#[test]
fn lengths_are_sent_in_their_shortest_form() {
    for mut end in both() {
        for (length, head) in [
            (0, &b"\x82\x00"[..]),
            (125, b"\x82\x7d"),
            (126, b"\x82\x7e\x00\x7e"),
            (65_535, b"\x82\x7e\xff\xff"),
            (65_536, b"\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00"),
        ] {
            end.send(vec![1; length]);
            assert_eq!(end.says(), [head, &vec![1; length]].concat());
        }
    }
}

#[test]
fn a_16_bit_length_of_125_or_less_is_refused() {
    for length in [0, 1, 125] {
        both_refuse(&[0x82, 126, 0, length], Violation::InvalidLength, 1002);
    }
}

#[test]
fn a_64_bit_length_of_65_535_or_less_is_refused() {
    both_refuse(
        b"\x82\x7f\x00\x00\x00\x00\x00\x00\x00\x00",
        Violation::InvalidLength,
        1002,
    );
    both_refuse(
        b"\x82\x7f\x00\x00\x00\x00\x00\x00\xff\xff",
        Violation::InvalidLength,
        1002,
    );
}

#[test]
fn a_64_bit_length_with_its_top_bit_set_is_refused() {
    both_refuse(
        b"\x82\x7f\x80\x00\x00\x00\x00\x01\x00\x00",
        Violation::InvalidLength,
        1002,
    );
}

#[test]
fn the_largest_legal_length_is_only_too_big() {
    both_refuse(
        b"\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff",
        Violation::FrameTooBig,
        1009,
    );
}
