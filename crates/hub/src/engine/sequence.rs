//! How repeated publications are recognised.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use super::{Key, PublishError, Published};
use crate::position::Position;
use crate::publication::Payload;

/// For how long a key or a publisher that says nothing is remembered.
pub const WINDOW: Duration = Duration::from_mins(5);

/// How many of a publisher's newest positions are remembered: it has at most so many publications
/// without an answer under way in one channel.
pub const UNDER_WAY: usize = 64;

/// Who publishes: drawn by the server at random for one instance of a page or program, and secret.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PublisherId([u8; 16]);

impl PublisherId {
    /// A publisher whose name is drawn from these random bytes.
    #[must_use]
    pub fn new(random: [u8; 16]) -> Self {
        Self(random)
    }
}

impl fmt::Debug for PublisherId {
    /// It is a secret: whoever knows it publishes in its name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PublisherId(…)")
    }
}

/// What one channel remembers of what was published.
#[derive(Debug, Default)]
pub(super) struct Seen {
    keys: HashMap<Box<str>, Named>,
    /// Keys in the order in which they came.
    order: VecDeque<(Instant, Box<str>)>,
    publishers: HashMap<PublisherId, Sequence>,
    /// How many publishers there were after the last time that old ones were forgotten.
    swept: usize,
    hasher: RandomState,
}

#[derive(Debug)]
struct Named {
    position: Position,
    /// Of the payload, with a key of its own: a peer cannot make two payloads agree.
    hash: u64,
}

#[derive(Debug)]
struct Sequence {
    last: u64,
    /// Of the newest numbers, the last of them last.
    positions: VecDeque<Position>,
    at: Instant,
}

impl Seen {
    /// Where this was published before; `None` when it is new.
    pub(super) fn find(
        &mut self,
        key: &Key,
        payload: &Payload,
        now: Instant,
    ) -> Result<Option<Published>, PublishError> {
        self.forget(now);
        let position = match key {
            Key::Idempotency(name) => match self.keys.get(name) {
                None => return Ok(None),
                Some(named) if named.hash == self.hash(payload) => named.position,
                Some(_) => return Err(PublishError::KeyReused),
            },
            Key::Sequence(publisher, number) => match self.publishers.get(publisher) {
                None => return Ok(None),
                Some(sequence) => match sequence.find(*number)? {
                    None => return Ok(None),
                    Some(position) => position,
                },
            },
        };
        Ok(Some(Published {
            position,
            is_duplicate: true,
        }))
    }

    /// Remembers where something was published.
    pub(super) fn remember(&mut self, key: Key, payload: &Payload, at: Position, now: Instant) {
        match key {
            Key::Idempotency(name) => {
                let hash = self.hash(payload);
                self.order.push_back((now, name.clone()));
                self.keys.insert(name, Named { position: at, hash });
            }
            Key::Sequence(publisher, number) => {
                let sequence = self.publishers.entry(publisher).or_insert(Sequence {
                    last: number,
                    positions: VecDeque::new(),
                    at: now,
                });
                sequence.last = number;
                sequence.at = now;
                if sequence.positions.len() == UNDER_WAY {
                    sequence.positions.pop_front();
                }
                sequence.positions.push_back(at);
            }
        }
    }

    /// Forgets what was published after this offset: the log has lost it, so a repetition is no
    /// duplicate but the only one. Of a publisher nothing is left when all its positions that are
    /// remembered are lost.
    pub(super) fn fork(&mut self, offset: u64) {
        self.keys.retain(|_, named| named.position.offset <= offset);
        self.order.retain(|(_, name)| self.keys.contains_key(name));
        self.publishers.retain(|_, sequence| sequence.fork(offset));
    }

    /// Whether nothing is remembered.
    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.publishers.is_empty()
    }

    /// Forgets what is older than the window.
    pub(super) fn forget(&mut self, now: Instant) {
        let is_old = |at: Instant| now.saturating_duration_since(at) >= WINDOW;
        while let Some((at, _)) = self.order.front()
            && is_old(*at)
        {
            if let Some((_, name)) = self.order.pop_front() {
                self.keys.remove(&name);
            }
        }
        // Old publishers cost room only, so they are looked for when there are twice as many.
        if self.publishers.len() > 2 * self.swept {
            self.forget_publishers(now);
        }
    }

    /// The same for all publishers.
    pub(super) fn forget_publishers(&mut self, now: Instant) {
        let is_young = |sequence: &Sequence| now.saturating_duration_since(sequence.at) < WINDOW;
        self.publishers.retain(|_, sequence| is_young(sequence));
        self.swept = self.publishers.len().max(SWEPT);
    }

    fn hash(&self, payload: &Payload) -> u64 {
        let kind = std::mem::discriminant(payload);
        self.hasher.hash_one((kind, payload.as_bytes()))
    }
}

/// So few publishers are never looked through.
const SWEPT: usize = 16;

impl Sequence {
    fn find(&self, number: u64) -> Result<Option<Position>, PublishError> {
        if number > self.last {
            let expected = self.last.saturating_add(1);
            return if number == expected {
                Ok(None)
            } else {
                Err(PublishError::Hole { expected })
            };
        }
        let back = usize::try_from(self.last - number).unwrap_or(usize::MAX);
        let position = self.positions.iter().rev().nth(back);
        position.copied().map(Some).ok_or(PublishError::Forgotten)
    }

    /// Goes back to the last number at or before this offset; tells whether there is one.
    fn fork(&mut self, offset: u64) -> bool {
        while let Some(position) = self.positions.back()
            && position.offset > offset
        {
            self.positions.pop_back();
            self.last = self.last.saturating_sub(1);
        }
        !self.positions.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::position::Epoch;

    #[test]
    fn what_a_fork_has_lost_is_new_again_and_what_it_kept_is_not() {
        let now = Instant::now();
        let epoch = Epoch::new(*b"12345678");
        let payload = Payload::from("x");
        let [known, stranger] = [1, 2].map(|byte| PublisherId::new([byte; 16]));
        let keys = [
            Key::Idempotency("kept".into()),
            Key::Sequence(known, 7),
            Key::Idempotency("lost".into()),
            Key::Sequence(known, 8),
            Key::Sequence(stranger, 5),
        ];
        let mut seen = Seen::default();
        for (offset, key) in (1..).zip(&keys) {
            seen.remember(key.clone(), &payload, epoch.at(offset), now);
        }

        seen.fork(2);

        let mut offset = |key: &Key| {
            let found = seen.find(key, &payload, now)?;
            Ok(found.map(|published| published.position.offset))
        };
        let found = keys.each_ref().map(&mut offset);
        assert_eq!(
            found,
            [Ok(Some(1)), Ok(Some(2)), Ok(None), Ok(None), Ok(None)]
        );
        let later = offset(&Key::Sequence(known, 9));
        assert_eq!(later, Err(PublishError::Hole { expected: 8 }));
    }

    #[test]
    fn key_that_comes_again_after_a_fork_has_a_window_of_its_own() {
        let start = Instant::now();
        let epoch = Epoch::new(*b"12345678");
        let payload = Payload::from("x");
        let key = Key::Idempotency("lost".into());
        let mut seen = Seen::default();
        seen.remember(key.clone(), &payload, epoch.at(1), start);
        seen.fork(0);
        let again = start + WINDOW / 2;
        seen.remember(key.clone(), &payload, epoch.forked().at(1), again);

        let found = seen.find(&key, &payload, start + WINDOW).unwrap();

        let position = found.map(|published| published.position);
        assert_eq!(position, Some(epoch.forked().at(1)));
    }
}
