//! The policy of a server whose backend decides, around that of its tokens.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use holdwire::{CloseCode, Peer};
use holdwire_hub::engine::{self, Publish};
use holdwire_hub::session::{
    Absence, Asks, Caller, Denied, Guest, Loan, Policy, Question, Visit, Who,
};
use holdwire_hub::{ChannelName, Member, Payload};
use http::{HeaderMap, Request};
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::Kind;
use super::answer::{self, Answer};
use super::desk::{self, Desk};
use super::link::Failure;
use super::notices::Notices;
use super::question;

/// There was no Close frame (RFC 6455 §7.1.5).
const LOST: u16 = 1006;

/// What a client is told when there is no answer.
const UNAVAILABLE: &str = "this cannot be decided now";

/// Asks a backend; what it is not asked about, another policy decides. Clones ask the same one.
#[derive(Clone)]
pub struct Hooks(Arc<Inner>);

struct Inner {
    policy: Arc<dyn Policy>,
    /// Whether that policy knows tokens: then it decides about them.
    has_tokens: bool,
    desk: Arc<Desk>,
    notices: Notices,
}

impl Hooks {
    /// Around a policy, which decides about tokens when it knows any.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn new(desk: Arc<Desk>, policy: Arc<dyn Policy>, has_tokens: bool) -> Self {
        Self(Arc::new(Inner {
            policy,
            has_tokens,
            notices: Notices::new(Arc::clone(&desk)),
            desk,
        }))
    }

    /// Waits until the backend has been told who is gone, for 5 s at most.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn flush(&self) {
        self.0.notices.flush().await;
    }

    fn has(&self, kind: Kind) -> bool {
        self.0.desk.rules.has(kind)
    }

    /// Asks, and does what the rules say when nobody answers: `otherwise`, or nothing.
    fn ask<R, T>(
        &self,
        kind: Kind,
        question: impl FnOnce() -> desk::Question,
        take: impl FnOnce(R) -> Option<T> + Send + 'static,
        otherwise: impl FnOnce() -> engine::Answer<Answer<T>> + Send + 'static,
    ) -> engine::Answer<Answer<T>>
    where
        R: DeserializeOwned,
        T: Send + 'static,
    {
        let desk = Arc::clone(&self.0.desk);
        let is_allowed = desk.rules.allow.contains(&kind);
        let place = match desk.place(kind) {
            Ok(place) => place,
            Err(_) if is_allowed => return otherwise(),
            Err(_) => return engine::Answer::Now(Err(Denied::unavailable(UNAVAILABLE))),
        };
        let question = question();
        engine::Answer::Later(Box::pin(async move {
            let read = |body: &[u8]| answer::read(body, take);
            let answer = desk.ask(kind, question, read).await;
            drop(place);
            match answer {
                Ok(answer) => answer,
                Err(failure) if is_allowed && failure.is_outage() => otherwise().get().await,
                Err(_) => Err(Denied::unavailable(UNAVAILABLE)),
            }
        }))
    }

    fn connect_hook(&self, visit: &Visit<'_>) -> engine::Answer<Answer<Guest>> {
        let policy = Arc::clone(&self.0.policy);
        let member = visit.member.clone();
        let token = visit.token.map(str::to_owned);
        let channel = visit.channel.cloned();
        self.ask(
            Kind::Connect,
            || question::connect(visit),
            answer::Connect::guest,
            move || match channel {
                Some(channel) => policy.enter(&member, &channel, token.as_deref()),
                None => policy.connect(&member, token.as_deref()),
            },
        )
    }
}

/// Somebody who wants one channel has it only if the backend lends it, unless it was given.
async fn enter(
    hooks: Hooks,
    client: holdwire_hub::ClientId,
    channel: ChannelName,
    guest: engine::Answer<Answer<Guest>>,
) -> Answer<Guest> {
    let mut guest = guest.get().await?;
    if guest.channels.contains(&channel) {
        return Ok(guest);
    }
    let lent = hooks.lend(Who::new(client, &guest.member), &channel);
    if let Loan::For(holds) = lent.get().await? {
        guest.holds = guest.holds.into_iter().chain(holds).min();
        guest.channels.push(channel);
    }
    Ok(guest)
}

