//! What the application decides about clients.

use std::sync::Arc;
use std::time::Duration;

use serde_json::value::RawValue;

use crate::channel::ChannelName;
use crate::engine::Answer;
use crate::presence::Member;
use crate::wire::Fault;

/// Decides who a client is, and answers its questions; `()` lets everybody in.
///
/// Calls come on a thread that serves many connections, and must not block: what takes time is an
/// [`Answer::Later`].
pub trait Policy: Send + Sync + 'static {
    /// Who a client is; `member` is what the request itself has shown (see
    /// [`endpoint`](super::endpoint)).
    ///
    /// By default whoever has no token is that, and tokens are refused.
    fn connect(&self, member: &Member, token: Option<&str>) -> Answer<Result<Guest, Denied>> {
        Answer::Now(match token {
            None => Ok(Guest::new(member.clone())),
            Some(_) => Err(Denied::not_here("tokens are not known here")),
        })
    }

    /// For how long a fresh token holds that a connected client shows; `None` for ever. It must be
    /// of the same user.
    ///
    /// By default it is refused.
    fn refresh(&self, member: &Member, token: &str) -> Answer<Result<Option<Duration>, Denied>> {
        let _ = (member, token);
        Answer::Now(Err(Denied::not_here("tokens are not known here")))
    }

    /// For how long a client may have a channel that it shows a token of its own for; `None` for
    /// ever. The token must be of the same user.
    ///
    /// By default it is refused.
    fn subscribe(
        &self,
        member: &Member,
        channel: &ChannelName,
        token: &str,
    ) -> Answer<Result<Option<Duration>, Denied>> {
        let _ = (member, channel, token);
        Answer::Now(Err(Denied::not_here("tokens are not known here")))
    }

    /// Who somebody is that wants one channel and nothing else, by the
    /// [plain door](crate::plain::guarded).
    ///
    /// By default what [`connect`](Self::connect) says.
    fn enter(
        &self,
        member: &Member,
        channel: &ChannelName,
        token: Option<&str>,
    ) -> Answer<Result<Guest, Denied>> {
        let _ = channel;
        self.connect(member, token)
    }

    /// For how long whoever is let in for a time may stay beyond it, while a fresh token is on its
    /// way. Default: 25 s.
    fn grace(&self) -> Duration {
        Duration::from_secs(25)
    }

    /// Answers a question of a client with a JSON value; `data` is one, or missing.
    ///
    /// By default there is no method.
    fn rpc(&self, ask: Question<'_>) -> Answer<Result<Box<RawValue>, Denied>> {
        let message = format!("there is no method {:?}", ask.method);
        Answer::Now(Err(Denied::no_method(message)))
    }
}

impl Policy for () {}

impl<P: Policy + ?Sized> Policy for Arc<P> {
    fn connect(&self, member: &Member, token: Option<&str>) -> Answer<Result<Guest, Denied>> {
        (**self).connect(member, token)
    }

    fn refresh(&self, member: &Member, token: &str) -> Answer<Result<Option<Duration>, Denied>> {
        (**self).refresh(member, token)
    }

    fn subscribe(
        &self,
        member: &Member,
        channel: &ChannelName,
        token: &str,
    ) -> Answer<Result<Option<Duration>, Denied>> {
        (**self).subscribe(member, channel, token)
    }

    fn enter(
        &self,
        member: &Member,
        channel: &ChannelName,
        token: Option<&str>,
    ) -> Answer<Result<Guest, Denied>> {
        (**self).enter(member, channel, token)
    }

    fn grace(&self) -> Duration {
        (**self).grace()
    }

    fn rpc(&self, ask: Question<'_>) -> Answer<Result<Box<RawValue>, Denied>> {
        (**self).rpc(ask)
    }
}

/// What a client asks the application.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Question<'a> {
    /// Who asks.
    pub member: &'a Member,
    /// What it is about.
    pub method: &'a str,
    /// More about it.
    pub data: Option<&'a RawValue>,
}

/// A client that is let in.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Guest {
    /// What others see of it.
    pub member: Member,
    /// Channels that it gets without asking, and may use whatever their
    /// [access](crate::Access). Default: none.
    pub channels: Vec<ChannelName>,
    /// For how long it is let in; then it needs a fresh token. Default: for ever.
    pub holds: Option<Duration>,
}

impl Guest {
    /// A client that others see so.
    #[must_use]
    pub fn new(member: Member) -> Self {
        Self {
            member,
            ..Self::default()
        }
    }
}

/// Why something is not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    pub(crate) fault: Fault,
    pub(crate) message: String,
}

impl Denied {
    /// The client is not let in, or not any more: the connection is closed with 4401. When it is
    /// about one channel, that is refused (error 103).
    #[must_use]
    pub fn unauthorized(message: impl Into<String>) -> Self {
        Self::new(Fault::NotAllowed, message)
    }

    /// The token has expired (error 109): the client asks for another one.
    #[must_use]
    pub fn expired(message: impl Into<String>) -> Self {
        Self::new(Fault::TokenExpired, message)
    }

    /// There is no such method (error 104).
    #[must_use]
    pub fn no_method(message: impl Into<String>) -> Self {
        Self::new(Fault::NoSuchMethod, message)
    }

    /// What is asked for makes no sense (error 107).
    #[must_use]
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(Fault::BadRequest, message)
    }

    /// It cannot be decided now (error 100).
    #[must_use]
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(Fault::Unavailable, message)
    }

    fn not_here(message: &str) -> Self {
        Self::new(Fault::NotHere, message)
    }

    fn new(fault: Fault, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { fault, message }
    }
}
