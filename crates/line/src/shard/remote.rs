//! A connection as others see it: what may be asked of it from anywhere.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use holdwire_proto::{CloseCode, Message};
use tokio::sync::oneshot;

use super::mailbox::{Command, Mailbox, Order};
use super::slab::Id;
use super::topic::Topic;
use crate::error::Error;

/// Refers to the connection of a [`Session`](super::Session) from anywhere: other sessions, tasks,
/// threads.
///
/// It does not keep the connection open, and costs 24 bytes. What is asked of a connection that is
/// gone does nothing. Everything is done by the thread that has the connection, in the order in
/// which one thread asked.
#[derive(Clone)]
pub struct Remote {
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) id: Id,
}

impl Remote {
    pub(crate) fn new(mailbox: Arc<Mailbox>, id: Id) -> Self {
        Self { mailbox, id }
    }

    /// Sends a message, waiting for room in the connection's queue.
    ///
    /// A session that answers at once uses the sender that it is lent: this is for what happens
    /// elsewhere.
    ///
    /// # Errors
    /// [`Error::Closed`] when the connection is closing or gone.
    ///
    /// # Cancel safety
    /// The message is queued whole or not at all; when the future is dropped, either may be.
    pub async fn send(&self, message: impl Into<Message>) -> Result<(), Error> {
        let (done, queued) = oneshot::channel();
        self.order(Order::Send(message.into(), done));
        queued.await.unwrap_or(Err(Error::Closed))
    }

    /// Begins the closing handshake (RFC 6455 §7.1.2); the reason is cut to 123 bytes.
    pub fn close(&self, code: CloseCode, reason: impl Into<String>) {
        self.order(Order::Close(code, reason.into()));
    }

    /// Closes the connection because the server goes down; its session may choose the words.
    pub(crate) fn drain(&self, code: CloseCode, reason: String) {
        self.order(Order::Drain(code, reason));
    }

    /// Closes the transport at once, without a Close frame: the peer sees 1006.
    pub fn abort(&self) {
        self.order(Order::Cut);
    }

    /// Leaves the transport alone for so long, as if the line were cut: for tests and
    /// demonstrations, as [`WebSocket::play_dead`](crate::WebSocket::play_dead).
    pub fn play_dead(&self, duration: Duration) {
        self.order(Order::PlayDead(duration));
    }

    /// Goes on with a session that has paused.
    pub fn resume(&self) {
        self.order(Order::Resume);
    }

    /// Has [`Session::on_wake`](super::Session::on_wake) called: what was worked on elsewhere is
    /// there. Several calls may come to one.
    pub fn wake(&self) {
        self.order(Order::Wake);
    }

    /// Has [`Session::on_wake`](super::Session::on_wake) called when everything that was sent
    /// before has been written to the transport: for sending much, a part at a time. Several calls
    /// may come to one.
    pub fn wake_when_sent(&self) {
        self.order(Order::WakeWhenSent);
    }

    /// Has the connection get what is published on `topic` from now on: see
    /// [`Session::on_join`](super::Session::on_join). Once more does nothing.
    pub fn join(&self, topic: &Topic) {
        self.order(Order::Join(topic.clone()));
    }

    /// Ends that; what was published before may still come.
    pub fn leave(&self, topic: &Topic) {
        self.order(Order::Leave(topic.clone()));
    }

    fn order(&self, order: Order) {
        self.mailbox.push(Command::To(self.id, order));
    }
}

impl PartialEq for Remote {
    fn eq(&self, other: &Self) -> bool {
        self.mailbox.number == other.mailbox.number && self.id == other.id
    }
}

impl Eq for Remote {}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Remote({}.{}.{})",
            self.mailbox.number, self.id.index, self.id.generation
        )
    }
}
