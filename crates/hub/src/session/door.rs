//! A machine between a connection and a hub.

use std::ops::Range;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use holdwire::CloseCode;
use holdwire::proto::{Event, Flow, Sender};
use holdwire::shard::{Join, Remote, Session, Topic};
use serde_json::value::RawValue;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::driver::{Ask, Driver, Outcome, Verdict, Welcome};
use super::identity::{Identity, KEPT, Secret};
use super::machine::Machine;
use super::policy::{Denied, Guest, Policy, Question};
use super::sub::Key;
use crate::channel::{ChannelName, Namespace};
use crate::engine::{Answer, EngineError, Members, Publish, PublishError, Published, WINDOW};
use crate::format::{Format, Place};
use crate::hub::{Hub, Subscription};
use crate::local::{IS_SLOW, TOO_SLOW};
use crate::presence::{ClientId, Member};
use crate::reading::{Reading, Reason, Since};
use crate::wire::{Connect, Connected, Rpc};

/// A client that has opened a connection connects within this time.
const PATIENCE: Duration = Duration::from_secs(10);

/// 4409: the session goes on in another connection.
const ELSEWHERE: CloseCode = match CloseCode::new(4409) {
    Some(code) => code,
    None => CloseCode::POLICY_VIOLATION,
};

/// One connection of the session protocol.
pub(crate) struct Door {
    machine: Machine,
    parts: Parts,
}

/// What is around the machine.
struct Parts {
    hub: Hub,
    policy: Arc<dyn Policy>,
    remote: Remote,
    /// Who the request says it is.
    member: Member,
    holder: Option<Holder>,
    seats: Vec<Seat>,
    inbox: Arc<Mutex<Vec<Arrival>>>,
    /// Until when it must have connected, or have a fresh token.
    timer: Option<AbortHandle>,
}

/// The client, once it has connected.
struct Holder {
    identity: Arc<Identity>,
    /// Which of the client's connections this is.
    number: u64,
    secret: Secret,
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
enum Arrival {
    Outcome(Outcome),
    Guest(u64, Connect, Result<Guest, Denied>),
    Refreshed(u64, Result<Option<Duration>, Denied>),
}

/// Parts for the time of one call.
struct Bound<'a, 'b> {
    parts: &'a mut Parts,
    sender: &'a mut Sender<'b>,
}

impl Door {
    pub(crate) fn new(hub: &Hub, policy: Arc<dyn Policy>, member: Member, remote: Remote) -> Self {
        let parts = Parts {
            hub: hub.clone(),
            policy,
            remote,
            member,
            holder: None,
            seats: Vec::new(),
            inbox: Arc::default(),
            timer: None,
        };
        Self {
            machine: Machine::default(),
            parts,
        }
    }

    fn bound<'a, 'b>(&'a mut self, sender: &'a mut Sender<'b>) -> (&'a mut Machine, Bound<'a, 'b>) {
        let parts = &mut self.parts;
        (&mut self.machine, Bound { parts, sender })
    }
}

impl Session for Door {
    fn on_open(&mut self, _: &mut Sender<'_>) {
        self.parts.set_timer(PATIENCE, Outcome::NeverConnected);
    }

    fn on_event(&mut self, event: Event<'_>, sender: &mut Sender<'_>) -> Flow {
        let (machine, mut bound) = self.bound(sender);
        match event {
            Event::Text(text) => return machine.handle_text(&text, &mut bound),
            Event::Binary(_) => machine.handle_binary(&mut bound),
            // The client has ended it on purpose.
            Event::Close(closing) if closing.code == Some(CloseCode::NORMAL) => bound.revoke(),
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
                Arrival::Outcome(outcome) => outcome,
                Arrival::Guest(id, connect, guest) => {
                    let verdict = guest.map(|guest| bound.parts.admit(&connect, guest));
                    Outcome::Connected(id, connect, verdict)
                }
                Arrival::Refreshed(id, result) => {
                    Outcome::Refreshed(id, bound.parts.held_on(result))
                }
            };
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
        self.parts.hub.counters().closed_slow();
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
        let (inbox, remote) = (Arc::clone(&self.inbox), self.remote.clone());
        let timer = self.hub.runtime().spawn(async move {
            tokio::time::sleep(after).await;
            put(&inbox, Arrival::Outcome(outcome), &remote);
        });
        self.timer = Some(timer.abort_handle());
    }

