//! What a server tells about itself.

use std::time::Duration;

use holdwire_proto::handshake::Refusal;
use http::{Request, StatusCode};

use crate::error::Closed;
use crate::stats::{Stats, Traffic};

/// Which limit of the server kept a handshake out that obeyed all rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TurnedAway {
    /// The server has all the connections it may have.
    Full,
    /// The client's address has all the connections it may have.
    PerAddress,
    /// Too many handshakes came at once.
    Rate,
    /// The server is going down.
    Draining,
}

impl TurnedAway {
    /// A word for logs and metrics: `full`, `address`, `rate`, `draining`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::PerAddress => "address",
            Self::Rate => "rate",
            Self::Draining => "draining",
        }
    }
}

/// Is told about handshakes and connections; every method does nothing by default.
///
/// Calls come from the connections' tasks and must not block.
pub trait Observer: Send + Sync + 'static {
    /// A handshake was answered, with 101 or a refusal. A refusal after the 101 counts with the
    /// status that it stands for.
    fn handshake(&self, status: StatusCode) {
        let _ = status;
    }

    /// A request was refused, whether it was a handshake or not; the log has said so already.
    fn refused(&self, refusal: &Refusal) {
        let _ = refusal;
    }

    /// A limit of the server kept a handshake out; [`refused`](Self::refused) was told as well.
    fn turned_away(&self, why: TurnedAway) {
        let _ = why;
    }

    /// A connection is open.
    fn opened(&self, request: &Request<()>) {
        let _ = request;
    }

    /// Messages went over connections of [sessions](super::Endpoint::sessions) since this was last
    /// called: once for all of a shard's turn. Those of other handlers are theirs to count.
    fn traffic(&self, received: &Traffic, sent: &Traffic) {
        let _ = (received, sent);
    }

    /// A connection is closed, with its counters and how long it was open.
    fn closed(&self, closed: &Closed, stats: &Stats, open: Duration) {
        let _ = (closed, stats, open);
    }
}
