//! What is around a machine that is fuzzed, and what must hold of what it says and asks.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use holdwire::CloseCode;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::backwards;
use crate::centrifuge::Encoding;
use crate::channel::{ChannelName, Namespace, SlowConsumer};
use crate::engine::{
    Answer, Engine, EngineError, Members, Memory, Publish, PublishError, Published, PublisherId,
};
use crate::format::{self, Format, Place};
use crate::log::Retention;
use crate::namespaces::Namespaces;
use crate::position::Position;
use crate::presence::{ClientId, Member};
use crate::reading::{Reading, Reason, Since};
use crate::session::driven::{
    Ask, Connected, Denied, Dialect, Driver, Grant, Key, Outcome, Verdict, Wanted, Welcome,
};
use crate::wire::{Connect, Fault, Reply, Rpc};

/// Publications that are sent before a subscription that catches up rests.
const ROOM: usize = 2;

/// What is around it.
pub(super) struct Around {
    pub(super) dialect: Dialect,
    /// A client of another dialect was not let in: it is expected to go, and is not answered.
    pub(super) was_refused: bool,
    pub(super) memory: Arc<Memory>,
    /// Answers come later.
    pub(super) is_late: bool,
    /// The engine cannot be reached.
    pub(super) is_down: bool,
    pub(super) pending: VecDeque<Outcome>,
    /// Channels that tokens have given.
    pub(super) granted: Vec<ChannelName>,
    pub(super) seats: Vec<Seat>,
    pub(super) joining: VecDeque<Key>,
    pub(super) keys: u32,
    /// Publications that have not been written.
    pub(super) queued: usize,
    pub(super) is_resting: bool,
    pub(super) has_resumed: bool,
    pub(super) is_closed: bool,
    /// Commands by their ids.
    pub(super) unanswered: HashMap<u64, usize>,
    /// Bytes that were said.
    pub(super) said: usize,
    /// Of payloads.
    pub(super) largest: usize,
}

pub(super) struct Seat {
    pub(super) key: Key,
    pub(super) channel: ChannelName,
    /// The next offset that it gets; `None` until it has joined.
    pub(super) next: Option<u64>,
}

static NAMESPACES: LazyLock<Arc<Namespaces>> = LazyLock::new(|| {
    let namespace = Namespace {
        retention: Retention {
            publications: 5,
            bytes: 10_000,
            age: Duration::from_hours(1),
        },
        publish: true,
        history: true,
        presence: true,
        page: 3,
        slow: SlowConsumer::Skip,
        ..Namespace::default()
    };
    let namespaces = Namespaces::new()
        .with("chat", namespace)
        .with("", Namespace::default());
    Arc::new(namespaces)
});

impl Around {
    pub(super) fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            was_refused: false,
            memory: Arc::new(Memory::new(Arc::clone(&NAMESPACES))),
            is_late: false,
            is_down: false,
            pending: VecDeque::new(),
            seats: Vec::new(),
            granted: Vec::new(),
            joining: VecDeque::new(),
            keys: 0,
            queued: 0,
            is_resting: false,
            has_resumed: false,
            is_closed: false,
            unanswered: HashMap::new(),
            said: 0,
            largest: 0,
        }
    }
}

pub(super) fn room() -> ChannelName {
    "chat:a".parse().expect("a name")
}

fn now<T>(answer: Answer<T>) -> T {
    match answer {
        Answer::Now(answer) => answer,
        Answer::Later(_) => unreachable!("it answers at once"),
    }
}

impl Around {
    pub(super) fn top(&self, channel: &ChannelName) -> Position {
        let reading = now(self.memory.read(channel, Since::Newest, 0));
        reading.expect("it can be read").position
    }

    fn asked(&self) {
        assert!(!self.is_closed, "something is asked for after the end");
    }

    /// The answer now, or else later.
    fn answer<T>(&mut self, answer: T, later: impl FnOnce(T) -> Outcome) -> Option<T> {
        self.asked();
        if self.is_late {
            self.pending.push_back(later(answer));
            return None;
        }
        Some(answer)
    }

    fn reading(
        &self,
        channel: &ChannelName,
        since: Since,
        limit: usize,
    ) -> Result<Reading, EngineError> {
        if self.is_down {
            return Err(EngineError::unavailable("down"));
        }
        now(self.memory.read(channel, since, limit))
    }

