//! What the application decides about clients.

use std::sync::Arc;
use std::time::Duration;

use holdwire::CloseCode;
use http::Request;
use serde_json::value::RawValue;

use super::visit::{Absence, Asks, Caller, Loan, Visit, Who};
use crate::channel::ChannelName;
use crate::engine::{Answer, Publish};
use crate::presence::{ClientId, Member};
use crate::publication::Payload;
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

    /// What it wants to be asked beside who somebody is. It is always the same.
    ///
    /// By default nothing.
    fn asks(&self) -> Asks {
        Asks::default()
    }

    /// What of a request is to be known when it is decided who has come; it is kept until the
    /// connection ends.
    ///
    /// By default nothing.
    fn note(&self, request: &Request<()>) -> Option<Arc<Caller>> {
        let _ = request;
        None
    }

    /// Who somebody is of whom more is known than a token.
    ///
    /// By default what [`connect`](Self::connect) says, and [`enter`](Self::enter) for one channel.
    fn visit(&self, visit: Visit<'_>) -> Answer<Result<Guest, Denied>> {
        match visit.channel {
            Some(channel) => self.enter(visit.member, channel, visit.token),
            None => self.connect(visit.member, visit.token),
        }
    }

    /// Whether a client may have a channel for which it shows no token, and which nobody has given
    /// it. When the time is over, and after it has unsubscribed, this is asked again.
    ///
    /// It is asked when [`asks`](Self::asks) says so; by default the channel's access decides.
    fn lend(&self, who: Who<'_>, channel: &ChannelName) -> Answer<Result<Loan, Denied>> {
        let _ = (who, channel);
        Answer::Now(Ok(Loan::Access))
    }

    /// Whether something may be published; what it gives is published instead.
    ///
    /// What a client repeats has the same key. It is asked when [`asks`](Self::asks) says so; by
    /// default it may.
    fn publish(
        &self,
        who: Who<'_>,
        channel: &ChannelName,
        publish: &Publish,
    ) -> Answer<Result<Option<Payload>, Denied>> {
        let _ = (who, channel, publish);
        Answer::Now(Ok(None))
    }

    /// A client's connection has ended, and how: with 1006 when it was lost. If it may come back,
    /// it is gone only when it has not.
    ///
    /// It is told when [`asks`](Self::asks) says so, of each connection that was let in and whose
    /// client has no other one.
    fn left(&self, who: Who<'_>, code: u16, reason: &str, absence: Option<Absence>) {
        let _ = (who, code, reason, absence);
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

    fn asks(&self) -> Asks {
        (**self).asks()
    }

    fn note(&self, request: &Request<()>) -> Option<Arc<Caller>> {
        (**self).note(request)
    }

    fn visit(&self, visit: Visit<'_>) -> Answer<Result<Guest, Denied>> {
        (**self).visit(visit)
    }

    fn lend(&self, who: Who<'_>, channel: &ChannelName) -> Answer<Result<Loan, Denied>> {
        (**self).lend(who, channel)
    }

    fn publish(
        &self,
        who: Who<'_>,
        channel: &ChannelName,
        publish: &Publish,
    ) -> Answer<Result<Option<Payload>, Denied>> {
        (**self).publish(who, channel, publish)
    }

    fn left(&self, who: Who<'_>, code: u16, reason: &str, absence: Option<Absence>) {
        (**self).left(who, code, reason, absence);
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
    /// The client's name.
    pub client: ClientId,
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
    /// What it is told in the answer, a JSON value. Default: nothing.
    pub data: Option<Box<RawValue>>,
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
    pub(crate) own: Option<Own>,
}

/// A code of the application's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Own {
    /// Of an error.
    Error(u16),
    /// The connection is closed.
    Close(CloseCode),
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

    /// The client is not allowed to (error 103).
    #[must_use]
    pub fn not_allowed(message: impl Into<String>) -> Self {
        let mut denied = Self::new(Fault::NotAllowed, message);
        denied.own = Some(Own::Error(Fault::NotAllowed as u16));
        denied
    }

    /// The application's own error, of 400 to 1999; `temporary` when trying again later may help.
    /// `None` for other codes.
    #[must_use]
    pub fn error(code: u16, message: impl Into<String>, temporary: bool) -> Option<Self> {
        let fault = if temporary {
            Fault::Unavailable
        } else {
            Fault::NotAllowed
        };
        let mut denied = Self::new(fault, message);
        denied.own = Some(Own::Error(code));
        (400..2000).contains(&code).then_some(denied)
    }

    /// The connection is closed with this code; at the plain door nobody is let in (403).
    #[must_use]
    pub fn disconnect(code: CloseCode, reason: impl Into<String>) -> Self {
        let mut denied = Self::new(Fault::NotAllowed, reason);
        denied.own = Some(Own::Close(code));
        denied
    }

    /// Too much comes at a time (error 111).
    pub(crate) fn too_fast(message: &str) -> Self {
        Self::new(Fault::TooFast, message)
    }

    /// There is enough of it (error 106).
    pub(crate) fn enough(message: &str) -> Self {
        Self::new(Fault::Limit, message)
    }

    /// The error's code.
    pub(crate) fn code(&self) -> u16 {
        match self.own {
            Some(Own::Error(code)) => code,
            _ => self.fault as u16,
        }
    }

    /// The code that the connection is closed with, if it is.
    pub(crate) fn close(&self) -> Option<CloseCode> {
        match self.own {
            Some(Own::Close(code)) => Some(code),
            _ => None,
        }
    }

    /// Whether trying again later may help.
    pub(crate) fn is_temporary(&self) -> bool {
        matches!(self.fault, Fault::Unavailable | Fault::TooFast)
    }

    fn not_here(message: &str) -> Self {
        Self::new(Fault::NotHere, message)
    }

    fn new(fault: Fault, message: impl Into<String>) -> Self {
        let message = message.into();
        Self {
            fault,
            message,
            own: None,
        }
    }
}
