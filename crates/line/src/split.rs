//! The two halves of a connection, for tasks of their own.

use std::fmt;
use std::time::Duration;

use holdwire_proto::{CloseCode, Message, Prepared};

use crate::error::{Closed, Error};
use crate::handle::Handle;
use crate::stats::Stats;

/// Sends on a connection; clones send on the same one.
#[derive(Clone)]
pub struct Sender {
    pub(crate) handle: Handle,
}

impl Sender {
    /// Queues a message, waiting for room: see [`WebSocket::send`](crate::WebSocket::send).
    ///
    /// # Errors
    /// [`Error::Closed`] after a Close frame, or the error that ended the connection.
    ///
    /// # Cancel safety
    /// Cancel safe: the message is queued whole, or not at all and then dropped.
    pub fn send<M: Into<Message>>(
        &self,
        message: M,
    ) -> impl Future<Output = Result<(), Error>> + Send + use<'_, M> {
        self.handle.send(message.into())
    }

    /// Queues a message if there is room.
    ///
    /// # Errors
    /// [`Error::Full`] with the message when there is none; else as [`Sender::send`].
    pub fn try_send(&self, message: impl Into<Message>) -> Result<(), Error> {
        self.handle.try_send(message.into())
    }

    /// Queues a message that was encoded once for many, waiting for room.
    ///
    /// # Errors
    /// As [`Sender::send`].
    ///
    /// # Cancel safety
    /// As [`Sender::send`].
    pub async fn send_prepared(&self, message: &Prepared) -> Result<(), Error> {
        self.handle.send_prepared(message).await
    }

    /// Waits until everything queued has been written to the transport.
    ///
    /// # Errors
    /// The error that ended the connection.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn flush(&self) -> Result<(), Error> {
        self.handle.flush().await
    }

    /// Sends a ping and waits for its pong: the round-trip time.
    ///
    /// # Errors
    /// As [`Sender::send`].
    ///
    /// # Cancel safety
    /// Cancel safe; the pong is then ignored.
    pub async fn ping(&self) -> Result<Duration, Error> {
        self.handle.ping().await
    }

    /// Closes the connection: see [`WebSocket::close`](crate::WebSocket::close).
    ///
    /// # Cancel safety
    /// Cancel safe: the closing handshake goes on as long as the connection is driven.
    pub async fn close(&self, code: CloseCode, reason: &str) -> Closed {
        self.handle.close(code, reason).await
    }

    /// How the connection ended; `None` while it is open.
    #[must_use]
    pub fn closed(&self) -> Option<Closed> {
        self.handle.closed()
    }

    /// Counters so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.handle.lock().stats()
    }
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").finish_non_exhaustive()
    }
}

/// Receives from a connection.
pub struct Receiver {
    pub(crate) handle: Handle,
}

impl Receiver {
    /// Receives the next message; `None` once the closing handshake is done: see
    /// [`WebSocket::recv`](crate::WebSocket::recv).
    ///
    /// # Errors
    /// [`Error::Protocol`] or [`Error::Lost`], told once; then `None`.
    ///
    /// # Cancel safety
    /// Cancel safe: a message is handed over whole or not at all, and what was read stays.
    pub fn recv(
        &mut self,
    ) -> impl Future<Output = Option<Result<Message, Error>>> + Send + use<'_> {
        self.handle.recv()
    }

    /// How the connection ended; `None` while it is open.
    #[must_use]
    pub fn closed(&self) -> Option<Closed> {
        self.handle.closed()
    }
}

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").finish_non_exhaustive()
    }
}
