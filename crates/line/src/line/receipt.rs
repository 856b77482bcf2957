//! What became of a message: the receipt that every send gives.

use std::fmt;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

/// Tells what becomes of one message that was given to a [`Line`](super::Line).
///
/// ```text
/// queued ──► written ──► Written   the peer has it: a proof came
///    │          └──────► Unknown   the connection was lost before a proof came
///    └─────────────────► Dropped   it was never handed to a transport
/// ```
///
/// The *proof* is a Pong to a Ping that the line sent after the message, or a closing handshake
/// that the line began after it and the peer completed with the line's own code. It says that the peer's WebSocket read the
/// message, not that its application used it. While somebody holds receipts without a proof, the
/// line has at most one Ping of its own under way; nobody holds one, and it sends none. So
/// drop receipts that you do not look at.
///
/// Clones tell the same.
#[derive(Clone)]
pub struct Receipt {
    slot: Arc<Slot>,
}

/// What finally became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// It was written, and the peer is proved to have it.
    Written,
    /// It was handed to a transport, whole or in part, and the connection was lost without a proof.
    /// The peer may have it or not, so it is not sent again.
    Unknown,
    /// It was never handed to a transport; the peer does not have it.
    Dropped(Dropped),
}

/// Why a message was never written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Dropped {
    /// It waited longer than the outbox's expiry.
    Expired,
    /// A newer message needed its place ([`Overflow::DropOldest`](super::Overflow::DropOldest)).
    Overflow,
    /// The line stopped first.
    Stopped,
}

impl Receipt {
    /// Waits until the message was handed to a transport, all its bytes.
    ///
    /// Also `Ok` when only a part of it was written before the connection was lost;
    /// [`Receipt::settled`] is then [`Outcome::Unknown`].
    ///
    /// # Errors
    /// [`Dropped`]: that will not happen any more.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn written(&self) -> Result<(), Dropped> {
        let stage = self.reached(|stage| stage != Stage::Queued).await;
        match stage {
            Stage::Settled(Outcome::Dropped(why)) => Err(why),
            _ => Ok(()),
        }
    }

    /// Waits until it is known what became of the message, which never changes again.
    ///
    /// It takes a round trip after [`Receipt::written`], or the end of the connection.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn settled(&self) -> Outcome {
        loop {
            let is_settled = |stage| matches!(stage, Stage::Settled(_));
            if let Stage::Settled(outcome) = self.reached(is_settled).await {
                return outcome;
            }
        }
    }

    /// Whether [`Receipt::written`] is known by now, one way or the other.
    #[must_use]
    pub fn is_written(&self) -> bool {
        self.slot.stage() != Stage::Queued
    }

    /// What became of the message, if it is known by now.
    #[must_use]
    pub fn outcome(&self) -> Option<Outcome> {
        match self.slot.stage() {
            Stage::Settled(outcome) => Some(outcome),
            _ => None,
        }
    }

    /// The stage once it is one that is waited for.
    async fn reached(&self, is_it: impl Fn(Stage) -> bool) -> Stage {
        loop {
            let mut changed = pin!(self.slot.changed.notified());
            // From here on a change is not missed.
            changed.as_mut().enable();
            let stage = self.slot.stage();
            if is_it(stage) {
                return stage;
            }
            changed.await;
        }
    }
}

impl fmt::Debug for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Receipt").field(&self.slot.stage()).finish()
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Written => f.write_str("written"),
            Self::Unknown => f.write_str("unknown: the connection was lost before a proof came"),
            Self::Dropped(why) => write!(f, "dropped: {why}"),
        }
    }
}

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Expired => "the message waited longer than it may",
            Self::Overflow => "a newer message needed its place",
            Self::Stopped => "the line stopped first",
        })
    }
}

impl std::error::Error for Dropped {}

/// How far a message has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Queued,
    Written,
    Settled(Outcome),
}

/// What a receipt looks at and the line writes.
struct Slot {
    stage: Mutex<Stage>,
    changed: Notify,
}

impl Slot {
    fn stage(&self) -> Stage {
        *self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, stage: Stage) {
        *self.stage.lock().unwrap_or_else(PoisonError::into_inner) = stage;
        self.changed.notify_waiters();
    }
}

/// The line's end of a receipt. Dropped while its message was queued, it says that the line stopped.
pub(super) struct Promise(Arc<Slot>);

