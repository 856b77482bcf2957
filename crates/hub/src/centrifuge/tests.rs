//! Messages as the SDKs write and read them.

use bytes::Bytes;
use holdwire::Message;
use prost::Message as _;

use super::*;
use crate::publication::{Payload, Publication};
use crate::wire::{Fault, Placed, Reply};

/// What a message says, until it says no more.
fn said(encoding: Encoding, mut message: &[u8]) -> Result<Vec<Saying>, String> {
    let mut said = Vec::new();
    while let Some(saying) = encoding.next(&mut message)? {
        said.push(saying);
    }
    Ok(said)
}

fn command(encoding: Encoding, message: &[u8]) -> wire::Command {
    let mut said = said(encoding, message).expect("a message");
    assert_eq!(said.len(), 1, "{said:?}");
    match said.remove(0) {
        Saying::Command(command) => *command,
        other => panic!("{other:?} is no command"),
    }
}

/// A Protobuf command behind its length.
fn framed(command: &command::Command) -> Vec<u8> {
    command.encode_length_delimited_to_vec()
}

#[test]
fn commands_of_one_message_come_one_after_the_other() {
    let text = b"{\"id\":1,\"connect\":{\"token\":\"\",\"name\":\"js\"}}\n\
                 {\"id\":2,\"subscribe\":{\"channel\":\"a\"}}\n{}\n";
    let said = said(Encoding::Json, text).unwrap();

    let [
        Saying::Command(connect),
        Saying::Command(subscribe),
        Saying::Pong,
    ] = &said[..]
    else {
        panic!("{said:?}");
    };
    assert!(connect.connect.as_ref().unwrap().token.is_none());
    assert_eq!(subscribe.subscribe.as_ref().unwrap().channel, "a");
}

#[test]
fn protobuf_commands_of_one_message_come_one_after_the_other() {
    let mut message = framed(&command::Command {
        id: 1,
        subscribe: Some(Box::new(command::Subscribe {
            channel: "a".to_owned(),
            ..command::Subscribe::default()
        })),
        ..command::Command::default()
    });
    message.push(0);
    let said = said(Encoding::Protobuf, &message).unwrap();

    assert!(
        matches!(&said[..], [Saying::Command(it), Saying::Pong] if it.subscribe.is_some()),
        "{said:?}"
    );
}

#[test]
fn position_counts_only_when_recovery_is_asked_for() {
    let text = br#"{"id":1,"subscribe":{"channel":"a","epoch":"abcdefgh.0","offset":3}}"#;
    let fresh = command(Encoding::Json, text).subscribe.unwrap().start;
    let text =
        br#"{"id":1,"subscribe":{"channel":"a","recover":true,"epoch":"abcdefgh.0","offset":3}}"#;
    let back = command(Encoding::Json, text).subscribe.unwrap().start;

    assert_eq!((fresh.epoch, fresh.offset), (None, None));
    assert_eq!(back.epoch.as_deref(), Some("abcdefgh.0"));
    assert_eq!(back.offset, Some(3));
}

