//! What most connections never have, and none has for long.

use std::task::{Context, Waker};

use holdwire_proto::Compression;
use holdwire_proto::time::Tick;

/// Boxed, and there only while something is in it.
#[derive(Default)]
pub(super) struct Rare {
    /// The reason in the peer's Close frame.
    pub(super) reason: Box<str>,
    pub(super) pings: Pings,
    /// Who waits for a change of state.
    pub(super) waiting: Vec<Waker>,
    /// Until then the transport is left alone, as if the line were cut.
    pub(super) dead_until: Option<Tick>,
    /// What came compressed.
    pub(super) inflated: Compression,
    /// What went compressed.
    pub(super) deflated: Compression,
}

impl Rare {
    pub(super) fn is_empty(&self) -> bool {
        self.reason.is_empty()
            && self.pings.0.is_empty()
            && self.waiting.is_empty()
            && self.dead_until.is_none()
            && (self.inflated, self.deflated) == (Compression::default(), Compression::default())
    }

    /// Wakes the task of `cx` at the next change.
    pub(super) fn wait(&mut self, cx: &Context<'_>) {
        if !self.waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
            self.waiting.push(cx.waker().clone());
        }
    }
}

/// The application's own pings.
#[derive(Default)]
pub(super) struct Pings(Vec<Ping>);

/// A ping that waits for its pong, or a pong that waits for its asker.
struct Ping {
    payload: [u8; 8],
    is_answered: bool,
}

impl Pings {
    /// Remembers a ping until it is forgotten.
    pub(super) fn expect(&mut self, payload: [u8; 8]) {
        self.0.push(Ping {
            payload,
            is_answered: false,
        });
    }

    pub(super) fn answer(&mut self, payload: &[u8]) {
        for ping in self.0.iter_mut().filter(|ping| ping.payload == *payload) {
            ping.is_answered = true;
        }
    }

    pub(super) fn is_answered(&self, payload: [u8; 8]) -> bool {
        let mut pings = self.0.iter();
        pings.any(|ping| ping.payload == payload && ping.is_answered)
    }

    pub(super) fn forget(&mut self, payload: [u8; 8]) {
        self.0.retain(|ping| ping.payload != payload);
    }

    /// How many are answered and not forgotten yet.
    pub(super) fn answered(&self) -> usize {
        self.0.iter().filter(|ping| ping.is_answered).count()
    }
}
