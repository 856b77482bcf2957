//! A counted reference to a connection; the last one that goes closes it.

use std::future::poll_fn;
#[cfg(feature = "shard")]
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use holdwire_proto::{CloseCode, Ended, Message, Prepared, SendError};
use tokio::time::Instant;

use crate::error::{Closed, Error};
#[cfg(feature = "shard")]
use crate::shard::Remote;
use crate::state::State;

/// The state behind its lock, and how many handles there are.
pub(crate) struct Shared {
    state: Mutex<State>,
    handles: AtomicUsize,
    /// The way to the session that drives it, if one does.
    #[cfg(feature = "shard")]
    session: OnceLock<Remote>,
}

impl Shared {
    pub(crate) fn new(state: State) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(state),
            handles: AtomicUsize::new(0),
            #[cfg(feature = "shard")]
            session: OnceLock::new(),
        })
    }

    /// From now on a session drives it.
    #[cfg(feature = "shard")]
    pub(crate) fn is_driven_by(&self, session: Remote) {
        // There is one session at most.
        let _ = self.session.set(session);
    }

    /// The server goes down: a session may choose the words.
    pub(crate) fn drain(&self, code: CloseCode, reason: String) {
        #[cfg(feature = "shard")]
        if let Some(session) = self.session.get() {
            return session.drain(code, reason);
        }
        self.lock().close(code, &reason);
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        // A panic while the lock was held left a state that is at worst closed too early.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether anybody holds the connection besides its driver.
    pub(crate) fn is_held(&self) -> bool {
        self.handles.load(Ordering::Acquire) > 0
    }

    /// How the connection ended; lost, if it was torn down before it could.
    pub(crate) fn closed(&self) -> Closed {
        let state = self.lock();
        Closed {
            ended: state.connection.ended().unwrap_or(Ended::Lost),
            reason: state.reason().into(),
        }
    }
}

/// A reference that counts.
pub(crate) struct Handle(pub(crate) Arc<Shared>);

impl Handle {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        shared.handles.fetch_add(1, Ordering::Relaxed);
        Self(shared)
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock()
    }
}

