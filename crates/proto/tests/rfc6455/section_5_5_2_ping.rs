//! Pings (RFC 6455 §5.5.2).

use crate::common::{Seen, both, text};

#[test]
fn a_ping_is_answered_with_its_payload() {
    for mut end in both() {
        end.hears(b"\x89\x05Hello\x89\x00");

        assert_eq!(end.says(), b"\x8a\x05Hello\x8a\x00");
        assert_eq!(
            end.seen,
            [Seen::Ping(b"Hello".to_vec()), Seen::Ping(Vec::new())]
        );
    }
}

#[test]
fn a_ping_inside_a_fragmented_message_is_answered_at_once() {
    for mut end in both() {
        end.hears(b"\x01\x03Hel\x89\x01p");
        assert_eq!(end.says(), b"\x8a\x01p");

        end.hears(b"\x80\x02lo");
        assert_eq!(end.seen, [Seen::Ping(b"p".to_vec()), text("Hello")]);
    }
}

#[test]
fn a_ping_in_pieces_is_answered_once() {
    for mut end in both() {
        let bytes = crate::common::wire::to(end.connection.role(), b"\x89\x05Hello");
        end.receive_bytewise(&bytes);

        assert_eq!(end.says(), b"\x8a\x05Hello");
    }
}

#[test]
fn a_ping_is_answered_though_the_send_queue_is_full() {
    for mut end in both() {
        end.send(vec![0; 2 * 1024 * 1024]);
        end.hears(b"\x89\x01p");

        assert!(end.says().ends_with(b"\x8a\x01p"));
    }
}

#[test]
fn a_ping_after_our_close_frame_is_not_answered() {
    for mut end in both() {
        end.close(1000, "");
        end.written();
        end.hears(b"\x89\x01p");

        assert_eq!(end.says(), b"");
        assert_eq!(end.seen, []);
    }
}

#[test]
fn a_ping_can_be_sent() {
    for mut end in both() {
        end.ping(b"are you there");

        assert_eq!(end.says(), b"\x89\x0dare you there");
    }
}
