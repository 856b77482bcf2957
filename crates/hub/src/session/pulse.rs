//! Pings in a protocol that has some of its own, all from one task: each connection is woken once
//! in a period, and not all of them at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use holdwire::shard::Remote;
use tokio::runtime::Handle;
use tokio::time::MissedTickBehavior;

use super::door::{Arrival, put};

/// Groups of connections that are woken one after the other.
const GROUPS: u32 = 25;

/// What has arrived for a connection.
pub(super) type Inbox = Arc<Mutex<Vec<Arrival>>>;

/// Wakes connections when it is time to send a ping.
pub(crate) struct Pulse {
    state: Arc<Mutex<State>>,
    runtime: Handle,
    /// Seconds from one ping of a connection to the next.
    period: u32,
}

#[derive(Default)]
struct State {
    groups: [HashMap<u64, (Inbox, Remote)>; GROUPS as usize],
    /// The number of the next connection.
    next: u64,
    is_running: bool,
}

/// A connection's place; its pings end when this is dropped.
pub(super) struct Beat {
    state: Weak<Mutex<State>>,
    number: u64,
}

impl Pulse {
    /// Wakes connections once in this period; in whole seconds, as clients are told, and at least
    /// one.
    pub(crate) fn new(runtime: Handle, period: Duration) -> Self {
        let begun = u64::from(period.subsec_nanos() > 0);
        let period = period.as_secs().saturating_add(begun);
        Self {
            state: Arc::default(),
            runtime,
            period: u32::try_from(period).unwrap_or(u32::MAX).max(1),
        }
    }

    /// Seconds from one ping to the next.
    pub(super) fn period(&self) -> u32 {
        self.period
    }

    /// From now on this connection is woken, the first time within a period.
    pub(super) fn begin(&self, inbox: &Inbox, remote: &Remote) -> Beat {
        let mut state = lock(&self.state);
        let number = state.next;
        state.next += 1;
        state
            .group(number)
            .insert(number, (Arc::clone(inbox), remote.clone()));
        if !std::mem::replace(&mut state.is_running, true) {
            let every = Duration::from_secs(self.period.into()) / GROUPS;
            self.runtime.spawn(run(Arc::downgrade(&self.state), every));
        }
        Beat {
            state: Arc::downgrade(&self.state),
            number,
        }
    }
}

impl State {
    fn group(&mut self, number: u64) -> &mut HashMap<u64, (Inbox, Remote)> {
        let group = usize::try_from(number % u64::from(GROUPS)).unwrap_or_default();
        &mut self.groups[group]
    }
}

/// Wakes one group after the other, as long as the endpoint is there.
async fn run(state: Weak<Mutex<State>>, every: Duration) {
    let mut every = tokio::time::interval(every);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for group in (0..GROUPS as usize).cycle() {
        every.tick().await;
        let Some(state) = state.upgrade() else {
            return;
        };
        for (inbox, remote) in lock(&state).groups[group].values() {
            put(inbox, Arrival::Beat, remote);
        }
    }
}

impl Drop for Beat {
    fn drop(&mut self) {
        if let Some(state) = self.state.upgrade() {
            lock(&state).group(self.number).remove(&self.number);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
