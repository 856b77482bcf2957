//! An engine in memory with one flaw.

use std::sync::{Arc, Mutex};

use holdwire_hub::engine::{
    Answer, Engine, EngineError, Follower, Members, Memory, Publish, PublishError, Published,
};
use holdwire_hub::model::Told;
use holdwire_hub::{
    ChannelName, ClientId, Epoch, Member, Namespaces, Position, Publication, Reading, Since,
};

use crate::paused::InMemory;

/// What an engine does otherwise than it must; what is not said it does as it must.
pub trait Flaw: Default + Send + Sync + 'static {
    fn publish(
        &self,
        engine: &Flawed<Self>,
        channel: &ChannelName,
        publish: Publish,
    ) -> Result<Published, PublishError> {
        now(engine.memory.publish(channel, publish))
    }

    fn read(
        &self,
        engine: &Flawed<Self>,
        channel: &ChannelName,
        since: Since,
        limit: usize,
    ) -> Reading {
        now(engine.memory.read(channel, since, limit)).unwrap()
    }

    fn leave(&self, engine: &Flawed<Self>, channel: &ChannelName, client: ClientId) {
        now(engine.memory.leave(channel, client)).unwrap();
    }

    fn clear(&self, engine: &Flawed<Self>, channel: &ChannelName) -> Position {
        now(engine.memory.clear(channel)).unwrap()
    }

    /// The position that a follower begins with, instead of this one.
    fn begin(&self, position: Position) -> Position {
        position
    }

    /// Whether a follower that goes is told nothing any more.
    fn lets_go(&self) -> bool {
        true
    }

    /// What a follower is told now, instead of what happens; `held` is its own.
    fn tell(&self, told: Told, held: &mut Vec<Told>) -> Vec<Told> {
        let _ = held;
        vec![told]
    }
}

/// The engine.
pub struct Flawed<F> {
    pub memory: Memory,
    flaw: Arc<F>,
    followers: Mutex<Vec<Wrapped>>,
}

/// A follower, and the one that hears in its place.
struct Wrapped {
    channel: ChannelName,
    follower: Arc<dyn Follower>,
    ear: Arc<dyn Follower>,
}

impl<F: Flaw> Flawed<F> {
    pub fn new(namespaces: Namespaces) -> Self {
        Self {
            memory: Memory::new(Arc::new(namespaces)),
            flaw: Arc::default(),
            followers: Mutex::default(),
        }
    }

    /// Tells all who follow this channel something that the log does not.
    pub fn tell(&self, channel: &ChannelName, told: &Told) {
        let followers = self.followers.lock().unwrap();
        for wrapped in followers
            .iter()
            .filter(|wrapped| wrapped.channel == *channel)
        {
            pass(told, &*wrapped.follower);
        }
    }
}

impl<F: Flaw> InMemory for Flawed<F> {
    fn memory(&self) -> &Memory {
        &self.memory
    }
}

impl<F: Flaw> Engine for Flawed<F> {
    fn publish(
        &self,
        channel: &ChannelName,
        publish: Publish,
    ) -> Answer<Result<Published, PublishError>> {
        Answer::Now(self.flaw.publish(self, channel, publish))
    }

    fn read(
        &self,
        channel: &ChannelName,
        since: Since,
        limit: usize,
    ) -> Answer<Result<Reading, EngineError>> {
        Answer::Now(Ok(self.flaw.read(self, channel, since, limit)))
    }

    fn follow(
        &self,
        channel: &ChannelName,
        follower: Arc<dyn Follower>,
    ) -> Answer<Result<Position, EngineError>> {
        let ear: Arc<dyn Follower> = Arc::new(Ear {
            flaw: Arc::clone(&self.flaw),
            follower: Arc::clone(&follower),
            held: Mutex::default(),
        });
        self.followers.lock().unwrap().push(Wrapped {
            channel: channel.clone(),
            follower,
            ear: Arc::clone(&ear),
        });
        let position = now(self.memory.follow(channel, ear));
        Answer::Now(position.map(|position| self.flaw.begin(position)))
    }

    fn unfollow(&self, channel: &ChannelName, follower: &Arc<dyn Follower>) {
        let is_it = |wrapped: &mut Wrapped| {
            wrapped.channel == *channel && Arc::ptr_eq(&wrapped.follower, follower)
        };
        let gone: Vec<_> = self
            .followers
            .lock()
            .unwrap()
            .extract_if(.., is_it)
            .collect();
        for wrapped in gone.iter().filter(|_| self.flaw.lets_go()) {
            self.memory.unfollow(channel, &wrapped.ear);
        }
    }

    fn enter(
        &self,
        channel: &ChannelName,
        client: ClientId,
        member: Member,
    ) -> Answer<Result<(), EngineError>> {
        self.memory.enter(channel, client, member)
    }

    fn leave(&self, channel: &ChannelName, client: ClientId) -> Answer<Result<(), EngineError>> {
        self.flaw.leave(self, channel, client);
        Answer::Now(Ok(()))
    }

    fn members(&self, channel: &ChannelName) -> Answer<Result<Members, EngineError>> {
        self.memory.members(channel)
    }

    fn clear(&self, channel: &ChannelName) -> Answer<Result<Position, EngineError>> {
        Answer::Now(Ok(self.flaw.clear(self, channel)))
    }
}

/// Hears what happens, and tells what the flaw makes of it.
struct Ear<F> {
    flaw: Arc<F>,
    follower: Arc<dyn Follower>,
    held: Mutex<Vec<Told>>,
}

impl<F: Flaw> Ear<F> {
    fn hear(&self, told: Told) {
        for told in self.flaw.tell(told, &mut self.held.lock().unwrap()) {
            pass(&told, &*self.follower);
        }
    }
}

impl<F: Flaw> Follower for Ear<F> {
    fn published(&self, epoch: Epoch, publication: &Publication) {
        self.hear(Told::Published(epoch, publication.clone()));
    }

    fn changed(&self, position: Position) {
        self.hear(Told::Changed(position));
    }

    fn entered(&self, client: ClientId, member: &Member) {
        self.hear(Told::Entered(client, member.clone()));
    }

    fn left(&self, client: ClientId, member: &Member) {
        self.hear(Told::Left(client, member.clone()));
    }
}

fn pass(told: &Told, follower: &dyn Follower) {
    match told {
        Told::Published(epoch, publication) => follower.published(*epoch, publication),
        Told::Changed(position) => follower.changed(*position),
        Told::Entered(client, member) => follower.entered(*client, member),
        Told::Left(client, member) => follower.left(*client, member),
    }
}

/// What an engine in memory answers.
pub fn now<T>(answer: Answer<T>) -> T {
    match answer {
        Answer::Now(answer) => answer,
        Answer::Later(_) => unreachable!("an engine in memory answers at once"),
    }
}
