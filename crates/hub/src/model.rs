//! What an engine must do with one channel, said as plainly as it can be said.

use std::time::Duration;

use crate::channel::Namespace;
use crate::engine::{Key, Members, Publish, PublishError, Published, PublisherId};
use crate::log::Retention;
use crate::position::{Epoch, Position};
use crate::presence::{ClientId, Member};
use crate::publication::{Payload, Publication};
use crate::reading::{Gap, Reading, Reason, Since};

/// For how long a key, and a publisher that says nothing, must be remembered.
pub const WINDOW: Duration = Duration::from_mins(5);

/// How many of a publisher's newest positions must be remembered.
pub const UNDER_WAY: usize = 64;

/// One channel, as an engine must keep it.
///
/// It remembers everything that was ever published, and finds each answer by looking through all of
/// that: what two generations have in common by comparing them, a repeated key by searching the log.
/// It shares no rule with the engines that are compared with it, and is as slow as it is plain.
///
/// Time is an argument: how long ago the first of all things happened.
#[derive(Clone, Debug)]
pub struct Model {
    retention: Retention,
    /// What the log was in each generation of each epoch at its longest; the last is as it is now.
    logs: Vec<Log>,
    /// How many of the log's first publications are not kept any more.
    removed: usize,
    /// How many publications there ever were.
    published: u64,
    /// Publishers that are not remembered, each with what was published before that.
    forgotten: Vec<(PublisherId, u64)>,
    members: Members,
    told: Vec<Told>,
}

/// What a follower is told, as a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// Something was published.
    Published(Epoch, Publication),
    /// The log is another one, or has forked.
    Changed(Position),
    /// A client has come.
    Entered(ClientId, Member),
    /// A client has gone.
    Left(ClientId, Member),
}

#[derive(Clone, Debug)]
struct Log {
    epoch: Epoch,
    /// The first has the offset 1, and so on.
    entries: Vec<Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    /// Which of all publications it is: equal offsets may be different ones, equal numbers are one.
    number: u64,
    position: Position,
    payload: Payload,
    key: Option<Key>,
    at: Duration,
}

impl Model {
    /// A channel in which nothing has happened; the epoch is the engine's choice.
    #[must_use]
    pub fn new(namespace: &Namespace, epoch: Epoch) -> Self {
        Self {
            retention: namespace.retention,
            logs: vec![Log::new(epoch)],
            removed: 0,
            published: 0,
            forgotten: Vec::new(),
            members: Vec::new(),
            told: Vec::new(),
        }
    }

    /// The place after the newest publication.
    #[must_use]
    pub fn position(&self) -> Position {
        self.log().epoch.at(self.log().newest())
    }

    /// Everything that somebody who has always followed was told; a follower is told a slice of it,
    /// from where it came to where it went.
    #[must_use]
    pub fn told(&self) -> &[Told] {
        &self.told
    }

    /// Who is there, in no order.
    #[must_use]
    pub fn members(&self) -> &Members {
        &self.members
    }

    /// Publishes.
    ///
    /// # Errors
    /// As an engine that can be reached.
    pub fn publish(&mut self, publish: Publish, now: Duration) -> Result<Published, PublishError> {
        if let Some(position) = self.find(&publish, now)? {
            return Ok(Published {
                position,
                is_duplicate: true,
            });
        }
        let Publish { payload, key } = publish;
        let epoch = self.log().epoch;
        let position = epoch.at(self.log().newest() + 1);
        let publication = Publication {
            offset: position.offset,
            payload: payload.clone(),
        };
        self.published += 1;
        let entry = Entry {
            number: self.published,
            position,
            payload,
            key,
            at: now,
        };
        self.log_mut().entries.push(entry);
        self.told.push(Told::Published(epoch, publication));
        self.trim(now);
        Ok(Published {
            position,
            is_duplicate: false,
        })
    }

    /// Reads at most `limit` publications.
    pub fn read(&mut self, since: Since, limit: usize, now: Duration) -> Reading {
        self.trim(now);
        let log = self.log();
        let (newest, removed) = (log.newest(), offset(self.removed));
        // How many of the first publications of the log, as it is now, the reader has had.
        let (had, void) = match since {
            Since::Newest => (newest, None),
            Since::Oldest => (removed, None),
            Since::Position(position) => self.had(position),
        };
        let expired = (had < removed).then_some(Reason::Expired);
        let start = had.max(removed);
        let entries = log.entries.iter();
        let rest = entries.filter(|entry| entry.position.offset > start);
        let publications: Vec<_> = rest.take(limit).map(Entry::publication).collect();
        Reading {
            gap: void.or(expired).map(|reason| Gap {
                reason,
                from: had + 1,
                to: start,
                epoch: log.epoch,
            }),
            position: log.epoch.at(start + offset(publications.len())),
            publications,
            newest,
        }
    }

    /// Removes the history.
    pub fn clear(&mut self) -> Position {
        self.removed = self.log().entries.len();
        self.position()
    }

    /// A client is there.
    pub fn enter(&mut self, client: ClientId, member: Member) {
        match self.members.iter_mut().find(|(other, _)| *other == client) {
            Some((_, known)) => *known = member,
            None => {
                self.members.push((client, member.clone()));
                self.told.push(Told::Entered(client, member));
            }
        }
    }

    /// A client is not there any more.
    pub fn leave(&mut self, client: ClientId) {
        let place = self.members.iter().position(|(other, _)| *other == client);
        if let Some(place) = place {
            let (client, member) = self.members.remove(place);
            self.told.push(Told::Left(client, member));
        }
    }

