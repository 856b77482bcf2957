//! What a backend asks for: one type for each method.
//!
//! A member that is not known here is an error, so that nobody believes it was heeded.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::Number;
use serde_json::value::RawValue;

/// What is to be published, in one channel or in many.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Publish {
    pub(super) channel: Option<String>,
    pub(super) channels: Option<Vec<String>>,
    #[serde(deserialize_with = "there")]
    pub(super) data: Option<Box<RawValue>>,
    pub(super) b64data: Option<String>,
    pub(super) idempotency_key: Option<String>,
    // What must not be asked for, for there is no such thing here.
    pub(super) skip_history: Option<bool>,
    pub(super) tags: Option<BTreeMap<String, String>>,
    pub(super) delta: Option<bool>,
}

/// A member that is there, whatever its value.
fn there<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Box<RawValue>>, D::Error> {
    Box::<RawValue>::deserialize(deserializer).map(Some)
}

/// A whole number, however it is written: to JSON `2` and `2.0` are the same.
fn integer<'de, D, N>(deserializer: D) -> Result<Option<N>, D::Error>
where
    D: Deserializer<'de>,
    N: FromStr<Err: fmt::Display>,
{
    let Some(number) = Option::<Number>::deserialize(deserializer)? else {
        return Ok(None);
    };
    let text = match number.as_f64().filter(|_| number.is_f64()) {
        // Without its fraction, if that is none.
        Some(float) => float.to_string(),
        None => number.to_string(),
    };
    text.parse().map(Some).map_err(D::Error::custom)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Channel {
    pub(super) channel: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct History {
    pub(super) channel: String,
    #[serde(default, deserialize_with = "integer")]
    pub(super) limit: Option<i64>,
    #[serde(default)]
    pub(super) since: Option<Since>,
    #[serde(default)]
    pub(super) reverse: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Since {
    #[serde(deserialize_with = "integer")]
    pub(super) offset: Option<u64>,
    pub(super) epoch: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Subscribe {
    pub(super) user: String,
    pub(super) channel: String,
    #[serde(default)]
    pub(super) client: Option<String>,
    #[serde(default)]
    pub(super) recover_since: Option<Since>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Unsubscribe {
    pub(super) user: String,
    pub(super) channel: String,
    #[serde(default)]
    pub(super) client: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Disconnect {
    pub(super) user: String,
    #[serde(default)]
    pub(super) client: Option<String>,
    #[serde(default)]
    pub(super) whitelist: Option<Vec<String>>,
    #[serde(default)]
    pub(super) disconnect: Option<Words>,
}

/// A close code and its reason.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Words {
    #[serde(deserialize_with = "integer")]
    pub(super) code: Option<u16>,
    pub(super) reason: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Refresh {
    pub(super) user: String,
    #[serde(default)]
    pub(super) client: Option<String>,
    #[serde(default)]
    pub(super) expired: Option<bool>,
    /// In seconds since 1970.
    #[serde(default, deserialize_with = "integer")]
    pub(super) expire_at: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Channels {
    pub(super) pattern: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Info {}

/// Commands that are done one after the other.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Batch {
    pub(super) commands: Vec<BTreeMap<String, Box<RawValue>>>,
    /// Whether their order does not matter; it is kept all the same.
    #[serde(default)]
    #[expect(dead_code, reason = "order is kept")]
    pub(super) parallel: Option<bool>,
}
