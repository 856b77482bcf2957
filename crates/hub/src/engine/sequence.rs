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
}
