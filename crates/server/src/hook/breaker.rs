//! Leaves a backend alone that does not answer.

use std::time::{Duration, Instant};

/// Failures in a row, after which nobody is asked.
const ENOUGH: u32 = 5;

/// For how long nobody is asked at first.
const FIRST: Duration = Duration::from_secs(5);

/// For how long nobody is asked at most.
const LONGEST: Duration = Duration::from_secs(30);

/// Whether a backend may be asked; the caller brings time and chance.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    failures: u32,
    open: Option<Open>,
}

/// It has failed too often.
#[derive(Debug)]
struct Open {
    /// When one question is let through.
    trial: Instant,
    pause: Duration,
}

/// What becomes of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pass {
    /// It is asked.
    Ask,
    /// It is asked once, to see whether somebody answers.
    Try,
    /// It is not.
    Refuse,
}

impl Breaker {
    /// Whether a question is asked now.
    pub(super) fn pass(&mut self, now: Instant) -> Pass {
        match &mut self.open {
            None => Pass::Ask,
            Some(open) if open.trial <= now => {
                // If nobody ever says how this one went, another one is tried.
                open.trial = now + LONGEST;
                Pass::Try
            }
            Some(_) => Pass::Refuse,
        }
    }

    /// Somebody has answered; whether nobody was asked before.
    pub(super) fn succeeded(&mut self) -> bool {
        self.failures = 0;
        self.open.take().is_some()
    }

    /// Nobody has answered; whether from now on nobody is asked. `chance` is from 0 to 1.
    pub(super) fn failed(&mut self, pass: Pass, now: Instant, chance: f64) -> bool {
        let pause = match &self.open {
            // It was asked before that was known.
            Some(_) if pass != Pass::Try => return false,
            Some(open) => (open.pause * 2).min(LONGEST),
            None => {
                self.failures += 1;
                if self.failures < ENOUGH {
                    return false;
                }
                FIRST
            }
        };
        let is_new = self.open.is_none();
        // Many servers do not come back at the same time.
        let trial = now + pause.mul_f64(0.75 + chance / 2.0);
        self.open = Some(Open { trial, pause });
        is_new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    fn opened(now: Instant) -> Breaker {
        let mut breaker = Breaker::default();
        for count in 1..=ENOUGH {
            assert_eq!(breaker.pass(now), Pass::Ask);
            assert_eq!(breaker.failed(Pass::Ask, now, 0.5), count == ENOUGH);
        }
        breaker
    }

    #[test]
    fn five_failures_in_a_row_open_it_for_a_while() {
        let now = Instant::now();
        let mut breaker = opened(now);

        assert_eq!(breaker.pass(after(now, 4)), Pass::Refuse);
        assert_eq!(breaker.pass(after(now, 5)), Pass::Try);
        assert_eq!(breaker.pass(after(now, 5)), Pass::Refuse);
        assert!(breaker.succeeded());
        assert_eq!(breaker.pass(after(now, 5)), Pass::Ask);
    }

    #[test]
    fn an_answer_between_failures_keeps_it_closed() {
        let now = Instant::now();
        let mut breaker = Breaker::default();

        for _ in 0..10 {
            for _ in 1..ENOUGH {
                assert!(!breaker.failed(Pass::Ask, now, 0.5));
            }
            assert!(!breaker.succeeded());
        }
        assert_eq!(breaker.pass(now), Pass::Ask);
    }

    #[test]
    fn failed_trials_come_less_and_less_often_and_late_failures_count_for_nothing() {
        let mut now = Instant::now();
        let mut breaker = opened(now);

        for pause in [5, 10, 20, 30, 30] {
            assert!(!breaker.failed(Pass::Ask, now, 0.5));
            assert_eq!(breaker.pass(after(now, pause - 1)), Pass::Refuse);
            now = after(now, pause);
            assert_eq!(breaker.pass(now), Pass::Try);
            breaker.failed(Pass::Try, now, 0.5);
        }
    }

    #[test]
    fn a_trial_of_which_nothing_is_heard_is_followed_by_another() {
        let now = Instant::now();
        let mut breaker = opened(now);

        assert_eq!(breaker.pass(after(now, 5)), Pass::Try);
        assert_eq!(breaker.pass(after(now, 34)), Pass::Refuse);
        assert_eq!(breaker.pass(after(now, 35)), Pass::Try);
    }
}
