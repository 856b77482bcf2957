//! Counters of one connection.

use std::ops::{AddAssign, SubAssign};
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

impl AddAssign<&Traffic> for Traffic {
    fn add_assign(&mut self, more: &Traffic) {
        self.messages += more.messages;
        self.payload += more.payload;
        self.bytes += more.bytes;
    }
}

impl SubAssign<&Traffic> for Traffic {
    fn sub_assign(&mut self, earlier: &Traffic) {
        self.messages -= earlier.messages;
        self.payload -= earlier.payload;
        self.bytes -= earlier.bytes;
    }
}

/// Adds what went over; what is true of a moment only stays.
impl AddAssign<&Stats> for Stats {
    fn add_assign(&mut self, more: &Stats) {
        self.received += &more.received;
        self.sent += &more.sent;
        self.inflated += more.inflated;
        self.deflated += more.deflated;
    }
}
