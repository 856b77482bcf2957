//! A machine between a connection and a hub.

mod driving;
mod watching;

use std::ops::Range;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use holdwire::CloseCode;
use holdwire::proto::{Event, Flow, Sender};
use holdwire::shard::{Join, Remote, Session, Topic};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use self::watching::Watched;
use super::dialect::{Dialect, End};
use super::driver::{Driver, Grant, Outcome, Verdict, Wanted, Welcome};
use super::identity::{Identity, KEPT, Secret};
use super::limits::{Limited, Purse};
use super::machine::Machine;
use super::policy::{Denied, Guest, Policy};
use super::pulse::{Beat, Inbox, Pulse};
use super::registry::Order;
use super::sub::Key;
use super::visit::Loan;
use crate::channel::ChannelName;
use crate::engine::{Answer, EngineError, WINDOW};
use crate::hub::{Hub, Subscription};
use crate::local::IS_SLOW;
use crate::presence::Member;
use crate::publication::Payload;
use crate::wire::{Connect, Connected};

/// A client that has opened a connection connects within this time.
const PATIENCE: Duration = Duration::from_secs(10);

/// One connection of the session protocol.
pub(crate) struct Door {
    machine: Machine,
    parts: Parts,
}

/// What is around the machine.
struct Parts {
    dialect: Dialect,
    hub: Hub,
    policy: Arc<dyn Policy>,
    remote: Remote,
    /// Who the request says it is.
    member: Member,
    /// Bytes of a message that is taken.
    max_message: usize,
    holder: Option<Holder>,
    seats: Vec<Seat>,
    inbox: Inbox,
    /// Until when it must have connected, or have a fresh token.
    timer: Option<AbortHandle>,
    /// Until when it has channels that tokens have given it.
    lapses: Vec<(ChannelName, AbortHandle)>,
    /// What has it ping, in a dialect that has pings.
    pulse: Option<Arc<Pulse>>,
    beat: Option<Beat>,
    /// What is there only for a policy that asks for more.
    watched: Option<Box<Watched>>,
    /// What it has spent, where that is limited.
    purse: Option<Box<Purse>>,
}

/// The client, once it has connected.
struct Holder {
    identity: Arc<Identity>,
    /// Which of the client's connections this is.
    number: u64,
    /// What resumes the session, in a dialect that has sessions.
    secret: Option<Secret>,
    is_revoked: bool,
}

/// A subscription.
struct Seat {
    key: Key,
    subscription: Subscription,
    /// It has asked to join.
    is_joining: bool,
    /// What it has joined.
    topic: Option<Topic>,
}

/// What was asked for and has come.
pub(super) enum Arrival {
    /// It is time for a ping.
    Beat,
    /// A backend wants something of it.
    Order(Order),
    Outcome(Outcome),
    Guest(u64, Connect, Result<Guest, Denied>),
    Refreshed(u64, Result<Option<Duration>, Denied>),
    Granted(Wanted, Result<Option<Duration>, Denied>),
    Lent(Wanted, Result<Loan, Denied>),
    Verdict(u64, Result<Option<Payload>, Denied>),
}

/// Parts for the time of one call.
struct Bound<'a, 'b> {
    parts: &'a mut Parts,
    sender: &'a mut Sender<'b>,
}

impl Door {
    pub(crate) fn new(
        dialect: Dialect,
        hub: &Hub,
        policy: Arc<dyn Policy>,
        member: Member,
        remote: Remote,
        pulse: Option<Arc<Pulse>>,
    ) -> Self {
        let parts = Parts {
            dialect,
            hub: hub.clone(),
            policy,
            remote,
            member,
            max_message: 0,
            holder: None,
            seats: Vec::new(),
            inbox: Arc::default(),
            timer: None,
            lapses: Vec::new(),
            pulse,
            beat: None,
            watched: None,
            purse: hub.limiting().purse(),
        };
        Self {
            machine: Machine::new(dialect),
            parts,
        }
    }

    fn bound<'a, 'b>(&'a mut self, sender: &'a mut Sender<'b>) -> (&'a mut Machine, Bound<'a, 'b>) {
        let parts = &mut self.parts;
        (&mut self.machine, Bound { parts, sender })
    }
}

impl Session for Door {
    fn on_open(&mut self, sender: &mut Sender<'_>) {
        self.parts.max_message = sender.max_received();
        self.parts.set_timer(PATIENCE, Outcome::NeverConnected);
    }

    fn on_event(&mut self, event: Event<'_>, sender: &mut Sender<'_>) -> Flow {
        let (machine, mut bound) = self.bound(sender);
        match event {
            Event::Text(text) => return machine.handle_text(&text, &mut bound),
            Event::Binary(payload) => return machine.handle_binary(&payload, &mut bound),
            Event::Close(closing) => {
                // The client has ended it on purpose.
                if closing.code == Some(CloseCode::NORMAL) {
                    bound.revoke();
                }
                if let Some(code) = closing.code {
                    bound.parts.ends(code, closing.reason);
                }
            }
            _ => {}
        }
        Flow::Continue
    }