    /// The storage has come back with nothing after this offset: neither the publications, nor what
    /// was known of their keys.
    pub fn fork(&mut self, offset: u64) {
        let entries = self.log().entries.iter();
        let left = entries.filter(|entry| entry.position.offset <= offset);
        let log = Log {
            epoch: self.log().epoch.forked(),
            entries: left.cloned().collect(),
        };
        self.removed = self.removed.min(log.entries.len());
        self.logs.push(log);
        self.told.push(Told::Changed(self.position()));
    }

    /// The storage has come back with nothing of the log; the epoch is the engine's choice.
    pub fn lose(&mut self, epoch: Epoch) {
        self.logs.push(Log::new(epoch));
        self.removed = 0;
        self.told.push(Told::Changed(self.position()));
    }

    /// What an engine may be as well: one that has forgotten this publisher when it had said nothing
    /// for a window. An engine need not forget it then.
    #[must_use]
    pub fn forgetful(&self, publisher: PublisherId, now: Duration) -> Vec<Self> {
        let entries = self.said(publisher);
        let next = entries.iter().skip(1).map(|entry| entry.at).chain([now]);
        let silences = entries.iter().zip(next);
        silences
            .filter(|(entry, next)| next.saturating_sub(entry.at) >= WINDOW)
            .map(|(entry, _)| {
                let mut other = self.clone();
                other.forgotten.push((publisher, entry.number));
                other
            })
            .collect()
    }

    fn log(&self) -> &Log {
        self.logs.last().expect("a log is never taken away")
    }

    fn log_mut(&mut self) -> &mut Log {
        self.logs.last_mut().expect("a log is never taken away")
    }

    /// Removes from the oldest on until the rest is what the retention allows.
    fn trim(&mut self, now: Duration) {
        let Retention {
            publications,
            bytes,
            age,
        } = self.retention;
        let entries = &self.log().entries;
        let is_allowed = |kept: &[Entry]| {
            kept.len() <= publications
                && kept.iter().map(|entry| entry.payload.len()).sum::<usize>() <= bytes
                && kept.iter().all(|entry| now.saturating_sub(entry.at) < age)
        };
        let mut counts = self.removed..=entries.len();
        let removed = counts.find(|removed| is_allowed(&entries[*removed..]));
        self.removed = removed.expect("nothing at all is always allowed");
    }

    /// How many of the log's first publications somebody at this position has had, and why that is
    /// not all it has had.
    fn had(&self, position: Position) -> (u64, Option<Reason>) {
        let now = self.log();
        let then = self.logs.iter().find(|log| log.epoch == position.epoch);
        let Some(then) = then.filter(|log| log.epoch.is_same_log(now.epoch)) else {
            return (0, Some(Reason::Epoch));
        };
        let pairs = then.entries.iter().zip(&now.entries);
        let fork = offset(
            pairs
                .take_while(|(then, now)| then.number == now.number)
                .count(),
        );
        if position.offset > fork {
            return (fork, Some(Reason::Diverged { fork }));
        }
        (position.offset, None)
    }

    /// Where this was published before.
    fn find(&self, publish: &Publish, now: Duration) -> Result<Option<Position>, PublishError> {
        match &publish.key {
            None => Ok(None),
            Some(key @ Key::Idempotency(_)) => self.find_name(key, &publish.payload, now),
            Some(Key::Sequence(publisher, number)) => self.find_number(*publisher, *number),
        }
    }

    fn find_name(
        &self,
        key: &Key,
        payload: &Payload,
        now: Duration,
    ) -> Result<Option<Position>, PublishError> {
        let young = self
            .log()
            .entries
            .iter()
            .filter(|entry| now.saturating_sub(entry.at) < WINDOW);
        match young.rev().find(|entry| entry.key.as_ref() == Some(key)) {
            None => Ok(None),
            Some(entry) if entry.payload == *payload => Ok(Some(entry.position)),
            Some(_) => Err(PublishError::KeyReused),
        }
    }

    fn find_number(
        &self,
        publisher: PublisherId,
        number: u64,
    ) -> Result<Option<Position>, PublishError> {
        let said = self.said(publisher);
        let Some(Key::Sequence(_, last)) = said.last().and_then(|entry| entry.key.as_ref()) else {
            return Ok(None);
        };
        if number > *last {
            let expected = last + 1;
            let is_next = number == expected;
            return is_next
                .then_some(None)
                .ok_or(PublishError::Hole { expected });
        }
        let key = Key::Sequence(publisher, number);
        let newest = said.iter().rev().take(UNDER_WAY);
        let mut same = newest.filter(|entry| entry.key.as_ref() == Some(&key));
        let entry = same.next().ok_or(PublishError::Forgotten)?;
        Ok(Some(entry.position))
    }

    /// What is in the log of a publisher and not forgotten, the oldest first.
    fn said(&self, publisher: PublisherId) -> Vec<&Entry> {
        let is_forgotten = |entry: &Entry| {
            let mut forgotten = self.forgotten.iter();
            forgotten.any(|(other, until)| *other == publisher && entry.number <= *until)
        };
        let entries = self.log().entries.iter();
        let said = entries.filter(
            |entry| matches!(&entry.key, Some(Key::Sequence(other, _)) if *other == publisher),
        );
        said.filter(|entry| !is_forgotten(entry)).collect()
    }
}

impl Log {
    fn new(epoch: Epoch) -> Self {
        Self {
            epoch,
            entries: Vec::new(),
        }
    }

    fn newest(&self) -> u64 {
        offset(self.entries.len())
    }
}

impl Entry {
    fn publication(&self) -> Publication {
        Publication {
            offset: self.position.offset,
            payload: self.payload.clone(),
        }
    }
}

/// The offset of the last of so many publications from the first on.
fn offset(count: usize) -> u64 {
    count as u64
}