impl Promise {
    pub(super) fn new() -> (Self, Receipt) {
        let slot = Arc::new(Slot {
            stage: Mutex::new(Stage::Queued),
            changed: Notify::new(),
        });
        let receipt = Receipt {
            slot: Arc::clone(&slot),
        };
        (Self(slot), receipt)
    }

    /// Whether somebody still holds the receipt.
    pub(super) fn is_held(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }

    /// All its bytes were handed to a transport.
    pub(super) fn write(&self) {
        self.0.set(Stage::Written);
    }

    pub(super) fn settle(self, outcome: Outcome) {
        self.0.set(Stage::Settled(outcome));
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        if self.0.stage() == Stage::Queued {
            let stopped = Outcome::Dropped(Dropped::Stopped);
            self.0.set(Stage::Settled(stopped));
        }
    }
}

/// The promises of one connection whose messages were written and are not proved. Dropped, it says
/// that they are unknown.
///
/// Only those are kept whose receipts somebody holds, so it costs what the application keeps.
#[derive(Default)]
pub(super) struct Unproved {
    /// Written before the Ping that is under way.
    asked: Vec<Promise>,
    /// Written since.
    later: Vec<Promise>,
    /// How many were left when those without a receipt were last sorted out.
    kept: usize,
}

impl Unproved {
    /// A message was written.
    pub(super) fn write(&mut self, promise: Promise) {
        promise.write();
        self.keep(promise);
    }

    /// A message is on its way, and perhaps not yet written.
    pub(super) fn keep(&mut self, promise: Promise) {
        if !promise.is_held() {
            return;
        }
        self.later.push(promise);
        if self.later.len() > 2 * self.kept.max(MANY) {
            self.sort_out();
        }
    }

    /// Whether a Ping would prove something to somebody; then it is to be sent now.
    pub(super) fn ask(&mut self) -> bool {
        self.sort_out();
        self.asked.append(&mut self.later);
        self.kept = 0;
        !self.asked.is_empty()
    }

    /// The Pong has come.
    pub(super) fn prove_asked(&mut self) {
        for promise in self.asked.drain(..) {
            promise.settle(Outcome::Written);
        }
    }

    /// The peer completed a closing handshake that we began.
    pub(super) fn prove(mut self) {
        for promise in self.drain() {
            promise.settle(Outcome::Written);
        }
    }

    fn drain(&mut self) -> impl Iterator<Item = Promise> {
        self.asked.drain(..).chain(self.later.drain(..))
    }

    fn sort_out(&mut self) {
        self.later.retain(Promise::is_held);
        self.kept = self.later.len();
    }
}

impl Drop for Unproved {
    fn drop(&mut self) {
        for promise in self.drain() {
            promise.settle(Outcome::Unknown);
        }
    }
}

/// As many promises may wait before those without a receipt are sorted out.
const MANY: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_takes_care_of_is_settled_by_what_is_true_of_it() {
        let (queued, of_queued) = Promise::new();
        let (written, of_written) = Promise::new();
        let mut unproved = Unproved::default();
        unproved.write(written);

        drop((queued, unproved));

        let stopped = Outcome::Dropped(Dropped::Stopped);
        assert_eq!(of_queued.outcome(), Some(stopped));
        assert_eq!(of_written.outcome(), Some(Outcome::Unknown));
    }

    #[test]
    fn promises_without_a_receipt_are_not_kept() {
        let mut unproved = Unproved::default();
        for _ in 0..1000 {
            let (promise, receipt) = Promise::new();
            drop(receipt);
            unproved.write(promise);
        }
        assert!(unproved.later.is_empty());

        for _ in 0..1000 {
            let (promise, receipt) = Promise::new();
            unproved.write(promise);
            drop(receipt);
        }

        assert!(unproved.later.len() <= 2 * MANY + 1);
        assert!(!unproved.ask(), "nobody looks");
    }

    #[test]
    fn a_pong_proves_what_was_written_before_its_ping_and_nothing_else() {
        let mut unproved = Unproved::default();
        let (before, of_before) = Promise::new();
        let (after, of_after) = Promise::new();
        unproved.write(before);
        assert!(unproved.ask());
        unproved.write(after);

        unproved.prove_asked();
        drop(unproved);

        assert_eq!(of_before.outcome(), Some(Outcome::Written));
        assert_eq!(of_after.outcome(), Some(Outcome::Unknown));
    }
}
