//! A channel of an engine under test, asked in one line each.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::failure::{Failure, Tried};
use super::{Subject, Unable};
use crate::channel::{ChannelName, Namespace};
use crate::engine::{
    Answer, Engine, Follower, Key, Members, Publish, PublishError, Published, PublisherId,
};
use crate::log::Retention;
use crate::model::Told;
use crate::namespaces::Namespaces;
use crate::position::{Epoch, Position};
use crate::presence::{ClientId, Member};
use crate::publication::{Payload, Publication};
use crate::reading::{Reading, Since};

/// The age bound of the namespace `minute`.
pub(super) const MINUTE: Duration = Duration::from_mins(1);

/// The age bound of the others that have one.
pub(super) const DAY: Duration = Duration::from_hours(24);

/// More than anybody publishes here.
pub(super) const ALL: usize = 100_000;

/// The namespaces of the behaviours, named after what they keep.
pub(super) fn namespaces() -> Namespaces {
    let all = Retention {
        publications: ALL,
        bytes: 1 << 30,
        age: DAY,
    };
    let three = Retention {
        publications: 3,
        ..all
    };
    let ten_bytes = Retention { bytes: 10, ..all };
    let minute = Retention { age: MINUTE, ..all };
    [
        ("all", all),
        ("three", three),
        ("tenbytes", ten_bytes),
        ("minute", minute),
        ("none", Retention::NONE),
    ]
    .into_iter()
    .fold(Namespaces::new(), |namespaces, (name, retention)| {
        let namespace = Namespace {
            retention,
            ..Namespace::default()
        };
        namespaces.with(name, namespace)
    })
}

/// A channel of a subject, and the node that asks.
#[derive(Debug)]
pub(super) struct Channel<'a, S> {
    subject: &'a S,
    name: ChannelName,
    node: usize,
}

impl<'a, S: Subject> Channel<'a, S> {
    /// The channel with this name, at the first node.
    pub(super) fn new(subject: &'a S, name: &str) -> Self {
        Self {
            subject,
            name: name.parse().expect("the suite's names are legal"),
            node: 0,
        }
    }

    /// The same channel at this node.
    pub(super) fn at(&self, node: usize) -> Self {
        Self {
            subject: self.subject,
            name: self.name.clone(),
            node,
        }
    }

    pub(super) fn publish(
        &self,
        payload: impl Into<Payload>,
        key: Option<Key>,
    ) -> Result<Published, PublishError> {
        let payload = payload.into();
        self.ask(|engine, name| engine.publish(name, Publish { payload, key }))
    }

    /// Publishes something new.
    pub(super) fn add(&self, payload: impl Into<Payload>) -> Tried<Position> {
        self.add_as(payload, None)
    }

    /// Publishes something new with a key.
    pub(super) fn add_as(&self, payload: impl Into<Payload>, key: Option<Key>) -> Tried<Position> {
        let published = self.publish(payload, key)?;
        if published.is_duplicate {
            let why = format!("what is new is taken for {}", published.position);
            return Err(Failure::Broken(why));
        }
        Ok(published.position)
    }

    /// Publishes so many, of which each says which it is; gives the position of the last.
    pub(super) fn fill(&self, count: u64) -> Tried<Position> {
        let mut position = self.read(Since::Newest, 0)?.position;
        for _ in 0..count {
            position = self.add(position.offset.saturating_add(1).to_string().as_str())?;
        }
        Ok(position)
    }

    pub(super) fn read(&self, since: Since, limit: usize) -> Tried<Reading> {
        Ok(self.ask(|engine, name| engine.read(name, since, limit))?)
    }

    pub(super) fn follow(&self) -> Tried<Following> {
        let recorder = Arc::new(Recorder::default());
        let follower: Arc<dyn Follower> = Arc::<Recorder>::clone(&recorder);
        let position = self.ask(|engine, name| engine.follow(name, Arc::clone(&follower)))?;
        Ok(Following {
            recorder,
            follower,
            position,
        })
    }

    pub(super) fn unfollow(&self, following: &Following) {
        self.ask(|engine, name| {
            engine.unfollow(name, &following.follower);
            Answer::Now(())
        });
    }

