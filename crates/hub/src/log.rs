//! The log of a channel: what was published, in one order for all, and what is kept of it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::position::{Epoch, Position};
use crate::publication::{Payload, Publication};
use crate::reading::{Gap, Reading, Reason, Since};

/// What a log keeps; whichever bound is reached first removes the oldest publications.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// At most this many publications; 0 keeps none, and whoever was away has a gap.
    pub publications: usize,
    /// At most this many bytes of payload.
    pub bytes: usize,
    /// Each for this long at most.
    pub age: Duration,
}

impl Retention {
    /// Keeps nothing.
    pub const NONE: Self = Self {
        publications: 0,
        bytes: 0,
        age: Duration::ZERO,
    };
}

/// A log in memory: a pure structure, whose clock is an argument.
///
/// Offsets are contiguous. An entry costs its payload and about 64 bytes; a log without entries
/// about 150.
#[derive(Clone, Debug)]
pub struct Log {
    epoch: Epoch,
    /// The last offset of each earlier generation that is still in the log.
    forks: Vec<u64>,
    entries: VecDeque<Entry>,
    newest: u64,
    bytes: usize,
}

#[derive(Clone, Debug)]
struct Entry {
    publication: Publication,
    at: Instant,
}

impl Log {
    /// An empty log.
    #[must_use]
    pub fn new(epoch: Epoch) -> Self {
        Self {
            epoch,
            forks: Vec::new(),
            entries: VecDeque::new(),
            newest: 0,
            bytes: 0,
        }
    }

    /// The place after the newest publication.
    #[must_use]
    pub fn position(&self) -> Position {
        self.epoch.at(self.newest)
    }

    /// How many publications it keeps now.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it keeps none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The bytes of their payloads.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds a publication and removes what the retention does not keep, perhaps the new one too.
    pub fn append(&mut self, payload: Payload, retention: &Retention, now: Instant) -> Publication {
        self.newest += 1;
        let publication = Publication {
            offset: self.newest,
            payload,
        };
        if retention.publications > 0 {
            self.bytes += publication.payload.len();
            self.entries.push_back(Entry {
                publication: publication.clone(),
                at: now,
            });
        }
        self.trim(retention, now);
        publication
    }

    /// Removes what the retention does not keep any more.
    pub fn trim(&mut self, retention: &Retention, now: Instant) {
        while let Some(oldest) = self.entries.front() {
            let is_old = now.saturating_duration_since(oldest.at) >= retention.age;
            if !is_old && self.len() <= retention.publications && self.bytes <= retention.bytes {
                return;
            }
            self.bytes -= oldest.publication.payload.len();
            self.entries.pop_front();
        }
        self.entries.shrink_to(KEPT);
    }

    /// When the oldest publication will have reached this age; `None` when there is none.
    #[must_use]
    pub fn expires(&self, age: Duration) -> Option<Instant> {
        self.entries.front()?.at.checked_add(age)
    }

    /// Removes all publications; offsets go on.
    pub fn clear(&mut self) {
        self.entries = VecDeque::new();
        self.bytes = 0;
    }

    /// The storage has come back with nothing after this offset: what was there is gone, and a new
    /// generation begins.
    pub fn fork(&mut self, offset: u64) {
        let offset = offset.min(self.newest);
        while let Some(newest) = self.entries.back()
            && newest.publication.offset > offset
        {
            self.bytes -= newest.publication.payload.len();
            self.entries.pop_back();
        }
        self.newest = offset;
        self.forks.push(offset);
        self.epoch = self.epoch.forked();
    }

    /// Reads at most `limit` publications.
    #[must_use]
    pub fn read(&self, since: Since, limit: usize) -> Reading {
        let (start, reason, from) = match since {
            Since::Newest => (self.newest, None, 0),
            Since::Oldest => (self.base(), None, 0),
            Since::Position(position) => self.find(position),
        };
        let gap = reason.map(|reason| Gap {
            reason,
            from,
            to: start,
            epoch: self.epoch,
        });
        let skipped = usize::try_from(start - self.base()).unwrap_or(usize::MAX);
        let entries = self.entries.iter().skip(skipped).take(limit);
        let publications: Vec<_> = entries.map(|entry| entry.publication.clone()).collect();
        let end = publications.last().map_or(start, |last| last.offset);
        Reading {
            gap,
            publications,
            position: self.epoch.at(end),
            newest: self.newest,
        }
    }

    /// After which offset a reader goes on; and if that is not where it was, why, and the first
    /// offset that it may miss.
    fn find(&self, position: Position) -> (u64, Option<Reason>, u64) {
        let base = self.base();
        let Position { epoch, offset } = position;
        if !epoch.is_same_log(self.epoch) || epoch.generation() > self.epoch.generation() {
            return (base, Some(Reason::Epoch), 1);
        }
        let fork = self.fork_after(epoch);
        if offset > fork {
            let reason = Reason::Diverged { fork };
            return (base.max(fork), Some(reason), fork + 1);
        }
        if offset < base {
            return (base, Some(Reason::Expired), offset + 1);
        }
        (offset, None, 0)
    }

    /// The last offset that this generation has in common with the log as it is now.
    fn fork_after(&self, epoch: Epoch) -> u64 {
        let first = usize::try_from(epoch.generation()).unwrap_or(usize::MAX);
        let forks = self.forks.get(first..).unwrap_or_default();
        forks.iter().copied().fold(self.newest, u64::min)
    }

    /// The offset before the oldest publication that is kept.
    fn base(&self) -> u64 {
        self.newest - self.entries.len() as u64
    }
}

/// Entries that a log which has become shorter keeps room for.
const KEPT: usize = 16;

#[cfg(test)]
mod tests;
