//! Single messages.

use std::sync::LazyLock;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::channel::{ChannelName, MAX_NAME, Namespace};
use crate::format::{Format, Place};
use crate::hub::Hub;
use crate::namespaces::Namespaces;
use crate::plain::{Entrance, json};
use crate::position::{Epoch, MAX_OFFSET, Position};
use crate::publication::{Payload, Publication};
use crate::wire::{Command, Entry, Reply};

/// A request to the plain door, the path's end and the query in a line each; each of them also as
/// a position and as a name.
pub fn entrance(text: &str) {
    static HUB: LazyLock<(tokio::runtime::Runtime, Hub)> = LazyLock::new(|| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .expect("a runtime");
        let namespaces = Namespaces::new().with("chat", Namespace::default());
        let hub = {
            let _inside = runtime.enter();
            Hub::in_memory(namespaces)
        };
        (runtime, hub)
    });
    let (name, query) = text.split_once('\n').unwrap_or((text, ""));
    for part in [name, query] {
        if let Ok(position) = part.parse::<Position>() {
            assert!(position.offset <= MAX_OFFSET);
            assert_eq!(position.to_string(), part);
        }
        if let Ok(name) = part.parse::<ChannelName>() {
            assert!((1..=MAX_NAME).contains(&part.len()) && part.is_ascii());
            assert_eq!(name.as_str(), part);
            assert_eq!(
                serde_json::Value::from(part).to_string(),
                format!("\"{name}\"")
            );
        }
    }
    match Entrance::new(&HUB.1, name, query) {
        Ok(entrance) => {
            let channel = entrance.channel();
            assert_eq!(channel.namespace(), "chat");
            assert!(name.contains('%') || name == channel.as_str());
        }
        Err(response) => {
            assert!([400, 403, 404].contains(&response.status().as_u16()));
            assert!(response.body().len() <= 200 + MAX_NAME);
        }
    }
}

/// A message of the plain door's JSON: what is published says what was sent.
pub fn plain_message(text: &str) {
    let Ok(payload) = json::payload(text) else {
        return;
    };
    let sent = text.trim_matches([' ', '\t', '\n', '\r']);
    match &payload {
        Payload::Text(taken) => {
            let string: String = serde_json::from_str(sent).expect("a string");
            assert_eq!(**taken, *string);
        }
        Payload::Json(taken) => assert_eq!(**taken, *sent),
        Payload::Binary(_) => panic!("JSON is no bytes"),
    }
    publication(payload);
}

/// A message of the session protocol, of either side: what is read and written reads the same.
pub fn session_message(text: &str) {
    if let Some(command) = again::<Command>(text) {
        assert!(command.names() <= 11);
    }
    let Some(push) = again::<Reply>(text).and_then(|reply| reply.push) else {
        return;
    };
    if let Some(publication) = push.publication.as_ref().and_then(Entry::publication) {
        self::publication(publication.payload);
    }
}

fn again<T: DeserializeOwned + Serialize>(text: &str) -> Option<T> {
    let write = |value: &T| serde_json::to_string(value).expect("it has a JSON form");
    let read: T = serde_json::from_str(text).ok()?;
    let written = write(&read);
    let again: T = serde_json::from_str(&written).expect("what was written can be read");
    assert_eq!(write(&again), written);
    Some(read)
}

/// What subscribers are sent is JSON and has the payload.
fn publication(payload: Payload) {
    let publication = Publication { offset: 1, payload };
    let channel: ChannelName = "chat:a".parse().expect("a name");
    let at = Place {
        channel: &channel,
        epoch: Epoch::new([0; 8]),
        publication: &publication,
    };
    let plain = Format::Json.publication(&at);
    let object: &RawValue = serde_json::from_str(plain.as_text().expect("a text")).expect("JSON");
    let entry: Entry = serde_json::from_str(object.get()).expect("an entry");
    assert_eq!(entry.publication().as_ref(), Some(&publication));

    let push = Format::Session.publication(&at);
    let reply: Reply = serde_json::from_str(push.as_text().expect("a text")).expect("a push");
    let entry = reply.push.and_then(|push| push.publication);
    assert_eq!(
        entry.and_then(|entry| entry.publication()),
        Some(publication)
    );
}
