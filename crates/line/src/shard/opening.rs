//! A connection whose opening handshake is done, on its way to a shard; and what its owner learns.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use holdwire_proto::{CloseCode, Config, Connection};
use http::Request;

use super::remote::Remote;
use super::session::Session;
use crate::error::Closed;
use crate::stats::{Stats, Traffic};

/// Makes the session of a connection.
pub(crate) type Make = Arc<dyn Fn(Request<()>, Remote) -> Box<dyn Session> + Send + Sync>;

/// Everything that a shard needs to take a connection over.
pub(crate) struct Opening {
    pub(crate) socket: std::net::TcpStream,
    pub(crate) connection: Connection,
    pub(crate) config: Arc<Config>,
    pub(crate) request: Request<()>,
    pub(crate) make: Make,
    /// Bytes of frames that were read together with the opening handshake.
    pub(crate) received: Vec<u8>,
    /// Dropped when the connection is gone; for what few connections have.
    pub(crate) guard: Option<Box<dyn Any + Send>>,
}

/// What every connection has taken from its owner: given back when dropped, or when the owner is
/// told that the connection is gone.
pub(crate) trait Ticket: Send {
    /// The owner will be told.
    fn keep(self: Box<Self>);
}

/// What whoever hands connections to a shard is told and asked.
pub(crate) trait Owner: Send + Sync + 'static {
    /// Whether a connection that is just being opened may stay.
    fn welcome(&self) -> Welcome;

    /// Messages went over the connections since this was last called.
    fn moved(&self, received: &Traffic, sent: &Traffic);

    /// A connection that was handed over is gone.
    fn closed(&self, closed: &Closed, stats: &Stats, open: Duration);
}

/// What becomes of a connection that is just being opened.
pub(crate) enum Welcome {
    Stay,
    Drain(CloseCode, String),
    Cut,
}
