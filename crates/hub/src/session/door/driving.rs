//! What a machine asks for, done with a connection and a hub.

use holdwire::CloseCode;
use holdwire::proto::Flow;
use serde_json::value::RawValue;

use super::watching::words;
use super::{Arrival, Bound, Seat};
use crate::allow::Allow;
use crate::channel::{ChannelName, Namespace};
use crate::engine::{Answer, EngineError, Members, Publish, PublishError, Published};
use crate::format::{Format, Place};
use crate::local::IS_SLOW;
use crate::position::Position;
use crate::reading::{Reading, Reason, Since};
use crate::session::dialect::End;
use crate::session::driver::{Ask, Driver, Grant, Outcome, Verdict, Wanted};
use crate::session::policy::{Denied, Question};
use crate::session::sub::Key;
use crate::session::visit::Visit;
use crate::session::{Limited, Pass};
use crate::wire::{Connect, Reply, Rpc};

impl Bound<'_, '_> {
    /// There is no room for what must be said.
    fn is_slow(&mut self) {
        // Does nothing when it is closing already.
        let code = self.parts.dialect.code(End::TooSlow);
        self.parts.ends(code, IS_SLOW);
        self.sender.close(code, IS_SLOW);
    }
}

impl Driver for Bound<'_, '_> {
    fn send(&mut self, reply: &Reply) {
        if self
            .sender
            .message(self.parts.dialect.message(reply))
            .is_err()
        {
            self.is_slow();
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
        self.parts.ends(code, reason);
        self.sender.close(code, reason);
    }

    fn connect(&mut self, id: u64, connect: Connect) -> Option<(Connect, Verdict)> {
        let held = connect.session.as_deref();
        let held = held.and_then(|secret| self.parts.hub.sessions().take(secret));
        if let Some((identity, remote)) = held.filter(|(identity, _)| !identity.has_expired()) {
            let welcome = self.parts.welcome(&connect, identity, true, Vec::new());
            if let Some(remote) = remote {
                let code = self.parts.dialect.code(End::Elsewhere);
                remote.close(code, "the session goes on in another connection");
            }
            return Some((connect, Ok(welcome)));
        }
        let parts = &*self.parts;
        let mut visit = Visit::new(parts.newcomer(), &parts.member, parts.dialect.name());
        visit.token = connect.token.as_deref();
        [visit.name, visit.version] = words(&connect);
        visit.data = connect.data.as_deref();
        visit.caller = parts.caller();
        let answer = parts.policy.visit(visit);
        match answer {
            Answer::Now(guest) => {
                let verdict = guest.and_then(|guest| self.parts.admit(&connect, guest));
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
        if self.parts.policy.asks().subscribe {
            let seats = &self.parts.seats;
            let has = |channel: &ChannelName| {
                let mut seats = seats.iter();
                seats.any(|seat| seat.subscription.channel() == channel)
            };
            holder.identity.take_back(has);
        }
    }

    fn revoke(&mut self) {
        let sessions = self.parts.hub.sessions();
        if let Some(holder) = &mut self.parts.holder {
            if let Some(secret) = holder.secret {
                sessions.revoke(secret);
            }
            holder.is_revoked = true;
        }
    }

    fn namespace(&self, channel: &ChannelName) -> Option<&Namespace> {
        self.parts.hub.namespaces().of(channel)
    }

    fn admits(&self, channel: &ChannelName) -> bool {
        let Some(namespace) = self.parts.hub.namespaces().of(channel) else {
            return false;
        };
        let is_granted = self.parts.is_granted(channel);
        let member = self.parts.identified();
        namespace.access.admits(&member.user, is_granted)
    }

    fn allows(&self, allow: Allow, channel: &ChannelName, is_subscribed: bool) -> bool {
        let is_granted = allow == Allow::Token && self.parts.is_granted(channel);
        allow.admits(&self.parts.identified().user, is_granted, is_subscribed)
    }

    fn grant(&mut self, wanted: Wanted) -> Option<(Wanted, Grant)> {
        let parts = &mut *self.parts;
        let (policy, member) = (&parts.policy, parts.identified());
        let Some(token) = &wanted.start.token else {
            return parts.borrow(wanted);
        };
        match policy.subscribe(member, &wanted.channel, token) {
            Answer::Now(result) => {
                let result = parts.granted(&wanted.channel, result);
                Some((wanted, result))
            }
            later => {
                parts.now(later, move |result| Arrival::Granted(wanted, result));
                None
            }
        }
    }

    fn is_lending(&self) -> bool {
        self.parts.policy.asks().subscribe
    }

    fn has_lapsed(&self, channel: &ChannelName) -> bool {
        let holder = self.parts.holder.as_ref();
        let is_lent = holder.is_some_and(|holder| holder.identity.is_lent(channel));
        !self.admits(channel) || (is_lent && !self.parts.is_granted(channel))
    }

    fn spend(&mut self, is_publication: bool) -> Pass {
        let counters = self.parts.hub.counters();
        let purse = self.parts.purse.as_mut();
        purse.map_or(Pass::Go, |purse| purse.spend(is_publication, counters))
    }

    fn has_place(&self, channels: usize) -> bool {
        let hub = &self.parts.hub;
        let is_full = channels >= hub.limiting().limits.channels;
        if is_full {
            hub.counters().limited(Limited::Channels);
        }
        !is_full
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
        if self.is_lending()
            && let Some(holder) = &self.parts.holder
        {
            let gone = seat.subscription.channel();
            holder.identity.take_back(|channel| channel != gone);
        }
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

    fn read_back(
        &mut self,
        id: u64,
        channel: &ChannelName,
        before: Option<Position>,
        limit: usize,
    ) -> Option<Result<Reading, EngineError>> {
        let answer = self.parts.hub.read_back(channel, before, limit);
        self.parts.now(answer, move |reading| {
            Arrival::Outcome(Outcome::ReadBack(id, reading))
        })
    }

    fn read_now(&mut self, channel: &ChannelName, since: Since, limit: usize) -> Option<Reading> {
        match self.parts.hub.read(channel, since, limit) {
            Answer::Now(reading) => reading.ok(),
            Answer::Later(_) => None,
        }
    }

    fn ask(&mut self, id: u64, channel: &ChannelName, publish: Publish) -> Option<Publish> {
        self.parts.ask_publish(id, channel, publish)
    }

    fn refuse(&mut self, id: u64, channel: &ChannelName, publish: Publish, why: Denied) -> bool {
        self.parts.refuse_publish(id, channel, publish, why)
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
            client: self.parts.client(),
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
        let format = self.parts.dialect.format(false);
        if format.replay(at, compress, self.sender).is_err() {
            self.is_slow();
        }
        self.parts.hub.counters().replayed(1);
    }
}