    pub(super) fn enter(&self, client: ClientId, member: Member) -> Tried {
        Ok(self.ask(|engine, name| engine.enter(name, client, member))?)
    }

    pub(super) fn leave(&self, client: ClientId) -> Tried {
        Ok(self.ask(|engine, name| engine.leave(name, client))?)
    }

    /// Who is there, in the order of their names.
    pub(super) fn members(&self) -> Tried<Members> {
        let mut members = self.ask(|engine, name| engine.members(name))?;
        members.sort_by_key(|(client, _)| *client);
        Ok(members)
    }

    pub(super) fn clear(&self) -> Tried<Position> {
        Ok(self.ask(|engine, name| engine.clear(name))?)
    }

    pub(super) fn fork(&self, offset: u64) -> Tried {
        let forked = self.subject.fork(&self.name, offset);
        forked.map_err(|Unable| Failure::Unable("the subject cannot lose a part"))
    }

    pub(super) fn lose(&self) -> Tried {
        let lost = self.subject.lose(&self.name);
        lost.map_err(|Unable| Failure::Unable("the subject cannot lose everything"))
    }

    pub(super) fn advance(&self, time: Duration) -> Tried {
        let advanced = self.subject.advance(time);
        advanced.map_err(|Unable| Failure::Unable("the subject has no clock that can be moved"))
    }

    /// What this follower was told.
    pub(super) fn told(&self, following: &Following) -> Vec<Told> {
        self.subject.settle();
        following.recorder.told().clone()
    }

    fn ask<T>(&self, ask: impl FnOnce(&dyn Engine, &ChannelName) -> Answer<T>) -> T {
        let engine = self.subject.nodes()[self.node];
        self.subject
            .block_on(async { ask(engine, &self.name).get().await })
    }
}

/// A follower that is attached, or was.
pub(super) struct Following {
    /// From where on it is told what happens.
    pub(super) position: Position,
    recorder: Arc<Recorder>,
    follower: Arc<dyn Follower>,
}

/// Writes down what it is told.
#[derive(Debug, Default)]
struct Recorder(Mutex<Vec<Told>>);

impl Recorder {
    fn told(&self) -> MutexGuard<'_, Vec<Told>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Follower for Recorder {
    fn published(&self, epoch: Epoch, publication: &Publication) {
        self.told()
            .push(Told::Published(epoch, publication.clone()));
    }

    fn changed(&self, position: Position) {
        self.told().push(Told::Changed(position));
    }

    fn entered(&self, client: ClientId, member: &Member) {
        self.told().push(Told::Entered(client, member.clone()));
    }

    fn left(&self, client: ClientId, member: &Member) {
        self.told().push(Told::Left(client, member.clone()));
    }
}

/// The key with this name.
pub(super) fn name(name: &str) -> Option<Key> {
    Some(Key::Idempotency(name.into()))
}

/// A number of the publisher whose name is drawn from this byte.
pub(super) fn number(publisher: u8, number: u64) -> Option<Key> {
    Some(Key::Sequence(PublisherId::new([publisher; 16]), number))
}

/// The client whose name is drawn from this byte.
pub(super) fn client(byte: u8) -> ClientId {
    ClientId::new([byte; 16])
}

/// Somebody.
pub(super) fn member(user: &str) -> Member {
    Member::new(user)
}

/// What a reading gives, as the texts of its publications.
pub(super) fn texts(reading: &Reading) -> Vec<&str> {
    let publications = reading.publications.iter();
    publications
        .map(|publication| text(&publication.payload))
        .collect()
}

/// What a follower was told of publications: their epochs, offsets and texts.
pub(super) fn heard(told: &[Told]) -> Vec<(Epoch, u64, &str)> {
    let publications = told.iter().filter_map(|told| match told {
        Told::Published(epoch, publication) => Some((*epoch, publication)),
        _ => None,
    });
    publications
        .map(|(epoch, publication)| (epoch, publication.offset, text(&publication.payload)))
        .collect()
}

fn text(payload: &Payload) -> &str {
    std::str::from_utf8(payload.as_bytes()).unwrap_or("no text")
}
