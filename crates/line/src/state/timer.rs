//! One timer for all deadlines of a connection.

use std::pin::{Pin, pin};
use std::task::{Context, Waker};

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
    at: Option<Tick>,
    /// Whom the timer will wake.
    waker: Option<Waker>,
}

impl Timer {
    /// Wakes the task of `cx` at `tick`, which lies after `now`, or before it.
    pub(super) fn arm(&mut self, tick: Tick, now: Tick, cx: &mut Context<'_>) {
        let stays = |at: Tick| now.is_before(at) && !tick.is_before(at);
        let is_set = self.at.is_some_and(stays);
        let is_known = |waker: &Waker| waker.will_wake(cx.waker());
        if is_set && self.waker.as_ref().is_some_and(is_known) {
            return;
        }
        let instant = || Instant::from_std(tools::clock().instant(tick, Instant::now().into_std()));
        let sleep = match &mut self.sleep {
            Some(sleep) => {
                if !is_set {
                    sleep.as_mut().reset(instant());
                    self.at = Some(tick);
                }
                sleep
            }
            None => {
                self.at = Some(tick);
                self.sleep.insert(Box::pin(sleep_until(instant())))
            }
        };
        // The task's budget must not stand between the timer and its waker.
        if pin!(unconstrained(sleep.as_mut())).poll(cx).is_ready() {
            self.at = None;
            cx.waker().wake_by_ref();
        }
        self.waker = Some(cx.waker().clone());
    }

    /// Nothing is due: holds no memory.
    pub(super) fn give_back(&mut self) {
        if self.sleep.is_some() {
            *self = Self::default();
        }
    }
}
