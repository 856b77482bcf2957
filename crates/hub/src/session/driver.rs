//! What a machine asks of its surroundings: an engine, other subscribers, a connection.

use holdwire::CloseCode;
use serde_json::value::RawValue;

use super::limits::Pass;
use super::policy::Denied;
use super::sub::Key;
use crate::allow::Allow;
use crate::channel::{ChannelName, Namespace};
use crate::engine::{EngineError, Members, Publish, PublishError, Published, PublisherId};
use crate::format::{Format, Place};
use crate::position::Position;
use crate::reading::{Reading, Reason, Since};
use crate::wire::{Connect, Connected, Reply, Rpc, Start};

/// Does what a [`Machine`](super::machine::Machine) asks for; what is not there at once comes as an
/// [`Outcome`], and the answer is `None`.
pub(crate) trait Driver {
    /// Sends a message; when there is no room, the connection is closed.
    fn send(&mut self, reply: &Reply);

    /// Whether so many bytes may be sent that are not urgent; `is_first` of this turn.
    fn has_room(&self, bytes: usize, is_first: bool) -> bool;

    /// Has the machine [rest](super::machine::Machine::handle_rested).
    fn rest(&mut self);

    /// Reads on, after a pause.
    fn resume(&mut self);

    /// Ends the connection.
    fn close(&mut self, code: CloseCode, reason: &str);

    /// Who the client is.
    fn connect(&mut self, id: u64, connect: Connect) -> Option<(Connect, Verdict)>;

    /// The client has all its subscriptions: what it had before besides is over.
    fn settle(&mut self);

    /// The session cannot be resumed any more.
    fn revoke(&mut self);

    /// What a channel keeps and allows; `None` when there is none.
    fn namespace(&self, channel: &ChannelName) -> Option<&Namespace>;

    /// Whether the client may use a channel that is there.
    fn admits(&self, channel: &ChannelName) -> bool;

    /// Whether the client may do something in a channel that it may use.
    fn allows(&self, allow: Allow, channel: &ChannelName, is_subscribed: bool) -> bool {
        let _ = channel;
        is_subscribed || allow == Allow::All
    }

    /// Asks whether a token gives the client a channel, and for how many seconds; from then on it
    /// is [admitted](Self::admits).
    fn grant(&mut self, wanted: Wanted) -> Option<(Wanted, Grant)>;

    /// Whether it is [asked](Self::grant) about a channel also when no token is shown.
    fn is_lending(&self) -> bool {
        false
    }

    /// Whether what has given the client a channel has expired.
    fn has_lapsed(&self, channel: &ChannelName) -> bool {
        !self.admits(channel)
    }

    /// Whether one more command may come.
    fn spend(&mut self, is_publication: bool) -> Pass {
        let _ = is_publication;
        Pass::Go
    }

    /// Whether a connection with so many channels may have one more.
    fn has_place(&self, channels: usize) -> bool {
        channels < super::machine::CHANNELS
    }

    /// Begins a subscription, which is there but gets nothing.
    fn subscribe(&mut self, key: Key, channel: &ChannelName, format: Format);

    /// Has a subscription get what is published: the machine is told when it
    /// [joins](super::machine::Machine::handle_join).
    fn join(&mut self, key: Key);

    /// Ends a subscription.
    fn unsubscribe(&mut self, key: Key);

    /// The newest offset of a subscription.
    fn top(&self, key: Key) -> Option<u64>;

    /// Reads a log.
    fn read(
        &mut self,
        ask: Ask,
        channel: &ChannelName,
        since: Since,
        limit: usize,
    ) -> Option<Result<Reading, EngineError>>;

    /// Reads a log backwards, for a command: the newest first, before this offset if there is one.
    fn read_back(
        &mut self,
        id: u64,
        channel: &ChannelName,
        before: Option<Position>,
        limit: usize,
    ) -> Option<Result<Reading, EngineError>>;

    /// Reads a log if that can be done at once.
    fn read_now(&mut self, channel: &ChannelName, since: Since, limit: usize) -> Option<Reading>;

    /// Asks the application whether something may be published; gives it back when nobody has to
    /// be asked. What it says of publications in one channel comes in the order of these.
    fn ask(&mut self, id: u64, channel: &ChannelName, publish: Publish) -> Option<Publish> {
        let _ = (id, channel);
        Some(publish)
    }

    /// Refuses a publication after those before it in the channel, if the application is
    /// [asked](Self::ask) about any of them; false when nothing is to be waited for.
    fn refuse(&mut self, id: u64, channel: &ChannelName, publish: Publish, why: Denied) -> bool {
        let _ = (id, channel, publish, why);
        false
    }

    /// Publishes.
    fn publish(
        &mut self,
        id: u64,
        channel: &ChannelName,
        publish: Publish,
    ) -> Option<Result<Published, PublishError>>;

    /// Whether subscribers here are behind with what was published; then the connection is resumed
    /// when they have caught up.
    fn is_crowded(&mut self, channel: &ChannelName) -> bool;

    /// Who is in a channel.
    fn members(
        &mut self,
        id: u64,
        channel: &ChannelName,
        stats: bool,
    ) -> Option<Result<Members, EngineError>>;

    /// Asks the application.
    fn rpc(&mut self, id: u64, rpc: Rpc) -> Option<Result<Box<RawValue>, Denied>>;

    /// Takes a fresh token, and says for how many seconds it holds.
    fn refresh(&mut self, id: u64, token: &str) -> Option<Result<Option<u64>, Denied>>;

    /// A gap was told.
    fn missed(&mut self, reason: Reason);

    /// Sends a publication that was read again.
    fn replay(&mut self, at: &Place<'_>);
}

/// For whom a log is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    /// A subscription that catches up.
    Sub(Key),
    /// A command.
    Reply(u64),
}

/// What a driver was asked for.
pub(crate) enum Outcome {
    /// Who the client is.
    Connected(u64, Connect, Verdict),
    /// What a log has.
    Read(Ask, Result<Reading, EngineError>),
    /// The same backwards.
    ReadBack(u64, Result<Reading, EngineError>),
    /// This may be published, or may not.
    Asked(u64, ChannelName, Publish, Result<(), Denied>),
    /// Where it was published.
    Published(u64, Result<Published, PublishError>),
    /// Who is there; only how many when `true`.
    Members(u64, bool, Result<Members, EngineError>),
    /// What the application says.
    Said(u64, Result<Box<RawValue>, Denied>),
    /// For how long a token holds.
    Refreshed(u64, Result<Option<u64>, Denied>),
    /// Whether a token gives a channel.
    Granted(Wanted, Grant),
    /// A token that has given a channel has expired.
    Lapsed(ChannelName),
    /// The token has expired, and there was no other.
    Expired,
    /// It is time to have connected.
    NeverConnected,
}

/// A channel that a client wants, and shows a token for.
pub(crate) struct Wanted {
    /// The command; there is none when it came with `connect`.
    pub(crate) id: Option<u64>,
    pub(crate) channel: ChannelName,
    pub(crate) start: Start,
    /// It has the channel, and the token takes the place of the one before.
    pub(crate) is_fresh: bool,
}

/// For how many seconds a token gives a channel; for ever with `None`.
pub(crate) type Grant = Result<Option<u64>, Denied>;

/// Whether a client is let in.
pub(crate) type Verdict = Result<Box<Welcome>, Denied>;

/// A client that is let in.
pub(crate) struct Welcome {
    pub(crate) reply: Connected,
    pub(crate) publisher: PublisherId,
    /// What it gets without asking.
    pub(crate) channels: Vec<ChannelName>,
}
