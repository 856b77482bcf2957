//! A world around the machine: transports that live and die, timers that fire when they like, and
//! a book of what has happened, against which every action is checked.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use holdwire_proto::reconnect::{Action, Decision, LATE, Loss, Policy, Reconnect, State, Why};
use proptest::collection::vec;
use proptest::prelude::*;

/// What happens next.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    Start,
    /// An attempt of this generation, seen from the present one, is open.
    Opened(i8),
    /// A transport of this generation, seen from the present one, is lost.
    Lost(i8, Loss, Decision, u32),
    /// A timer fires, whoever set it.
    Timeout(u32),
    Wake,
    Stop,
    /// Milliseconds pass.
    Pass(u64),
    /// Time goes on to so many milliseconds before or after the deadline.
    Deadline(i64),
}

/// Any events in any order; made of plain numbers, which are drawn and shrunk quickly.
pub fn steps() -> impl Strategy<Value = Vec<Step>> {
    let numbers = (0_u8..61, any::<u32>(), any::<u32>());
    vec(
        numbers.prop_map(|(kind, of, random)| step(kind, of, random)),
        1..120,
    )
}

fn step(kind: u8, of: u32, random: u32) -> Step {
    match kind {
        0..3 => Step::Start,
        3..13 => Step::Opened(generation(of)),
        13..28 => Step::Lost(generation(of), loss(of / 10), decision(of / 1000), random),
        28..40 => Step::Timeout(random),
        40..46 => Step::Wake,
        46..48 => Step::Pass(u64::from(random % 700)),
        48..50 => Step::Pass(u64::from(random % 12_000)),
        50..52 => Step::Pass(u64::from(random % 700_000)),
        52..56 => Step::Deadline(i64::from(random % 3) - 1),
        56..60 => Step::Deadline(i64::from(random % 4000) - 2000),
        _ if of.is_multiple_of(8) => Step::Stop,
        _ => Step::Wake,
    }
}

/// Mostly the present one, else a stale one or one that does not exist.
fn generation(of: u32) -> i8 {
    [0, 0, 0, 0, 0, 0, -1, -1, -2, 1][of as usize % 10]
}

fn loss(of: u32) -> Loss {
    let advice = of.is_multiple_of(5);
    Loss {
        advice: advice.then(|| Duration::from_millis(u64::from(of % 400_000))),
        abandon: of.is_multiple_of(2),
    }
}

fn decision(of: u32) -> Decision {
    match of % 40 {
        0 => Decision::Stop,
        count @ 1..5 => Decision::StopAfter(count + 1),
        5..11 => Decision::Later,
        _ => Decision::Retry,
    }
}

pub fn policy() -> impl Strategy<Value = Policy> {
    let limit = prop_oneof![2 => Just(None), 1 => (1_u32..9).prop_map(Some)];
    limit.prop_map(|max_attempts| Policy {
        max_attempts,
        ..Policy::default()
    })
}

/// What a loss was, for the checks of what follows it.
#[derive(Clone, Copy)]
struct Told {
    at: Instant,
    loss: Loss,
    decision: Decision,
}

pub struct World {
    pub reconnect: Reconnect,
    pub now: Instant,
    policy: Policy,
    /// The generations of the transports that are there.
    transports: BTreeSet<u64>,
    /// The generation that is open, since when.
    open: Option<Instant>,
    /// When the latest attempt began.
    began: Option<Instant>,
    /// The deadline of the latest attempt moved already.
    moved: bool,
    /// The earliest moment at which the next attempt may begin, while one is waited for.
    not_before: Option<Instant>,
    attempts: u32,
    losses: u32,
    repeats: u32,
    stopped: bool,
    /// Connect actions and Down actions.
    pub connects: u64,
    pub downs: u64,
}

impl World {
    pub fn new(policy: Policy) -> Self {
        Self {
            reconnect: Reconnect::new(policy.clone()),
            now: Instant::now(),
            policy,
            transports: BTreeSet::new(),
            open: None,
            began: None,
            moved: false,
            not_before: None,
            attempts: 0,
            losses: 0,
            repeats: 0,
            stopped: false,
            connects: 0,
            downs: 0,
        }
    }

