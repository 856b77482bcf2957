//! The shard itself: many connections, one thread, one turn after the other.

use std::any::Any;
use std::collections::HashMap;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use holdwire_proto::{CloseCode, Config, Output, Scratch};
use mio::event::Event;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use tokio::time::Instant;

use super::fanout::{Batch, Batches, Fanout, pieces};
use super::mailbox::{Command, Mailbox, Order};
use super::opening::{Opening, Owner, Welcome};
use super::remote::Remote;
use super::session::{Join, Nobody};
use super::slab::{Id, Slab};
use super::slot::{Delivery, Membership, Ready, Slot, Tools, Turn};
use super::socket::Tcp;
use super::topic::{Publication, Slow, Topic};
use super::wheel::Wheel;
use crate::stats::Stats;
use crate::tools;

/// Bytes read from one connection at a time, whatever the number of connections.
const READ_BUFFER: usize = 256 * 1024;

/// The connections of one thread, and what they share.
pub(super) struct Shard {
    slab: Slab,
    wheel: Wheel,
    tools: Tools,
    fanout: Fanout,
    /// Connections that were not done in the last turn.
    again: Vec<Id>,
    configs: Vec<Arc<Config>>,
    /// What is dropped with a connection.
    guards: HashMap<u32, Box<dyn Any + Send>>,
    owner: Arc<dyn Owner>,
    mailbox: Arc<Mailbox>,
    registry: Registry,
    started: Instant,
    queued: usize,
    /// Nobody will bring a connection any more.
    is_stopping: bool,
    publications: Vec<Publication>,
    /// Subscribers that are to have a turn after a delivery.
    waiting: Vec<u32>,
}

impl Shard {
    pub(super) fn new(registry: Registry, mailbox: Arc<Mailbox>, owner: Arc<dyn Owner>) -> Self {
        let now = tools::now();
        Self {
            slab: Slab::default(),
            wheel: Wheel::new(now),
            tools: Tools {
                input: vec![0; READ_BUFFER].into(),
                output: Output::default(),
                // The thread's generator is cryptographically secure (RFC 6455 §10.3).
                scratch: Scratch::new(Box::new(rand::random)),
                now,
                step: Stats::default(),
                moved: Stats::default(),
            },
            fanout: Fanout::default(),
            again: Vec::new(),
            configs: Vec::new(),
            guards: HashMap::new(),
            owner,
            mailbox,
            registry,
            started: Instant::now(),
            queued: 0,
            is_stopping: false,
            publications: Vec::new(),
            waiting: Vec::new(),
        }
    }

    /// A turn begins.
    pub(super) fn begin(&mut self) {
        self.tools.now = tools::now();
    }

    /// Serves a socket that the poller named.
    pub(super) fn on_event(&mut self, event: &Event) {
        let Token(index) = event.token();
        let Ok(index) = u32::try_from(index) else {
            return;
        };
        let ready = Ready {
            readable: event.is_readable() || event.is_read_closed() || event.is_error(),
            writable: event.is_writable() || event.is_error(),
            half_closed: event.is_read_closed(),
            has_failed: event.is_error(),
        };
        // A place is not used again before all events of a turn are done, so an event that comes
        // too late finds nobody.
        self.turn_of(index, |slot, tools, config| {
            slot.on_ready(ready, tools, config)
        });
    }

    /// Goes on with those that were not done in the last turn.
    pub(super) fn go_on(&mut self) {
        let mut again = std::mem::take(&mut self.again);
        // Who had several turns is there several times, and would be at each turn once more.
        again.sort_unstable_by_key(|id| (id.index, id.generation));
        again.dedup();
        for id in again {
            if self.slab.find(id).is_some() {
                self.turn_of(id.index, Slot::go_on);
            }
        }
    }

    /// Acts on deadlines.
    pub(super) fn keep_time(&mut self) {
        while let Some(index) = self.wheel.pop(&mut self.slab, self.tools.now) {
            self.turn_of(index, |slot, tools, config| {
                slot.finish(false, tools, config)
            });
        }
    }

    /// Does what others have asked for.
    pub(super) fn obey(&mut self, command: Command) {
        match command {
            Command::Open(opening, ticket) => {
                ticket.keep();
                self.open(*opening);
            }
            Command::To(id, order) => self.order(id, order),
            Command::Deliver(topic) => self.deliver(&topic),
            Command::Disband(topic, code, reason) => self.disband(&topic, code, &reason),
            // Nobody need be waiting any more.
            Command::Name(names) => drop(names.send(self.slab.ids().collect())),
            Command::Stop => self.is_stopping = true,
            Command::CutAll => {
                for id in self.slab.ids().collect::<Vec<Id>>() {
                    self.order(id, Order::Cut);
                }
            }
        }
    }