    fn on_wake(&mut self, sender: &mut Sender<'_>) {
        let arrived = {
            let mut inbox = self
                .parts
                .inbox
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *inbox)
        };
        let (machine, mut bound) = self.bound(sender);
        for arrival in arrived {
            let outcome = match arrival {
                Arrival::Beat => {
                    machine.handle_beat(&mut bound);
                    continue;
                }
                Arrival::Order(order) => {
                    obey(order, machine, &mut bound);
                    continue;
                }
                Arrival::Outcome(outcome) => outcome,
                Arrival::Guest(id, connect, guest) => {
                    let verdict = guest.and_then(|guest| bound.parts.admit(&connect, guest));
                    Outcome::Connected(id, connect, verdict)
                }
                Arrival::Refreshed(id, result) => {
                    Outcome::Refreshed(id, bound.parts.held_on(result))
                }
                Arrival::Granted(wanted, result) => {
                    let result = bound.parts.granted(&wanted.channel, result);
                    Outcome::Granted(wanted, result)
                }
                Arrival::Lent(wanted, result) => {
                    let result = bound.parts.lent(&wanted.channel, result);
                    Outcome::Granted(wanted, result)
                }
                Arrival::Verdict(ticket, verdict) => {
                    bound.parts.decided(ticket, verdict);
                    continue;
                }
            };
            machine.handle_outcome(outcome, &mut bound);
        }
        while let Some(outcome) = bound.parts.next_decided() {
            machine.handle_outcome(outcome, &mut bound);
        }
        machine.handle_rested(&mut bound);
    }

    fn on_join(&mut self, topic: &Topic, next: u64, sender: &mut Sender<'_>) -> Join {
        let found = self.parts.seats.iter_mut().find_map(|seat| {
            let Subscription { local, format, .. } = &seat.subscription;
            let epoch = local.epoch(*format, topic).filter(|_| seat.is_joining)?;
            seat.is_joining = false;
            seat.topic = Some(topic.clone());
            Some((seat.key, epoch))
        });
        let Some((key, epoch)) = found else {
            // Whoever waited for this topic is to have the one that has taken its place.
            for seat in self.parts.seats.iter().filter(|seat| seat.is_joining) {
                seat.subscription.join(&self.parts.remote);
            }
            return Join::Leave;
        };
        let (machine, mut bound) = self.bound(sender);
        let join = machine.handle_join(key, epoch, next, &mut bound);
        if join == Join::Leave
            && let Some(seat) = self.parts.seat(key)
        {
            seat.topic = None;
        }
        join
    }

    fn on_skip(&mut self, topic: &Topic, skipped: Range<u64>, sender: &mut Sender<'_>) {
        if let Some(key) = self.parts.key(topic) {
            let (machine, mut bound) = self.bound(sender);
            machine.handle_skip(key, &skipped, &mut bound);
        }
    }

    fn on_slow(&mut self, _: &Topic) {
        self.parts
            .ends(self.parts.dialect.code(End::TooSlow), IS_SLOW);
        self.parts.hub.counters().closed_slow();
    }

    fn on_drain(&mut self, code: CloseCode, reason: &str, sender: &mut Sender<'_>) {
        let (machine, mut bound) = self.bound(sender);
        machine.handle_drain(&mut bound);
        // Does nothing when it is closing already.
        sender.close(code, reason);
    }

    /// The log of one channel is another one: the others go on.
    fn on_end(&mut self, topic: &Topic, _: CloseCode, _: &str, sender: &mut Sender<'_>) {
        if let Some(key) = self.parts.key(topic) {
            if let Some(seat) = self.parts.seat(key) {
                seat.topic = None;
            }
            let (machine, mut bound) = self.bound(sender);
            machine.handle_change(key, &mut bound);
        }
    }
}

impl Parts {
    fn seat(&mut self, key: Key) -> Option<&mut Seat> {
        self.seats.iter_mut().find(|seat| seat.key == key)
    }

    fn key(&self, topic: &Topic) -> Option<Key> {
        let has_joined = |seat: &&Seat| seat.topic.as_ref() == Some(topic);
        self.seats.iter().find(has_joined).map(|seat| seat.key)
    }