    fn stop_timer(&mut self) {
        if let Some(timer) = self.timer.take() {
            timer.abort();
        }
    }

    /// Lets a new client in.
    fn admit(&mut self, connect: &Connect, guest: Guest) -> Box<Welcome> {
        let client = ClientId::new(rand::random());
        let identity = Arc::new(Identity::new(client, guest.member));
        identity.hold(guest.holds.map(|holds| Instant::now() + holds));
        self.welcome(connect, identity, false, guest.channels)
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
            self.set_timer(left, Outcome::Expired);
        }
        let number = identity.take_over();
        let sessions = self.hub.sessions();
        let secret = sessions.issue(&identity, &self.remote);
        let known = connect.publisher.as_deref();
        let (name, publisher) = sessions.publisher(known, &identity.member.user);
        let reply = Connected {
            client: identity.client.to_string(),
            session: secret.text(),
            resumed,
            session_ms: milliseconds(KEPT),
            publisher: name,
            window_ms: milliseconds(WINDOW),
            expires: ttl.is_some(),
            ttl: ttl.map(|left| left.as_secs()),
        };
        self.holder = Some(Holder {
            identity,
            number,
            secret,
            is_revoked: false,
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

    /// The client may stay for so long; in seconds for the reply.
    fn held_on(&mut self, result: Result<Option<Duration>, Denied>) -> Result<Option<u64>, Denied> {
        let holds = result?;
        self.stop_timer();
        if let Some(holder) = &self.holder {
            let until = holds.map(|holds| Instant::now() + holds);
            holder.identity.hold(until);
        }
        if let Some(holds) = holds {
            self.set_timer(holds, Outcome::Expired);
        }
        Ok(holds.map(|holds| holds.as_secs()))
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

fn put(inbox: &Mutex<Vec<Arrival>>, arrival: Arrival, remote: &Remote) {
    inbox
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(arrival);
    remote.wake();
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl Drop for Parts {
    /// Whoever is gone is seen for the time of grace, in which it may come back.
    fn drop(&mut self) {
        self.stop_timer();
        let Some(holder) = self.holder.take() else {
            return;
        };
        let Holder {
            identity,
            number,
            secret,
            is_revoked,
        } = holder;
        if !identity.is_owner(number) {
            return;
        }
        self.hub.sessions().lose(secret);
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

impl Driver for Bound<'_, '_> {
    fn send(&mut self, text: &str) {
        if self.sender.text(text).is_err() {
            // Does nothing when it is closing already.
            self.sender.close(TOO_SLOW, IS_SLOW);
        }
    }

    fn has_room(&self, bytes: usize, is_first: bool) -> bool {
        let room = (self.sender.limit() / 2).saturating_sub(self.sender.queued());
        bytes <= room || (is_first && self.sender.queued() == 0)
    }

    fn rest(&mut self) {
        self.parts.remote.wake_when_sent();
    }

    fn resume(&mut self) {
        self.parts.remote.resume();
    }

    fn close(&mut self, code: CloseCode, reason: &str) {
        self.revoke();
        self.sender.close(code, reason);
    }

    fn connect(&mut self, id: u64, connect: Connect) -> Option<(Connect, Verdict)> {
        let held = connect.session.as_deref();
        let held = held.and_then(|secret| self.parts.hub.sessions().take(secret));
        if let Some((identity, remote)) = held.filter(|(identity, _)| !identity.has_expired()) {
            let welcome = self.parts.welcome(&connect, identity, true, Vec::new());
            if let Some(remote) = remote {
                remote.close(ELSEWHERE, "the session goes on in another connection");
            }
            return Some((connect, Ok(welcome)));
        }
        let Parts { policy, member, .. } = &*self.parts;
        let answer = policy.connect(member, connect.token.as_deref());
        match answer {
            Answer::Now(guest) => {
                let verdict = guest.map(|guest| self.parts.admit(&connect, guest));
                Some((connect, verdict))
            }
            later => {
                self.parts
                    .now(later, move |guest| Arrival::Guest(id, connect, guest));
                None
            }
        }
    }

    fn settle(&mut self) {
        let Some(holder) = &self.parts.holder else {
            return;
        };
        for channel in holder.identity.attending() {
            let mut seats = self.parts.seats.iter();
            if !seats.any(|seat| *seat.subscription.channel() == channel) {
                self.parts.leave(&channel);
            }
        }
    }

    fn revoke(&mut self) {
        let sessions = self.parts.hub.sessions();
        if let Some(holder) = &mut self.parts.holder {
            sessions.revoke(holder.secret);
            holder.is_revoked = true;
        }
    }

    fn namespace(&self, channel: &ChannelName) -> Option<&Namespace> {
        self.parts.hub.namespaces().of(channel)
    }

    fn subscribe(&mut self, key: Key, channel: &ChannelName, format: Format) {
        let subscription = self.parts.hub.subscribe(channel, format);
        if subscription.namespace().presence {
            self.parts.enter(channel);
        }
        self.parts.seats.push(Seat {
            key,
            subscription,
            is_joining: false,
            topic: None,
        });
    }

    fn join(&mut self, key: Key) {
        let remote = self.parts.remote.clone();
        if let Some(seat) = self.parts.seat(key) {
            seat.is_joining = true;
            seat.subscription.join(&remote);
        }
    }

    fn unsubscribe(&mut self, key: Key) {
        let Some(at) = self.parts.seats.iter().position(|seat| seat.key == key) else {
            return;
        };
        let seat = self.parts.seats.swap_remove(at);
        if let Some(topic) = &seat.topic {
            self.parts.remote.leave(topic);
        }
        self.parts.leave(seat.subscription.channel());
    }

    fn top(&self, key: Key) -> Option<u64> {
        let seat = self.parts.seats.iter().find(|seat| seat.key == key)?;
        seat.subscription.local.top()
    }

    fn read(
        &mut self,
        ask: Ask,
        channel: &ChannelName,
        since: Since,
        limit: usize,
    ) -> Option<Result<Reading, EngineError>> {
        let answer = self.parts.hub.read(channel, since, limit);
        self.parts.now(answer, move |reading| {
            Arrival::Outcome(Outcome::Read(ask, reading))
        })
    }

    fn read_now(&mut self, channel: &ChannelName, since: Since, limit: usize) -> Option<Reading> {
        match self.parts.hub.read(channel, since, limit) {
            Answer::Now(reading) => reading.ok(),
            Answer::Later(_) => None,
        }
    }

    fn publish(
        &mut self,
        id: u64,
        channel: &ChannelName,
        publish: Publish,
    ) -> Option<Result<Published, PublishError>> {
        let answer = self.parts.hub.put(channel, publish);
        self.parts.now(answer, move |result| {
            Arrival::Outcome(Outcome::Published(id, result))
        })
    }

    fn is_crowded(&mut self, channel: &ChannelName) -> bool {
        self.parts.hub.pace(channel, &self.parts.remote) == Flow::Pause
    }

    fn members(
        &mut self,
        id: u64,
        channel: &ChannelName,
        stats: bool,
    ) -> Option<Result<Members, EngineError>> {
        let answer = self.parts.hub.engine().members(channel);
        self.parts.now(answer, move |members| {
            Arrival::Outcome(Outcome::Members(id, stats, members))
        })
    }

    fn rpc(&mut self, id: u64, rpc: Rpc) -> Option<Result<Box<RawValue>, Denied>> {
        let answer = self.parts.policy.rpc(Question {
            member: self.parts.identified(),
            method: &rpc.method,
            data: rpc.data.as_deref(),
        });
        self.parts.now(answer, move |said| {
            Arrival::Outcome(Outcome::Said(id, said))
        })
    }

    fn refresh(&mut self, id: u64, token: &str) -> Option<Result<Option<u64>, Denied>> {
        let answer = self.parts.policy.refresh(self.parts.identified(), token);
        let result = self
            .parts
            .now(answer, move |result| Arrival::Refreshed(id, result))?;
        Some(self.parts.held_on(result))
    }

    fn missed(&mut self, reason: Reason) {
        self.parts.hub.counters().gap(reason);
    }

    fn replay(&mut self, at: &Place<'_>) {
        let namespace = self.namespace(at.channel);
        let compress = namespace.is_some_and(|namespace| namespace.compress);
        if Format::Session.replay(at, compress, self.sender).is_err() {
            self.sender.close(TOO_SLOW, IS_SLOW);
        }
        self.parts.hub.counters().replayed(1);
    }
}