    /// A turn ends: tells the others how things stand. Gives the time until the next deadline.
    pub(super) fn end(&mut self) -> Option<Duration> {
        let moved = std::mem::take(&mut self.tools.moved);
        if moved != Stats::default() {
            self.owner.moved(&moved.received, &moved.sent);
        }
        self.mailbox.queued.store(self.queued, Ordering::Relaxed);
        self.wheel.next(self.tools.now)
    }

    /// Whether there is work that waits for nothing.
    pub(super) fn is_busy(&self) -> bool {
        !self.again.is_empty()
    }

    /// Whether it has ended.
    pub(super) fn is_done(&self) -> bool {
        self.is_stopping && self.slab.len() == 0
    }

    /// Gives a connection a turn, and acts on how it ended.
    fn turn_of(&mut self, index: u32, act: impl FnOnce(&mut Slot, &mut Tools, &Config) -> Turn) {
        let Some(slot) = self.slab.get(index) else {
            return;
        };
        let before = slot.queued();
        let config = &self.configs[usize::from(slot.config)];
        let turn = act(slot, &mut self.tools, config);
        let after = slot.queued();
        self.queued = self.queued + after - before;
        let due = match turn {
            Turn::Wait(due) => due,
            Turn::Again(due) => {
                let generation = slot.generation;
                self.again.push(Id { index, generation });
                due
            }
            Turn::Over => return self.remove(index),
        };
        if let Some(due) = due {
            self.wheel
                .set_if_earlier(&mut self.slab, index, due, self.tools.now);
        }
        if self.fanout.skipping > 0 && after == 0 {
            self.tell_skipped(index);
        }
    }

    fn open(&mut self, opening: Opening) {
        let Opening {
            socket,
            connection,
            config,
            request,
            make,
            received,
            guard,
        } = opening;
        let id = self.slab.next_id();
        let remote = Remote::new(Arc::clone(&self.mailbox), id);
        let made = catch_unwind(AssertUnwindSafe(|| make(request, remote)));
        let has_failed = made.is_err();
        let session = made.unwrap_or_else(|_| {
            tracing::warn!("a session panicked when it was made; the peer is told 1011");
            Box::new(Nobody)
        });
        let socket = Tcp(TcpStream::from_std(socket));
        let mut slot = Slot::new(connection, session, socket, id.generation);
        slot.opened = self.age();
        slot.config = self.number_of(&config);
        let interest = Interest::READABLE | Interest::WRITABLE;
        let token = Token(id.index as usize);
        let registered = self.registry.register(&mut slot.socket.0, token, interest);
        self.slab.insert(slot);
        if let Some(guard) = guard {
            self.guards.insert(id.index, guard);
        }
        let order = match self.owner.welcome() {
            _ if has_failed => {
                let code = CloseCode::INTERNAL_ERROR;
                Some(Order::Close(code, String::new()))
            }
            Welcome::Stay => None,
            Welcome::Drain(code, reason) => Some(Order::Drain(code, reason)),
            Welcome::Cut => Some(Order::Cut),
        };
        self.turn_of(id.index, |slot, tools, config| {
            if let Err(error) = registered {
                slot.connection.handle_io_error(error.kind());
            }
            slot.open(received, order, tools, config);
            slot.finish(false, tools, config)
        });
    }

    fn order(&mut self, id: Id, order: Order) {
        if self.slab.find(id).is_none() {
            return;
        }
        match order {
            Order::Join(topic) => self.join(id.index, &topic),
            Order::Leave(topic) => self.leave(id.index, &topic),
            order => self.turn_of(id.index, |slot, tools, config| {
                slot.obey(order, tools, config);
                slot.go_on(tools, config)
            }),
        }
    }

