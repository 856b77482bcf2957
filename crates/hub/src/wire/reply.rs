//! What a server answers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::command::Empty;
use super::data::there;
use super::push::{Entry, Push, Someone};
use crate::channel::ChannelName;

/// What a server says: a reply has the id of its command and one of the other members, a push has
/// only `push`.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Reply {
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) id: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) push: Option<Push>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<Error>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) connect: Option<Connected>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) subscribe: Option<Subscribed>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) unsubscribe: Option<Empty>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) publish: Option<Placed>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) history: Option<Found>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) presence: Option<Who>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) presence_stats: Option<Stats>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rpc: Option<Said>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ping: Option<Pong>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) refresh: Option<Refreshed>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sub_refresh: Option<Refreshed>,
}

/// Why a command was not followed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Error {
    pub(crate) code: u16,
    pub(crate) message: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) temporary: bool,
    /// The publisher's next number, with 150.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) expected: Option<u64>,
}

/// The codes of errors; the rest of what they say is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub(crate) enum Fault {
    Unavailable = 100,
    NotConnected = 101,
    NoChannel = 102,
    NotAllowed = 103,
    NoSuchMethod = 104,
    AlreadySubscribed = 105,
    Limit = 106,
    BadRequest = 107,
    NotHere = 108,
    TokenExpired = 109,
    TooFast = 111,
    Unrecoverable = 112,
    Hole = 150,
    Forgotten = 151,
}

/// The client has a connection.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Connected {
    pub(crate) client: String,
    pub(crate) session: String,
    pub(crate) resumed: bool,
    pub(crate) session_ms: u64,
    pub(crate) publisher: String,
    pub(crate) window_ms: u64,
    /// Bytes of a message that the server takes; nothing is said of it when missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) max_message: Option<u64>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) expires: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ttl: Option<u64>,
    /// What it has without asking, where a dialect says so at once.
    #[serde(skip)]
    pub(crate) subs: Vec<(ChannelName, Subscribed)>,
    /// Seconds from one ping to the next, where a dialect has pings of the server.
    #[serde(skip)]
    pub(crate) ping: Option<u32>,
    /// What the application says to it.
    #[serde(
        default,
        deserialize_with = "there",
        skip_serializing_if = "Option::is_none"
    )]
    pub(crate) data: Option<Box<RawValue>>,
}

/// The client has a subscription.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Subscribed {
    pub(crate) epoch: String,
    pub(crate) offset: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) recovered: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) gap: Option<Missing>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) more: bool,
    /// Whether it ends when its token does.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) expires: bool,
    /// Seconds until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ttl: Option<u64>,
    /// Whether the channel keeps what was published, for a dialect that says so.
    #[serde(skip)]
    pub(crate) is_recoverable: bool,
}

/// What does not come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Missing {
    pub(crate) reason: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) fork: Option<u64>,
    pub(crate) from: u64,
    pub(crate) to: u64,
    pub(crate) epoch: String,
    pub(crate) offset: u64,
}

/// Where something was published.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Placed {
    pub(crate) epoch: String,
    pub(crate) offset: u64,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) dup: bool,
}

/// A page of the past.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Found {
    pub(crate) epoch: String,
    pub(crate) offset: u64,
    pub(crate) newest: u64,
    pub(crate) publications: Vec<Entry>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) gap: Option<Missing>,
}

/// Who is there.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Who {
    pub(crate) presence: BTreeMap<String, Someone>,
}

/// How many are there.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Stats {
    pub(crate) num_clients: u64,
    pub(crate) num_users: u64,
}

/// What the application answers.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Said {
    #[serde(
        default,
        deserialize_with = "there",
        skip_serializing_if = "Option::is_none"
    )]
    pub(crate) data: Option<Box<RawValue>>,
}

/// How far the server has come.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Pong {
    pub(crate) top: BTreeMap<String, u64>,
}

/// For how long a token holds.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Refreshed {
    pub(crate) expires: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ttl: Option<u64>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it over so")]
fn is_zero(id: &u64) -> bool {
    *id == 0
}
