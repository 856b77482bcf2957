//! What a token says.

use std::time::Duration;

use holdwire_hub::{ChannelName, Member};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

use super::refusal::Refusal;

/// The claims that count; others are not looked at.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Claims {
    /// The user; empty for somebody without a name.
    #[serde(deserialize_with = "or_default")]
    pub sub: String,
    /// Until when it is valid, in seconds since 1970.
    pub exp: Option<f64>,
    /// From when on.
    pub nbf: Option<f64>,
    /// For whom it is.
    pub aud: Option<Audience>,
    /// By whom.
    pub iss: Option<String>,
    /// Channels that whoever connects with it gets without asking.
    #[serde(deserialize_with = "or_default")]
    pub channels: Vec<String>,
    /// The one channel that it is for; none when it is for connecting.
    pub channel: Option<String>,
    /// What others see of the user.
    pub info: Option<Value>,
}

/// One, or some (RFC 7519 §4.1.3).
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Audience {
    /// One.
    One(String),
    /// Some.
    Some(Vec<String>),
}

impl Audience {
    fn names(&self) -> &[String] {
        match self {
            Self::One(name) => std::slice::from_ref(name),
            Self::Some(names) => names,
        }
    }
}

fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// The longest time that is told apart from for ever.
const LONGEST: f64 = 10.0 * 365.0 * 86_400.0;

impl Claims {
    /// For how long it holds, counted from `now`, in seconds since 1970: at least 1 s, `None` for
    /// ever.
    pub fn holds(&self, now: f64) -> Option<Duration> {
        let left = (self.exp? - now).clamp(1.0, LONGEST);
        Some(Duration::from_secs_f64(left))
    }

    /// What others see of the user.
    pub fn member(&self) -> Member {
        let mut member = Member::new(self.sub.as_str());
        member.info = self.info.as_ref().and_then(|info| {
            let text = info.to_string();
            RawValue::from_string(text).ok()
        });
        member
    }

    /// The channels that it gives without asking.
    ///
    /// # Errors
    /// When one is not the name of a channel.
    pub fn channels(&self) -> Result<Vec<ChannelName>, Refusal> {
        let names = self.channels.iter();
        let names = names.map(|name| name.parse().map_err(|_| Refusal::Claims));
        names.collect()
    }

    /// Whether it is valid at this time, `leeway` seconds more or less.
    pub(super) fn check_time(&self, now: f64, leeway: f64) -> Result<(), Refusal> {
        if self.exp.is_some_and(|exp| now >= exp + leeway) {
            return Err(Refusal::Expired);
        }
        if self.nbf.is_some_and(|nbf| now + leeway < nbf) {
            return Err(Refusal::Early);
        }
        Ok(())
    }

    /// Whether it is for one of these. One that is for somebody, where nobody is told who, is for
    /// somebody else (RFC 7519 §4.1.3).
    pub(super) fn check_audience(&self, audience: &[String]) -> Result<(), Refusal> {
        let is_ours = match &self.aud {
            None => audience.is_empty(),
            Some(named) => named.names().iter().any(|name| audience.contains(name)),
        };
        if is_ours {
            Ok(())
        } else {
            Err(Refusal::Audience)
        }
    }

    /// Whether it is by one of these, or by anybody when there are none.
    pub(super) fn check_issuer(&self, issuers: &[String]) -> Result<(), Refusal> {
        let issuer = self.iss.as_ref();
        if issuers.is_empty() || issuer.is_some_and(|issuer| issuers.contains(issuer)) {
            return Ok(());
        }
        Err(Refusal::Issuer)
    }
}