    fn join(&mut self, index: u32, topic: &Topic) {
        let number = self.fanout.number(topic);
        let Some(slot) = self.slab.get(index) else {
            return;
        };
        let has_joined = |member: &Membership| Some(member.topic) == number;
        if slot.topics().iter().any(has_joined) {
            return;
        }
        // Whoever joins gets nothing of what was published before it asked to.
        self.deliver(topic);
        let Some(slot) = self.slab.get(index) else {
            return;
        };
        let (number, place, next) = self.fanout.join(topic, index, &self.mailbox);
        slot.topics().push(Membership {
            topic: number,
            place,
        });
        let mut join = Join::Stay;
        self.turn_of(index, |slot, tools, config| {
            slot.call(tools, config, |session, sender| {
                join = session.on_join(topic, next, sender);
            });
            slot.finish(false, tools, config)
        });
        if join == Join::Leave {
            self.leave(index, topic);
        }
    }

    /// Ends a topic for all who have joined it.
    fn disband(&mut self, topic: &Topic, code: CloseCode, reason: &str) {
        self.deliver(topic);
        let Some(local) = self
            .fanout
            .number(topic)
            .and_then(|number| self.fanout.get(number))
        else {
            return;
        };
        for index in local.subscribers.clone() {
            self.leave(index, topic);
            self.turn_of(index, |slot, tools, config| {
                slot.call(tools, config, |session, sender| {
                    session.on_end(topic, code, reason, sender);
                });
                slot.finish(false, tools, config)
            });
        }
    }

    /// Has a subscriber leave and closes its connection.
    fn expel(&mut self, index: u32, topic: &Topic, code: CloseCode, reason: &str) {
        self.leave(index, topic);
        let reason = reason.to_owned();
        self.turn_of(index, |slot, tools, config| {
            slot.obey(Order::Close(code, reason), tools, config);
            slot.finish(false, tools, config)
        });
    }

    fn leave(&mut self, index: u32, topic: &Topic) {
        if let (Some(number), Some(slot)) = (self.fanout.number(topic), self.slab.get(index)) {
            let members = slot.topics();
            if let Some(at) = members.iter().position(|member| member.topic == number) {
                let member = members.swap_remove(at);
                if members.is_empty() {
                    *members = Vec::new();
                }
                slot.shrink();
                self.forget(member);
            }
        }
    }

    /// Takes a connection off the list of a topic's subscribers.
    fn forget(&mut self, member: Membership) {
        let Membership { topic, place } = member;
        // Somebody else stands there now and has to know it.
        if let Some(moved) = self.fanout.leave(topic, place, &self.mailbox)
            && let Some(slot) = self.slab.get(moved)
        {
            let members = slot.topics().iter_mut();
            for member in members.filter(|member| member.topic == topic) {
                member.place = place;
            }
        }
    }

    /// Hands out what was published on a topic.
    fn deliver(&mut self, topic: &Topic) {
        let mut publications = std::mem::take(&mut self.publications);
        topic.take(&self.mailbox, &mut publications);
        if let Some(number) = self.fanout.number(topic) {
            for piece in pieces(&publications) {
                self.deliver_piece(number, piece);
            }
        }
        publications.clear();
        publications.shrink_to(64);
        self.publications = publications;
    }

    fn deliver_piece(&mut self, number: u32, piece: &[Publication]) {
        let Some(local) = self.fanout.get(number) else {
            return;
        };
        for publisher in piece.iter().filter_map(|one| one.publisher(&self.mailbox)) {
            if let Some(slot) = self.slab.find(publisher) {
                slot.flags.is_publisher = true;
            }
        }
        let (mut batches, mut slow) = (Batches::default(), Vec::new());
        for &index in &local.subscribers {
            let Some(slot) = self.slab.get(index) else {
                continue;
            };
            let (variant, scratch) = (slot.connection.variant(), &mut self.tools.scratch);
            let config = &self.configs[usize::from(slot.config)];
            let but_own;
            let batch = if slot.flags.is_publisher {
                let generation = slot.generation;
                let own = Id { index, generation };
                let is_others = |one: &&Publication| !one.is_from(&self.mailbox, own);
                let others = piece.iter().filter(is_others);
                but_own = Batch::of(others, variant, config, scratch);
                but_own.as_ref()
            } else {
                batches.get(piece, variant, config, scratch)
            };
            let Some(batch) = batch else {
                continue;
            };
            if !local.skipped.is_empty() && local.skipped.contains_key(&index) {
                slow.push((index, batch.range.clone()));
                continue;
            }
            let before = slot.queued();
            match slot.deliver(&batch.frames, &batch.counts, &mut self.tools, config) {
                Delivery::Done => {}
                Delivery::Waits => {
                    self.queued = self.queued + slot.queued() - before;
                    self.waiting.push(index);
                }
                Delivery::TooSlow => slow.push((index, batch.range.clone())),
            }
        }
        // Made for all of them, and counted for none.
        self.tools.moved.deflated += self.tools.scratch.take_deflated();
        for publisher in piece.iter().filter_map(|one| one.publisher(&self.mailbox)) {
            if let Some(slot) = self.slab.find(publisher) {
                slot.flags.is_publisher = false;
            }
        }
        for (index, range) in slow {
            self.hold_back(number, index, range);
        }
        for index in std::mem::take(&mut self.waiting) {
            self.turn_of(index, |slot, tools, config| {
                slot.finish(false, tools, config)
            });
        }
    }

