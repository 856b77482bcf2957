//! What a hub counts.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::reading::Reason;
use crate::session::Limited;

/// What happened in a [`Hub`](crate::Hub) since it began, and what there is now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Channels that somebody has subscribed to.
    pub channels: u64,
    /// Subscriptions.
    pub subscriptions: u64,
    /// Publications that were accepted here; repetitions are none.
    pub publications: u64,
    /// Publications handed out for subscribers, each for each.
    pub deliveries: u64,
    /// Publications that were read again for subscribers who came back.
    pub replays: u64,
    /// Gaps told because what was missing had expired.
    pub expired: u64,
    /// Gaps told because the log was another one.
    pub epoch: u64,
    /// Gaps told because the log had forked.
    pub diverged: u64,
    /// Gaps told because the subscriber was too slow.
    pub slow: u64,
    /// Subscribers that were closed because they were too slow.
    pub slow_closed: u64,
    /// What limits have kept out.
    pub limited: Kept,
}

/// What limits have kept out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Kept {
    /// Commands beyond the rate of a connection.
    pub commands: u64,
    /// Publications beyond the rate of a connection.
    pub publications: u64,
    /// Commands beyond the rate of a user.
    pub user_commands: u64,
    /// Publications beyond the rate of a user.
    pub user_publications: u64,
    /// Subscriptions of a connection that had enough.
    pub channels: u64,
    /// Connections of a user who had enough.
    pub connections: u64,
    /// Connections that were closed because they did not mind.
    pub abuse: u64,
}

/// The same, growing.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    subscriptions: AtomicU64,
    publications: AtomicU64,
    deliveries: AtomicU64,
    replays: AtomicU64,
    expired: AtomicU64,
    epoch: AtomicU64,
    diverged: AtomicU64,
    slow: AtomicU64,
    slow_closed: AtomicU64,
    limited: [AtomicU64; 7],
}

impl Counters {
    pub(crate) fn subscribed(&self) {
        self.subscriptions.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn unsubscribed(&self) {
        self.subscriptions.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn published(&self) {
        self.publications.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn delivered(&self, count: usize) {
        self.deliveries.fetch_add(count as u64, Ordering::Relaxed);
    }

    pub(crate) fn replayed(&self, count: u64) {
        self.replays.fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn gap(&self, reason: Reason) {
        let counter = match reason {
            Reason::Expired => &self.expired,
            Reason::Epoch => &self.epoch,
            Reason::Diverged { .. } => &self.diverged,
            Reason::Slow => &self.slow,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn closed_slow(&self) {
        self.slow_closed.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn limited(&self, what: Limited) {
        self.limited[what as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// What was counted, with the number of channels.
    pub(crate) fn read(&self, channels: u64) -> Counts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            channels,
            subscriptions: read(&self.subscriptions),
            publications: read(&self.publications),
            deliveries: read(&self.deliveries),
            replays: read(&self.replays),
            expired: read(&self.expired),
            epoch: read(&self.epoch),
            diverged: read(&self.diverged),
            slow: read(&self.slow),
            slow_closed: read(&self.slow_closed),
            limited: {
                let limited = |what: Limited| read(&self.limited[what as usize]);
                Kept {
                    commands: limited(Limited::Commands),
                    publications: limited(Limited::Publications),
                    user_commands: limited(Limited::UserCommands),
                    user_publications: limited(Limited::UserPublications),
                    channels: limited(Limited::Channels),
                    connections: limited(Limited::Connections),
                    abuse: limited(Limited::Abuse),
                }
            },
        }
    }
}