    /// What an answer is, now; else it comes by the inbox.
    fn now<T: Send + 'static>(
        &self,
        answer: Answer<T>,
        arrive: impl FnOnce(T) -> Arrival + Send + 'static,
    ) -> Option<T> {
        let answer: Pin<Box<dyn Future<Output = T> + Send>> = match answer {
            Answer::Now(answer) => return Some(answer),
            Answer::Later(answer) => answer,
        };
        let (inbox, remote) = (Arc::clone(&self.inbox), self.remote.clone());
        self.hub.runtime().spawn(async move {
            let arrival = arrive(answer.await);
            put(&inbox, arrival, &remote);
        });
        None
    }

    /// Has something happen after a while, instead of what was to happen before.
    fn set_timer(&mut self, after: Duration, outcome: Outcome) {
        self.stop_timer();
        self.timer = Some(self.later(after, outcome));
    }

    /// Has something happen after a while.
    fn later(&self, after: Duration, outcome: Outcome) -> AbortHandle {
        let (inbox, remote) = (Arc::clone(&self.inbox), self.remote.clone());
        let timer = self.hub.runtime().spawn(async move {
            tokio::time::sleep(after).await;
            put(&inbox, Arrival::Outcome(outcome), &remote);
        });
        timer.abort_handle()
    }

    fn stop_timer(&mut self) {
        if let Some(timer) = self.timer.take() {
            timer.abort();
        }
    }

    /// Lets a new client in.
    fn admit(&mut self, connect: &Connect, guest: Guest) -> Verdict {
        if !self.hub.limiting().has_room(&guest.member.user) {
            self.hub.counters().limited(Limited::Connections);
            return Err(Denied::enough("the user has too many connections"));
        }
        let identity = Arc::new(Identity::new(self.newcomer(), guest.member));
        identity.hold(guest.holds.and_then(after));
        for channel in &guest.channels {
            identity.grant(channel.clone(), None);
        }
        let mut welcome = self.welcome(connect, identity, false, guest.channels);
        welcome.reply.data = guest.data;
        Ok(welcome)
    }

    /// The connection is this client's from now on.
    fn welcome(
        &mut self,
        connect: &Connect,
        identity: Arc<Identity>,
        resumed: bool,
        channels: Vec<ChannelName>,
    ) -> Box<Welcome> {
        self.stop_timer();
        let ttl = identity.left();
        if let Some(left) = ttl {
            self.expire_after(left);
        }
        if let Some(purse) = &mut self.purse {
            purse.belong(&identity.member.user);
        }
        let number = identity.take_over();
        let sessions = self.hub.sessions();
        let is_foreign = self.dialect.is_foreign();
        let pulse = self.pulse.as_ref();
        let ping = pulse.map(|pulse| pulse.period());
        self.beat = pulse.map(|pulse| pulse.begin(&self.inbox, &self.remote));
        let secret = (!is_foreign).then(|| sessions.issue(&identity, &self.remote));
        let known = connect.publisher.as_deref();
        let (name, publisher) = sessions.publisher(known, &identity.member.user);
        let reply = Connected {
            client: identity.client.to_string(),
            session: secret.map(Secret::text).unwrap_or_default(),
            resumed,
            session_ms: milliseconds(KEPT),
            publisher: name,
            window_ms: milliseconds(WINDOW),
            max_message: Some(self.max_message as u64),
            expires: ttl.is_some(),
            ttl: ttl.map(seconds),
            subs: Vec::new(),
            ping,
            data: None,
        };
        let (user, client) = (&identity.member.user, identity.client);
        let registry = self.hub.registry();
        registry.enter(user, client, number, &self.inbox, &self.remote);
        self.holder = Some(Holder {
            identity,
            number,
            secret,
            // Whoever cannot come back to a session has left when its connection is gone.
            is_revoked: is_foreign,
        });
        Box::new(Welcome {
            reply,
            publisher,
            channels,
        })
    }

    /// Who the client is.
    fn identified(&self) -> &Member {
        let holder = self.holder.as_ref();
        holder.map_or(&self.member, |holder| &holder.identity.member)
    }

    /// Whether the client was given this channel.
    fn is_granted(&self, channel: &ChannelName) -> bool {
        let holder = self.holder.as_ref();
        holder.is_some_and(|holder| holder.identity.is_granted(channel))
    }

    /// The client may stay for so long; in seconds for the reply.
    fn held_on(&mut self, result: Result<Option<Duration>, Denied>) -> Result<Option<u64>, Denied> {
        let holds = result?;
        self.stop_timer();
        if let Some(holder) = &self.holder {
            holder.identity.hold(holds.and_then(after));
        }
        if let Some(holds) = holds {
            self.expire_after(holds);
        }
        Ok(holds.map(seconds))
    }

    /// The client goes when it has no fresh token by then, or a grace later.
    fn expire_after(&mut self, holds: Duration) {
        let after = holds.saturating_add(self.policy.grace());
        self.set_timer(after, Outcome::Expired);
    }

    /// The client may have a channel for so long.
    fn granted(
        &mut self,
        channel: &ChannelName,
        result: Result<Option<Duration>, Denied>,
    ) -> Grant {
        let ttl = result?;
        let holds = ttl.map(|holds| holds.saturating_add(self.policy.grace()));
        let Some(holder) = &self.holder else {
            return Ok(None);
        };
        let identity = &holder.identity;
        identity.grant(channel.clone(), holds.and_then(after));
        self.lapse_after(channel, holds);
        Ok(ttl.map(seconds))
    }

    /// The time that it may have a channel begins anew.
    fn lapse_after(&mut self, channel: &ChannelName, holds: Option<Duration>) {
        self.lapses.retain(|(own, timer)| {
            let is_other = own != channel;
            if !is_other {
                timer.abort();
            }
            is_other && !timer.is_finished()
        });
        if let Some(holds) = holds {
            let timer = self.later(holds, Outcome::Lapsed(channel.clone()));
            self.lapses.push((channel.clone(), timer));
        }
    }

    fn enter(&self, channel: &ChannelName) {
        let Some(Holder { identity, .. }) = &self.holder else {
            return;
        };
        if identity.attend(channel) {
            let member = identity.member.clone();
            self.ask(self.hub.engine().enter(channel, identity.client, member));
        }
    }

    fn leave(&self, channel: &ChannelName) {
        let Some(holder) = &self.holder else {
            return;
        };
        let Holder {
            identity, number, ..
        } = holder;
        if identity.miss(channel, *number) {
            self.ask(self.hub.engine().leave(channel, identity.client));
        }
    }

    /// What is asked of the engine happens, if not at once.
    fn ask(&self, answer: Answer<Result<(), EngineError>>) {
        if let Answer::Later(answer) = answer {
            self.hub.runtime().spawn(answer);
        }
    }
}

