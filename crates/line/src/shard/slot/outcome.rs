//! What became of what was asked of a connection.

use holdwire_proto::time::Tick;

/// How a turn of a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::shard) enum Turn {
    /// It waits for its peer, at most until then.
    Wait(Option<Tick>),
    /// It is not done and comes again in the next turn of the shard.
    Again(Option<Tick>),
    /// It is over.
    Over,
}

/// What became of a batch that was handed to a subscriber.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::shard) enum Delivery {
    /// The socket has all of it, or the connection wants none.
    Done,
    /// Something waits or has failed: the connection is to have a turn.
    Waits,
    /// There is no room for it.
    TooSlow,
}
