//! The closing handshake, begun by us (RFC 6455 §7.1).

use std::time::Duration;

use holdwire::CloseCode;
use serde::Serialize;
use tokio::time::Instant;

use super::link::{End, Link, Seen};
use super::timing::Millis;

/// How the server closed.
#[derive(Debug, Default, Serialize)]
pub(super) struct ClosingHandshake {
    /// The code that we sent.
    pub(super) sent: u16,
    /// How long its Close frame took; none if none came.
    pub(super) answered_ms: Option<Millis>,
    /// The code of its Close frame.
    pub(super) code: Option<u16>,
    /// How the server ended the transport, as it should first; none if it did not.
    pub(super) transport: Option<End>,
    /// How long that took.
    pub(super) transport_ms: Option<Millis>,
}

/// How long a server may take to end the transport after the closing handshake.
const TRANSPORT: Duration = Duration::from_secs(2);

impl ClosingHandshake {
    /// Closes the connection and watches.
    pub(super) async fn see(mut link: Link, limit: Duration) -> Self {
        let begin = Instant::now();
        let mut until = begin + limit;
        let mut closing = Self {
            sent: CloseCode::NORMAL.value(),
            ..Self::default()
        };
        link.close(CloseCode::NORMAL);
        while let Some((at, seen)) = link.next(until).await {
            match seen {
                Seen::Close(code, _) => {
                    closing.answered_ms = Some(Millis(at - begin));
                    closing.code = code;
                    until = at + TRANSPORT;
                }
                Seen::End(end) => {
                    closing.transport = Some(end);
                    closing.transport_ms = Some(Millis(at - begin));
                }
                _ => {}
            }
        }
        closing
    }
}