    /// A subscriber has no room for these publications.
    fn hold_back(&mut self, number: u32, index: u32, range: Range<u64>) {
        let Some(local) = self.fanout.get(number) else {
            return;
        };
        match local.topic.slow() {
            Slow::Skip => {
                let mut is_new = false;
                let end = range.end;
                let skipped = local.skipped.entry(index).or_insert_with(|| {
                    is_new = true;
                    range
                });
                skipped.end = end;
                self.fanout.skipping += usize::from(is_new);
            }
            Slow::Close(code, reason) => {
                let (code, reason) = (*code, *reason);
                let topic = local.topic.clone();
                self.turn_of(index, |slot, tools, config| {
                    slot.call(tools, config, |session, _| session.on_slow(&topic));
                    slot.finish(false, tools, config)
                });
                self.expel(index, &topic, code, reason);
            }
        }
    }

    /// A connection whose queue is empty learns what was kept from it.
    fn tell_skipped(&mut self, index: u32) {
        let Some(slot) = self.slab.get(index) else {
            return;
        };
        if slot.has_no_topics() {
            return;
        }
        for Membership { topic: number, .. } in slot.topics().clone() {
            let Some(local) = self.fanout.get(number) else {
                continue;
            };
            if let Some(skipped) = local.skipped.remove(&index) {
                let topic = local.topic.clone();
                self.fanout.skipping -= 1;
                self.turn_of(index, |slot, tools, config| {
                    slot.call(tools, config, |session, sender| {
                        session.on_skip(&topic, skipped, sender);
                    });
                    slot.finish(false, tools, config)
                });
            }
        }
    }

    /// A connection is gone.
    fn remove(&mut self, index: u32) {
        self.wheel.remove(&mut self.slab, index);
        let members = match self.slab.get(index) {
            Some(slot) if !slot.has_no_topics() => std::mem::take(slot.topics()),
            _ => Vec::new(),
        };
        for member in members {
            self.forget(member);
        }
        let Some(mut slot) = self.slab.remove(index) else {
            return;
        };
        self.queued -= slot.queued();
        let open = self.age().wrapping_sub(slot.opened);
        let (closed, stats) = slot.end();
        // A session may do anything when it is dropped.
        let dropped = catch_unwind(AssertUnwindSafe(|| drop(slot)));
        if dropped.is_err() {
            tracing::warn!("a session panicked when it was dropped");
        }
        self.guards.remove(&index);
        self.mailbox.open.fetch_sub(1, Ordering::Relaxed);
        self.owner.closed(
            &closed,
            &stats,
            Duration::from_secs_f64(f64::from(open) / AGE),
        );
        if self.slab.len().is_multiple_of(1024) {
            self.slab.shrink();
            self.guards.shrink_to_fit();
        }
    }

    /// Time since the shard began, in parts of a second.
    fn age(&self) -> u32 {
        let age = self.started.elapsed().as_secs_f64() * AGE;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "wraps after two years"
        )]
        {
            age as u64 as u32
        }
    }

    /// The shard's number of a configuration: there are as many as endpoints.
    fn number_of(&mut self, config: &Arc<Config>) -> u16 {
        let known = self
            .configs
            .iter()
            .position(|known| Arc::ptr_eq(known, config));
        let number = known.unwrap_or_else(|| {
            self.configs.push(Arc::clone(config));
            self.configs.len() - 1
        });
        u16::try_from(number).unwrap_or(u16::MAX)
    }
}

impl Drop for Shard {
    fn drop(&mut self) {
        self.mailbox.close();
        for id in self.slab.ids().collect::<Vec<Id>>() {
            self.remove(id.index);
        }
        self.mailbox.queued.store(0, Ordering::Relaxed);
    }
}

/// Parts of a second in which a connection's age is counted.
const AGE: f64 = 64.0;

#[cfg(test)]
mod tests;
