//! What a backend is asked, as JSON.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use holdwire_hub::engine::{Key, Publish};
use holdwire_hub::session::{self, Caller, Visit, Who};
use holdwire_hub::{ChannelName, Payload};
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use super::Kind;
use super::desk::Question;

/// The members of a request; those that a kind does not have are left out.
#[derive(Default, Serialize)]
struct Body<'a> {
    hook: &'static str,
    request: String,
    client: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    transport: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    protocol: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remote_address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    headers: Option<BTreeMap<&'a str, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    base64: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

/// Who somebody is.
pub(super) fn connect(visit: &Visit<'_>) -> Question {
    let caller = visit.caller;
    let user = Some(&*visit.member.user).filter(|user| !user.is_empty());
    let address = caller.and_then(|caller| caller.address);
    question(
        Kind::Connect,
        fresh(),
        Body {
            client: visit.client.to_string(),
            transport: Some("websocket"),
            protocol: Some(visit.protocol),
            remote_address: address.map(|address| address.ip().to_canonical().to_string()),
            headers: caller.map(headers),
            name: visit.name,
            version: visit.version,
            token: visit.token,
            user,
            channel: visit.channel.map(ChannelName::as_str),
            data: visit.data,
            ..Body::default()
        },
    )
}

/// Whether a client may have a channel.
pub(super) fn subscribe(who: Who<'_>, channel: &ChannelName) -> Question {
    question(
        Kind::Subscribe,
        fresh(),
        Body {
            channel: Some(channel.as_str()),
            ..about(who)
        },
    )
}

/// Whether something may be published. What a client repeats has the same id.
pub(super) fn publish(who: Who<'_>, channel: &ChannelName, publish: &Publish) -> Question {
    let id = match &publish.key {
        Some(Key::Sequence(publisher, number)) => known(&(publisher, channel, number)),
        _ => fresh(),
    };
    let (text, base64);
    let data = match &publish.payload {
        Payload::Text(own) => {
            text = to_raw_value(&**own).ok();
            base64 = None;
            text.as_deref()
        }
        Payload::Json(own) => {
            text = RawValue::from_string(own.to_string()).ok();
            base64 = None;
            text.as_deref()
        }
        Payload::Binary(bytes) => {
            base64 = Some(STANDARD.encode(bytes));
            None
        }
    };
    question(
        Kind::Publish,
        id,
        Body {
            channel: Some(channel.as_str()),
            data,
            base64,
            ..about(who)
        },
    )
}

/// A client's question.
pub(super) fn rpc(ask: &session::Question<'_>) -> Question {
    question(
        Kind::Rpc,
        fresh(),
        Body {
            method: Some(ask.method),
            data: ask.data,
            ..about(Who::new(ask.client, ask.member))
        },
    )
}

/// A client is gone.
pub(super) fn disconnect(who: Who<'_>, code: u16, reason: &str) -> Question {
    question(
        Kind::Disconnect,
        fresh(),
        Body {
            code: Some(code),
            reason: Some(reason),
            ..about(who)
        },
    )
}

fn about(who: Who<'_>) -> Body<'_> {
    Body {
        client: who.client.to_string(),
        user: Some(&who.member.user),
        ..Body::default()
    }
}

fn question(kind: Kind, id: String, mut body: Body<'_>) -> Question {
    body.hook = kind.name();
    body.request = id;
    // Texts, numbers and raw values always have a JSON form.
    let text = serde_json::to_vec(&body).unwrap_or_default();
    Question {
        id: body.request,
        body: text,
    }
}

/// Fields that were kept, those of one name joined (RFC 9110 §5.3); cookies in their own way.
fn headers(caller: &Caller) -> BTreeMap<&str, String> {
    let mut fields: BTreeMap<&str, String> = BTreeMap::new();
    for (name, value) in &caller.headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        let between = if name == http::header::COOKIE {
            "; "
        } else {
            ", "
        };
        fields
            .entry(name.as_str())
            .and_modify(|own| *own = format!("{own}{between}{value}"))
            .or_insert_with(|| value.into_owned());
    }
    fields
}

/// An id that no other question has.
fn fresh() -> String {
    format!("{:032x}", rand::random::<u128>())
}

/// The id of a question that may come again to this server.
fn known(what: &impl std::hash::Hash) -> String {
    static STATES: OnceLock<[RandomState; 2]> = OnceLock::new();
    let states = STATES.get_or_init(Default::default);
    let [one, two] = states.each_ref().map(|state| state.hash_one(what));
    format!("{one:016x}{two:016x}")
}
