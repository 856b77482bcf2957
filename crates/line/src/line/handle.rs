//! What the application holds and the line's task looks at.

use std::fmt;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use holdwire_proto::{CloseCode, Message};
use tokio::sync::Notify;

use super::event::Events;
use super::outbox::{Queue, SendError};
use super::receipt::Receipt;

/// Sends on a [`Line`](super::Line), asks it how it is, and stops it; clones do the same.
///
/// A line lives as long as it or a handle of it does. A handle whose `Line` was dropped still
/// sends; what the server sends is then read and dropped.
pub struct Handle {
    shared: Arc<Shared>,
}

/// What a line is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum State {
    /// An attempt is under way.
    Connecting {
        /// The count of attempts, from 1, since the last connection that was up for long enough.
        attempt: u32,
    },
    /// The connection is open.
    Open {
        /// The number of the attempt that opened it.
        generation: u64,
    },
    /// The connection is lost, and the next attempt has its time.
    Waiting {
        /// That time; [`Handle::wake`] may bring it forward.
        until: Instant,
    },
    /// It will not come back.
    Stopped,
}

/// What a line did so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Attempts begun.
    pub attempts: u64,
    /// Connections opened.
    pub connections: u64,
    /// Messages received.
    pub received: u64,
    /// Messages handed to a transport with all their bytes.
    pub written: u64,
    /// Messages dropped that were never handed to a transport, for whatever reason.
    pub dropped: u64,
    /// Messages that wait to be written, now.
    pub waiting: usize,
}

impl Handle {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        shared.handles.fetch_add(1, Ordering::Relaxed);
        Self { shared }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.shared.lock()
    }

    /// Puts a message into the outbox, from where it is sent as soon as the line is open.
    ///
    /// It never waits, and never for the network. Messages leave in the order of their `send`s;
    /// none is sent a second time once a byte of it may have been written.
    ///
    /// # Errors
    /// [`SendError`] with the message: the outbox is full, the message can never fit it, or the
    /// line has stopped.
    pub fn send(&self, message: impl Into<Message>) -> Result<Receipt, SendError> {
        self.lock().send(message.into())
    }

    /// Sends a message on one connection and on no other, before everything that waits in the
    /// outbox: for what only this connection can understand.
    ///
    /// It has no receipt and is not bounded by the [`Outbox`](super::Outbox); as with
    /// [`Builder::on_up`](super::Builder::on_up), what of it was not sent when the connection is lost is
    /// dropped.
    ///
    /// # Errors
    /// [`SendError::Gone`] when the connection that this attempt opened is not open any more.
    pub fn send_on(&self, generation: u64, message: impl Into<Message>) -> Result<(), SendError> {
        self.lock().send_on(generation, message.into())
    }

    /// Stops the line for good, with close code 1000 if it is open.
    ///
    /// What waits in the outbox is dropped as [`Dropped::Stopped`](super::Dropped::Stopped): await
    /// receipts first if it matters. The closing handshake goes on in the background:
    /// [`Handle::ended`] waits for it. Events that were not taken yet are still there to be taken,
    /// and then [`Event::Stopped`](super::Event::Stopped).
    pub fn stop(&self) {
        self.stop_with(CloseCode::NORMAL, "");
    }

    /// As [`Handle::stop`], with this close code and reason; a reason is cut after 123 bytes.
    pub fn stop_with(&self, code: CloseCode, reason: &str) {
        self.lock().stop(code, reason);
    }

    /// Waits until the line has stopped and its last connection is closed.
    ///
    /// A server that does not answer our Close frame, or does not even read, is left after
    /// [`Limits::close_timeout`](crate::Limits::close_timeout) or
    /// [`Limits::write_stall`](crate::Limits::write_stall).
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn ended(&self) {
        loop {
            let mut ended = pin!(self.shared.ended.notified());
            ended.as_mut().enable();
            if self.lock().has_ended {
                return;
            }
            ended.await;
        }
    }

    /// A hint that the network is back: a line that waits tries again as soon as the server's
    /// advice and the distance between attempts allow. Otherwise it does nothing.
    pub fn wake(&self) {
        let mut inner = self.lock();
        inner.is_woken = true;
        inner.wake_task();
    }

    /// What the line is doing.
    #[must_use]
    pub fn state(&self) -> State {
        self.lock().state
    }

    /// The latest round-trip time, measured by the heartbeat or for a receipt; `None` before the
    /// first. It stays when the connection is lost.
    #[must_use]
    pub fn round_trip(&self) -> Option<Duration> {
        self.lock().round_trip
    }

    /// What the line did so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        let inner = self.lock();
        Counters {
            dropped: inner.outbox.dropped(),
            waiting: inner.outbox.len(),
            ..inner.counters
        }
    }
}

impl Clone for Handle {
    fn clone(&self) -> Self {
        Self::new(Arc::clone(&self.shared))
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if self.shared.handles.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.lock().stop(CloseCode::GOING_AWAY, "");
        }
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Handle");
        shown.field("state", &self.state()).finish_non_exhaustive()
    }
}

/// Between the handles and the task; the task does not count as a handle.
pub(super) struct Shared {
    inner: Mutex<Inner>,
    handles: AtomicUsize,
    ended: Notify,
}

/// What is behind the lock, which is never held across an await.
pub(super) struct Inner {
    pub(super) outbox: Queue,
    pub(super) events: Events,
    pub(super) state: State,
    pub(super) round_trip: Option<Duration>,
    pub(super) counters: Counters,
    /// How to close, once somebody said stop.
    pub(super) stopping: Option<(CloseCode, Box<str>)>,
    pub(super) is_woken: bool,
    has_ended: bool,
    task: Option<Waker>,
}

impl Shared {
    pub(super) fn new(outbox: Queue) -> Arc<Self> {
        let inner = Inner {
            outbox,
            events: Events::default(),
            state: State::Connecting { attempt: 1 },
            round_trip: None,
            counters: Counters::default(),
            stopping: None,
            is_woken: false,
            has_ended: false,
            task: None,
        };
        Arc::new(Self {
            inner: Mutex::new(inner),
            handles: AtomicUsize::new(0),
            ended: Notify::new(),
        })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing that can panic runs while the lock is held.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The task is over and the last connection is closed.
    pub(super) fn end(&self) {
        self.lock().has_ended = true;
        self.ended.notify_waiters();
    }
}

impl Inner {
    fn send(&mut self, message: Message) -> Result<Receipt, SendError> {
        if self.stopping.is_some() || self.state == State::Stopped {
            return Err(SendError::Stopped(message));
        }
        let receipt = self.outbox.push(message, tokio::time::Instant::now())?;
        self.wake_task();
        Ok(receipt)
    }

    fn send_on(&mut self, generation: u64, message: Message) -> Result<(), SendError> {
        if self.stopping.is_some() || self.state != (State::Open { generation }) {
            return Err(SendError::Gone(message));
        }
        self.outbox.push_greeting(message);
        self.wake_task();
        Ok(())
    }

    fn stop(&mut self, code: CloseCode, reason: &str) {
        if self.stopping.is_none() {
            self.stopping = Some((code, reason.into()));
            self.wake_task();
        }
    }

    pub(super) fn wake_task(&mut self) {
        if let Some(task) = self.task.take() {
            task.wake();
        }
    }

    pub(super) fn set_task(&mut self, cx: &Context<'_>) {
        self.task = Some(cx.waker().clone());
    }
}
