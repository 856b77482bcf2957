//! Text and binary messages (RFC 6455 §5.6).

use holdwire_proto::{Event, Message, Prepared};

use crate::common::{Seen, both, both_see, text};

#[test]
fn text_and_binary_are_told_apart() {
    both_see(
        b"\x81\x02hi\x82\x02hi\x81\x00\x82\x00",
        &[
            text("hi"),
            Seen::Binary(b"hi".to_vec()),
            text(""),
            Seen::Binary(vec![]),
        ],
    );
}

#[test]
fn binary_need_not_be_utf8() {
    both_see(
        b"\x82\x03\xff\xfe\x00",
        &[Seen::Binary(vec![0xff, 0xfe, 0])],
    );
}

#[test]
fn every_way_to_send_a_message_makes_the_same_frame() {
    for mut end in both() {
        let long = "x".repeat(5000);
        end.with(|connection, cx| {
            let mut sender = connection.sender(cx);
            sender.text("hi")?;
            sender.message(Message::from("hi"))?;
            sender.prepared(&Prepared::text("hi"))?;
            sender.binary(b"\x00\xff")?;
            sender.message(Message::from(vec![0, 0xff]))?;
            sender.prepared(&Prepared::binary(b"\x00\xff"))?;
            sender.text(&long)?;
            sender.message(Message::from(long.as_str()))?;
            sender.prepared(&Prepared::text(&long))
        })
        .expect("taken");

        let mut expected = b"\x81\x02hi".repeat(3);
        expected.extend(b"\x82\x02\x00\xff".repeat(3));
        expected.extend(
            [&b"\x81\x7e\x13\x88"[..], long.as_bytes()]
                .concat()
                .repeat(3),
        );
        assert_eq!(end.says(), expected);
    }
}

#[test]
fn a_message_that_lies_whole_in_the_input_is_lent() {
    for mut end in both() {
        let mut bytes = crate::common::wire::to(end.connection.role(), b"\x81\x02hi\x82\x01\x01");
        let mut borrowed = 0;
        let mut handler = |event: Event<'_>, _: &mut holdwire_proto::Sender<'_>| {
            borrowed += u32::from(matches!(
                event,
                Event::Text(std::borrow::Cow::Borrowed(_))
                    | Event::Binary(std::borrow::Cow::Borrowed(_))
            ));
            holdwire_proto::Flow::Continue
        };
        end.with(|connection, cx| connection.receive(&mut bytes, cx, &mut handler));

        assert_eq!(borrowed, 2);
    }
}
