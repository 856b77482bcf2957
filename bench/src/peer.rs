//! What every peer's echo server stands in, so that they differ in the library only.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Poll, ready};

use futures_util::{Sink, Stream};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::options::listen_address;

/// Path on which every message goes to all other connections of that path; on all others it is
/// sent back.
pub const BROADCAST_PATH: &str = "/broadcast";

/// Listens where the command line says and serves each connection in a task of its own, on one
/// thread, with `TCP_NODELAY`. How a connection ended is nobody's business here.
///
/// # Errors
/// The command line or the port is not usable.
pub fn serve<C, F>(connection: C) -> io::Result<()>
where
    C: Fn(TcpStream) -> F,
    F: Future<Output = ()> + 'static,
    F: Send,
{
    let address = listen_address()?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(address).await?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            tokio::spawn(connection(stream));
        }
    })
}

/// Echoes every message for which `is_data` holds: first all that are ready, then one flush.
///
/// This is what `forward` does on the two halves of a split WebSocket, without the lock between
/// them: the cheapest that a library with `Stream` and `Sink` can be used.
///
/// # Errors
/// Whatever ended the connection.
pub async fn echo<S, M, E>(mut websocket: S, is_data: fn(&M) -> bool) -> Result<(), E>
where
    S: Stream<Item = Result<M, E>> + Sink<M, Error = E> + Unpin,
{
    let mut held = None;
    poll_fn(|cx| {
        loop {
            if held.is_some() {
                ready!(Pin::new(&mut websocket).poll_ready(cx))?;
                if let Some(message) = held.take() {
                    Pin::new(&mut websocket).start_send(message)?;
                }
            }
            match Pin::new(&mut websocket).poll_next(cx) {
                Poll::Ready(Some(message)) => held = Some(message?).filter(is_data),
                Poll::Ready(None) => return Pin::new(&mut websocket).poll_flush(cx),
                Poll::Pending => {
                    ready!(Pin::new(&mut websocket).poll_flush(cx))?;
                    return Poll::Pending;
                }
            }
        }
    })
    .await
}

/// Broadcasts: gives each message for which `is_data` holds to `publish`, and sends what comes
/// out of `others`, all that is ready with one flush.
///
/// A channel for each connection is what the libraries themselves show; their messages are
/// reference counted, so that a copy for each connection copies no payload.
///
/// # Errors
/// Whatever ended the connection.
pub async fn broadcast<S, M, E>(
    mut websocket: S,
    is_data: fn(&M) -> bool,
    mut others: UnboundedReceiver<M>,
    publish: impl Fn(M),
) -> Result<(), E>
where
    S: Stream<Item = Result<M, E>> + Sink<M, Error = E> + Unpin,
{
    let mut held = None;
    poll_fn(|cx| {
        while let Poll::Ready(message) = Pin::new(&mut websocket).poll_next(cx) {
            match message {
                Some(message) => Some(message?).filter(is_data).map_or((), &publish),
                None => return Pin::new(&mut websocket).poll_flush(cx),
            }
        }
        loop {
            if held.is_none() {
                match others.poll_recv(cx) {
                    Poll::Ready(Some(message)) => held = Some(message),
                    Poll::Ready(None) | Poll::Pending => break,
                }
            }
            ready!(Pin::new(&mut websocket).poll_ready(cx))?;
            if let Some(message) = held.take() {
                Pin::new(&mut websocket).start_send(message)?;
            }
        }
        ready!(Pin::new(&mut websocket).poll_flush(cx))?;
        Poll::Pending
    })
    .await
}

/// The connections of the broadcast path, for libraries that have no such thing of their own.
#[derive(Debug)]
pub struct Room<M> {
    members: Mutex<Members<M>>,
}

#[derive(Debug)]
struct Members<M> {
    senders: Vec<(u64, UnboundedSender<M>)>,
    next: u64,
}

impl<M: Clone> Room<M> {
    /// An empty room, for a `static`: the process has one.
    pub const fn new() -> Self {
        let senders = Vec::new();
        Self {
            members: Mutex::new(Members { senders, next: 0 }),
        }
    }

    /// Lets a connection in: its number, and what the others say from now on.
    pub fn join(&self) -> (u64, UnboundedReceiver<M>) {
        let (sender, others) = unbounded_channel();
        let mut members = self.members();
        let number = members.next;
        members.next += 1;
        members.senders.push((number, sender));
        (number, others)
    }

    /// Gives a message to all but the one with the number `from`; who has gone is forgotten.
    pub fn publish(&self, from: u64, message: &M) {
        self.members()
            .senders
            .retain(|(number, sender)| *number == from || sender.send(message.clone()).is_ok());
    }

    /// [Broadcasts](broadcast) between this connection and the others.
    ///
    /// # Errors
    /// Whatever ended the connection.
    pub async fn serve<S, E>(&self, websocket: S, is_data: fn(&M) -> bool) -> Result<(), E>
    where
        S: Stream<Item = Result<M, E>> + Sink<M, Error = E> + Unpin,
    {
        let (number, others) = self.join();
        broadcast(websocket, is_data, others, |message| {
            self.publish(number, &message);
        })
        .await
    }

    fn members(&self) -> MutexGuard<'_, Members<M>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<M: Clone> Default for Room<M> {
    fn default() -> Self {
        Self::new()
    }
}
