//! The token of a subscription: whether there is one, and when another one is to be had.

use std::fmt;
use std::time::{Duration, Instant};

/// From where the token of a channel comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    /// What there is in the beginning is all.
    Fixed,
    /// The driver is asked.
    Driver,
}

/// The token of a subscription.
pub(crate) struct Grant {
    source: Source,
    token: Option<String>,
    /// The question that the driver has not answered.
    asked: Option<u64>,
    /// Whether another token was asked for, because the last one was too old, and none held since.
    is_new: bool,
    /// When another token is to be had.
    refresh_at: Option<Instant>,
    /// The command that has shown another one.
    shown: Option<u64>,
}

impl Grant {
    /// This token and no other, or none at all.
    pub(crate) fn fixed(token: Option<String>) -> Self {
        Self {
            source: Source::Fixed,
            token,
            asked: None,
            is_new: false,
            refresh_at: None,
            shown: None,
        }
    }

    /// Tokens that the driver is asked for.
    pub(crate) fn of_driver() -> Self {
        Self {
            source: Source::Driver,
            ..Self::fixed(None)
        }
    }

    pub(super) fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// Whether nothing can be asked for without another token.
    pub(super) fn is_missing(&self) -> bool {
        self.source == Source::Driver && self.token.is_none()
    }

    /// Whether the driver is to be asked by this number; not while it has not answered.
    pub(super) fn want(&mut self, number: u64) -> bool {
        let is_asked = self.asked.is_some();
        self.asked.get_or_insert(number);
        !is_asked
    }

    /// The driver's answer to that question; false when it is none of this grant's.
    pub(super) fn answered(&mut self, number: u64, token: Option<String>) -> bool {
        if self.asked != Some(number) {
            return false;
        }
        self.asked = None;
        self.token = token;
        true
    }

    /// The server finds the token too old; whether another one may be asked for.
    pub(super) fn expire(&mut self) -> bool {
        let may = self.source == Source::Driver && !self.is_new;
        self.is_new = true;
        may
    }

    /// Another one is needed before anything else.
    pub(super) fn drop_token(&mut self) {
        self.token = None;
        self.lose();
    }

    /// It holds for so many seconds: another one is had when a fifth of them is left.
    pub(super) fn hold(&mut self, seconds: Option<u64>, now: Instant) {
        self.is_new = false;
        self.shown = None;
        let seconds = seconds.filter(|seconds| *seconds > 0 && self.source == Source::Driver);
        self.refresh_at = seconds.and_then(|seconds| {
            now.checked_add(Duration::from_millis(seconds.saturating_mul(800)))
        });
    }

    /// Another one was shown by this command.
    pub(super) fn show(&mut self, id: u64) {
        self.shown = Some(id);
    }

    /// Whether the reply to this command is about what was shown last.
    pub(super) fn is_shown_by(&self, id: u64) -> bool {
        self.shown == Some(id)
    }

    /// Another one is to be had then.
    pub(super) fn put_off(&mut self, until: Instant) {
        self.refresh_at = Some(until);
    }

    /// Whether another one is to be had now; asked once.
    pub(super) fn take_due(&mut self, now: Instant) -> bool {
        self.refresh_at.take_if(|at| *at <= now).is_some()
    }

    pub(super) fn until(&self) -> Option<Instant> {
        self.refresh_at
    }

    /// What goes on with the server does not go on any more.
    pub(super) fn lose(&mut self) {
        self.refresh_at = None;
        self.shown = None;
    }
}

impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grant")
            .field("source", &self.source)
            .field("has_token", &self.token.is_some())
            .field("refresh_at", &self.refresh_at)
            .finish_non_exhaustive()
    }
}
