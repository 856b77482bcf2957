//! A connection as an application sees it.

use std::fmt;
use std::future::poll_fn;
use std::sync::{Arc, MutexGuard};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use holdwire_proto::handshake::Subprotocol;
use holdwire_proto::{CloseCode, Config, Connection, Handler, Message, Prepared, Role};

use crate::driver::Driver;
use crate::error::{Closed, Error};
use crate::handle::{Handle, Shared};
use crate::split::{Receiver, Sender};
use crate::state::State;
use crate::stats::Stats;
use crate::stream::Stream;

/// What the opening handshake agreed on, to start a connection with.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Setup {
    /// Limits, deadlines and compression, shared by all connections of a listener.
    pub config: Arc<Config>,
    /// The subprotocol in use.
    pub subprotocol: Option<Subprotocol>,
    /// The parameters of permessage-deflate in use.
    #[cfg(feature = "deflate")]
    pub deflate: Option<holdwire_proto::deflate::DeflateParams>,
    /// Bytes of frames that were read together with the handshake.
    pub received: Bytes,
}

impl Setup {
    /// The protocol's side of the connection.
    pub(crate) fn connection(&self, role: Role) -> Connection {
        let connection = Connection::new(role);
        #[cfg(feature = "deflate")]
        if let Some(params) = self.deflate {
            return connection.with_deflate(params);
        }
        connection
    }
}

/// An open WebSocket connection, either end.
///
/// Messages are whole, pings are answered on the way, limits hold. Several tasks may use one
/// connection: see [`WebSocket::split`]. When the last handle is dropped, the connection is
/// closed with 1000 by a server and 1001 by a client.
///
/// **Who drives it.** A connection moves while somebody polls its [`Driver`]: the server does for
/// its handlers, in the same task; `connect` spawns a small task for it. A connection without
/// a driver ([`WebSocket::undriven`]) moves only while one of its own methods is awaited.
///
/// # Examples
/// ```
/// use holdwire::{Message, Role, Setup, WebSocket};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), holdwire::Error> {
/// let (here, there) = tokio::io::duplex(1024);
/// let (mut client, drive) = WebSocket::over(here, Role::Client, Setup::default());
/// tokio::spawn(drive);
/// let (mut server, drive) = WebSocket::over(there, Role::Server, Setup::default());
/// tokio::spawn(drive);
///
/// client.send("hello").await?;
/// assert_eq!(server.recv().await.transpose()?, Some(Message::from("hello")));
/// client.close(holdwire::CloseCode::NORMAL, "bye").await;
/// assert!(server.recv().await.is_none());
/// # Ok(())
/// # }
/// ```
pub struct WebSocket {
    pub(crate) handle: Handle,
    subprotocol: Option<Subprotocol>,
}

impl WebSocket {
    /// A connection over any transport on which the opening handshake is done, and its driver.
    pub fn over(io: impl crate::Io, role: Role, setup: Setup) -> (Self, Driver) {
        Self::over_stream(Stream::new(io), role, setup)
    }

    /// As [`WebSocket::over`], for a transport that may be a plain TCP socket.
    pub fn over_stream(stream: Stream, role: Role, setup: Setup) -> (Self, Driver) {
        let socket = Self::start(stream, role, setup);
        let driver = Driver::new(Arc::clone(&socket.handle.0));
        (socket, driver)
    }

    /// A connection without a driver: it moves only while one of its methods is awaited, so a
    /// ping is answered no sooner than the next [`WebSocket::recv`].
    #[must_use]
    pub fn undriven(stream: Stream, role: Role, setup: Setup) -> Self {
        Self::start(stream, role, setup)
    }

    fn start(stream: Stream, role: Role, setup: Setup) -> Self {
        let mut state = State::new(setup.connection(role), stream, setup.config);
        state.receive_early(&setup.received);
        Self {
            handle: Handle::new(Shared::new(state)),
            subprotocol: setup.subprotocol,
        }
    }

    /// The subprotocol that the opening handshake agreed on.
    #[must_use]
    pub fn subprotocol(&self) -> Option<&str> {
        self.subprotocol.as_ref().map(Subprotocol::as_str)
    }

