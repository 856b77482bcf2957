//! One timer for all deadlines of a connection.

use std::pin::{Pin, pin};
use std::task::Context;

use holdwire_proto::time::Tick;
use tokio::task::coop::unconstrained;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::tools;

/// Wakes whoever asked last, at a tick or before it.
///
/// Deadlines mostly move away, and the timer stays where it is: when it fires too early, the
/// caller asks again. So a message costs a comparison.
#[derive(Default)]
pub(super) struct Timer {
    sleep: Option<Pin<Box<Sleep>>>,
    /// When it fires; `None` when it has fired, or would wake somebody else.
    at: Option<Tick>,
}

impl Timer {
    /// Wakes the task of `cx` at `tick`, which lies after `now`, or before it.
    pub(super) fn arm(&mut self, tick: Tick, now: Tick, cx: &mut Context<'_>) {
        let stays = |at: Tick| now.is_before(at) && !tick.is_before(at);
        if self.at.is_some_and(stays) {
            return;
        }
        let instant = Instant::from_std(tools::clock().instant(tick, Instant::now().into_std()));
        let sleep = match &mut self.sleep {
            Some(sleep) => {
                sleep.as_mut().reset(instant);
                sleep
            }
            None => self.sleep.insert(Box::pin(sleep_until(instant))),
        };
        self.at = Some(tick);
        // The task's budget must not stand between the timer and its waker.
        if pin!(unconstrained(sleep.as_mut())).poll(cx).is_ready() {
            self.at = None;
            cx.waker().wake_by_ref();
        }
    }

    /// Whether nobody would be woken by `tick`.
    pub(super) fn is_later_than(&self, tick: Tick) -> bool {
        self.at.is_none_or(|at| tick.is_before(at))
    }

    /// Another task than before is to be woken.
    pub(super) fn forget_task(&mut self) {
        self.at = None;
    }

    /// Nothing is due: holds no memory.
    pub(super) fn give_back(&mut self) {
        if self.sleep.is_some() {
            *self = Self::default();
        }
    }
}