    pub fn step(&mut self, step: Step) {
        let state = self.reconnect.state();
        let deadline = self.reconnect.poll_timeout();
        match step {
            Step::Pass(millis) => self.now += Duration::from_millis(millis),
            Step::Deadline(offset) => self.go_to_deadline(offset),
            Step::Start => {
                self.reconnect.start(self.now);
                self.expect(state == State::Idle, None);
            }
            Step::Opened(offset) => {
                let generation = self.generation(offset);
                self.reconnect.handle_opened(self.now, generation);
                self.expect(offset == 0 && state == State::Connecting, None);
            }
            Step::Lost(offset, loss, decision, random) => {
                let generation = self.generation(offset);
                let counts = offset == 0 && matches!(state, State::Connecting | State::Open);
                if counts && !loss.abandon {
                    self.transports.remove(&generation);
                }
                let now = self.now;
                self.reconnect
                    .handle_lost(now, generation, loss, decision, random);
                let at = now;
                self.expect(counts, Some(Told { at, loss, decision }));
            }
            Step::Timeout(random) => self.time_out(state, deadline, random),
            Step::Wake => {
                self.reconnect.handle_wake(self.now);
                self.expect(false, None);
            }
            Step::Stop => {
                self.reconnect.stop();
                self.expect(state != State::Stopped, None);
                assert_eq!(self.reconnect.state(), State::Stopped);
            }
        }
        self.check_deadline(step, state, deadline);
        self.check_state();
    }

    /// Drives the machine as a good driver would, with attempts that succeed, until it is open.
    pub fn recover(&mut self) {
        for _ in 0..4 {
            match self.reconnect.state() {
                State::Open | State::Stopped => return,
                State::Idle => self.step(Step::Start),
                State::Connecting => self.step(Step::Opened(0)),
                State::Waiting => {
                    self.step(Step::Deadline(0));
                    self.step(Step::Timeout(0));
                }
            }
        }
        panic!("it does not come back: {:?}", self.reconnect);
    }

    fn generation(&self, offset: i8) -> u64 {
        let generation = self.reconnect.generation();
        generation.saturating_add_signed(i64::from(offset))
    }

    fn go_to_deadline(&mut self, offset: i64) {
        if let Some(deadline) = self.reconnect.poll_timeout() {
            let apart = Duration::from_millis(offset.unsigned_abs());
            let then = if offset < 0 {
                deadline.checked_sub(apart)
            } else {
                deadline.checked_add(apart)
            };
            self.now = self.now.max(then.expect("a moment near by"));
        }
    }

    fn time_out(&mut self, state: State, deadline: Option<Instant>, random: u32) {
        let overdue = deadline.and_then(|deadline| self.now.checked_duration_since(deadline));
        self.reconnect.handle_timeout(self.now, random);
        let Some(overdue) = overdue else {
            return self.expect(false, None);
        };
        if state == State::Connecting && overdue > LATE && !self.moved {
            self.moved = true;
            assert_eq!(self.reconnect.poll_timeout(), Some(self.now + LATE));
            return self.expect(false, None);
        }
        let told = Told {
            at: self.now,
            loss: Loss {
                advice: None,
                abandon: true,
            },
            decision: Decision::Retry,
        };
        self.expect(true, (state == State::Connecting).then_some(told));
    }

    /// Takes the actions, which are there if and only if the event counts, and checks each.
    fn expect(&mut self, counts: bool, told: Option<Told>) {
        let actions: Vec<Action> = std::iter::from_fn(|| self.reconnect.poll_action()).collect();
        assert_eq!(!actions.is_empty(), counts, "{actions:?}");
        if counts && let Some(told) = told {
            let down =
                |action: &&Action| matches!(action, Action::Down { .. } | Action::Stopped { .. });
            let ends = actions.iter().filter(down).count();
            assert_eq!(ends, 1, "a loss has one consequence: {actions:?}");
            self.count(told);
        }
        for action in actions {
            assert!(!self.stopped, "{action:?} after it stopped");
            self.act(action, told);
        }
    }

    /// Counts a loss as rule 2 of the protocol says.
    fn count(&mut self, told: Told) {
        let uptime = self.open.map(|since| told.at - since);
        if uptime.is_some_and(|uptime| uptime >= self.policy.min_uptime) {
            (self.attempts, self.losses, self.repeats) = (0, 0, 0);
        }
        self.losses += 1;
        self.repeats += u32::from(matches!(told.decision, Decision::StopAfter(_)));
    }

