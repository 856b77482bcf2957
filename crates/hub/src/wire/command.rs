//! What a client says.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::data::there;

/// A command: an id, and one of the other members.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Command {
    pub(crate) id: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) connect: Option<Connect>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) subscribe: Option<Subscribe>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) unsubscribe: Option<Unsubscribe>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) publish: Option<Publish>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) history: Option<History>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) presence: Option<Ask>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) presence_stats: Option<Ask>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rpc: Option<Rpc>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ping: Option<Ping>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) refresh: Option<Refresh>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sub_refresh: Option<Subscribe>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) disconnect: Option<Empty>,
}

impl Command {
    /// How many of the names that are known here it has; a command has one.
    pub(crate) fn names(&self) -> usize {
        let names = [
            self.connect.is_some(),
            self.subscribe.is_some(),
            self.unsubscribe.is_some(),
            self.publish.is_some(),
            self.history.is_some(),
            self.presence.is_some(),
            self.presence_stats.is_some(),
            self.rpc.is_some(),
            self.ping.is_some(),
            self.refresh.is_some(),
            self.sub_refresh.is_some(),
            self.disconnect.is_some(),
        ];
        names.into_iter().filter(|is_there| *is_there).count()
    }
}

impl Command {
    /// Whether it costs next to nothing, and must not wait.
    pub(crate) fn is_light(&self) -> bool {
        let ends = self.unsubscribe.is_some() || self.disconnect.is_some();
        ends || self.ping.is_some() || self.refresh.is_some() || self.connect.is_some()
    }
}

/// The first command of a connection.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Connect {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) session: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) publisher: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) subs: BTreeMap<String, Start>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) version: Option<String>,
    /// What else it says, for the application.
    #[serde(deserialize_with = "there", skip_serializing_if = "Option::is_none")]
    pub(crate) data: Option<Box<RawValue>>,
}

/// From where on a channel is wanted: a position has both members, or neither.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Start {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) epoch: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) offset: Option<u64>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) join_leave: bool,
    /// A token for this channel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) token: Option<String>,
}

/// A channel, and from where on.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Subscribe {
    pub(crate) channel: String,
    #[serde(flatten)]
    pub(crate) start: Start,
}

/// The end of a subscription.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Unsubscribe {
    pub(crate) channel: String,
}

/// Something to be published.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Publish {
    pub(crate) channel: String,
    #[serde(
        default,
        deserialize_with = "there",
        skip_serializing_if = "Option::is_none"
    )]
    pub(crate) data: Option<Box<RawValue>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) base64: Option<Box<str>>,
    /// The publisher's count of its publications in the channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) n: Option<u64>,
}

/// A page of the past; from the oldest without `since`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct History {
    pub(crate) channel: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) since: Option<Start>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) limit: Option<u64>,
    /// The newest first, before `since`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) reverse: bool,
}

/// A question about a channel.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Ask {
    pub(crate) channel: String,
}

/// A question to the application.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Rpc {
    pub(crate) method: String,
    #[serde(
        default,
        deserialize_with = "there",
        skip_serializing_if = "Option::is_none"
    )]
    pub(crate) data: Option<Box<RawValue>>,
}

/// How far the client has come.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Ping {
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) at: BTreeMap<String, u64>,
}

/// A fresh token.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Refresh {
    pub(crate) token: String,
}

/// An object that says nothing more.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Empty {}
