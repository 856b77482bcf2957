//! A channel as its user reads it.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::handle::Owner;
use super::sub::Event;
use crate::channel::ChannelName;
use crate::position::Position;

/// Events that wait, above which nothing more is read.
const FULL: usize = 256;

/// What is wanted of a channel.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wants {
    pub(super) since: Option<Position>,
    pub(super) presence: bool,
}

impl Wants {
    /// What is published from now on.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What follows this position.
    #[must_use]
    pub fn since(position: Position) -> Self {
        Self {
            since: Some(position),
            ..Self::default()
        }
    }

    /// Also who comes and goes.
    #[must_use]
    pub fn presence(self) -> Self {
        Self {
            presence: true,
            ..self
        }
    }
}

/// A subscription of a [`Client`](super::Client); it ends when this is dropped.
pub struct Subscription {
    owner: Arc<Owner>,
    channel: ChannelName,
    queue: Arc<Queue>,
    position: Option<Position>,
}

/// What waits for the user.
#[derive(Default)]
pub(super) struct Queue {
    inner: Mutex<Waiting>,
    arrived: Notify,
}

#[derive(Default)]
struct Waiting {
    events: VecDeque<Event>,
    has_ended: bool,
}

impl Queue {
    pub(super) fn push(&self, event: Event) {
        let mut inner = self.lock();
        inner.has_ended |= matches!(event, Event::Ended { .. });
        inner.events.push_back(event);
        drop(inner);
        self.arrived.notify_one();
    }

    pub(super) fn is_full(&self) -> bool {
        self.lock().events.len() >= FULL
    }

    /// Nothing more comes.
    pub(super) fn end(&self) {
        self.lock().has_ended = true;
        self.arrived.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Subscription {
    pub(super) fn new(
        owner: Arc<Owner>,
        channel: ChannelName,
        queue: Arc<Queue>,
        position: Option<Position>,
    ) -> Self {
        Self {
            owner,
            channel,
            queue,
            position,
        }
    }

    /// The channel.
    #[must_use]
    pub fn channel(&self) -> &ChannelName {
        &self.channel
    }

    /// The place after what [`Subscription::next`] has given: what to [begin
    /// with](Wants::since) another time. `None` before the first event, if there was none to begin
    /// with.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        self.position
    }

    /// The next event; `None` when the subscription has ended or the client has stopped.
    ///
    /// Publications come in the order of the log, none twice, and none is left out without an
    /// [`Event::Gap`] before the next one.
    ///
    /// # Cancel safety
    /// Cancel safe: an event is handed over or stays.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            let (event, has_ended, is_relieved) = {
                let mut inner = self.queue.lock();
                let was_full = inner.events.len() == FULL;
                (inner.events.pop_front(), inner.has_ended, was_full)
            };
            if is_relieved {
                self.owner.0.wake.notify_one();
            }
            if let Some(event) = event {
                self.pass(&event);
                return Some(event);
            }
            if has_ended {
                return None;
            }
            self.queue.arrived.notified().await;
        }
    }

    fn pass(&mut self, event: &Event) {
        match event {
            // Before a gap is told, the position stays before it.
            Event::Subscribed {
                recovered: Some(false),
                ..
            } => {}
            Event::Subscribed { position, .. } | Event::Publication { position, .. } => {
                self.position = Some(*position);
            }
            Event::Gap(gap) => self.position = Some(gap.epoch.at(gap.to)),
            _ => {}
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let shared = &self.owner.0;
        let mut inner = shared.lock();
        let is_its = |queue: &Arc<Queue>| Arc::ptr_eq(queue, &self.queue);
        if inner.queues.get(&self.channel).is_some_and(is_its) {
            inner.queues.remove(&self.channel);
            inner.machine.unsubscribe(&self.channel);
        }
        drop(inner);
        shared.wake.notify_one();
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription")
            .field("channel", &self.channel)
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}
