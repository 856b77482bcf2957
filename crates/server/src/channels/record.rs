//! Events as people and programs read them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use holdwire_hub::client::Event;
use holdwire_hub::{Payload, Position, Reason};
use serde_json::{Map, Value, json};

/// A payload on a line.
pub(super) fn text(payload: &Payload) -> String {
    match payload {
        Payload::Text(text) | Payload::Json(text) => text.to_string(),
        Payload::Binary(bytes) => STANDARD.encode(bytes),
    }
}

/// A position as members.
pub(super) fn place(position: Position) -> Map<String, Value> {
    let mut members = Map::new();
    members.insert("epoch".to_owned(), json!(position.epoch.to_string()));
    members.insert("offset".to_owned(), json!(position.offset));
    members
}

/// An event as JSON; `None` for one that has no form.
pub(super) fn json(channel: &str, event: &Event) -> Option<String> {
    let someone = |client: &str, user: &str| json!({"client": client, "user": user});
    let (what, value) = match event {
        Event::Subscribed {
            position,
            recovered,
        } => {
            let mut members = place(*position);
            if let Some(recovered) = recovered {
                members.insert("recovered".to_owned(), json!(recovered));
            }
            ("subscribed", Value::Object(members))
        }
        Event::Publication {
            position,
            publication,
        } => {
            let mut members = place(*position);
            let (name, value) = match &publication.payload {
                Payload::Text(text) => ("data", json!(&**text)),
                Payload::Json(text) => ("data", serde_json::from_str(text).unwrap_or_default()),
                Payload::Binary(bytes) => ("base64", json!(STANDARD.encode(bytes))),
            };
            members.insert(name.to_owned(), value);
            ("publication", Value::Object(members))
        }
        Event::Gap(gap) => {
            let mut members = place(gap.epoch.at(gap.to));
            members.insert("reason".to_owned(), json!(gap.reason.word()));
            if let Reason::Diverged { fork } = gap.reason {
                members.insert("fork".to_owned(), json!(fork));
            }
            members.insert("from".to_owned(), json!(gap.from));
            members.insert("to".to_owned(), json!(gap.to));
            ("gap", Value::Object(members))
        }
        Event::Live { offset } => ("live", json!({"offset": offset})),
        Event::Joined { client, user } => ("join", someone(client, user)),
        Event::Left { client, user } => ("leave", someone(client, user)),
        Event::Ended { code, reason } => ("ended", json!({"code": code, "reason": reason})),
        _ => return None,
    };
    Some(json!({"channel": channel, what: value}).to_string())
}
