//! What reading a log from a position gives.

use std::fmt;
use std::ops::RangeInclusive;

use crate::position::{Epoch, Position};
use crate::publication::Publication;

/// From where to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// What comes after this position.
    Position(Position),
    /// Nothing of what is there: the newest position.
    Newest,
    /// All that is still there.
    Oldest,
}

/// A part of a log: where reading goes on after a [gap](Self::gap), if there is one, then
/// publications without a hole, then where to read on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Why the reader cannot have what follows its position; `None` when nothing is missing.
    pub gap: Option<Gap>,
    /// What follows, in the log's order.
    pub publications: Vec<Publication>,
    /// The place after them.
    pub position: Position,
    /// The offset of the newest publication of the log; there is more to read while it is above
    /// that of `position`.
    pub newest: u64,
}

impl Reading {
    /// Whether another reading is needed to be at the newest publication.
    #[must_use]
    pub fn has_more(&self) -> bool {
        self.newest > self.position.offset
    }
}

/// What a reader cannot have, told before anything that follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Why.
    pub reason: Reason,
    /// The offset of the first publication that the reader does not get; by the log as it is now.
    pub from: u64,
    /// The offset of the last one: less than `from` when nothing of this log is missing, and only
    /// what the reader had is void.
    pub to: u64,
    /// The epoch in which these offsets are, and reading goes on.
    pub epoch: Epoch,
}

impl Gap {
    /// The offsets that the reader does not get, which may be none.
    #[must_use]
    pub fn missing(&self) -> RangeInclusive<u64> {
        self.from..=self.to
    }
}

/// Why a reader cannot have everything that follows its position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// Retention has removed it.
    Expired,
    /// The log is another one: all that the reader had belongs to a log that is gone.
    Epoch,
    /// The log has forked before the reader's position: what the reader had after this offset is
    /// not in the log any more.
    Diverged {
        /// The last offset that both have in common.
        fork: u64,
    },
    /// The reader was too slow, and its channel leaves out rather than closes.
    Slow,
}

impl Reason {
    /// The word for it on the wire.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Epoch => "epoch",
            Self::Diverged { .. } => "diverged",
            Self::Slow => "slow",
        }
    }
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason.word())?;
        if let Reason::Diverged { fork } = self.reason {
            write!(f, " at {fork}")?;
        }
        if self.missing().is_empty() {
            return write!(f, ", none of this log is missing");
        }
        write!(f, ", {} to {} are missing", self.from, self.to)
    }
}
