//! Logs in the memory of this process: nothing to install, and gone when it ends.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::sequence::Seen;
use super::{Answer, Engine, EngineError, Follower, Members, Publish, PublishError, Published};
use crate::channel::ChannelName;
use crate::log::{Log, Retention};
use crate::namespaces::Namespaces;
use crate::position::{Epoch, Position};
use crate::presence::{ClientId, Member};
use crate::reading::{Reading, Since};

/// For how long a channel that nobody uses and that keeps nothing is remembered: then it begins a
/// new epoch, and whoever comes back with a position of the old one is told so.
const REMEMBERED: Duration = Duration::from_hours(1);

/// Parts of the map of channels, each with a lock of its own.
const PARTS: usize = 64;

/// Keeps logs in memory.
///
/// It promises what needs no disk: order, no duplicates, honest gaps. When the process ends
/// everything is gone, and after a restart every reader is told that the epoch is a new one.
///
/// A channel costs about 500 bytes, a publication its payload and about 64. It needs
/// [`Memory::sweep`] now and then.
pub struct Memory {
    namespaces: Arc<Namespaces>,
    parts: [Mutex<Part>; PARTS],
    hasher: RandomState,
}

type Part = HashMap<ChannelName, Arc<Mutex<Channel>>>;

struct Channel {
    log: Log,
    retention: Retention,
    seen: Seen,
    members: HashMap<ClientId, Member>,
    followers: Vec<Arc<dyn Follower>>,
    used: Instant,
    /// It has been taken out of its part: who finds it so looks again.
    is_gone: bool,
}

impl Memory {
    /// Keeps what these namespaces say.
    #[must_use]
    pub fn new(namespaces: Arc<Namespaces>) -> Self {
        Self {
            namespaces,
            parts: std::array::from_fn(|_| Mutex::default()),
            hasher: RandomState::new(),
        }
    }

    /// Removes what is older than its retention, and forgets channels that nobody has used for an
    /// hour. It takes time in proportion to the number of channels.
    pub fn sweep(&self) {
        let now = now();
        for part in &self.parts {
            // Whoever publishes meanwhile is not kept waiting for all channels of the part.
            let channels: Vec<_> = lock(part).values().cloned().collect();
            let has_idle = channels
                .iter()
                .filter(|channel| lock(channel).sweep(now))
                .count()
                > 0;
            if has_idle {
                lock(part).retain(|_, channel| {
                    let mut channel = lock(channel);
                    channel.is_gone = channel.is_idle(now);
                    !channel.is_gone
                });
            }
        }
    }

    /// How many channels and publications it keeps, and the bytes of their payloads.
    #[must_use]
    pub fn usage(&self) -> Usage {
        let mut usage = Usage::default();
        for part in &self.parts {
            let channels: Vec<_> = lock(part).values().cloned().collect();
            for channel in channels {
                let channel = lock(&channel);
                usage.channels += 1;
                usage.publications += channel.log.len();
                usage.bytes += channel.log.bytes();
            }
        }
        usage
    }

    /// Has a channel come back as from a storage that has lost what follows this offset: for tests
    /// of what readers are told then.
    pub fn fork(&self, name: &ChannelName, offset: u64) -> Position {
        self.with(name, |channel, _| {
            channel.log.fork(offset);
            channel.seen.fork(offset);
            let position = channel.log.position();
            for follower in &channel.followers {
                follower.changed(position);
            }
            position
        })
    }

    /// Has a channel come back as from a storage that has lost everything.
    pub fn lose(&self, name: &ChannelName) -> Position {
        self.with(name, |channel, _| {
            channel.log = Log::new(Epoch::new(rand::random()));
            channel.seen = Seen::default();
            let position = channel.log.position();
            for follower in &channel.followers {
                follower.changed(position);
            }
            position
        })
    }

    /// Does something with a channel, which is made where there is none.
    fn with<T>(&self, name: &ChannelName, act: impl FnOnce(&mut Channel, Instant) -> T) -> T {
        loop {
            let channel = self.channel(name);
            let mut channel = lock(&channel);
            if channel.is_gone {
                continue;
            }
            let now = now();
            channel.used = now;
            return act(&mut channel, now);
        }
    }

