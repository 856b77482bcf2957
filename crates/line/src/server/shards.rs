//! The shards of a server: started with it, given the connections that are for them.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::Instant;

use super::accept::{Permits, Place, Total};
use super::observe::Observer;
use super::registry::{Counted, Phase, ServerHandle};
use crate::error::Closed;
use crate::shard::{Command, Mailbox, Opening, Owner, Ticket, Welcome, start};
use crate::stats::{Stats, Traffic};

/// The shards that connections are handed to; told to end when this is dropped.
#[derive(Default)]
pub(super) struct Shards(Vec<Arc<Mailbox>>);

impl Shards {
    /// Starts so many.
    ///
    /// # Errors
    /// When the system has no thread or descriptor for one.
    pub(super) fn start(
        count: usize,
        handle: &ServerHandle,
        owner: &Arc<dyn Owner>,
    ) -> io::Result<Self> {
        let mut shards = Self::default();
        for _ in 0..count {
            let shard = start(Handle::current(), Arc::clone(owner))?;
            handle.add_shard(Arc::clone(&shard));
            shards.0.push(shard);
        }
        Ok(shards)
    }

    /// The shard that has the fewest connections, of those that have not failed.
    pub(super) fn emptiest(&self) -> Option<&Mailbox> {
        let shards = self.0.iter().filter(|shard| !shard.is_closed());
        let emptiest = shards.min_by_key(|shard| shard.open.load(Ordering::Relaxed));
        emptiest.map(|shard| &**shard)
    }

    /// Hands a connection to the emptiest shard.
    pub(super) fn take(&self, opening: Box<Opening>, taken: Taken) {
        if let Some(shard) = self.emptiest() {
            shard.open(opening, Box::new(taken));
        }
    }
}

impl Drop for Shards {
    fn drop(&mut self) {
        for shard in &self.0 {
            shard.push(Command::Stop);
        }
    }
}

/// What the shards tell their server.
pub(super) struct Hosting {
    handle: ServerHandle,
    observer: Option<Arc<dyn Observer>>,
    total: Total,
}

impl Hosting {
    pub(super) fn new(
        handle: &ServerHandle,
        permits: &Permits,
        observer: Option<Arc<dyn Observer>>,
    ) -> Self {
        Self {
            handle: handle.clone(),
            observer,
            total: permits.total.clone(),
        }
    }

    /// Tells the observer, whose failure is not to end a shard with all its connections.
    fn observe(&self, tell: impl FnOnce(&dyn Observer)) {
        if let Some(observer) = &self.observer
            && catch_unwind(AssertUnwindSafe(|| tell(&**observer))).is_err()
        {
            tracing::warn!("an observer panicked");
        }
    }
}

impl Owner for Hosting {
    fn welcome(&self) -> Welcome {
        // A shutdown that began while the connection was being handed over.
        match self.handle.now() {
            Phase::Serving => Welcome::Stay,
            Phase::Draining(draining) => {
                let reason = draining.reason_of_newcomer(Instant::now(), rand::random());
                Welcome::Drain(draining.code(), reason)
            }
            Phase::Over => Welcome::Cut,
        }
    }

    fn moved(&self, received: &Traffic, sent: &Traffic) {
        self.observe(|observer| observer.traffic(received, sent));
    }

    fn closed(&self, closed: &Closed, stats: &Stats, open: Duration) {
        tracing::debug!(%closed, "connection closed");
        self.observe(|observer| observer.closed(closed, stats, open));
        self.total.give_back();
        self.handle.count_down();
    }
}

/// What a connection has taken from its server.
pub(super) struct Taken {
    pub(super) counted: Counted,
    pub(super) place: Place,
}

impl Ticket for Taken {
    fn keep(self: Box<Self>) {
        self.counted.keep();
        self.place.keep();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_that_has_failed_gets_no_connection_though_it_has_the_fewest() {
        let (failed, busy) = (Mailbox::new(), Mailbox::new());
        busy.open.store(10, Ordering::Relaxed);
        let shards = Shards(vec![Arc::clone(&failed), Arc::clone(&busy)]);
        assert_eq!(
            shards.emptiest().map(|shard| shard.number),
            Some(failed.number)
        );

        failed.close();
        assert_eq!(
            shards.emptiest().map(|shard| shard.number),
            Some(busy.number)
        );

        busy.close();
        assert!(
            shards.emptiest().is_none(),
            "then each connection has a task"
        );
    }
}
