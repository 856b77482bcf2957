//! Counters of one connection.

use std::time::Duration;

use holdwire_proto::Compression;

/// What went over a connection so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// From the peer.
    pub received: Traffic,
    /// To the peer; messages count when they are queued, bytes when they are written.
    pub sent: Traffic,
    /// Bytes that wait to be written.
    pub queued: usize,
    /// Between the heartbeat's last ping that was answered and its pong, in whole milliseconds;
    /// `None` before the first. [`WebSocket::ping`](crate::WebSocket::ping) measures now.
    pub round_trip: Option<Duration>,
    /// What permessage-deflate saved the peer: the messages that came compressed.
    pub inflated: Compression,
    /// What permessage-deflate made of the messages that it compressed.
    pub deflated: Compression,
}

/// One direction of a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Traffic {
    /// Whole messages.
    pub messages: u64,
    /// Bytes of their payloads, uncompressed.
    pub payload: u64,
    /// Bytes on the wire: heads, control frames and compressed payloads; above TLS.
    pub bytes: u64,
}

impl Traffic {
    pub(crate) fn count(&mut self, payload: usize) {
        self.messages += 1;
        self.payload += payload as u64;
    }
}
