//! Coming back after a loss, as a state machine.
//!
//! It owns no transport, no timer and no source of randomness. Whoever drives it tells it what
//! happened, does what [`poll_action`](Reconnect::poll_action) says, and calls
//! [`handle_timeout`](Reconnect::handle_timeout) at [`poll_timeout`](Reconnect::poll_timeout):
//!
//! ```text
//!                 ┌───────────────── timeout, wake ─────────────────┐
//!                 ▼                                                 │
//!   idle ──► connecting ──── opened ────► open ──── lost ────► waiting
//!    start        │                                                 ▲
//!                 └──────────────── lost, timeout ──────────────────┘
//!                     any of them ── stop, decision, limit ──► stopped
//! ```
//!
//! Each attempt has a **generation**, one more than the attempt before. What is told about another
//! generation than the present one changes nothing, so a late event of an old transport can never
//! harm the new one, and there are never two.
//!
//! The same rules in other languages are checked by the same cases: `vectors/reconnect.json`.

mod decision;
mod policy;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

pub use crate::backoff::Backoff;
pub use decision::{Decision, Target};
pub use policy::Policy;

/// Decides when to connect, when to wait and when to stop.
///
/// Randomness is a `u32` of even distribution, drawn anew for each call.
///
/// # Examples
/// ```
/// use holdwire_proto::reconnect::{Action, Decision, Loss, Policy, Reconnect};
/// use std::time::{Duration, Instant};
///
/// let t0 = Instant::now();
/// let mut reconnect = Reconnect::new(Policy::default());
/// reconnect.start(t0);
/// assert_eq!(reconnect.poll_action(), Some(Action::Connect { generation: 1, attempt: 1 }));
/// reconnect.handle_opened(t0, 1);
/// assert_eq!(reconnect.poll_action(), Some(Action::Up { generation: 1 }));
///
/// // A minute later the line is cut: half of the first 500 ms, then a new attempt.
/// let t1 = t0 + Duration::from_secs(60);
/// reconnect.handle_lost(t1, 1, Loss::default(), Decision::Retry, 1 << 31);
/// let next_in = Duration::from_millis(250);
/// assert_eq!(reconnect.poll_action(), Some(Action::Down { generation: 1, next_in }));
/// assert_eq!(reconnect.poll_timeout(), Some(t1 + next_in));
///
/// reconnect.handle_timeout(t1 + next_in, 0);
/// assert_eq!(reconnect.poll_action(), Some(Action::Connect { generation: 2, attempt: 1 }));
/// ```
#[derive(Debug)]
pub struct Reconnect {
    policy: Policy,
    phase: Phase,
    /// The number of the latest attempt; 0 before the first.
    generation: u64,
    /// When the latest attempt began.
    began: Option<Instant>,
    /// Attempts since the last good connection.
    attempts: u32,
    /// Losses since the last good connection, its own included; these raise the ceiling.
    losses: u32,
    /// Losses that count towards a [`Decision::StopAfter`].
    repeats: u32,
    actions: VecDeque<Action>,
}

/// A state with what only it needs; a deadline of `None` lies beyond the end of time.
#[derive(Clone, Copy, Debug)]
enum Phase {
    Idle,
    Connecting {
        deadline: Option<Instant>,
        /// Whether the deadline was moved because the driver had been away.
        moved: bool,
    },
    Open {
        since: Instant,
    },
    Waiting {
        due: Option<Instant>,
        /// Before this no wake brings the next attempt forward.
        not_before: Option<Instant>,
    },
    Stopped,
}