    /// Whether a token is a good one: it says so itself.
    fn verdict<T>(token: Option<&str>, good: T) -> Result<T, Denied> {
        match token {
            Some("bad") => Err(Denied::unauthorized("a bad token")),
            Some("old") => Err(Denied::expired("an old token")),
            Some("busy") => Err(Denied::unavailable("not now")),
            _ => Ok(good),
        }
    }
}

impl Around {
    fn say(&mut self, text: &str) {
        assert!(!self.is_closed, "something is said after the end");
        self.said += text.len();
        let reply: Reply = serde_json::from_str(text).expect("a message");
        let members: Value = serde_json::from_str(text).expect("JSON");
        let count = members.as_object().map(serde_json::Map::len);
        if reply.push.is_some() {
            assert_eq!(count, Some(1));
            return;
        }
        assert_eq!(count, Some(2), "{text}");
        self.answered(reply.id);
    }

    /// One command less has no answer.
    fn answered(&mut self, id: u64) {
        let waiting = self.unanswered.get_mut(&id).expect("nobody asked");
        *waiting -= 1;
        if *waiting == 0 {
            self.unanswered.remove(&id);
        }
    }

    /// The same in both encodings of the other protocol.
    fn say_foreign(&mut self, reply: &Reply) {
        assert!(!self.is_closed, "something is said after the end");
        let protobuf = Dialect::Centrifuge(Encoding::Protobuf).message(reply);
        let json = self.dialect.message(reply);
        self.said += json.as_bytes().len().max(protobuf.as_bytes().len());
        let said: Value = serde_json::from_slice(json.as_bytes()).expect("JSON");
        let count = said.as_object().map(serde_json::Map::len);
        if reply.id == 0 && reply.push.is_none() {
            assert_eq!((count, protobuf.as_bytes()), (Some(0), &b"\0"[..]));
        } else if let Some(push) = &reply.push {
            assert!(
                push.gap.is_none() && push.live.is_none(),
                "it has no word for it"
            );
            assert_eq!(count, Some(1), "{said}");
        } else {
            assert_eq!(count, Some(2), "{said}");
            self.answered(reply.id);
            // An engine that cannot be reached does not say where subscriptions begin: then the
            // client is not let in.
            let error = reply.error.as_ref();
            self.was_refused |= error.is_some_and(|error| error.code == Fault::Unavailable as u16);
        }
    }
}

impl Driver for Around {
    fn send(&mut self, reply: &Reply) {
        if self.dialect.is_foreign() {
            return self.say_foreign(reply);
        }
        self.say(&serde_json::to_string(reply).expect("JSON"));
    }

    fn has_room(&self, _: usize, is_first: bool) -> bool {
        self.queued < ROOM || (is_first && self.queued == 0)
    }

    fn rest(&mut self) {
        self.asked();
        self.is_resting = true;
    }

    fn resume(&mut self) {
        self.has_resumed = true;
    }

    fn close(&mut self, code: CloseCode, _: &str) {
        assert!(!self.is_closed, "it is closed twice");
        assert!(self.seats.is_empty(), "its subscriptions go on");
        let codes: &[u16] = match self.dialect {
            Dialect::Holdwire => &[1000, 4400, 4401, 4408],
            Dialect::Centrifuge(_) => &[3001, 3005, 3012, 3500, 3501, 3502, 3508],
        };
        assert!(codes.contains(&code.value()), "{code}");
        self.is_closed = true;
    }

    fn connect(&mut self, id: u64, connect: Connect) -> Option<(Connect, Verdict)> {
        let reply = Connected {
            client: "client".to_owned(),
            session: "session".to_owned(),
            resumed: false,
            session_ms: 60_000,
            publisher: "publisher".to_owned(),
            window_ms: 300_000,
            max_message: None,
            expires: false,
            ttl: None,
            subs: Vec::new(),
            ping: None,
            data: None,
        };
        let welcome = Box::new(Welcome {
            reply,
            publisher: PublisherId::new([7; 16]),
            channels: vec![room()],
        });
        let verdict = Self::verdict(connect.token.as_deref(), welcome);
        self.was_refused |= self.dialect.is_foreign() && verdict.is_err();
        self.answer((connect, verdict), |(connect, verdict)| {
            Outcome::Connected(id, connect, verdict)
        })
    }

