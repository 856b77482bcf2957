//! One connection at the server: the real machine, over topics and queues of the simulation.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use holdwire::CloseCode;
use holdwire::shard::Join;
use serde_json::value::RawValue;

use super::world::Flaw;
use crate::backwards;
use crate::channel::{ChannelName, Namespace};
use crate::engine::{
    Answer, Engine, EngineError, Members, Memory, Publish, PublishError, Published, PublisherId,
};
use crate::format::{self, Format, Place};
use crate::namespaces::Namespaces;
use crate::position::Position;
use crate::publication::Publication;
use crate::reading::{Reading, Reason, Since};
use crate::session::driven::{
    Ask, Connected, Denied, Driver, Grant, Key, Machine, Verdict, Wanted, Welcome,
};
use crate::wire::{Connect, Reply, Rpc};

/// What all connections of a server share; it is gone with the server.
pub(super) struct Node {
    pub(super) memory: Arc<Memory>,
    pub(super) namespaces: Arc<Namespaces>,
    pub(super) flaw: Option<Flaw>,
    /// What was published in each channel since the log was last another one, as it is told.
    pub(super) feeds: HashMap<ChannelName, Feed>,
    publishers: HashMap<String, PublisherId>,
    /// What was published: the world is told.
    pub(super) published: Vec<(ChannelName, Position, Publication)>,
}

/// What a topic is.
#[derive(Default)]
pub(super) struct Feed {
    /// The offset of the first text.
    first: u64,
    texts: Vec<String>,
}

impl Feed {
    fn next(&self) -> u64 {
        self.first + self.texts.len() as u64
    }
}

/// A connection at the server.
#[derive(Default)]
pub(super) struct Session {
    machine: Machine,
    line: Line,
}

#[derive(Default)]
struct Line {
    to_client: VecDeque<String>,
    seats: Vec<Seat>,
    /// Subscriptions that have asked to join, in that order.
    joining: VecDeque<Key>,
    is_resting: bool,
    is_over: bool,
}

struct Seat {
    key: Key,
    channel: ChannelName,
    /// The next offset that it gets; `None` until it has joined.
    next: Option<u64>,
}

struct Bound<'a> {
    node: &'a mut Node,
    line: &'a mut Line,
}

impl Node {
    pub(super) fn new(namespaces: &Arc<Namespaces>, flaw: Option<Flaw>) -> Self {
        Self {
            memory: Arc::new(Memory::new(Arc::clone(namespaces))),
            namespaces: Arc::clone(namespaces),
            flaw,
            feeds: HashMap::new(),
            publishers: HashMap::new(),
            published: Vec::new(),
        }
    }

    pub(super) fn publish(
        &mut self,
        channel: &ChannelName,
        mut publish: Publish,
    ) -> Result<Published, PublishError> {
        if self.flaw == Some(Flaw::NoDuplicates) {
            publish.key = None;
        }
        let payload = publish.payload.clone();
        let Answer::Now(result) = self.memory.publish(channel, publish) else {
            unreachable!("it answers at once");
        };
        let published = result?;
        if !published.is_duplicate {
            let offset = published.position.offset;
            let publication = Publication { offset, payload };
            let feed = self.feeds.entry(channel.clone()).or_default();
            if feed.texts.is_empty() {
                feed.first = offset;
            }
            feed.texts.push(format::push(channel, &publication));
            self.published
                .push((channel.clone(), published.position, publication));
        }
        Ok(published)
    }

    pub(super) fn read(&self, channel: &ChannelName, since: Since, limit: usize) -> Reading {
        match self.memory.read(channel, since, limit) {
            Answer::Now(Ok(reading)) => reading,
            _ => unreachable!("it answers at once"),
        }
    }

    pub(super) fn top(&self, channel: &ChannelName) -> Position {
        self.read(channel, Since::Newest, 0).position
    }
}

