//! Shutting down: every connection is told, spread over a window, and the rest is cut.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use holdwire_proto::CloseCode;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::deadline::bounded;
use crate::handle::Shared;

/// Shuts a [`Server`](super::Server) down; clones speak of the same one.
#[derive(Clone)]
pub struct ServerHandle(Arc<Registry>);

struct Registry {
    open: Mutex<HashMap<u64, Weak<Shared>>>,
    next: AtomicU64,
    /// Tasks that serve a TCP connection.
    tasks: AtomicUsize,
    phase: watch::Sender<Phase>,
    /// Wakes whoever waits for the last task.
    ended: tokio::sync::Notify,
}

/// What connections that are not WebSocket (yet) have to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Serving,
    /// Handshakes are refused; open connections are closed one by one, with this code.
    Draining(CloseCode),
    /// Everything ends now.
    Over,
}

/// The share of a window in which connections are closed; the rest is for closing handshakes.
const SPREAD: f64 = 0.8;

impl Default for ServerHandle {
    fn default() -> Self {
        Self(Arc::new(Registry {
            open: Mutex::default(),
            next: AtomicU64::new(0),
            tasks: AtomicUsize::new(0),
            phase: watch::Sender::new(Phase::Serving),
            ended: tokio::sync::Notify::new(),
        }))
    }
}

impl ServerHandle {
    /// Refuses new handshakes with 503, closes every connection with `code`, spread over `window` so that the
    /// clients do not come back all at once, and returns when all are gone or the window is over.
    ///
    /// Ordinary requests are still answered, so that a load balancer can be told that the server
    /// is not ready, but whoever connects now is not waited for.
    ///
    /// Closing handshakes are included in the window; what is still open then is cut. With no
    /// connection open it returns at once.
    ///
    /// # Cancel safety
    /// Cancel safe: the server stays in its shutdown, and connections that were not closed yet
    /// stay open; call it again.
    pub async fn shutdown(&self, code: CloseCode, window: Duration) {
        let start = Instant::now();
        let window = bounded(window);
        let end = start + window;
        self.0.phase.send_replace(Phase::Draining(code));
        let open: Vec<Weak<Shared>> = self.0.lock().values().cloned().collect();
        let step = window.mul_f64(SPREAD) / u32::try_from(open.len().max(1)).unwrap_or(u32::MAX);
        let spread = async {
            for (index, connection) in (0_u32..).zip(open) {
                sleep_until(start + step * index).await;
                if let Some(connection) = connection.upgrade() {
                    connection.lock().close(code, "");
                }
            }
            self.finished().await;
        };
        let is_late = tokio::time::timeout_at(end, spread).await.is_err();
        self.0.phase.send_replace(Phase::Over);
        if is_late {
            let rest: Vec<Weak<Shared>> = self.0.lock().values().cloned().collect();
            for connection in rest.iter().filter_map(Weak::upgrade) {
                connection.lock().cut();
            }
        }
    }

    /// Whether the server is shutting down, so that it takes no more connections.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.now() != Phase::Serving
    }

    /// WebSocket connections that are open.
    #[must_use]
    pub fn open(&self) -> usize {
        self.0.lock().len()
    }

    /// Bytes that wait to be written, over all open connections.
    ///
    /// Looks at each of them: for a metrics page, not for every message.
    #[must_use]
    pub fn queued(&self) -> usize {
        let open: Vec<Weak<Shared>> = self.0.lock().values().cloned().collect();
        let open = open.iter().filter_map(Weak::upgrade);
        open.map(|connection| connection.lock().queued()).sum()
    }

    /// Waits until the server is shutting down and no connection is left.
    pub(super) async fn finished(&self) {
        let mut phase = self.phase();
        loop {
            let ended = self.0.ended.notified();
            let mut ended = std::pin::pin!(ended);
            ended.as_mut().enable();
            phase.mark_unchanged();
            let is_over = self.now() == Phase::Over;
            if self.is_draining() && (is_over || self.0.tasks.load(Ordering::Acquire) == 0) {
                return;
            }
            tokio::select! {
                () = ended => {}
                _ = phase.changed() => {}
            }
        }
    }

    pub(super) fn now(&self) -> Phase {
        *self.0.phase.borrow()
    }

    pub(super) fn phase(&self) -> watch::Receiver<Phase> {
        self.0.phase.subscribe()
    }

    /// Counts a task until the guard is dropped.
    pub(super) fn count(&self) -> Counted {
        self.0.tasks.fetch_add(1, Ordering::AcqRel);
        Counted(self.clone())
    }

    /// Remembers an open connection until the guard is dropped.
    pub(super) fn register(&self, connection: &Arc<Shared>) -> Registered {
        let id = self.0.next.fetch_add(1, Ordering::Relaxed);
        self.0.lock().insert(id, Arc::downgrade(connection));
        Registered {
            handle: self.clone(),
            id,
        }
    }
}

impl Registry {
    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Weak<Shared>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for ServerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerHandle")
            .field("open", &self.open())
            .field("is_draining", &self.is_draining())
            .finish()
    }
}

/// A task that counts.
pub(super) struct Counted(ServerHandle);

impl Drop for Counted {
    fn drop(&mut self) {
        if self.0.0.tasks.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.0.ended.notify_waiters();
        }
    }
}

/// An open connection in the registry.
pub(super) struct Registered {
    handle: ServerHandle,
    id: u64,
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.handle.0.lock().remove(&self.id);
    }
}