/// Does what a backend orders.
fn obey(order: Order, machine: &mut Machine, bound: &mut Bound<'_, '_>) {
    match order {
        Order::Subscribe(channel, since) => {
            if let Some(holder) = &bound.parts.holder {
                holder.identity.grant(channel.clone(), None);
            }
            machine.handle_gift(&channel, since, bound);
        }
        Order::Unsubscribe(channel, code, reason) => {
            if let Some(holder) = &bound.parts.holder {
                holder.identity.take(&channel);
            }
            machine.handle_taking(&channel, code, &reason, bound);
        }
        Order::Disconnect(code, reason) => machine.handle_disconnect(code, &reason, bound),
        Order::Hold(holds) => {
            // Nothing is said of it: a client asks when its own time comes.
            let _ = bound.parts.held_on(Ok(holds));
        }
        Order::Expire => machine.handle_outcome(Outcome::Expired, bound),
    }
}

/// A moment so far away; `None` when there is none.
fn after(time: Duration) -> Option<Instant> {
    Instant::now().checked_add(time)
}

pub(super) fn put(inbox: &Mutex<Vec<Arrival>>, arrival: Arrival, remote: &Remote) {
    inbox
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(arrival);
    remote.wake();
}

/// Whole seconds, never none: who is told none has no reason to hurry.
fn seconds(duration: Duration) -> u64 {
    let begun = u64::from(duration.subsec_nanos() > 0);
    duration.as_secs().saturating_add(begun).max(1)
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl Drop for Parts {
    /// Whoever is gone is seen for the time of grace, in which it may come back.
    fn drop(&mut self) {
        self.stop_timer();
        for (_, timer) in self.lapses.drain(..) {
            timer.abort();
        }
        let Some(holder) = self.holder.take() else {
            return;
        };
        self.tell_end(&holder);
        let Holder {
            identity,
            number,
            secret,
            is_revoked,
        } = holder;
        let (user, client) = (&identity.member.user, identity.client);
        self.hub.registry().leave(user, client, number);
        if !identity.is_owner(number) {
            return;
        }
        if let Some(secret) = secret {
            self.hub.sessions().lose(secret);
        }
        let grace = |channel: &ChannelName| match self.hub.namespaces().of(channel) {
            Some(namespace) if !is_revoked => namespace.grace,
            _ => Duration::ZERO,
        };
        let attending = identity.attending().into_iter();
        let mut leaving: Vec<_> = attending
            .map(|channel| (grace(&channel), channel))
            .collect();
        if leaving.is_empty() {
            return;
        }
        leaving.sort();
        let hub = self.hub.clone();
        self.hub.runtime().spawn(async move {
            let begin = Instant::now();
            for (grace, channel) in leaving {
                tokio::time::sleep_until(begin + grace).await;
                if identity.miss(&channel, number) {
                    // An engine that cannot be reached forgets it by itself.
                    let _ = hub.engine().leave(&channel, identity.client).get().await;
                }
            }
        });
    }
}
