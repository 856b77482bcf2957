//! The hub: channels of an engine, and who has subscribed to them on this node.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use holdwire::proto::Flow;
use holdwire::shard::Remote;
use tokio::runtime::Handle;

use crate::channel::{ChannelName, Namespace};
use crate::counts::{Counters, Counts};
use crate::engine::{
    Answer, Engine, EngineError, Follower, Members, Memory, Publish, PublishError, Published,
};
use crate::format::Format;
use crate::local::Local;
use crate::namespaces::Namespaces;
use crate::position::Position;
use crate::publication::Payload;
use crate::reading::{Reading, Since};
use crate::session::{Limiting, Limits, Registry, Sessions};

/// How often a hub in memory removes what is old.
const SWEEP: Duration = Duration::from_secs(5);

/// Parts of the map of channels, each with a lock of its own.
const PARTS: usize = 64;

/// Channels of an engine, and who has subscribed to them on this node. Clones are the same hub.
///
/// A channel costs something here only while somebody has subscribed: then its engine is asked
/// once for all of them to tell what happens.
///
/// # Examples
/// ```
/// use holdwire_hub::{Hub, Namespace, Namespaces};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let hub = Hub::in_memory(Namespaces::new().with("chat", Namespace::default()));
/// let published = hub.publish(&"chat:lobby".parse()?, "hello").await?;
/// assert_eq!(published.position.offset, 1);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Hub(Arc<Inner>);

struct Inner {
    engine: Arc<dyn Engine>,
    namespaces: Arc<Namespaces>,
    parts: [Mutex<Part>; PARTS],
    hasher: RandomState,
    runtime: Handle,
    counters: Arc<Counters>,
    sessions: Sessions,
    registry: Registry,
    limiting: OnceLock<Arc<Limiting>>,
}

type Part = HashMap<ChannelName, Followed>;

/// A channel that this node follows.
struct Followed {
    local: Arc<Local>,
    subscriptions: usize,
}

impl Hub {
    /// The channels of these namespaces, kept by this engine.
    ///
    /// # Panics
    /// Outside of a tokio runtime: what an engine answers later is waited for there.
    #[must_use]
    pub fn new(engine: Arc<dyn Engine>, namespaces: Arc<Namespaces>) -> Self {
        Self(Arc::new(Inner {
            engine,
            namespaces,
            parts: std::array::from_fn(|_| Mutex::default()),
            hasher: RandomState::new(),
            registry: Registry::default(),
            runtime: Handle::current(),
            counters: Arc::default(),
            sessions: Sessions::new(),
            limiting: OnceLock::new(),
        }))
    }

    /// The channels of these namespaces, kept in memory; what is old is removed every 5 s, as long
    /// as the hub is there.
    ///
    /// # Panics
    /// Outside of a tokio runtime with time.
    #[must_use]
    pub fn in_memory(namespaces: Namespaces) -> Self {
        let namespaces = Arc::new(namespaces);
        let memory = Arc::new(Memory::new(Arc::clone(&namespaces)));
        let weak = Arc::downgrade(&memory);
        let hub = Self::new(memory, namespaces);
        hub.0.runtime.spawn(async move {
            let mut every = tokio::time::interval(SWEEP);
            loop {
                every.tick().await;
                let Some(memory) = weak.upgrade() else {
                    return;
                };
                memory.sweep();
            }
        });
        hub
    }

    /// Says how much clients may ask for, before any comes: what is said later changes nothing.
    #[must_use]
    pub fn limited(self, limits: Limits) -> Self {
        self.0
            .limiting
            .get_or_init(|| Arc::new(Limiting::new(limits)));
        self
    }

    pub(crate) fn limiting(&self) -> &Arc<Limiting> {
        let default = || Arc::new(Limiting::new(Limits::default()));
        self.0.limiting.get_or_init(default)
    }

    /// What its channels keep and allow.
    #[must_use]
    pub fn namespaces(&self) -> &Namespaces {
        &self.0.namespaces
    }