#[test]
fn epoch_of_another_server_is_one_that_is_never_here() {
    for epoch in ["", "xyz", "AbCdEfGh"] {
        let text =
            format!(r#"{{"id":1,"subscribe":{{"channel":"a","recover":true,"epoch":"{epoch}"}}}}"#);
        let start = command(Encoding::Json, text.as_bytes())
            .subscribe
            .unwrap()
            .start;

        let nowhere = crate::position::Epoch::NOWHERE.to_string();
        assert_eq!(start.epoch, Some(nowhere), "{epoch:?}");
        assert_eq!(start.offset, Some(0));
    }
}

#[test]
fn what_is_not_served_is_refused_in_words() {
    for text in [
        r#"{"id":4,"subscribe":{"channel":"a","type":1}}"#,
        r#"{"id":4,"subscribe":{"channel":"a","tf":{"op":"and"}}}"#,
        r#"{"id":4,"publish":{"channel":"a","data":1,"type":1,"key":"k"}}"#,
        r#"{"id":4,"sub_refresh":{"channel":"a","type":1}}"#,
    ] {
        let said = said(Encoding::Json, text.as_bytes()).unwrap();

        assert!(
            matches!(said[..], [Saying::Refused(4, Fault::NotHere, _)]),
            "{text}: {said:?}"
        );
    }
}

#[test]
fn what_is_no_message_of_the_protocol_is_an_error() {
    for text in [
        "",
        "[]",
        "1",
        "null",
        "{",
        "{\"id\":\"1\"}",
        "{\"id\":-1}",
        "{\"id\":5000000000}",
        "{\"id\":0,\"publish\":{}}",
        "{\"hello\":1}",
        "{\"id\":1,\"subscribe\":{\"offset\":-1}}",
        "{\"id\":1,\"subscribe\":[]} x",
    ] {
        let read = said(Encoding::Json, text.as_bytes());
        assert!(read.is_err() || text.is_empty(), "{text}: {read:?}");
    }
    for message in [&[5, 8, 1][..], &[0xff; 11], &[2, 0x22, 0x7f], &[1, 0x0f]] {
        let read = said(Encoding::Protobuf, message);
        assert!(read.is_err(), "{message:?}: {read:?}");
    }
}

#[test]
fn length_that_was_only_announced_reserves_nothing() {
    // A string of 2 GiB in a command of 4 GiB, of which there are three bytes.
    let message = [
        0xff, 0xff, 0xff, 0xff, 0x0f, 0x2a, 0xff, 0xff, 0xff, 0xff, 0x07, 1, 2, 3,
    ];

    assert!(said(Encoding::Protobuf, &message).is_err());
}

#[test]
fn nothing_nests_so_deep_that_reading_it_fails() {
    let (open, close) = ("[".repeat(10_000), "]".repeat(10_000));
    let text = format!(r#"{{"id":1,"publish":{{"channel":"a","data":{open}{close}}}}}"#);
    let published = command(Encoding::Json, text.as_bytes()).publish.unwrap();
    assert_eq!(published.data.unwrap().get().len(), 20_000);

    let deep = format!(r#"{{"id":1,"subscribe":{open}{close}}}"#);
    assert!(said(Encoding::Json, deep.as_bytes()).is_err());
}

#[test]
fn bytes_that_are_no_json_value_are_published_as_bytes() {
    let publish = |data: &[u8]| {
        let message = framed(&command::Command {
            id: 1,
            publish: Some(Box::new(command::Publish {
                channel: "a".to_owned(),
                data: data.to_vec(),
                ..command::Publish::default()
            })),
            ..command::Command::default()
        });
        let publish = command(Encoding::Protobuf, &message).publish.unwrap();
        wire::Data::payload(publish.data.as_deref(), publish.base64.as_deref())
    };

    assert_eq!(
        publish(b"{\"a\":1}"),
        Some(Payload::Json("{\"a\":1}".into()))
    );
    assert_eq!(publish(b"\"hi\""), Some(Payload::Text("hi".into())));
    let bytes = Bytes::from_static(b"\x00\xff");
    assert_eq!(publish(&bytes), Some(Payload::Binary(bytes.clone())));
    assert_eq!(publish(b""), None);
}

fn sent(encoding: Encoding, payload: Payload) -> Message {
    let publication = Publication {
        offset: 18,
        payload,
    };
    super::publication(encoding, &"chat:a".parse().unwrap(), &publication)
}

#[test]
fn publication_is_a_push_in_json() {
    let text = |payload| sent(Encoding::Json, payload).as_text().unwrap().to_owned();

    assert_eq!(
        text("hi".into()),
        r#"{"push":{"channel":"chat:a","pub":{"offset":18,"data":"hi"}}}"#
    );
    assert_eq!(
        text(Payload::Binary(Bytes::from_static(b"\x00\xff"))),
        r#"{"push":{"channel":"chat:a","pub":{"data":"AP8=","offset":18,"tags":{"encoding":"base64"}}}}"#
    );
}

#[test]
fn publication_is_a_push_in_protobuf() {
    let data = |payload| {
        let message = sent(Encoding::Protobuf, payload);
        let mut bytes = message.as_bytes();
        let reply = reply::Reply::decode_length_delimited(&mut bytes).unwrap();
        assert!(bytes.is_empty());
        let publication = reply.push.unwrap().publication.unwrap();
        assert_eq!(publication.offset, 18);
        publication.data
    };

    assert_eq!(data("hi".into()), b"\"hi\"");
    assert_eq!(data(Payload::Json("[1]".into())), b"[1]");
    let bytes = Bytes::from_static(b"\x00\xff");
    assert_eq!(data(Payload::Binary(bytes)), b"\x00\xff");
}

#[test]
fn ping_is_an_empty_message() {
    let ping = Reply::default();

    assert_eq!(written(Encoding::Json, &ping).as_text(), Some("{}"));
    assert_eq!(written(Encoding::Protobuf, &ping).as_bytes(), b"\0");
}

#[test]
fn answer_that_says_nothing_is_there() {
    let reply = Reply {
        id: 3,
        publish: Some(Placed {
            epoch: "abcdefgh.0".to_owned(),
            offset: 1,
            dup: false,
        }),
        ..Reply::default()
    };

    let text = written(Encoding::Json, &reply);
    assert_eq!(text.as_text(), Some(r#"{"id":3,"publish":{}}"#));
    let message = written(Encoding::Protobuf, &reply);
    let read = reply::Reply::decode_length_delimited(message.as_bytes()).unwrap();
    assert_eq!((read.id, read.publish), (3, Some(reply::Empty {})));
}
