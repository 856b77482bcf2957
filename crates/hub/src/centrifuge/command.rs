//! What a client says, member by member; members that are not read are left out.

use std::collections::BTreeMap;

use prost::Message;
use serde::Deserialize;

use super::raw::{self, or_default};

/// A command: an id and one of the other members; without any of them the answer to a ping.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default)]
pub(super) struct Command {
    #[prost(uint32, tag = "1")]
    #[serde(deserialize_with = "or_default")]
    pub(super) id: u32,
    #[prost(message, optional, boxed, tag = "4")]
    pub(super) connect: Option<Box<Connect>>,
    #[prost(message, optional, boxed, tag = "5")]
    pub(super) subscribe: Option<Box<Subscribe>>,
    #[prost(message, optional, tag = "6")]
    pub(super) unsubscribe: Option<Channel>,
    #[prost(message, optional, boxed, tag = "7")]
    pub(super) publish: Option<Box<Publish>>,
    #[prost(message, optional, tag = "8")]
    pub(super) presence: Option<Channel>,
    #[prost(message, optional, tag = "9")]
    pub(super) presence_stats: Option<Channel>,
    #[prost(message, optional, boxed, tag = "10")]
    pub(super) history: Option<Box<History>>,
    #[prost(message, optional, tag = "11")]
    pub(super) ping: Option<Ping>,
    #[prost(message, optional, tag = "12")]
    pub(super) send: Option<Send>,
    #[prost(message, optional, tag = "13")]
    pub(super) rpc: Option<Rpc>,
    #[prost(message, optional, tag = "14")]
    pub(super) refresh: Option<Refresh>,
    #[prost(message, optional, tag = "15")]
    pub(super) sub_refresh: Option<SubRefresh>,
}

#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default)]
pub(super) struct Connect {
    #[prost(string, tag = "1")]
    #[serde(deserialize_with = "or_default")]
    pub(super) token: String,
    #[prost(bytes = "vec", tag = "2")]
    #[serde(with = "raw")]
    pub(super) data: Vec<u8>,
    #[prost(btree_map = "string, message", tag = "3")]
    #[serde(deserialize_with = "or_default")]
    pub(super) subs: BTreeMap<String, Subscribe>,
    #[prost(string, tag = "4")]
    #[serde(deserialize_with = "or_default")]
    pub(super) name: String,
    #[prost(string, tag = "5")]
    #[serde(deserialize_with = "or_default")]
    pub(super) version: String,
}

#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default)]
pub(super) struct Subscribe {
    #[prost(string, tag = "1")]
    #[serde(deserialize_with = "or_default")]
    pub(super) channel: String,
    #[prost(string, tag = "2")]
    #[serde(deserialize_with = "or_default")]
    pub(super) token: String,
    #[prost(bool, tag = "3")]
    #[serde(deserialize_with = "or_default")]
    pub(super) recover: bool,
    #[prost(string, tag = "6")]
    #[serde(deserialize_with = "or_default")]
    pub(super) epoch: String,
    #[prost(uint64, tag = "7")]
    #[serde(deserialize_with = "or_default")]
    pub(super) offset: u64,
    #[prost(bytes = "vec", tag = "8")]
    #[serde(with = "raw")]
    pub(super) data: Vec<u8>,
    #[prost(bool, tag = "11")]
    #[serde(deserialize_with = "or_default")]
    pub(super) join_leave: bool,
    /// A filter by tags; publications here have none.
    #[prost(bytes = "vec", tag = "13")]
    #[serde(with = "raw")]
    pub(super) tf: Vec<u8>,
    /// Another kind of subscription than to a stream.
    #[prost(int32, tag = "15")]
    #[serde(rename = "type", deserialize_with = "or_default")]
    pub(super) kind: i32,
}

/// A channel, and nothing more.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default)]
pub(super) struct Channel {
    #[prost(string, tag = "1")]
    #[serde(deserialize_with = "or_default")]
    pub(super) channel: String,
}

#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default)]
pub(super) struct Publish {
    #[prost(string, tag = "1")]
    #[serde(deserialize_with = "or_default")]
    pub(super) channel: String,
    #[prost(bytes = "vec", tag = "2")]
    #[serde(with = "raw")]
    pub(super) data: Vec<u8>,
    /// Another kind of publication than to a stream.
    #[prost(int32, tag = "3")]
    #[serde(rename = "type", deserialize_with = "or_default")]
    pub(super) kind: i32,
}

#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default)]
pub(super) struct History {
    #[prost(string, tag = "1")]
    #[serde(deserialize_with = "or_default")]
    pub(super) channel: String,
    /// How many; all below 0, only the newest position with 0.
    #[prost(int32, tag = "7")]
    #[serde(deserialize_with = "or_default")]
    pub(super) limit: i32,
    #[prost(message, optional, tag = "8")]
    pub(super) since: Option<Since>,
    #[prost(bool, tag = "9")]
    #[serde(deserialize_with = "or_default")]
    pub(super) reverse: bool,
}

#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default)]
pub(super) struct Since {
    #[prost(uint64, tag = "1")]
    #[serde(deserialize_with = "or_default")]
    pub(super) offset: u64,
    #[prost(string, tag = "2")]
    #[serde(deserialize_with = "or_default")]
    pub(super) epoch: String,
}

#[derive(Clone, PartialEq, Message, Deserialize)]
pub(super) struct Ping {}

#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default)]
pub(super) struct Send {
    #[prost(bytes = "vec", tag = "1")]
    #[serde(with = "raw")]
    pub(super) data: Vec<u8>,
}

#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default)]
pub(super) struct Rpc {
    #[prost(bytes = "vec", tag = "1")]
    #[serde(with = "raw")]
    pub(super) data: Vec<u8>,
    #[prost(string, tag = "2")]
    #[serde(deserialize_with = "or_default")]
    pub(super) method: String,
}

#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default)]
pub(super) struct Refresh {
    #[prost(string, tag = "1")]
    #[serde(deserialize_with = "or_default")]
    pub(super) token: String,
}

#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default)]
pub(super) struct SubRefresh {
    #[prost(string, tag = "1")]
    #[serde(deserialize_with = "or_default")]
    pub(super) channel: String,
    #[prost(string, tag = "2")]
    #[serde(deserialize_with = "or_default")]
    pub(super) token: String,
    /// What else than a token is refreshed.
    #[prost(int32, tag = "3")]
    #[serde(rename = "type", deserialize_with = "or_default")]
    pub(super) kind: i32,
}
