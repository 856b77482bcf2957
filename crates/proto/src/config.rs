//! Limits and deadlines: one place, each with its unit, its default and its reason.

use std::time::Duration;

#[cfg(feature = "deflate")]
use crate::deflate::DeflateConfig;
use crate::heartbeat::{HeartbeatConfig, HeartbeatWord};

/// What a connection accepts and how long it waits.
///
/// Shared by reference: every connection of a listener uses the same one.
///
/// # Examples
/// ```
/// let config = holdwire_proto::Config::default().max_message(64 * 1024);
/// assert_eq!(config.limits.max_message, 64 * 1024);
/// assert_eq!(config.limits.max_frame, 64 * 1024);
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Sizes, counts and times.
    pub limits: Limits,
    /// How a dead peer is found: a Ping after silence, and a limit for its answer. Default 25 s and
    /// 20 s; `None` finds none, so that a cut line may stay unnoticed for ever.
    pub heartbeat: Option<HeartbeatConfig>,
    /// A text message that is answered at once and never reaches the application, for pages. `None`
    /// (the default) hands every text message on.
    pub heartbeat_word: Option<HeartbeatWord>,
    /// What permessage-deflate may negotiate; `None` (the default) does not offer or accept it.
    #[cfg(feature = "deflate")]
    pub deflate: Option<DeflateConfig>,
}

impl Config {
    /// Sets the largest message in bytes, and the largest frame with it.
    #[must_use]
    pub fn max_message(mut self, bytes: usize) -> Self {
        self.limits.max_message = bytes;
        self.limits.max_frame = bytes;
        self
    }

    /// Sets the limits.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets the heartbeat; `None` turns it off.
    #[must_use]
    pub fn heartbeat(mut self, heartbeat: impl Into<Option<HeartbeatConfig>>) -> Self {
        self.heartbeat = heartbeat.into();
        self
    }

    /// Answers this text message, as [`HeartbeatWord`] says.
    #[must_use]
    pub fn heartbeat_word(mut self, word: HeartbeatWord) -> Self {
        self.heartbeat_word = Some(word);
        self
    }

    /// Allows permessage-deflate (RFC 7692).
    #[cfg(feature = "deflate")]
    #[must_use]
    pub fn deflate(mut self, deflate: DeflateConfig) -> Self {
        self.deflate = Some(deflate);
        self
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            heartbeat: Some(HeartbeatConfig::default()),
            heartbeat_word: None,
            #[cfg(feature = "deflate")]
            deflate: None,
        }
    }
}

/// Sizes, counts and times of one connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The largest message in bytes, after inflating. Default 1 MiB; beyond it close code 1009.
    pub max_message: usize,
    /// The largest frame in bytes on the wire. Default 1 MiB; beyond it close code 1009, before
    /// any of its payload is kept.
    pub max_frame: usize,
    /// The most fragments of one message, empty ones counted. Default 4,096; beyond it 1008.
    pub max_fragments: u32,
    /// How long a message or frame may stay unfinished. Default 30 s; beyond it 1008.
    pub message_timeout: Duration,
    /// How long the peer may take to answer our Close frame, from when it was written. Default 5 s.
    pub close_timeout: Duration,
    /// How long the peer may take no byte while output waits. Default 30 s. This ends a peer
    /// with a closed window, which TCP itself would keep for ever.
    pub write_stall: Duration,
    /// The most bytes that wait to be written. Default 1 MiB; an empty queue takes one message of
    /// any size.
    pub send_queue: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_message: 1024 * 1024,
            max_frame: 1024 * 1024,
            max_fragments: 4096,
            message_timeout: Duration::from_secs(30),
            close_timeout: Duration::from_secs(5),
            write_stall: Duration::from_secs(30),
            send_queue: 1024 * 1024,
        }
    }
}

/// Bytes discarded at most, beyond one message of the largest size, while the peer reads our Close
/// frame, before the transport is closed.
pub const LINGER_BYTES: usize = 256 * 1024;

/// The longest time that a half-closed transport is kept so that the peer can read our last bytes.
pub const LINGER_TIME: Duration = Duration::from_secs(2);
