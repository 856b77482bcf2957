//! What tokens decide about clients.

use std::sync::Arc;
use std::time::Duration;

use holdwire_hub::engine::Answer;
use holdwire_hub::session::{Denied, Guest, Policy};
use holdwire_hub::{ChannelName, Member};

use super::claims::Claims;
use super::refusal::Refusal;
use super::verifier::{Verifier, now};
use crate::http::Site;

/// The policy of a server that has keys.
#[derive(Clone, Debug)]
pub struct Tokens(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    verifier: Verifier,
    site: Arc<Site>,
    /// Whether some channel may be had without a connection token.
    admits_nameless: bool,
}

impl Tokens {
    /// Counts what it refuses at this site. `admits_nameless` says whether whoever has no
    /// connection token may connect all the same.
    pub fn new(verifier: Verifier, site: Arc<Site>, admits_nameless: bool) -> Self {
        Self(Arc::new(Inner {
            verifier,
            site,
            admits_nameless,
        }))
    }

    /// What a token is good for, at once if its key is known.
    fn decide<T: Send + 'static>(
        &self,
        token: &str,
        what: impl FnOnce(Claims) -> Result<T, Refusal> + Send + 'static,
    ) -> Answer<Result<T, Denied>> {
        let inner = Arc::clone(&self.0);
        if let Some(verified) = inner.verifier.verify_now(token) {
            return Answer::Now(inner.told(verified.and_then(what)));
        }
        let token = token.to_owned();
        Answer::Later(Box::pin(async move {
            let verified = inner.verifier.catch_up(&token).await;
            inner.told(verified.and_then(what))
        }))
    }
}

impl Inner {
    /// Counts a refusal.
    fn told<T>(&self, decided: Result<T, Refusal>) -> Result<T, Denied> {
        decided.map_err(|refusal| {
            self.site.metrics.token_refused(refusal.word());
            tracing::debug!(target: "holdwire::token", why = refusal.word(), "token refused");
            refusal.denied()
        })
    }
}

/// Who comes with a connection token.
fn guest(claims: &Claims) -> Result<Guest, Refusal> {
    if claims.channel.is_some() {
        return Err(Refusal::Use);
    }
    let mut guest = Guest::new(claims.member());
    guest.channels = claims.channels()?;
    guest.holds = claims.holds(now());
    Ok(guest)
}

impl Policy for Tokens {
    fn connect(&self, member: &Member, token: Option<&str>) -> Answer<Result<Guest, Denied>> {
        match token {
            Some(token) => self.decide(token, |claims| guest(&claims)),
            None if self.0.admits_nameless => Answer::Now(Ok(Guest::new(member.clone()))),
            None => Answer::Now(self.0.told(Err(Refusal::Missing))),
        }
    }

    fn refresh(&self, member: &Member, token: &str) -> Answer<Result<Option<Duration>, Denied>> {
        let user = member.user.clone();
        self.decide(token, move |claims| {
            let guest = guest(&claims)?;
            if guest.member.user != user {
                return Err(Refusal::User);
            }
            Ok(guest.holds)
        })
    }

    fn subscribe(
        &self,
        member: &Member,
        channel: &ChannelName,
        token: &str,
    ) -> Answer<Result<Option<Duration>, Denied>> {
        let (user, channel) = (member.user.clone(), channel.clone());
        self.decide(token, move |claims| {
            if claims.channel.as_deref() != Some(channel.as_str()) {
                return Err(Refusal::Use);
            }
            if *claims.sub != *user {
                return Err(Refusal::User);
            }
            Ok(claims.holds(now()))
        })
    }

    /// A page may come with either token.
    fn enter(
        &self,
        member: &Member,
        channel: &ChannelName,
        token: Option<&str>,
    ) -> Answer<Result<Guest, Denied>> {
        let Some(token) = token else {
            // Whether a name is needed is the channel's to say.
            return Answer::Now(Ok(Guest::new(member.clone())));
        };
        let channel = channel.clone();
        self.decide(token, move |claims| match claims.channel.as_deref() {
            None => guest(&claims),
            Some(own) if own == channel.as_str() => {
                let mut guest = Guest::new(claims.member());
                guest.holds = claims.holds(now());
                guest.channels = vec![channel];
                Ok(guest)
            }
            Some(_) => Err(Refusal::Use),
        })
    }

    fn grace(&self) -> Duration {
        self.0.verifier.rules().leeway
    }
}