impl Session {
    pub(super) fn receive(&mut self, text: &str, node: &mut Node) {
        let line = &mut self.line;
        let _ = self.machine.handle_text(text, &mut Bound { node, line });
    }

    /// The next message that reaches the client.
    pub(super) fn send(&mut self) -> Option<String> {
        self.line.to_client.pop_front()
    }

    /// Messages that have not reached the client.
    pub(super) fn rest(self) -> VecDeque<String> {
        self.line.to_client
    }

    pub(super) fn is_over(&self) -> bool {
        self.line.is_over && self.line.to_client.is_empty()
    }

    /// Everything that was sent has been written.
    pub(super) fn wake(&mut self, node: &mut Node) -> bool {
        let line = &mut self.line;
        if !line.is_resting || !line.to_client.is_empty() {
            return false;
        }
        line.is_resting = false;
        self.machine.handle_rested(&mut Bound { node, line });
        true
    }

    /// Somebody who has asked to joins.
    pub(super) fn join(&mut self, node: &mut Node) -> bool {
        let Some(key) = self.line.joining.pop_front() else {
            return false;
        };
        let Some(seat) = self.line.seats.iter().find(|seat| seat.key == key) else {
            return true;
        };
        let top = node.top(&seat.channel);
        let line = &mut self.line;
        let mut bound = Bound { node, line };
        let next = top.offset + 1;
        let join = self.machine.handle_join(key, top.epoch, next, &mut bound);
        let seat = self.line.seats.iter_mut().find(|seat| seat.key == key);
        if let Some(seat) = seat.filter(|_| join == Join::Stay) {
            let late = u64::from(node.flaw == Some(Flaw::JoinsLate));
            seat.next = Some(next + late);
        }
        true
    }

    /// A subscriber is sent what was published.
    pub(super) fn deliver(&mut self, node: &Node) -> bool {
        let mut has_sent = false;
        for seat in &mut self.line.seats {
            let Some((feed, next)) = node.feeds.get(&seat.channel).zip(seat.next) else {
                continue;
            };
            let Some(behind) = next.checked_sub(feed.first) else {
                continue;
            };
            let texts = usize::try_from(behind)
                .ok()
                .and_then(|at| feed.texts.get(at..));
            for text in texts.unwrap_or_default() {
                self.line.to_client.push_back(text.clone());
                has_sent = true;
            }
            seat.next = Some(next.max(feed.next()));
        }
        has_sent
    }

    /// A log is another one, or has forked: what was published before has been sent.
    pub(super) fn change(&mut self, channel: &ChannelName, node: &mut Node) {
        let is_live = |seat: &&Seat| seat.channel == *channel && seat.next.is_some();
        let keys: Vec<Key> = self
            .line
            .seats
            .iter()
            .filter(is_live)
            .map(|seat| seat.key)
            .collect();
        for key in keys {
            let line = &mut self.line;
            self.machine.handle_change(key, &mut Bound { node, line });
        }
    }
}

impl Bound<'_> {
    fn say(&mut self, text: String) {
        if self.line.is_over {
            return;
        }
        let is_gap = text.contains("\"gap\"");
        if is_gap && self.node.flaw == Some(Flaw::SilentGap) {
            let mut message: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
            for path in ["/push/subscribe", "/subscribe"] {
                if let Some(told) = message.pointer_mut(path) {
                    told["gap"] = serde_json::Value::Null;
                    told["recovered"] = true.into();
                }
            }
            self.line.to_client.push_back(message.to_string());
            return;
        }
        self.line.to_client.push_back(text);
    }
}

