//! What a policy decides beside who somebody is, and that it is told who is gone.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use holdwire::CloseCode;
use http::Request;

use super::{Arrival, Door, Holder, KEPT, Parts, after};
use crate::channel::ChannelName;
use crate::engine::{Answer, Publish};
use crate::presence::ClientId;
use crate::publication::Payload;
use crate::session::driver::{Grant, Outcome, Wanted};
use crate::session::policy::Denied;
use crate::session::visit::{Absence, Caller, Loan, Who};
use crate::wire::Connect;

/// How much longer than its session can be resumed a client may be told to be there.
const SURELY: Duration = Duration::from_secs(1);

/// There was no Close frame (RFC 6455 §7.1.5).
const LOST: u16 = 1006;

/// What is there only for a policy that wants to know more.
pub(super) struct Watched {
    /// The client's name, if it is let in as a new one.
    client: ClientId,
    caller: Option<Arc<Caller>>,
    /// Publications that are not in the log, in their order.
    publications: VecDeque<Pending>,
    tickets: u64,
    /// How the connection ends.
    ended: Option<(u16, Box<str>)>,
}

/// A publication about which nothing is known yet, or about an earlier one of the channel.
struct Pending {
    ticket: u64,
    id: u64,
    channel: ChannelName,
    publish: Publish,
    verdict: Option<Result<(), Denied>>,
}

impl Door {
    /// Keeps of the request what the policy wants to know later.
    pub(crate) fn watched(mut self, request: &Request<()>) -> Self {
        let policy = &self.parts.policy;
        let caller = policy.note(request);
        if caller.is_some() || policy.asks().any() {
            self.parts.watched = Some(Box::new(Watched {
                client: ClientId::new(rand::random()),
                caller,
                publications: VecDeque::new(),
                tickets: 0,
                ended: None,
            }));
        }
        self
    }
}

impl Parts {
    /// The name of a client that is let in as a new one.
    pub(super) fn newcomer(&self) -> ClientId {
        let watched = self.watched.as_ref();
        watched.map_or_else(|| ClientId::new(rand::random()), |watched| watched.client)
    }

    /// What was kept of the request.
    pub(super) fn caller(&self) -> Option<&Caller> {
        self.watched.as_ref()?.caller.as_deref()
    }

    /// The client's name.
    pub(super) fn client(&self) -> ClientId {
        let holder = self.holder.as_ref();
        holder.map_or_else(|| self.newcomer(), |holder| holder.identity.client)
    }

    /// Asks for a channel that nobody has given the client.
    pub(super) fn borrow(&mut self, wanted: Wanted) -> Option<(Wanted, Grant)> {
        if self.is_granted(&wanted.channel) {
            return Some((wanted, Ok(None)));
        }
        let who = Who::new(self.client(), self.identified());
        match self.policy.lend(who, &wanted.channel) {
            Answer::Now(result) => {
                let result = self.lent(&wanted.channel, result);
                Some((wanted, result))
            }
            later => {
                self.now(later, move |result| Arrival::Lent(wanted, result));
                None
            }
        }
    }

    /// The client may have a channel until it has unsubscribed, or for so long: there is no fresh
    /// token that could be on its way.
    pub(super) fn lent(&mut self, channel: &ChannelName, result: Result<Loan, Denied>) -> Grant {
        if let (Loan::For(holds), Some(holder)) = (result?, &self.holder) {
            let identity = &holder.identity;
            identity.lend(channel.clone(), holds.and_then(after));
            self.lapse_after(channel, holds);
        }
        // It is asked for anew when the time is over, and has no token to be refreshed.
        Ok(None)
    }

    /// Asks whether something may be published, after what was asked before in the channel; gives
    /// it back when nobody has to be asked.
    pub(super) fn ask_publish(
        &mut self,
        id: u64,
        channel: &ChannelName,
        publish: Publish,
    ) -> Option<Publish> {
        if !self.policy.asks().publish {
            return Some(publish);
        }
        let who = Who::new(self.client(), self.identified());
        let answer = self.policy.publish(who, channel, &publish);
        let Some(watched) = &mut self.watched else {
            return Some(publish);
        };
        watched.tickets += 1;
        let ticket = watched.tickets;
        watched.publications.push_back(Pending {
            ticket,
            id,
            channel: channel.clone(),
            publish,
            verdict: None,
        });
        let answer = match answer {
            // It takes the same way, so that the order is kept.
            Answer::Now(verdict) => Answer::Later(Box::pin(std::future::ready(verdict))),
            later => later,
        };
        self.now(answer, move |verdict| Arrival::Verdict(ticket, verdict));
        None
    }

    /// Refuses a publication after those before it in the channel, if there are any.
    pub(super) fn refuse_publish(
        &mut self,
        id: u64,
        channel: &ChannelName,
        publish: Publish,
        why: Denied,
    ) -> bool {
        let Some(watched) = &mut self.watched else {
            return false;
        };
        let mut earlier = watched.publications.iter();
        if !earlier.any(|pending| pending.channel == *channel) {
            return false;
        }
        watched.tickets += 1;
        watched.publications.push_back(Pending {
            ticket: watched.tickets,
            id,
            channel: channel.clone(),
            publish,
            verdict: Some(Err(why)),
        });
        true
    }

    /// The policy has decided about a publication.
    pub(super) fn decided(&mut self, ticket: u64, verdict: Result<Option<Payload>, Denied>) {
        let Some(watched) = &mut self.watched else {
            return;
        };
        let mut pending = watched.publications.iter_mut();
        if let Some(pending) = pending.find(|pending| pending.ticket == ticket) {
            pending.verdict = Some(verdict.map(|other| {
                if let Some(payload) = other {
                    pending.publish.payload = payload;
                }
            }));
        }
    }

    /// The next publication about which everything is known.
    pub(super) fn next_decided(&mut self) -> Option<Outcome> {
        let publications = &mut self.watched.as_mut()?.publications;
        let at = (0..publications.len()).find(|at| {
            let own = &publications[*at];
            let mut earlier = publications.iter().take(*at);
            own.verdict.is_some() && !earlier.any(|other| other.channel == own.channel)
        })?;
        let Pending {
            id,
            channel,
            publish,
            verdict,
            ..
        } = publications.remove(at)?;
        Some(Outcome::Asked(id, channel, publish, verdict?))
    }

    /// How the connection ends, if that is not known already.
    pub(super) fn ends(&mut self, code: CloseCode, reason: &str) {
        if let Some(watched) = &mut self.watched {
            let ended = || (code.value(), reason.into());
            watched.ended.get_or_insert_with(ended);
        }
    }

    /// Tells the policy that the client has no connection any more.
    pub(super) fn tell_end(&mut self, holder: &Holder) {
        let Some(watched) = self.watched.take().filter(|_| self.policy.asks().end) else {
            return;
        };
        let (identity, number) = (Arc::clone(&holder.identity), holder.number);
        if !identity.is_owner(number) {
            return;
        }
        let (code, reason) = watched.ended.unwrap_or((LOST, "".into()));
        let may_return = !holder.is_revoked;
        let own = Arc::clone(&identity);
        let absence =
            may_return.then(|| Absence::new(KEPT + SURELY, move || !own.is_owner(number)));
        let who = Who::new(identity.client, &identity.member);
        self.policy.left(who, code, &reason, absence);
    }
}

/// What a client says of itself.
pub(super) fn words(connect: &Connect) -> [Option<&str>; 2] {
    let own = [connect.name.as_deref(), connect.version.as_deref()];
    own.map(|word| word.filter(|word| !word.is_empty()))
}