    fn channel(&self, name: &ChannelName) -> Arc<Mutex<Channel>> {
        match lock(self.part(name)).entry(name.clone()) {
            Entry::Occupied(entry) => Arc::clone(entry.get()),
            Entry::Vacant(entry) => {
                let namespace = self.namespaces.of(name);
                let channel = Channel {
                    log: Log::new(Epoch::new(rand::random())),
                    retention: namespace.map_or(Retention::NONE, |found| found.retention),
                    seen: Seen::default(),
                    members: HashMap::new(),
                    followers: Vec::new(),
                    used: now(),
                    is_gone: false,
                };
                Arc::clone(entry.insert(Arc::new(Mutex::new(channel))))
            }
        }
    }

    fn part(&self, name: &ChannelName) -> &Mutex<Part> {
        let hash = self.hasher.hash_one(name);
        &self.parts[usize::try_from(hash % PARTS as u64).unwrap_or_default()]
    }
}

/// What a [`Memory`] keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Channels.
    pub channels: usize,
    /// Publications.
    pub publications: usize,
    /// The bytes of their payloads.
    pub bytes: usize,
}

impl Engine for Memory {
    fn publish(
        &self,
        name: &ChannelName,
        publish: Publish,
    ) -> Answer<Result<Published, PublishError>> {
        Answer::Now(self.with(name, |channel, now| channel.publish(publish, now)))
    }

    fn read(
        &self,
        name: &ChannelName,
        since: Since,
        limit: usize,
    ) -> Answer<Result<Reading, EngineError>> {
        Answer::Now(Ok(self.with(name, |channel, now| {
            channel.log.trim(&channel.retention, now);
            channel.log.read(since, limit)
        })))
    }

    fn follow(
        &self,
        name: &ChannelName,
        follower: Arc<dyn Follower>,
    ) -> Answer<Result<Position, EngineError>> {
        Answer::Now(Ok(self.with(name, |channel, _| {
            channel.followers.push(follower);
            channel.log.position()
        })))
    }

    fn unfollow(&self, name: &ChannelName, follower: &Arc<dyn Follower>) {
        self.with(name, |channel, _| {
            channel
                .followers
                .retain(|other| !Arc::ptr_eq(other, follower));
        });
    }

    fn enter(
        &self,
        name: &ChannelName,
        client: ClientId,
        member: Member,
    ) -> Answer<Result<(), EngineError>> {
        self.with(name, |channel, _| {
            if channel.members.insert(client, member.clone()).is_none() {
                for follower in &channel.followers {
                    follower.entered(client, &member);
                }
            }
        });
        Answer::Now(Ok(()))
    }

    fn leave(&self, name: &ChannelName, client: ClientId) -> Answer<Result<(), EngineError>> {
        self.with(name, |channel, _| {
            if let Some(member) = channel.members.remove(&client) {
                for follower in &channel.followers {
                    follower.left(client, &member);
                }
            }
        });
        Answer::Now(Ok(()))
    }

    fn members(&self, name: &ChannelName) -> Answer<Result<Members, EngineError>> {
        Answer::Now(Ok(self.with(name, |channel, _| {
            let members = channel.members.iter();
            members
                .map(|(client, member)| (*client, member.clone()))
                .collect()
        })))
    }

    fn clear(&self, name: &ChannelName) -> Answer<Result<Position, EngineError>> {
        Answer::Now(Ok(self.with(name, |channel, _| {
            channel.log.clear();
            channel.log.position()
        })))
    }
}

impl Channel {
    fn publish(&mut self, publish: Publish, now: Instant) -> Result<Published, PublishError> {
        let Publish { payload, key } = publish;
        if let Some(key) = &key
            && let Some(before) = self.seen.find(key, &payload, now)?
        {
            return Ok(before);
        }
        let publication = self.log.append(payload, &self.retention, now);
        let position = self.log.position();
        if let Some(key) = key {
            self.seen.remember(key, &publication.payload, position, now);
        }
        for follower in &self.followers {
            follower.published(position.epoch, &publication);
        }
        Ok(Published {
            position,
            is_duplicate: false,
        })
    }

    /// Removes what is old; tells whether nothing is left that anybody needs.
    fn sweep(&mut self, now: Instant) -> bool {
        self.log.trim(&self.retention, now);
        self.seen.forget(now);
        self.seen.forget_publishers(now);
        self.is_idle(now)
    }

    fn is_idle(&self, now: Instant) -> bool {
        self.followers.is_empty()
            && self.members.is_empty()
            && self.log.is_empty()
            && self.seen.is_empty()
            && now.saturating_duration_since(self.used) >= REMEMBERED
    }
}

/// The clock, which a test may stop.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").finish_non_exhaustive()
    }
}
