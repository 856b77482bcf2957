//! The open connections of a server, and its end: all are told, and the rest is cut.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use holdwire_proto::CloseCode;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::drain::{Drain, Draining};
use crate::handle::Shared;
#[cfg(feature = "shard")]
use crate::shard::{Command, Id, Mailbox, Order};

/// Shuts a [`Server`](super::Server) down; clones speak of the same one.
#[derive(Clone)]
pub struct ServerHandle(Arc<Registry>);

struct Registry {
    open: Mutex<HashMap<u64, Weak<Shared>>>,
    next: AtomicU64,
    /// Tasks that serve a TCP connection.
    tasks: AtomicUsize,
    #[cfg(feature = "shard")]
    shards: Mutex<Vec<Arc<Mailbox>>>,
    phase: watch::Sender<Phase>,
    /// Wakes whoever waits for the last task.
    ended: tokio::sync::Notify,
}

/// What connections that are not WebSocket (yet) have to know.
#[derive(Clone, Debug)]
pub(super) enum Phase {
    Serving,
    /// Handshakes are refused; open connections are closed one by one.
    Draining(Arc<Draining>),
    /// Everything ends now.
    Over,
}

impl Phase {
    pub(super) const fn is_serving(&self) -> bool {
        matches!(self, Self::Serving)
    }

    pub(super) const fn is_over(&self) -> bool {
        matches!(self, Self::Over)
    }
}

impl Default for ServerHandle {
    fn default() -> Self {
        Self(Arc::new(Registry {
            open: Mutex::default(),
            next: AtomicU64::new(0),
            tasks: AtomicUsize::new(0),
            #[cfg(feature = "shard")]
            shards: Mutex::default(),
            phase: watch::Sender::new(Phase::Serving),
            ended: tokio::sync::Notify::new(),
        }))
    }
}

impl ServerHandle {
    /// Goes down to start again, as [`Drain::restart`] says, with this close code:
    /// the short form of [`drain`](Self::drain).
    ///
    /// # Cancel safety
    /// As [`drain`](Self::drain).
    pub async fn shutdown(&self, code: CloseCode, window: Duration) {
        self.drain(Drain::restart(window).code(code)).await;
    }

    /// Refuses new handshakes with 503 and `Retry-After`, closes every connection in its turn with
    /// advice when to come back, and returns when all are gone or the window is over.
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
    pub async fn drain(&self, drain: Drain) {
        let draining = Arc::new(Draining::new(drain, Instant::now(), self.open()));
        self.0
            .phase
            .send_replace(Phase::Draining(Arc::clone(&draining)));
        // Only now: who registers later sees the phase.
        let spread = async {
            for (index, connection) in (0_u32..).zip(self.connections().await) {
                sleep_until(draining.closing(index)).await;
                connection.drain(draining.code(), draining.reason(rand::random()));
            }
            sleep_until(draining.end()).await;
        };
        let is_late = tokio::select! {
            // Some may leave before their turn.
            biased;
            () = self.finished() => false,
            () = spread => true,
        };
        self.0.phase.send_replace(Phase::Over);
        if is_late {
            for connection in self.in_tasks() {
                connection.lock().cut();
            }
            #[cfg(feature = "shard")]
            for shard in self.shards() {
                shard.push(Command::CutAll);
            }
        }
    }

    /// All open connections.
    async fn connections(&self) -> Vec<Connected> {
        let in_tasks: Vec<Weak<Shared>> = self.0.lock().values().cloned().collect();
        let connections = in_tasks.into_iter().map(Connected::InTask).collect();
        #[cfg(feature = "shard")]
        let connections = self.and_in_shards(connections).await;
        connections
    }

    #[cfg(feature = "shard")]
    async fn and_in_shards(&self, mut connections: Vec<Connected>) -> Vec<Connected> {
        for shard in self.shards() {
            let (sender, names) = tokio::sync::oneshot::channel();
            shard.push(Command::Name(sender));
            // A shard that has ended has none.
            let names = names.await.unwrap_or_default().into_iter();
            let of_shard = names.map(|id| Connected::InShard(Arc::clone(&shard), id));
            connections.extend(of_shard);
        }
        connections
    }

    fn in_tasks(&self) -> Vec<Arc<Shared>> {
        self.0.lock().values().filter_map(Weak::upgrade).collect()
    }

    #[cfg(feature = "shard")]
    fn shards(&self) -> Vec<Arc<Mailbox>> {
        let shards = self.0.shards.lock();
        shards.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// From now on the connections of this shard belong to the server.
    #[cfg(feature = "shard")]
    pub(super) fn add_shard(&self, shard: Arc<Mailbox>) {
        let shards = self.0.shards.lock();
        shards.unwrap_or_else(PoisonError::into_inner).push(shard);
    }

    /// Whether the server is shutting down, so that it takes no more connections.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        !self.0.phase.borrow().is_serving()
    }

    /// WebSocket connections that are open.
    #[must_use]
    pub fn open(&self) -> usize {
        let open = self.0.lock().len();
        #[cfg(feature = "shard")]
        let open = open
            + self
                .shards()
                .iter()
                .map(|shard| shard.open.load(Ordering::Relaxed))
                .sum::<usize>();
        open
    }

    /// Bytes that wait to be written, over all open connections.
    ///
    /// Looks at each of them: for a metrics page, not for every message.
    #[must_use]
    pub fn queued(&self) -> usize {
        let in_tasks = self.in_tasks();
        let in_tasks = in_tasks.iter().map(|connection| connection.lock().queued());
        let queued = in_tasks.sum::<usize>();
        #[cfg(feature = "shard")]
        let queued = queued
            + self
                .shards()
                .iter()
                .map(|shard| shard.queued.load(Ordering::Relaxed))
                .sum::<usize>();
        queued
    }

    /// Waits until the server is shutting down and no connection is left.
    pub(super) async fn finished(&self) {
        let mut phase = self.phase();
        loop {
            let ended = self.0.ended.notified();
            let mut ended = std::pin::pin!(ended);
            ended.as_mut().enable();
            phase.mark_unchanged();
            let is_over = self.now().is_over();
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
        self.0.phase.borrow().clone()
    }

    pub(super) fn phase(&self) -> watch::Receiver<Phase> {
        self.0.phase.subscribe()
    }

    /// Counts a task until the guard is dropped.
    pub(super) fn count(&self) -> Counted {
        self.0.tasks.fetch_add(1, Ordering::AcqRel);
        Counted(self.clone())
    }

    /// Ends what [`Counted::keep`] kept.
    #[cfg(feature = "shard")]
    pub(super) fn count_down(&self) {
        drop(Counted(self.clone()));
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

/// An open connection, wherever it is.
enum Connected {
    InTask(Weak<Shared>),
    #[cfg(feature = "shard")]
    InShard(Arc<Mailbox>, Id),
}

impl Connected {
    fn drain(self, code: CloseCode, reason: String) {
        match self {
            Self::InTask(connection) => {
                if let Some(connection) = connection.upgrade() {
                    connection.drain(code, reason);
                }
            }
            #[cfg(feature = "shard")]
            Self::InShard(shard, id) => {
                shard.push(Command::To(id, Order::Drain(code, reason)));
            }
        }
    }
}

/// A task that counts.
pub(super) struct Counted(ServerHandle);

#[cfg(feature = "shard")]
impl Counted {
    /// Goes on counting until [`ServerHandle::count_down`].
    pub(super) fn keep(self) {
        std::mem::forget(self);
    }
}

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