    /// Receives the next message; `None` once the closing handshake is done (RFC 6455 §7.1.2).
    ///
    /// Pings are answered on the way; the caller sees messages only. Messages that came before
    /// the end are handed over first.
    ///
    /// # Errors
    /// [`Error::Protocol`] when the peer broke the protocol, [`Error::Lost`] when the line died
    /// without a closing handshake. Told once; then `None`.
    ///
    /// # Cancel safety
    /// Cancel safe: a message is handed over whole or not at all, and what was read stays.
    pub fn recv(
        &mut self,
    ) -> impl Future<Output = Option<Result<Message, Error>>> + Send + use<'_> {
        self.handle.recv()
    }

    /// Queues a message, waiting for room if the queue is full.
    ///
    /// It is written by the driver, together with everything else that is queued by then. An
    /// empty queue takes a message of any size.
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
    /// [`Error::Full`] with the message when there is none; else as [`WebSocket::send`].
    pub fn try_send(&self, message: impl Into<Message>) -> Result<(), Error> {
        self.handle.try_send(message.into())
    }

    /// Queues a message that was encoded once for many, waiting for room.
    ///
    /// # Errors
    /// As [`WebSocket::send`].
    ///
    /// # Cancel safety
    /// As [`WebSocket::send`].
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

    /// Sends a ping and waits for its pong: the round-trip time (RFC 6455 §5.5.2).
    ///
    /// # Errors
    /// As [`WebSocket::send`].
    ///
    /// # Cancel safety
    /// Cancel safe; the pong is then ignored.
    pub async fn ping(&self) -> Result<Duration, Error> {
        self.handle.ping().await
    }

    /// Closes the connection and waits until it is closed (RFC 6455 §7.1.2).
    ///
    /// Queued messages go out first; data that the peer still sends is discarded; the reason is
    /// cut to 123 bytes. Takes no longer than the close timeout (default 5 s) and 2 s more, or
    /// the write stall when the peer has stopped reading.
    ///
    /// # Cancel safety
    /// Cancel safe: the closing handshake goes on as long as the connection is driven.
    pub async fn close(&self, code: CloseCode, reason: &str) -> Closed {
        self.handle.close(code, reason).await
    }

    /// Closes the transport at once, without a Close frame: the peer sees 1006.
    ///
    /// Queued messages are lost. For a peer that is known to be gone, or to see what a drop does.
    pub fn abort(&self) {
        self.handle.lock().cut();
    }

    /// Leaves the transport alone for so long, as if the line were cut: nothing is read, written or
    /// answered, and nobody is told.
    ///
    /// For tests and demonstrations of what the peer's heartbeat does; at most
    /// [`Tick::MAX_DELAY`](holdwire_proto::time::Tick::MAX_DELAY).
    pub fn play_dead(&self, duration: Duration) {
        self.handle.lock().play_dead(duration);
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

    /// Hands every event to `handler` where it lies, without a copy or an allocation, until the
    /// connection has ended or the handler pauses.
    ///
    /// This is the fast path, for an application that answers at once: the handler replies by the
    /// [`Sender`](holdwire_proto::Sender) it is lent, and all replies to one read leave in one
    /// write. A reply is never refused for want of room: nothing more is read while more than
    /// [`send_queue`](holdwire_proto::Limits::send_queue) bytes wait to be written. Methods of
    /// other connections may be called; nothing that asks this one, such as
    /// [`ServerHandle::queued`](crate::ServerHandle::queued), which would wait for itself for
    /// ever. After a pause await this method again, with the same
    /// handler or another.
    ///
    /// While the future lives and is not polled, nothing is read: not even a ping is answered.
    ///
    /// # Errors
    /// As [`WebSocket::recv`].
    ///
    /// # Cancel safety
    /// Cancel safe: an event is handed over whole or not at all.
    ///
    /// # Examples
    /// ```
    /// use holdwire::proto::{Event, Flow, Sender};
    ///
    /// async fn echo(mut socket: holdwire::WebSocket) -> Result<(), holdwire::Error> {
    ///     let echo = |event: Event<'_>, reply: &mut Sender<'_>| {
    ///         match event {
    ///             Event::Text(text) => drop(reply.text(&text)),
    ///             Event::Binary(payload) => drop(reply.binary(&payload)),
    ///             _ => {}
    ///         }
    ///         Flow::Continue
    ///     };
    ///     socket.lend(echo).await
    /// }
    /// ```
    pub fn lend<H: Handler>(
        &mut self,
        mut handler: H,
    ) -> impl Future<Output = Result<(), Error>> + use<'_, H> {
        // Not an `async fn`, which would hold all of this twice.
        let lease = Lease(&self.handle);
        poll_fn(move |cx| {
            let mut state = lease.state();
            state.begin_lease();
            let has_paused = state.poll_lend(cx, &mut handler);
            match state.connection.ended() {
                Some(ended) => Poll::Ready(Error::of(ended).map_or(Ok(()), Err)),
                None if has_paused => Poll::Ready(Ok(())),
                None => {
                    if state.reads_again() {
                        cx.waker().wake_by_ref();
                    }
                    state.set_receiver(cx);
                    Poll::Pending
                }
            }
        })
    }

    /// Splits into a sending half that can be cloned and a receiving half.
    ///
    /// Both keep the connection open; it is driven as before.
    #[must_use]
    pub fn split(self) -> (Sender, Receiver) {
        let sender = Sender {
            handle: self.handle.clone(),
        };
        (
            sender,
            Receiver {
                handle: self.handle,
            },
        )
    }
}

impl fmt::Debug for WebSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocket")
            .field("subprotocol", &self.subprotocol())
            .field("closed", &self.closed())
            .finish_non_exhaustive()
    }
}

/// The time in which a lending receiver reads the transport in place of the driver.
struct Lease<'a>(&'a Handle);

impl Lease<'_> {
    /// A method, so that a closure which calls it holds the lease and not only its handle.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock()
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        self.0.lock().end_lease();
    }
}

#[cfg(test)]
mod tests {
    use holdwire_proto::{Event, Flow, Sender};

    use super::*;

    /// How large the future of a handler is.
    fn size<F: Future>(_: impl Fn(WebSocket) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn futures_of_short_handlers_are_small() {
        let one_by_one = size(|mut socket| async move {
            while let Some(message) = socket.recv().await.transpose()? {
                socket.send(message).await?;
            }
            Ok::<(), Error>(())
        });
        let lending = size(|mut socket| async move {
            let take = |_: Event<'_>, _: &mut Sender<'_>| Flow::Continue;
            socket.lend(take).await
        });

        assert!(one_by_one <= 176, "{one_by_one} bytes");
        assert!(lending <= 40, "{lending} bytes");
    }
}