    fn settle(&mut self) {
        self.asked();
    }

    fn revoke(&mut self) {}

    fn namespace(&self, channel: &ChannelName) -> Option<&Namespace> {
        NAMESPACES.of(channel)
    }

    /// Channels whose names end so need a token.
    fn admits(&self, channel: &ChannelName) -> bool {
        !channel.as_str().ends_with('!') || self.granted.contains(channel)
    }

    fn grant(&mut self, wanted: Wanted) -> Option<(Wanted, Grant)> {
        let verdict = Self::verdict(wanted.start.token.as_deref(), None);
        if verdict.is_ok() {
            self.granted.push(wanted.channel.clone());
        }
        self.answer((wanted, verdict), |(wanted, verdict)| {
            Outcome::Granted(wanted, verdict)
        })
    }

    fn subscribe(&mut self, key: Key, channel: &ChannelName, _: Format) {
        self.asked();
        assert!(key.0 > self.keys, "a key comes twice");
        self.keys = key.0;
        self.seats.push(Seat {
            key,
            channel: channel.clone(),
            next: None,
        });
    }

    fn join(&mut self, key: Key) {
        self.asked();
        assert!(self.seats.iter().any(|seat| seat.key == key));
        self.joining.push_back(key);
    }

    fn unsubscribe(&mut self, key: Key) {
        let before = self.seats.len();
        self.seats.retain(|seat| seat.key != key);
        assert_eq!(self.seats.len() + 1, before, "it was not subscribed");
    }

    fn top(&self, key: Key) -> Option<u64> {
        let seat = self.seats.iter().find(|seat| seat.key == key)?;
        Some(self.top(&seat.channel).offset)
    }

    fn read(
        &mut self,
        ask: Ask,
        channel: &ChannelName,
        since: Since,
        limit: usize,
    ) -> Option<Result<Reading, EngineError>> {
        let reading = self.reading(channel, since, limit);
        self.answer(reading, |reading| Outcome::Read(ask, reading))
    }

    fn read_back(
        &mut self,
        id: u64,
        channel: &ChannelName,
        before: Option<Position>,
        limit: usize,
    ) -> Option<Result<Reading, EngineError>> {
        let engine: Arc<dyn Engine> = self.memory.clone();
        let reading = if self.is_down {
            Err(EngineError::unavailable("down"))
        } else {
            now(backwards::read(&engine, channel, before, limit))
        };
        self.answer(reading, |reading| Outcome::ReadBack(id, reading))
    }

    fn read_now(&mut self, channel: &ChannelName, since: Since, limit: usize) -> Option<Reading> {
        self.asked();
        self.reading(channel, since, limit).ok()
    }

    fn publish(
        &mut self,
        id: u64,
        channel: &ChannelName,
        publish: Publish,
    ) -> Option<Result<Published, PublishError>> {
        let result = if self.is_down {
            Err(EngineError::unavailable("down").into())
        } else {
            now(self.memory.publish(channel, publish))
        };
        self.answer(result, |result| Outcome::Published(id, result))
    }

    fn is_crowded(&mut self, _: &ChannelName) -> bool {
        false
    }

    fn members(
        &mut self,
        id: u64,
        _: &ChannelName,
        stats: bool,
    ) -> Option<Result<Members, EngineError>> {
        let members = vec![(ClientId::new([1; 16]), Member::default())];
        self.answer(Ok(members), |members| Outcome::Members(id, stats, members))
    }

    fn rpc(&mut self, id: u64, rpc: Rpc) -> Option<Result<Box<RawValue>, Denied>> {
        let said = rpc.data.ok_or(Denied::no_method("there is none"));
        self.answer(said, |said| Outcome::Said(id, said))
    }

    fn refresh(&mut self, id: u64, token: &str) -> Option<Result<Option<u64>, Denied>> {
        let result = Self::verdict(Some(token), Some(60));
        self.answer(result, |result| Outcome::Refreshed(id, result))
    }

    fn missed(&mut self, _: Reason) {}

    fn replay(&mut self, at: &Place<'_>) {
        self.say(&format::push(at.channel, at.publication));
        self.queued += 1;
    }
}