/// The operations that `WebSocket` and its halves share.
impl Handle {
    pub(crate) fn poll_recv(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Message, Error>>> {
        let mut state = self.lock();
        if !state.is_driven() {
            state.clear_receiver();
            state.poll_undriven(cx);
        } else if let Some(message) = state.take_message() {
            return Poll::Ready(Some(Ok(message)));
        }
        let Poll::Ready(message) = state.poll_message(cx) else {
            return Poll::Pending;
        };
        state.pass_on();
        match message {
            Some(message) => Poll::Ready(Some(Ok(message))),
            None => Poll::Ready(state.take_error().map(Err)),
        }
    }

    /// Not an `async fn`: each of them around a future is one more state to keep and to look at.
    pub(crate) fn recv(&self) -> impl Future<Output = Option<Result<Message, Error>>> {
        let mut turn = Turn::new(self);
        poll_fn(move |cx| {
            let polled = turn.handle.poll_recv(cx);
            turn.note(&polled);
            polled
        })
    }

    pub(crate) async fn flush(&self) -> Result<(), Error> {
        self.turn(Self::poll_flush).await
    }

    /// Polls until it is ready; when it is dropped before, others move the connection.
    async fn turn<T>(&self, poll: impl Fn(&Self, &mut Context<'_>) -> Poll<T>) -> T {
        let mut turn = Turn::new(self);
        poll_fn(|cx| {
            let polled = poll(turn.handle, cx);
            turn.note(&polled);
            polled
        })
        .await
    }

    /// Not an `async fn`, whose future would hold the message twice while it waits.
    pub(crate) fn send(&self, message: Message) -> impl Future<Output = Result<(), Error>> {
        let mut turn = Turn::new(self);
        poll_fn(move |cx| {
            let mut state = turn.handle.lock();
            match state.send(&message) {
                Ok(()) => Poll::Ready(Ok(())),
                Err(SendError::Full) => {
                    turn.wait();
                    state.poll_room(cx);
                    Poll::Pending
                }
                Err(_) => Poll::Ready(Err(state.closed_error())),
            }
        })
    }

    pub(crate) fn try_send(&self, message: Message) -> Result<(), Error> {
        let mut state = self.lock();
        match state.send(&message) {
            Ok(()) => Ok(()),
            Err(SendError::Full) => Err(Error::Full(message)),
            Err(_) => Err(state.closed_error()),
        }
    }

    pub(crate) async fn send_prepared(&self, message: &Prepared) -> Result<(), Error> {
        let mut turn = Turn::new(self);
        poll_fn(|cx| {
            let mut state = self.lock();
            match state.send_prepared(message) {
                Ok(()) => Poll::Ready(Ok(())),
                Err(SendError::Full) => {
                    turn.wait();
                    state.poll_room(cx);
                    Poll::Pending
                }
                Err(_) => Poll::Ready(Err(state.closed_error())),
            }
        })
        .await
    }

    pub(crate) fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let mut state = self.lock();
        if !state.is_driven() {
            state.poll_undriven(cx);
        }
        if !state.is_over() && state.has_output() {
            state.wait(cx);
            return Poll::Pending;
        }
        state.pass_on();
        if state.is_over() && state.connection.ended().and_then(Error::of).is_some() {
            return Poll::Ready(Err(state.closed_error()));
        }
        Poll::Ready(Ok(()))
    }

    /// Waits until the transport is closed.
    pub(crate) fn poll_over(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if !state.is_driven() {
            state.poll_undriven(cx);
        }
        if state.is_over() {
            state.pass_on();
            return Poll::Ready(());
        }
        state.wait(cx);
        Poll::Pending
    }

    pub(crate) async fn ping(&self) -> Result<Duration, Error> {
        let asked = Ping {
            handle: self,
            payload: rand::random(),
        };
        let start = Instant::now();
        let mut is_sent = false;
        poll_fn(|cx| {
            let mut state = self.lock();
            if !is_sent {
                is_sent = state.ping(asked.payload)?;
            }
            if !state.is_driven() {
                state.poll_undriven(cx);
            }
            if state.has_pong(asked.payload) {
                return Poll::Ready(Ok(start.elapsed()));
            }
            if state.connection.ended().is_some() {
                return Poll::Ready(Err(state.closed_error()));
            }
            state.wait(cx);
            Poll::Pending
        })
        .await
    }

    pub(crate) async fn close(&self, code: CloseCode, reason: &str) -> Closed {
        self.lock().close(code, reason);
        self.turn(Self::poll_over).await;
        self.0.closed()
    }

    pub(crate) fn closed(&self) -> Option<Closed> {
        let is_ended = self.lock().connection.ended().is_some();
        is_ended.then(|| self.0.closed())
    }
}

/// A ping under way; forgotten when nobody waits for it any more.
struct Ping<'a> {
    handle: &'a Handle,
    payload: [u8; 8],
}

impl Drop for Ping<'_> {
    fn drop(&mut self) {
        let mut state = self.handle.lock();
        state.forget_ping(self.payload);
        state.pass_on();
    }
}

/// The time in which a caller may be the one whom the transport of a connection without a driver
/// remembers.
struct Turn<'a> {
    handle: &'a Handle,
    has_waited: bool,
}

impl<'a> Turn<'a> {
    fn new(handle: &'a Handle) -> Self {
        Self {
            handle,
            has_waited: false,
        }
    }

    fn wait(&mut self) {
        self.has_waited = true;
    }

    /// Who has what was waited for is not the one any more.
    fn note<T>(&mut self, polled: &Poll<T>) {
        self.has_waited = polled.is_pending();
    }
}

impl Turn<'_> {
    /// Rare, and so not a part of every receive and every send.
    #[cold]
    fn pass_on(&self) {
        self.handle.lock().pass_on();
    }
}

impl Drop for Turn<'_> {
    #[inline]
    fn drop(&mut self) {
        if self.has_waited {
            self.pass_on();
        }
    }
}

impl Clone for Handle {
    fn clone(&self) -> Self {
        Self::new(Arc::clone(&self.0))
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if self.0.handles.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.lock().handle_last_dropped();
        }
    }
}