impl Reconnect {
    /// A machine that waits for [`start`](Self::start).
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        Self {
            policy,
            phase: Phase::Idle,
            generation: 0,
            began: None,
            attempts: 0,
            losses: 0,
            repeats: 0,
            actions: VecDeque::new(),
        }
    }

    /// The settings it was made with.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The state after the latest call.
    #[must_use]
    pub fn state(&self) -> State {
        match self.phase {
            Phase::Idle => State::Idle,
            Phase::Connecting { .. } => State::Connecting,
            Phase::Open { .. } => State::Open,
            Phase::Waiting { .. } => State::Waiting,
            Phase::Stopped => State::Stopped,
        }
    }

    /// The number of the latest attempt, from 1; 0 before the first.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Begins the first attempt; does nothing unless idle.
    pub fn start(&mut self, now: Instant) {
        if let Phase::Idle = self.phase {
            self.connect(now);
        }
    }

    /// Stops for good: the transport there is, is dropped while it connects and closed if it is
    /// open. Does nothing when stopped already.
    pub fn stop(&mut self) {
        let generation = self.generation;
        match self.phase {
            Phase::Stopped => return,
            Phase::Connecting { .. } => self.actions.push_back(Action::Abandon { generation }),
            Phase::Open { .. } => self.actions.push_back(Action::Close { generation }),
            Phase::Idle | Phase::Waiting { .. } => {}
        }
        self.stopped(Why::Asked);
    }

    /// The attempt succeeded: the opening handshake is done.
    pub fn handle_opened(&mut self, now: Instant, generation: u64) {
        if let Phase::Connecting { .. } = self.phase
            && generation == self.generation
        {
            self.phase = Phase::Open { since: now };
            self.actions.push_back(Action::Up { generation });
        }
    }

    /// The attempt failed, or the open connection is lost.
    ///
    /// `decision` is the table's ([`Decision::of_close_code`], [`Decision::of_status`]) or the
    /// application's own.
    pub fn handle_lost(
        &mut self,
        now: Instant,
        generation: u64,
        loss: Loss,
        decision: Decision,
        random: u32,
    ) {
        let uptime = match self.phase {
            Phase::Connecting { .. } => None,
            Phase::Open { since } => Some(now.saturating_duration_since(since)),
            Phase::Idle | Phase::Waiting { .. } | Phase::Stopped => return,
        };
        if generation != self.generation {
            return;
        }
        if uptime.is_some_and(|uptime| uptime >= self.policy.min_uptime) {
            self.attempts = 0;
            self.losses = 0;
            self.repeats = 0;
        }
        if loss.abandon {
            self.actions.push_back(Action::Abandon { generation });
        }
        if self.has_decided_to_stop(decision) {
            return self.stopped(Why::Decision);
        }
        if self.has_no_attempt_left() {
            return self.stopped(Why::Attempts);
        }
        self.wait(now, loss.advice, decision, random);
    }

    /// Acts on a deadline that has passed; called early it does nothing.
    ///
    /// An attempt whose time is over is a loss with [`Decision::Retry`]; who decides otherwise
    /// calls [`has_timed_out`](Self::has_timed_out) before it.
    pub fn handle_timeout(&mut self, now: Instant, random: u32) {
        if self.has_timed_out(now) {
            let loss = Loss {
                advice: None,
                abandon: true,
            };
            self.handle_lost(now, self.generation, loss, Decision::Retry, random);
        } else if let Phase::Waiting { due: Some(due), .. } = self.phase
            && due <= now
        {
            self.connect(now);
        }
    }

    /// Whether there is an attempt and its time is over, so that it is to be
    /// [lost](Self::handle_lost).
    ///
    /// It is not judged by a call that comes more than [`LATE`] after its deadline (a frozen page,
    /// a laptop that slept): its deadline moves, once, to [`LATE`] from now, so that a queued
    /// success is seen first.
    pub fn has_timed_out(&mut self, now: Instant) -> bool {
        let Phase::Connecting {
            deadline: Some(deadline),
            moved,
        } = &mut self.phase
        else {
            return false;
        };
        if !*moved && now.saturating_duration_since(*deadline) > LATE {
            *moved = true;
            *deadline = now + LATE;
        }
        *deadline <= now
    }

    /// A hint that the network or the page is back: a waiting machine waits no longer than it
    /// must for the server's advice, and for attempts to lie the first ceiling apart.
    ///
    /// Elsewhere it does nothing; whether an open connection is still alive is for its heartbeat
    /// to find out.
    pub fn handle_wake(&mut self, now: Instant) {
        let spaced = self.began.and_then(|began| {
            let apart = self.policy.backoff.first();
            began.checked_add(apart)
        });
        if let Phase::Waiting { due, not_before } = &mut self.phase
            && let (Some(spaced), Some(not_before)) = (spaced, *not_before)
        {
            let soonest = now.max(not_before).max(spaced);
            *due = Some(due.map_or(soonest, |due| due.min(soonest)));
        }
    }

    /// What to do next; call it until it says `None`, after every other call.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout); every other call may change it.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.phase {
            Phase::Connecting { deadline, .. } => deadline,
            Phase::Waiting { due, .. } => due,
            Phase::Idle | Phase::Open { .. } | Phase::Stopped => None,
        }
    }

    fn connect(&mut self, now: Instant) {
        self.generation += 1;
        self.attempts = self.attempts.saturating_add(1);
        self.began = Some(now);
        self.phase = Phase::Connecting {
            deadline: now.checked_add(self.policy.connect_timeout),
            moved: false,
        };
        self.actions.push_back(Action::Connect {
            generation: self.generation,
            attempt: self.attempts,
        });
    }

    fn has_decided_to_stop(&mut self, decision: Decision) -> bool {
        match decision {
            Decision::Stop => true,
            Decision::StopAfter(count) => {
                self.repeats = self.repeats.saturating_add(1);
                self.repeats >= count
            }
            Decision::Retry | Decision::Later => false,
        }
    }

    fn has_no_attempt_left(&self) -> bool {
        let limit = self.policy.max_attempts;
        limit.is_some_and(|limit| self.attempts >= limit)
    }

    fn wait(&mut self, now: Instant, advice: Option<Duration>, decision: Decision, random: u32) {
        let backoff = self.policy.backoff;
        let drawn = match decision {
            Decision::Later => backoff.later(random),
            _ => backoff.delay(self.losses, random),
        };
        let floor = advice.unwrap_or_default().min(self.policy.max_advice);
        let next_in = floor.saturating_add(drawn);
        self.losses = self.losses.saturating_add(1);
        self.phase = Phase::Waiting {
            due: now.checked_add(next_in),
            not_before: now.checked_add(floor),
        };
        self.actions.push_back(Action::Down {
            generation: self.generation,
            next_in,
        });
    }

    fn stopped(&mut self, why: Why) {
        self.phase = Phase::Stopped;
        self.actions.push_back(Action::Stopped { why });
    }
}