    /// Publishes; [`Namespace::publish`] is for clients and not asked here.
    ///
    /// # Errors
    /// [`PublishError::NoChannel`] when there is no such namespace, and what the engine says.
    ///
    /// # Cancel safety
    /// When the future is dropped it is published or not.
    pub async fn publish(
        &self,
        channel: &ChannelName,
        payload: impl Into<Payload>,
    ) -> Result<Published, PublishError> {
        let (payload, key) = (payload.into(), None);
        self.publish_with(channel, Publish { payload, key }).await
    }

    /// Publishes what may have been published before.
    ///
    /// # Errors
    /// As [`Hub::publish`], and what the key is about.
    ///
    /// # Cancel safety
    /// When the future is dropped it is published or not: the same key makes sure.
    pub async fn publish_with(
        &self,
        channel: &ChannelName,
        publish: Publish,
    ) -> Result<Published, PublishError> {
        self.put(channel, publish).get().await
    }

    /// Reads a channel, at most a page of its namespace at once.
    ///
    /// # Errors
    /// When the engine cannot do it now. A channel without a namespace has never had anything.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn history(
        &self,
        channel: &ChannelName,
        since: Since,
        limit: usize,
    ) -> Result<Reading, EngineError> {
        let page = self.namespaces().of(channel).map_or(0, |found| found.page);
        self.read(channel, since, limit.min(page)).get().await
    }

    /// Who is in a channel.
    ///
    /// # Errors
    /// When the engine cannot do it now.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn members(&self, channel: &ChannelName) -> Result<Members, EngineError> {
        self.engine().members(channel).get().await
    }

    /// Removes what a channel keeps, and says where it is. Offsets go on: whoever comes back with an
    /// older position is told that what followed it has expired.
    ///
    /// # Errors
    /// When the engine cannot do it now.
    ///
    /// # Cancel safety
    /// When the future is dropped it is removed or not.
    pub async fn clear(&self, channel: &ChannelName) -> Result<Position, EngineError> {
        self.engine().clear(channel).get().await
    }

    /// The channels that somebody on this node has subscribed to, and how many have.
    #[must_use]
    pub fn channels(&self) -> Vec<(ChannelName, usize)> {
        let mut channels = Vec::new();
        for part in &self.0.parts {
            let part = lock(part);
            let followed = part.iter();
            channels.extend(followed.map(|(name, it)| (name.clone(), it.subscriptions)));
        }
        channels
    }

    /// What happened here, and what there is now.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let channels = self.0.parts.iter().map(|part| lock(part).len() as u64);
        self.0.counters.read(channels.sum())
    }

    pub(crate) fn engine(&self) -> &dyn Engine {
        &*self.0.engine
    }

    pub(crate) fn shared_engine(&self) -> &Arc<dyn Engine> {
        &self.0.engine
    }

    pub(crate) fn runtime(&self) -> &Handle {
        &self.0.runtime
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.0.counters
    }

    pub(crate) fn sessions(&self) -> &Sessions {
        &self.0.sessions
    }

    pub(crate) fn registry(&self) -> &Registry {
        &self.0.registry
    }

    /// Whether whoever has just published in a channel may go on.
    pub(crate) fn pace(&self, channel: &ChannelName, publisher: &Remote) -> Flow {
        let local = lock(self.part(channel))
            .get(channel)
            .map(|followed| Arc::clone(&followed.local));
        local.map_or(Flow::Continue, |local| local.pace(publisher))
    }

    pub(crate) fn read(
        &self,
        channel: &ChannelName,
        since: Since,
        limit: usize,
    ) -> Answer<Result<Reading, EngineError>> {
        self.engine().read(channel, since, limit)
    }

    /// Publishes, and counts what was new.
    pub(crate) fn put(
        &self,
        channel: &ChannelName,
        publish: Publish,
    ) -> Answer<Result<Published, PublishError>> {
        if self.namespaces().of(channel).is_none() {
            return Answer::Now(Err(PublishError::NoChannel));
        }
        let count = |counters: &Counters, result: &Result<Published, PublishError>| {
            if matches!(result, Ok(published) if !published.is_duplicate) {
                counters.published();
            }
        };
        match self.engine().publish(channel, publish) {
            Answer::Now(result) => {
                count(self.counters(), &result);
                Answer::Now(result)
            }
            Answer::Later(result) => {
                let counters = Arc::clone(&self.0.counters);
                Answer::Later(Box::pin(async move {
                    let result = result.await;
                    count(&counters, &result);
                    result
                }))
            }
        }
    }

    /// Subscribes; the connection gets nothing before it [joins](Subscription::join).
    pub(crate) fn subscribe(&self, channel: &ChannelName, format: Format) -> Subscription {
        let mut part = lock(self.part(channel));
        let mut is_new = false;
        let followed = part.entry(channel.clone()).or_insert_with(|| {
            is_new = true;
            let namespace = self.namespaces().of(channel).cloned();
            let counters = Arc::clone(&self.0.counters);
            let local = Local::new(channel.clone(), namespace.unwrap_or_default(), counters);
            Followed {
                local: Arc::new(local),
                subscriptions: 0,
            }
        });
        followed.subscriptions += 1;
        let local = Arc::clone(&followed.local);
        local.enter(format);
        if is_new {
            // Still under the lock, so that whoever is the last one to leave ends what has begun.
            self.follow(&local);
        }
        drop(part);
        self.counters().subscribed();
        Subscription {
            hub: self.clone(),
            local,
            format,
        }
    }

    fn follow(&self, local: &Arc<Local>) {
        let follower: Arc<dyn Follower> = local.clone();
        match self.engine().follow(&local.channel, follower) {
            Answer::Now(Ok(position)) => local.begin(position),
            Answer::Now(Err(error)) => fail(local, &error),
            Answer::Later(answer) => {
                let (hub, local) = (self.clone(), Arc::clone(local));
                self.runtime().spawn(async move {
                    match answer.await {
                        Ok(position) => local.begin(position),
                        Err(error) => fail(&local, &error),
                    }
                    hub.unfollow_if_left(&local);
                });
            }
        }
    }

    /// All may have left before the engine had answered the first.
    fn unfollow_if_left(&self, local: &Arc<Local>) {
        let part = lock(self.part(&local.channel));
        let followed = part.get(&local.channel);
        if followed.is_none_or(|followed| !Arc::ptr_eq(&followed.local, local)) {
            let follower: Arc<dyn Follower> = local.clone();
            self.engine().unfollow(&local.channel, &follower);
        }
    }

    fn unsubscribe(&self, local: &Arc<Local>, format: Format) {
        self.counters().unsubscribed();
        local.leave(format);
        let mut part = lock(self.part(&local.channel));
        if let Some(followed) = part.get_mut(&local.channel) {
            followed.subscriptions -= 1;
            if followed.subscriptions == 0 {
                part.remove(&local.channel);
                let follower: Arc<dyn Follower> = local.clone();
                self.engine().unfollow(&local.channel, &follower);
            }
        }
    }

    fn part(&self, name: &ChannelName) -> &Mutex<Part> {
        let hash = self.0.hasher.hash_one(name);
        &self.0.parts[usize::try_from(hash % PARTS as u64).unwrap_or_default()]
    }
}

fn fail(local: &Local, error: &EngineError) {
    tracing::warn!(channel = %local.channel, %error, "cannot follow");
    local.fail();
}

/// One subscription of a connection; it ends when this is dropped.
pub(crate) struct Subscription {
    pub(crate) hub: Hub,
    pub(crate) local: Arc<Local>,
    pub(crate) format: Format,
}

impl Subscription {
    /// The channel.
    pub(crate) fn channel(&self) -> &ChannelName {
        &self.local.channel
    }

    /// What is kept and allowed there.
    pub(crate) fn namespace(&self) -> &Namespace {
        &self.local.namespace
    }

    /// Has the connection get what is published from some number on, which its session is told
    /// with `on_join`.
    pub(crate) fn join(&self, remote: &Remote) {
        self.local.join(self.format, remote);
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.hub.unsubscribe(&self.local, self.format);
    }
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub")
            .field("counts", &self.counts())
            .finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
