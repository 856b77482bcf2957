//! Pings in a protocol that has some of its own, all from one task: each connection is woken once
//! in a [period](PING), and not all of them at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use holdwire::shard::Remote;
use tokio::runtime::Handle;
use tokio::time::MissedTickBehavior;

use super::door::{Arrival, put};

/// From one ping of a connection to the next.
pub(crate) const PING: Duration = Duration::from_secs(25);

/// Groups of connections that are woken one after the other.
const GROUPS: u32 = 25;

/// What has arrived for a connection.
pub(super) type Inbox = Arc<Mutex<Vec<Arrival>>>;

/// Wakes connections when it is time to send a ping.
pub(crate) struct Pulse {
    state: Arc<Mutex<State>>,
    runtime: Handle,
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
    pub(crate) fn new(runtime: Handle) -> Self {
        Self {
            state: Arc::default(),
            runtime,
        }
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
            self.runtime.spawn(run(Arc::downgrade(&self.state)));
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

/// Wakes one group after the other, as long as the hub is there.
async fn run(state: Weak<Mutex<State>>) {
    let mut every = tokio::time::interval(PING / GROUPS);
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
