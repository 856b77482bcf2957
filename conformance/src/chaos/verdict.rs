//! What a checker says of a history.

use std::collections::BTreeMap;
use std::fmt;

/// What a history must keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rule {
    /// Between two gaps a contiguous slice of the log, in its order; one log for all.
    Continuity,
    /// One entry for each publication, and the answer names it.
    Idempotency,
    /// Nothing that nobody published or that was refused; each publisher's in its order.
    Truth,
    /// What is missing is told, with a reason that holds and its bounds.
    Honesty,
    /// Who is there is listed, and nobody else.
    Presence,
    /// Losses are noticed in time, and everybody gets to the top.
    Liveness,
    /// The run has tried what it was to try.
    Evidence,
}

impl fmt::Display for Rule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Continuity => "G1 continuity",
            Self::Idempotency => "G3 idempotency",
            Self::Truth => "G1 truth",
            Self::Honesty => "G4 honesty",
            Self::Presence => "G5 presence",
            Self::Liveness => "G6 liveness",
            Self::Evidence => "evidence",
        })
    }
}

/// A rule that a history breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Violation {
    pub(super) rule: Rule,
    /// Milliseconds since the run began.
    pub(super) at: u64,
    pub(super) text: String,
}

/// What a checker says of a history.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    pub(super) violations: Vec<Violation>,
    /// Publications that were made.
    pub(super) published: usize,
    /// Those that the server has acknowledged.
    pub(super) acknowledged: usize,
    /// Publications that were handed to subscribers, each checked against the log.
    pub(super) verified: usize,
    /// Gaps that were told and are justified, by reason.
    pub(super) gaps: BTreeMap<String, usize>,
    /// Gaps that were told and are not.
    pub(super) unjustified: usize,
    pub(super) faults: BTreeMap<String, usize>,
    /// Milliseconds from the end of a fault to the first publication made after it, sorted.
    pub(super) recoveries: Vec<u64>,
}

impl Verdict {
    /// The time within which this share of all recoveries was done, in milliseconds.
    pub(super) fn recovery(&self, share: f64) -> Option<u64> {
        let last = self.recoveries.len().checked_sub(1)?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "an index into a list of thousands"
        )]
        let at = (last as f64 * share).ceil() as usize;
        self.recoveries.get(at).copied()
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |counts: &BTreeMap<String, usize>| {
            let parts: Vec<_> = counts
                .iter()
                .map(|(name, count)| format!("{name} {count}"))
                .collect();
            match parts.is_empty() {
                true => "none".to_owned(),
                false => parts.join(", "),
            }
        };
        let seconds = |share| {
            self.recovery(share).map_or("-".to_owned(), |time| {
                format!("{}.{:02} s", time / 1000, time % 1000 / 10)
            })
        };
        writeln!(
            formatter,
            "published {}, acknowledged {}, verified deliveries {}",
            self.published, self.acknowledged, self.verified
        )?;
        writeln!(formatter, "faults: {}", list(&self.faults))?;
        writeln!(
            formatter,
            "gaps: {}; unjustified {}",
            list(&self.gaps),
            self.unjustified
        )?;
        writeln!(
            formatter,
            "recoveries {}: p50 {}, p99 {}",
            self.recoveries.len(),
            seconds(0.5),
            seconds(0.99)
        )?;
        write!(formatter, "violations {}", self.violations.len())
    }
}