/// The state of a [`Reconnect`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Not started.
    Idle,
    /// An attempt is under way.
    Connecting,
    /// The connection is open.
    Open,
    /// It is lost; the next attempt has its time.
    Waiting,
    /// It will not come back.
    Stopped,
}

/// What a driver is to do, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Begin an attempt.
    Connect {
        /// The number of the attempt, to be given with everything that is told about it.
        generation: u64,
        /// The count of attempts, from 1, since the last connection that was up for
        /// [`Policy::min_uptime`].
        attempt: u32,
    },
    /// Report that the connection is there.
    Up {
        /// Whose.
        generation: u64,
    },
    /// Let go of the transport at once: listen to it no more, and close it in the background.
    Abandon {
        /// Whose.
        generation: u64,
    },
    /// Begin the closing handshake (RFC 6455 §7.1.2) in the background.
    Close {
        /// Whose.
        generation: u64,
    },
    /// Report that the connection is lost, or that the attempt failed.
    Down {
        /// Whose.
        generation: u64,
        /// How long it waits from now; a wake may cut it short.
        next_in: Duration,
    },
    /// Report that it will not come back. Nothing follows.
    Stopped {
        /// For which reason.
        why: Why,
    },
}

/// Why a [`Reconnect`] stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Why {
    /// [`Reconnect::stop`] was called.
    Asked,
    /// The [`Decision`] about the loss said so.
    Decision,
    /// [`Policy::max_attempts`] is reached.
    Attempts,
}

/// What a loss says beyond its decision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Loss {
    /// How long the server asked to stay away, by its close advice or `Retry-After`.
    pub advice: Option<Duration>,
    /// Whether a transport is still there and must be let go: the heartbeat gave it up.
    pub abandon: bool,
}

/// How late a timer may fire before it is taken as a sign that the driver itself was away.
pub const LATE: Duration = Duration::from_secs(1);