    fn act(&mut self, action: Action, told: Option<Told>) {
        let present = self.reconnect.generation();
        match action {
            Action::Connect {
                generation,
                attempt,
            } => self.check_connect(generation, attempt),
            Action::Up { generation } => {
                assert_eq!(generation, present);
                assert!(
                    self.transports.contains(&generation),
                    "up without transport"
                );
                self.open = Some(self.now);
            }
            Action::Abandon { generation } | Action::Close { generation } => {
                assert_eq!(generation, present);
                // An open connection of which nobody said that it is dead is closed in good order.
                let dead = told.is_some_and(|told| told.loss.abandon);
                let closes = matches!(action, Action::Close { .. });
                assert_eq!(closes, self.open.is_some() && !dead);
                assert!(self.transports.remove(&generation), "nothing to let go");
            }
            Action::Down {
                generation,
                next_in,
            } => {
                assert_eq!(generation, present);
                self.downs += 1;
                self.open = None;
                self.check_delay(next_in, told.expect("a loss went before"));
            }
            Action::Stopped { why } => {
                self.stopped = true;
                self.open = None;
                self.check_reason(why, told);
            }
        }
    }

    fn check_connect(&mut self, generation: u64, attempt: u32) {
        assert_eq!(self.transports, BTreeSet::new(), "another transport lives");
        self.connects += 1;
        assert_eq!(self.connects, self.downs + 1, "one attempt for each loss");
        assert_eq!(generation, self.connects, "generations count attempts");
        self.transports.insert(generation);

        assert!(self.not_before.is_none_or(|moment| self.now >= moment));
        self.attempts += 1;
        assert_eq!(attempt, self.attempts);
        let limit = self.policy.max_attempts;
        assert!(limit.is_none_or(|limit| attempt <= limit));
        (self.began, self.moved, self.not_before) = (Some(self.now), false, None);
    }

    /// The delay lies between what the server asked for and the ceiling above that.
    fn check_delay(&mut self, next_in: Duration, told: Told) {
        let backoff = self.policy.backoff;
        let advice = told.loss.advice.unwrap_or_default();
        let floor = advice.min(self.policy.max_advice);
        let half = backoff.cap() / 2;
        let (least, span) = match told.decision {
            Decision::Later => (floor + half, half),
            _ => {
                let doubled = 2_u32.saturating_pow(self.losses - 1);
                let ceiling = backoff.first().saturating_mul(doubled);
                (floor, ceiling.min(backoff.cap()))
            }
        };
        assert!((least..least + span).contains(&next_in), "{next_in:?}");
        let due = self.reconnect.poll_timeout();
        assert_eq!(due, Some(self.now + next_in));
        self.not_before = Some(self.now + floor);
    }

    fn check_reason(&self, why: Why, told: Option<Told>) {
        let decided = match told.map(|told| told.decision) {
            Some(Decision::Stop) => true,
            Some(Decision::StopAfter(count)) => self.repeats >= count,
            _ => false,
        };
        let limit = self.policy.max_attempts;
        let spent = limit.is_some_and(|limit| self.attempts >= limit);
        let expected = match (told, decided) {
            (None, _) => Why::Asked,
            (Some(_), true) => Why::Decision,
            (Some(_), false) => {
                assert!(spent, "stopped without a reason");
                Why::Attempts
            }
        };
        assert_eq!(why, expected);
    }

    /// A deadline is there while something is waited for, and nothing but what may move it does.
    fn check_deadline(&self, step: Step, before: State, deadline: Option<Instant>) {
        let state = self.reconnect.state();
        let present = self.reconnect.poll_timeout();
        let expected = matches!(state, State::Connecting | State::Waiting);
        assert_eq!(present.is_some(), expected, "{state:?}");
        if state != before || present == deadline {
            return;
        }
        match (step, state) {
            // The attempt may be judged a second later.
            (Step::Timeout(_), State::Connecting) => {
                assert_eq!(present, Some(self.now + LATE));
            }
            (Step::Wake, State::Waiting) => {
                let spaced = self.began.map(|began| began + self.policy.backoff.first());
                let soonest = spaced.max(self.not_before).max(Some(self.now));
                assert!(present < deadline, "a wake puts nothing off");
                assert_eq!(present, soonest);
            }
            _ => panic!("{step:?} moved the deadline of {state:?}"),
        }
    }

    fn check_state(&self) {
        let state = self.reconnect.state();
        assert!(self.transports.len() <= 1, "{:?}", self.transports);
        assert_eq!(self.stopped, state == State::Stopped);
        assert_eq!(self.open.is_some(), state == State::Open);
        let lives = matches!(state, State::Connecting | State::Open);
        assert_eq!(!self.transports.is_empty(), lives, "{state:?}");
    }
}
