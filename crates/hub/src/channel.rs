//! Names of channels, and what a namespace allows and keeps.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use crate::allow::Allowed;
use crate::log::Retention;

/// The longest name of a channel, in bytes.
pub const MAX_NAME: usize = 255;

/// The legal name of a channel: 1 to 255 visible ASCII characters but `"` and `\`.
///
/// What stands before the first colon is its namespace: `chat` for `chat:room1`, the nameless one
/// for `news`. Clones share the text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChannelName(Arc<str>);

/// A text that is no [`ChannelName`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelNameError;

impl ChannelName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of its namespace; empty for the nameless one.
    #[must_use]
    pub fn namespace(&self) -> &str {
        self.0
            .split_once(':')
            .map_or("", |(namespace, _)| namespace)
    }
}

impl FromStr for ChannelName {
    type Err = ChannelNameError;

    fn from_str(name: &str) -> Result<Self, ChannelNameError> {
        let is_legal = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
        if name.is_empty() || name.len() > MAX_NAME || !name.bytes().all(is_legal) {
            return Err(ChannelNameError);
        }
        Ok(Self(name.into()))
    }
}

impl fmt::Display for ChannelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ChannelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &self.0)
    }
}

impl fmt::Display for ChannelNameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "a channel's name is 1 to {MAX_NAME} visible ASCII characters without \" and \\"
        )
    }
}

impl std::error::Error for ChannelNameError {}

/// What the channels of a namespace keep, and what their clients may do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Namespace {
    /// What the logs keep. Default: nothing.
    pub retention: Retention,
    /// Who may use the channels at all. Default: anyone.
    pub access: Access,
    /// Who of them may do what; what is switched off below, nobody may.
    pub allowed: Allowed,
    /// Whether clients may publish. Default: no.
    pub publish: bool,
    /// Whether clients may read the history, beyond what they missed. Default: no.
    pub history: bool,
    /// Whether clients may see who is there, and who joins and leaves. Default: no.
    pub presence: bool,
    /// How long whoever is gone may come back without having left. Default: 10 s.
    pub grace: Duration,
    /// The most publications of a page of history or recovery. Default: 200.
    pub page: usize,
    /// What becomes of a subscriber that reads too slowly. Default: it is closed.
    pub slow: SlowConsumer,
    /// Whether publications are compressed for the connections that have agreed on
    /// permessage-deflate. Default: yes.
    pub compress: bool,
}

/// Who may use the channels of a namespace: subscribe, publish, ask.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Access {
    /// Whoever may connect, nameless clients too.
    #[default]
    Anyone,
    /// Whoever has a name, or a token for the channel.
    User,
    /// Whoever has a token for the channel.
    Token,
}

impl Access {
    /// Whether somebody is let in whose connection belongs to this user, empty when nobody has
    /// said, and who was given this channel by a token or not.
    #[must_use]
    pub fn admits(self, user: &str, is_granted: bool) -> bool {
        match self {
            Self::Anyone => true,
            Self::User => is_granted || !user.is_empty(),
            Self::Token => is_granted,
        }
    }
}

/// What becomes of a subscriber whose send queue has no room for a publication.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SlowConsumer {
    /// Its connection is closed with 4208, and it comes back to where it was.
    #[default]
    Close,
    /// Whole publications are left out, and a gap tells which.
    Skip,
}

impl Default for Namespace {
    fn default() -> Self {
        Self {
            retention: Retention::NONE,
            access: Access::Anyone,
            allowed: Allowed::default(),
            publish: false,
            history: false,
            presence: false,
            grace: Duration::from_secs(10),
            page: 200,
            slow: SlowConsumer::Close,
            compress: true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespace_is_what_stands_before_the_first_colon() {
        for (name, namespace) in [("news", ""), ("chat:a", "chat"), ("a:b:c", "a"), (":x", "")] {
            let name: ChannelName = name.parse().unwrap();
            assert_eq!(name.namespace(), namespace, "{name}");
        }
    }

    #[test]
    fn name_that_would_need_care_in_json_or_a_log_is_refused() {
        let long = "x".repeat(MAX_NAME + 1);
        for name in [
            "", " ", "a b", "a\"b", "a\\b", "a\nb", "a\u{7f}", "ä", &long,
        ] {
            assert!(name.parse::<ChannelName>().is_err(), "{name:?}");
        }
        assert!("x".repeat(MAX_NAME).parse::<ChannelName>().is_ok());
    }
}
