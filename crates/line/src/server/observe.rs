//! What a server tells about itself.

use std::time::Duration;

use holdwire_proto::handshake::Refusal;
use http::{Request, StatusCode};

use crate::error::Closed;
use crate::stats::Stats;

/// Is told about handshakes and connections; every method does nothing by default.
///
/// Calls come from the connections' tasks and must not block.
pub trait Observer: Send + Sync + 'static {
    /// A handshake was answered, with 101 or a refusal.
    fn handshake(&self, status: StatusCode) {
        let _ = status;
    }

    /// A request was refused, whether it was a handshake or not; the log has said so already.
    fn refused(&self, refusal: &Refusal) {
        let _ = refusal;
    }

    /// A connection is open.
    fn opened(&self, request: &Request<()>) {
        let _ = request;
    }

    /// A connection is closed, with its counters and how long it was open.
    fn closed(&self, closed: &Closed, stats: &Stats, open: Duration) {
        let _ = (closed, stats, open);
    }
}