impl Policy for Hooks {
    fn connect(&self, member: &Member, token: Option<&str>) -> engine::Answer<Answer<Guest>> {
        self.0.policy.connect(member, token)
    }

    fn refresh(&self, member: &Member, token: &str) -> engine::Answer<Answer<Option<Duration>>> {
        self.0.policy.refresh(member, token)
    }

    fn subscribe(
        &self,
        member: &Member,
        channel: &ChannelName,
        token: &str,
    ) -> engine::Answer<Answer<Option<Duration>>> {
        self.0.policy.subscribe(member, channel, token)
    }

    fn enter(
        &self,
        member: &Member,
        channel: &ChannelName,
        token: Option<&str>,
    ) -> engine::Answer<Answer<Guest>> {
        self.0.policy.enter(member, channel, token)
    }

    fn asks(&self) -> Asks {
        let mut asks = Asks::default();
        asks.subscribe = self.has(Kind::Subscribe);
        asks.publish = self.has(Kind::Publish);
        asks.end = self.has(Kind::Disconnect);
        asks
    }

    fn note(&self, request: &Request<()>) -> Option<Arc<Caller>> {
        if !self.has(Kind::Connect) {
            return None;
        }
        let peer = request.extensions().get::<Peer>();
        let mut headers = HeaderMap::new();
        for name in &self.0.desk.rules.headers {
            for value in request.headers().get_all(name) {
                headers.append(name, value.clone());
            }
        }
        let address = peer.map(|peer| peer.address);
        Some(Arc::new(Caller::new(address, headers)))
    }

    fn visit(&self, visit: Visit<'_>) -> engine::Answer<Answer<Guest>> {
        let mut visit = visit;
        let is_known = visit.token.is_some() && self.0.has_tokens;
        if visit.channel.is_some() && !self.0.has_tokens && !self.has(Kind::Connect) {
            // The plain door looks at tokens only when somebody knows what they say.
            visit.token = None;
        }
        let guest = if is_known || !self.has(Kind::Connect) {
            self.0.policy.visit(visit)
        } else {
            self.connect_hook(&visit)
        };
        match visit.channel.cloned() {
            Some(channel) if self.has(Kind::Subscribe) => {
                let asked = enter(self.clone(), visit.client, channel, guest);
                engine::Answer::Later(Box::pin(asked))
            }
            _ => guest,
        }
    }

    fn lend(&self, who: Who<'_>, channel: &ChannelName) -> engine::Answer<Answer<Loan>> {
        self.ask(
            Kind::Subscribe,
            || question::subscribe(who, channel),
            answer::Subscribe::loan,
            || engine::Answer::Now(Ok(Loan::Access)),
        )
    }

    fn publish(
        &self,
        who: Who<'_>,
        channel: &ChannelName,
        publish: &Publish,
    ) -> engine::Answer<Answer<Option<Payload>>> {
        self.ask(
            Kind::Publish,
            || question::publish(who, channel, publish),
            answer::Publish::payload,
            || engine::Answer::Now(Ok(None)),
        )
    }

    fn left(&self, who: Who<'_>, code: u16, reason: &str, absence: Option<Absence>) {
        let site = self.0.desk.site();
        // Nobody tells a session what the server as a whole does.
        let code = if code == LOST && site.status.is_draining() {
            CloseCode::SERVICE_RESTART.value()
        } else {
            code
        };
        let question = question::disconnect(who, code, reason);
        if !self.0.notices.put(question, absence) {
            site.metrics
                .hooks
                .asked(Kind::Disconnect.name(), Failure::Full.word());
        }
    }

    fn grace(&self) -> Duration {
        self.0.policy.grace()
    }

    fn rpc(&self, ask: Question<'_>) -> engine::Answer<Answer<Box<RawValue>>> {
        if !self.has(Kind::Rpc) {
            return self.0.policy.rpc(ask);
        }
        self.ask(
            Kind::Rpc,
            || question::rpc(&ask),
            answer::Rpc::data,
            || engine::Answer::Now(Err(Denied::unavailable(UNAVAILABLE))),
        )
    }
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks")
            .field("rules", &self.0.desk.rules)
            .finish_non_exhaustive()
    }
}
