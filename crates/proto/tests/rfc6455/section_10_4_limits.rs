//! Limits of one's own (RFC 6455 §10.4).

use holdwire_proto::{Config, Ended, Limits, Violation};

use crate::common::{Seen, assert_refused, both_with, text};

fn limits(change: impl FnOnce(&mut Limits)) -> Config {
    let mut limits = Limits::default();
    change(&mut limits);
    Config::default().limits(limits)
}

#[test]
fn a_message_of_exactly_the_limit_is_taken() {
    let config = Config::default().max_message(4);
    for frames in [&b"\x81\x04four"[..], b"\x01\x02fo\x80\x02ur"] {
        for mut end in both_with(&config) {
            end.hears(frames);
            assert_eq!(end.seen, [text("four")]);
        }
    }
}

#[test]
fn a_longer_frame_is_refused_by_its_head() {
    for mut end in both_with(&Config::default().max_message(4)) {
        end.hears(b"\x81\x05");
        assert_refused(&mut end, Violation::FrameTooBig, 1009);
    }
}

#[test]
fn a_longer_message_is_refused_by_the_head_of_the_frame_that_goes_beyond() {
    for mut end in both_with(&Config::default().max_message(4)) {
        end.hears(b"\x01\x03abc\x80\x02");
        assert_refused(&mut end, Violation::MessageTooBig, 1009);
        assert_eq!(end.connection.held(), 0);
    }
}

#[test]
fn frames_may_be_limited_more_than_messages() {
    let config = limits(|limits| limits.max_frame = 3);
    for mut end in both_with(&config) {
        end.hears(b"\x01\x03abc\x00\x03def\x80\x03ghi");
        assert_eq!(end.seen, [text("abcdefghi")]);
        end.hears(b"\x82\x04");
        assert_refused(&mut end, Violation::FrameTooBig, 1009);
    }
}

#[test]
fn control_frames_are_not_subject_to_the_limits_of_messages() {
    for mut end in both_with(&Config::default().max_message(0)) {
        end.hears(b"\x89\x04ping");
        assert_eq!(end.seen, [Seen::Ping(b"ping".to_vec())]);
    }
}

#[test]
fn empty_fragments_count_as_fragments() {
    let config = limits(|limits| limits.max_fragments = 3);
    for mut end in both_with(&config) {
        end.hears(b"\x01\x00\x00\x00\x80\x00");
        assert_eq!(end.seen, [text("")]);
        end.hears(b"\x01\x00\x00\x00\x00\x00\x89\x00");
        assert_eq!(end.connection.ended(), None);
        end.hears(b"\x80\x00");
        assert_refused(&mut end, Violation::TooManyFragments, 1008);
    }
}

#[test]
fn by_default_a_message_has_at_most_4096_fragments_and_1_mib() {
    for mut end in both_with(&Config::default()) {
        end.hears(b"\x02\x01a");
        for _ in 1..4096 {
            end.hears(b"\x00\x00");
        }
        assert_eq!(end.connection.ended(), None);
        end.hears(b"\x80\x00");
        assert_refused(&mut end, Violation::TooManyFragments, 1008);
    }
    for mut end in both_with(&Config::default()) {
        end.hears(b"\x82\x7f\x00\x00\x00\x00\x00\x10\x00\x00");
        assert_eq!(end.connection.ended(), None);
    }
    for mut end in both_with(&Config::default()) {
        end.hears(b"\x82\x7f\x00\x00\x00\x00\x00\x10\x00\x01");
        assert_refused(&mut end, Violation::FrameTooBig, 1009);
    }
}

#[test]
fn memory_grows_with_the_bytes_that_came_not_with_the_length_that_was_declared() {
    for mut end in both_with(&Config::default()) {
        end.hears(b"\x82\x7f\x00\x00\x00\x00\x00\x0f\xff\xff");
        let mut received = 0;
        while received < 100_000 {
            end.receive(&[0; 1000]);
            received += 1000;
            let held = end.connection.held();
            assert!(held <= 2 * received, "{held} bytes for {received}");
        }
        assert_eq!(end.connection.ended(), None);
    }
}

#[test]
fn memory_for_an_unfinished_message_is_given_back_when_the_connection_ends() {
    for mut end in both_with(&Config::default()) {
        end.hears(b"\x02\x04abcd");
        assert!(end.connection.held() > 0);
        end.connection.handle_eof();
        assert_eq!(end.connection.held(), 0);
        assert_eq!(end.connection.ended(), Some(Ended::Lost));
    }
}