impl Driver for Bound<'_> {
    fn send(&mut self, reply: &Reply) {
        self.say(serde_json::to_string(reply).expect("JSON"));
    }

    fn has_room(&self, _: usize, is_first: bool) -> bool {
        self.line.to_client.len() < 8 || (is_first && self.line.to_client.is_empty())
    }

    fn rest(&mut self) {
        self.line.is_resting = true;
    }

    fn resume(&mut self) {}

    fn close(&mut self, _: CloseCode, _: &str) {
        self.line.is_over = true;
    }

    fn connect(&mut self, _: u64, connect: Connect) -> Option<(Connect, Verdict)> {
        let known = connect.publisher.clone();
        let known = known.filter(|name| self.node.publishers.contains_key(name));
        let name = known.unwrap_or_else(|| format!("{:032x}", rand::random::<u128>()));
        let new = || PublisherId::new(rand::random());
        let publisher = *self.node.publishers.entry(name.clone()).or_insert_with(new);
        let reply = Connected {
            client: "client".to_owned(),
            session: "session".to_owned(),
            resumed: false,
            session_ms: 60_000,
            publisher: name,
            window_ms: 300_000,
            max_message: None,
            expires: false,
            ttl: None,
            subs: Vec::new(),
            ping: None,
            data: None,
        };
        let channels = Vec::new();
        let welcome = Welcome {
            reply,
            publisher,
            channels,
        };
        Some((connect, Ok(Box::new(welcome))))
    }

    fn settle(&mut self) {}

    fn revoke(&mut self) {}

    fn namespace(&self, channel: &ChannelName) -> Option<&Namespace> {
        self.node.namespaces.of(channel)
    }

    fn admits(&self, _: &ChannelName) -> bool {
        true
    }

    fn grant(&mut self, wanted: Wanted) -> Option<(Wanted, Grant)> {
        Some((wanted, Ok(None)))
    }

    fn subscribe(&mut self, key: Key, channel: &ChannelName, _: Format) {
        let channel = channel.clone();
        self.line.seats.push(Seat {
            key,
            channel,
            next: None,
        });
    }

    fn join(&mut self, key: Key) {
        self.line.joining.push_back(key);
    }

    fn unsubscribe(&mut self, key: Key) {
        self.line.seats.retain(|seat| seat.key != key);
    }

    fn top(&self, key: Key) -> Option<u64> {
        let seat = self.line.seats.iter().find(|seat| seat.key == key)?;
        Some(self.node.top(&seat.channel).offset)
    }

    fn read(
        &mut self,
        _: Ask,
        channel: &ChannelName,
        since: Since,
        limit: usize,
    ) -> Option<Result<Reading, EngineError>> {
        Some(Ok(self.node.read(channel, since, limit)))
    }

    fn read_back(
        &mut self,
        _: u64,
        channel: &ChannelName,
        before: Option<Position>,
        limit: usize,
    ) -> Option<Result<Reading, EngineError>> {
        let engine: Arc<dyn Engine> = self.node.memory.clone();
        match backwards::read(&engine, channel, before, limit) {
            Answer::Now(reading) => Some(reading),
            Answer::Later(_) => unreachable!("it answers at once"),
        }
    }

    fn read_now(&mut self, channel: &ChannelName, since: Since, limit: usize) -> Option<Reading> {
        Some(self.node.read(channel, since, limit))
    }

    fn publish(
        &mut self,
        _: u64,
        channel: &ChannelName,
        publish: Publish,
    ) -> Option<Result<Published, PublishError>> {
        Some(self.node.publish(channel, publish))
    }

    fn is_crowded(&mut self, _: &ChannelName) -> bool {
        false
    }

    fn members(
        &mut self,
        _: u64,
        _: &ChannelName,
        _: bool,
    ) -> Option<Result<Members, EngineError>> {
        Some(Ok(Vec::new()))
    }

    fn rpc(&mut self, _: u64, _: Rpc) -> Option<Result<Box<RawValue>, Denied>> {
        Some(Err(Denied::no_method("there is none")))
    }

    fn refresh(&mut self, _: u64, _: &str) -> Option<Result<Option<u64>, Denied>> {
        Some(Ok(None))
    }

    fn missed(&mut self, _: Reason) {}

    fn replay(&mut self, at: &Place<'_>) {
        self.say(format::push(at.channel, at.publication));
    }
}
