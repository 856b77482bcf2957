//! What a policy is told about whom it decides.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use http::HeaderMap;
use serde_json::value::RawValue;

use crate::channel::ChannelName;
use crate::presence::{ClientId, Member};

/// What a policy wants to be asked, beside who somebody is: nothing by default, and what is not
/// asked costs nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Asks {
    /// Whether a client may subscribe that shows no token for the channel
    /// ([`Policy::lend`](super::Policy::lend)).
    pub subscribe: bool,
    /// Whether something may be published ([`Policy::publish`](super::Policy::publish)).
    pub publish: bool,
    /// It is told who is gone ([`Policy::left`](super::Policy::left)).
    pub end: bool,
}

impl Asks {
    /// Whether it wants anything.
    #[must_use]
    pub fn any(self) -> bool {
        self.subscribe || self.publish || self.end
    }
}

/// How a client may have a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loan {
    /// As its [access](crate::Access) says.
    Access,
    /// Whatever that says, for so long; `None` for ever.
    For(Option<Duration>),
}

/// A client whose line is lost, and that may come back.
pub struct Absence {
    within: Duration,
    is_back: Box<dyn Fn() -> bool + Send + Sync>,
}

impl Absence {
    /// It may come back for so long; `is_back` says whether it has.
    pub(crate) fn new(
        within: Duration,
        is_back: impl Fn() -> bool + Send + Sync + 'static,
    ) -> Self {
        Self {
            within,
            is_back: Box::new(is_back),
        }
    }

    /// For how long it may come back.
    #[must_use]
    pub fn within(&self) -> Duration {
        self.within
    }

    /// Whether it is back.
    #[must_use]
    pub fn is_over(&self) -> bool {
        (self.is_back)()
    }
}

impl fmt::Debug for Absence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Absence")
            .field("within", &self.within)
            .finish_non_exhaustive()
    }
}

/// What is kept of a request until it is known who has come.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Caller {
    /// Where it came from.
    pub address: Option<SocketAddr>,
    /// Some of its fields.
    pub headers: HeaderMap,
}

impl Caller {
    /// A request from there, with these of its fields.
    #[must_use]
    pub fn new(address: Option<SocketAddr>, headers: HeaderMap) -> Self {
        Self { address, headers }
    }
}

/// Somebody who wants to be let in.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Visit<'a> {
    /// The name that it has if it is let in.
    pub client: ClientId,
    /// What the request itself has shown.
    pub member: &'a Member,
    /// The token that it shows.
    pub token: Option<&'a str>,
    /// The one channel that it wants, at the [plain door](crate::plain).
    pub channel: Option<&'a ChannelName>,
    /// What it speaks: `holdwire.v1`, or `plain`.
    pub protocol: &'static str,
    /// What its program is called.
    pub name: Option<&'a str>,
    /// The version of that.
    pub version: Option<&'a str>,
    /// What else it says, a JSON value.
    pub data: Option<&'a RawValue>,
    /// What [`Policy::note`](super::Policy::note) has kept of the request.
    pub caller: Option<&'a Caller>,
}

impl<'a> Visit<'a> {
    /// Somebody of whom only this is known.
    #[must_use]
    pub fn new(client: ClientId, member: &'a Member, protocol: &'static str) -> Self {
        Self {
            client,
            member,
            protocol,
            token: None,
            channel: None,
            name: None,
            version: None,
            data: None,
            caller: None,
        }
    }
}

impl fmt::Debug for Visit<'_> {
    /// Without the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Visit")
            .field("client", &self.client)
            .field("member", &self.member)
            .field("channel", &self.channel)
            .field("protocol", &self.protocol)
            .finish_non_exhaustive()
    }
}

/// A client that was let in.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Who<'a> {
    /// Its name.
    pub client: ClientId,
    /// What others see of it.
    pub member: &'a Member,
}

impl<'a> Who<'a> {
    /// This client.
    #[must_use]
    pub fn new(client: ClientId, member: &'a Member) -> Self {
        Self { client, member }
    }
}
