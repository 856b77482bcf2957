//! What a server says of itself.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::data::{Data, there};
use super::reply::{Missing, Subscribed};
use crate::publication::Publication;

/// Something about a channel: one of the other members.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Push {
    pub(crate) channel: String,
    #[serde(rename = "pub", skip_serializing_if = "Option::is_none")]
    pub(crate) publication: Option<Entry>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) subscribe: Option<Subscribed>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) live: Option<Live>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) gap: Option<Missing>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) join: Option<Info>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) leave: Option<Info>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) unsubscribe: Option<Cause>,
}

/// A publication.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) offset: u64,
    #[serde(
        default,
        deserialize_with = "there",
        skip_serializing_if = "Option::is_none"
    )]
    pub(crate) data: Option<Box<RawValue>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) base64: Option<Box<str>>,
}

impl Entry {
    /// As it is written.
    pub(crate) fn of(publication: &Publication) -> Self {
        let Data { data, base64 } = Data::of(&publication.payload);
        Self {
            offset: publication.offset,
            data,
            base64,
        }
    }

    /// What it stands for; `None` when it is not what it says.
    pub(crate) fn publication(&self) -> Option<Publication> {
        let payload = Data::payload(self.data.as_deref(), self.base64.as_deref())?;
        Some(Publication {
            offset: self.offset,
            payload,
        })
    }
}

/// Everything that was there has been sent.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Live {
    pub(crate) offset: u64,
}

/// Somebody who comes or goes.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Info {
    pub(crate) info: Someone,
}

/// A client, as others see it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Someone {
    pub(crate) client: String,
    pub(crate) user: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) info: Option<Box<RawValue>>,
}

/// Why a subscription has ended.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Cause {
    pub(crate) code: u16,
    pub(crate) reason: String,
}
