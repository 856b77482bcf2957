//! Close frames (RFC 6455 §5.5.1).

use holdwire_proto::{CloseCode, Ended, SendError, Violation};

use crate::common::{Seen, both, both_refuse, both_see};

#[test]
fn an_empty_close_frame_is_answered_with_an_empty_one() {
    for mut end in both() {
        end.hears(b"\x88\x00");

        assert_eq!(end.says(), b"\x88\x00");
        assert_eq!(end.seen, [Seen::Close(None, String::new())]);
        assert_eq!(end.connection.ended(), Some(Ended::Clean(None)));
    }
}

#[test]
fn a_close_frame_is_answered_with_its_code() {
    for mut end in both() {
        end.hears(b"\x88\x05\x0f\xa1bye");

        assert_eq!(end.says(), b"\x88\x02\x0f\xa1");
        assert_eq!(end.seen, [Seen::Close(Some(4001), "bye".into())]);
        let code = CloseCode::new(4001);
        assert_eq!(end.connection.ended(), Some(Ended::Clean(code)));
    }
}

#[test]
fn a_close_frame_with_one_byte_is_refused() {
    both_refuse(b"\x88\x01\x03", Violation::InvalidCloseFrame, 1002);
}

#[test]
fn a_reason_may_have_123_bytes() {
    let reason = "r".repeat(123);

    both_see(
        &[&b"\x88\x7d\x03\xe8"[..], reason.as_bytes()].concat(),
        &[Seen::Close(Some(1000), reason)],
    );
}

#[test]
fn a_reason_that_is_not_utf8_is_refused() {
    both_refuse(b"\x88\x04\x03\xe8\xff\xff", Violation::InvalidUtf8, 1007);
    both_refuse(b"\x88\x04\x03\xe8\xe6\xbc", Violation::InvalidUtf8, 1007);
}

#[test]
fn nothing_is_handed_on_after_a_close_frame() {
    both_see(
        b"\x88\x00\x81\x04late\x89\x00\x88\x02\x03\xe8",
        &[Seen::Close(None, String::new())],
    );
}

#[test]
fn a_close_frame_inside_a_fragmented_message_drops_the_message() {
    for mut end in both() {
        end.hears(b"\x01\x03Hel\x88\x02\x03\xe8\x80\x02lo");

        assert_eq!(end.seen, [Seen::Close(Some(1000), String::new())]);
        assert_eq!(end.connection.held(), 0);
        assert!(matches!(end.connection.ended(), Some(Ended::Clean(_))));
    }
}

#[test]
fn nothing_is_sent_after_a_close_frame() {
    for mut end in both() {
        end.close(1001, "");
        end.written();

        let refused = end.with(|connection, cx| {
            let mut sender = connection.sender(cx);
            sender.close(CloseCode::NORMAL, "again");
            [
                sender.text("late"),
                sender.binary(b"late"),
                sender.message("late".into()),
                sender.prepared(&holdwire_proto::Prepared::text("late")),
                sender.ping(b""),
                sender.pong(b""),
            ]
        });
        end.hears(b"\x89\x04ping\x81\x04data\x88\x00");

        assert_eq!(refused, [Err(SendError::Closed); 6]);
        assert_eq!(end.says(), b"");
    }
}

#[test]
fn a_handler_that_closes_is_handed_only_the_answer_afterwards() {
    use holdwire_proto::{Event, Flow, Sender};

    for mut end in both() {
        let bytes = b"\x81\x01a\x81\x01b\x89\x00\x88\x02\x03\xe8";
        let mut bytes = crate::common::wire::to(end.connection.role(), bytes);
        let mut seen = Vec::new();
        let mut handler = |event: Event<'_>, sender: &mut Sender<'_>| {
            seen.push(Seen::from(event));
            sender.close(CloseCode::NORMAL, "enough");
            Flow::Continue
        };
        end.with(|connection, cx| connection.receive(&mut bytes, cx, &mut handler));

        assert_eq!(
            seen,
            [
                Seen::Text("a".into()),
                Seen::Close(Some(1000), String::new())
            ]
        );
        assert_eq!(end.says(), b"\x88\x08\x03\xe8enough");
    }
}

#[test]
fn a_close_frame_in_pieces_is_one() {
    for mut end in both() {
        let bytes = crate::common::wire::to(end.connection.role(), b"\x88\x05\x03\xe8bye");
        end.receive_bytewise(&bytes);

        assert_eq!(end.seen, [Seen::Close(Some(1000), "bye".into())]);
        assert_eq!(end.connection.held(), 0);
    }
}
