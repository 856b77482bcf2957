//! Messages in fragments (RFC 6455 §5.4).

use holdwire_proto::Violation;

use crate::common::{Seen, both_refuse, both_see, text};

#[test]
fn fragments_make_one_message_of_the_first_ones_kind() {
    both_see(b"\x01\x03Hel\x00\x01l\x80\x01o", &[text("Hello")]);
    both_see(
        b"\x02\x02\x01\x02\x80\x01\x03",
        &[Seen::Binary(vec![1, 2, 3])],
    );
}

#[test]
fn fragments_may_be_empty() {
    both_see(b"\x01\x00\x80\x00", &[text("")]);
    both_see(b"\x01\x00\x00\x00\x80\x02ok", &[text("ok")]);
    both_see(b"\x01\x02ok\x00\x00\x80\x00", &[text("ok")]);
    both_see(b"\x02\x00\x00\x01\x07\x80\x00", &[Seen::Binary(vec![7])]);
}

#[test]
fn control_frames_between_fragments_are_handed_on_at_once() {
    both_see(
        b"\x01\x03Hel\x89\x01p\x00\x01l\x8a\x01q\x80\x01o",
        &[
            Seen::Ping(b"p".to_vec()),
            Seen::Pong(b"q".to_vec()),
            text("Hello"),
        ],
    );
}

#[test]
fn control_frames_before_the_last_and_empty_fragment_change_nothing() {
    both_see(
        b"\x01\x00\x89\x00\x80\x00\x82\x01\x01",
        &[Seen::Ping(vec![]), text(""), Seen::Binary(vec![1])],
    );
}

#[test]
fn messages_follow_one_another() {
    both_see(
        b"\x01\x01a\x80\x01b\x81\x01c\x02\x01d\x80\x01e",
        &[text("ab"), text("c"), Seen::Binary(b"de".to_vec())],
    );
}

#[test]
fn a_continuation_without_a_message_is_refused() {
    for frames in [
        &b"\x80\x01a"[..],
        b"\x00\x01a",
        b"\x81\x01a\x80\x01b",
        b"\x01\x01a\x80\x01b\x80\x00",
        b"\x89\x00\x80\x00",
    ] {
        both_refuse(frames, Violation::UnexpectedContinuation, 1002);
    }
}

#[test]
fn a_new_message_inside_a_fragmented_one_is_refused() {
    for frames in [
        &b"\x01\x01a\x81\x01b"[..],
        b"\x01\x01a\x01\x01b",
        b"\x02\x00\x82\x00",
        b"\x01\x01a\x00\x01b\x82\x01c",
        b"\x01\x01a\x89\x00\x81\x01b",
    ] {
        both_refuse(frames, Violation::UnfinishedMessage, 1002);
    }
}

#[test]
fn a_fragmented_control_frame_is_refused() {
    for opcode in [8, 9, 0xa] {
        both_refuse(&[opcode, 0], Violation::FragmentedControlFrame, 1002);
        both_refuse(
            &[0x01, 1, b'a', opcode, 0],
            Violation::FragmentedControlFrame,
            1002,
        );
    }
}

#[test]
fn an_unfinished_message_is_never_handed_on() {
    for mut end in crate::common::both() {
        end.hears(b"\x01\x03Hel\x00\x02lo");
        end.connection.handle_eof();
        assert_eq!(end.seen, []);
    }
}
