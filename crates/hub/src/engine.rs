//! Where logs are kept: what the hub asks of a storage, in memory, on a disk or behind a network.
//!
//! Every engine passes one suite of tests, which compares it with a pure model.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use crate::channel::ChannelName;
use crate::position::{Epoch, Position};
use crate::presence::{ClientId, Member};
use crate::publication::{Payload, Publication};
use crate::reading::{Reading, Since};

#[cfg(feature = "contract")]
pub mod contract;
mod memory;
mod sequence;

pub use self::memory::Memory;
pub use self::sequence::{PublisherId, UNDER_WAY, WINDOW};

/// Keeps the logs of channels, and tells every node that follows a channel what happens there.
///
/// What an engine does is *atomic per channel*: a publication has its position, is in the log, and
/// goes to the followers in the order of the log, or nothing of it has happened.
pub trait Engine: Send + Sync + 'static {
    /// Appends to a log, unless what is published was published before.
    fn publish(
        &self,
        channel: &ChannelName,
        publish: Publish,
    ) -> Answer<Result<Published, PublishError>>;

    /// Reads at most `limit` publications.
    fn read(
        &self,
        channel: &ChannelName,
        since: Since,
        limit: usize,
    ) -> Answer<Result<Reading, EngineError>>;

    /// From the position that this gives, tells the follower everything that happens in a channel.
    fn follow(
        &self,
        channel: &ChannelName,
        follower: Arc<dyn Follower>,
    ) -> Answer<Result<Position, EngineError>>;

    /// Tells it nothing any more, after this has returned.
    fn unfollow(&self, channel: &ChannelName, follower: &Arc<dyn Follower>);

    /// A client is there; once more replaces what is known of it.
    fn enter(
        &self,
        channel: &ChannelName,
        client: ClientId,
        member: Member,
    ) -> Answer<Result<(), EngineError>>;

    /// A client is not there any more.
    fn leave(&self, channel: &ChannelName, client: ClientId) -> Answer<Result<(), EngineError>>;

    /// Who is there.
    fn members(&self, channel: &ChannelName) -> Answer<Result<Members, EngineError>>;

    /// Removes the history of a channel; its offsets go on.
    fn clear(&self, channel: &ChannelName) -> Answer<Result<Position, EngineError>>;
}

/// Who is in a channel, in no order.
pub type Members = Vec<(ClientId, Member)>;

/// What a node is told of a channel that it follows, in the order of the log.
///
/// Calls come while the engine holds the channel: they do not block, and ask the engine nothing.
pub trait Follower: Send + Sync {
    /// Something was published.
    fn published(&self, epoch: Epoch, publication: &Publication);

    /// The log is another one, or has forked: nothing was told before about what comes after this
    /// position.
    fn changed(&self, position: Position);

    /// A client has come, and was not there.
    fn entered(&self, client: ClientId, member: &Member);

    /// A client has gone.
    fn left(&self, client: ClientId, member: &Member);
}

/// What is to be published.
#[derive(Clone, Debug)]
pub struct Publish {
    /// The content.
    pub payload: Payload,
    /// How a repetition is recognised; `None` when each call is a publication of its own.
    pub key: Option<Key>,
}

/// What two attempts to publish the same have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    /// A name that the publisher has given to this one publication of the channel.
    Idempotency(Box<str>),
    /// The publisher's own count of its publications in this channel, from 1.
    Sequence(PublisherId, u64),
}

/// Where something was published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// The position just after it.
    pub position: Position,
    /// Whether it was published before, and nothing was added now.
    pub is_duplicate: bool,
}

/// Why nothing was published.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PublishError {
    /// There is no such namespace.
    NoChannel,
    /// The key stands for another payload.
    KeyReused,
    /// The publisher's count has left a number out.
    Hole {
        /// The number that must come next.
        expected: u64,
    },
    /// The publisher's count is so far back that the position is not known any more.
    Forgotten,
    /// The engine cannot do it now.
    Engine(EngineError),
}

/// Why an engine cannot do now what it is asked; later it may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineError(Box<str>);

impl EngineError {
    /// The storage cannot be reached, or says no.
    #[must_use]
    pub fn unavailable(why: impl Into<Box<str>>) -> Self {
        Self(why.into())
    }
}

/// An answer that is there, or comes.
///
/// An engine in memory answers at once, on the thread that asked; one behind a network gives a
/// future, which the one who asked hands to a runtime.
pub enum Answer<T> {
    /// It is there.
    Now(T),
    /// It comes.
    Later(Pin<Box<dyn Future<Output = T> + Send>>),
}

impl<T> Answer<T> {
    /// Waits for it.
    ///
    /// # Cancel safety
    /// What was asked for happens or not when this is dropped.
    pub async fn get(self) -> T {
        match self {
            Self::Now(answer) => answer,
            Self::Later(answer) => answer.await,
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Answer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Now(answer) => f.debug_tuple("Now").field(answer).finish(),
            Self::Later(_) => f.write_str("Later"),
        }
    }
}

impl From<EngineError> for PublishError {
    fn from(error: EngineError) -> Self {
        Self::Engine(error)
    }
}

impl fmt::Display for PublishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoChannel => f.write_str("there is no such namespace"),
            Self::KeyReused => f.write_str("the idempotency key was used for another payload"),
            Self::Hole { expected } => {
                write!(
                    f,
                    "the publisher's next number is {expected}, none may be left out"
                )
            }
            Self::Forgotten => f.write_str("the publisher's number is older than what is known"),
            Self::Engine(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for PublishError {}

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the engine is not available: {}", self.0)
    }
}

impl std::error::Error for EngineError {}
