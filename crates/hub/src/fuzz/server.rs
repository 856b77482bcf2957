//! A client that says anything, and surroundings that answer when they like.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use holdwire::CloseCode;
use holdwire::proto::Flow;
use holdwire::shard::Join;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::backwards;
use crate::channel::{ChannelName, Namespace, SlowConsumer};
use crate::engine::{
    Answer, Engine, EngineError, Members, Memory, Publish, PublishError, Published, PublisherId,
};
use crate::format::{self, Format, Place};
use crate::log::Retention;
use crate::namespaces::Namespaces;
use crate::position::Position;
use crate::presence::{ClientId, Member};
use crate::publication::Payload;
use crate::reading::{Reading, Reason, Since};
use crate::session::driven::{
    Ask, CHANNELS, Connected, Denied, Driver, Grant, Key, Machine, Outcome, Verdict, Wanted,
    Welcome,
};
use crate::wire::{Command, Connect, Reply, Rpc};

/// Publications that are sent before a subscription that catches up rests.
const ROOM: usize = 2;

/// Rounds in which everything that is under way comes to its end.
const ROUNDS: usize = 1000;

/// Follows a script: each line is a message of the client, or `!` and letters for what happens
/// around it (see `Server::happen`).
///
/// What must hold: each command has one answer, or the connection is closed; after that nothing is
/// said or asked; what is said is JSON, and no longer than what was asked for explains; nothing
/// waits for ever.
pub fn server(script: &str) {
    let mut server = Server::default();
    for line in script.lines() {
        match line.strip_prefix('!') {
            Some(letters) => letters.chars().for_each(|letter| server.happen(letter)),
            None => server.hear(line),
        }
    }
    server.settle();
}

/// A machine, and whether it is told what the client says.
#[derive(Default)]
struct Server {
    machine: Machine,
    around: Around,
    is_paused: bool,
}

/// What is around it.
struct Around {
    memory: Arc<Memory>,
    /// Answers come later.
    is_late: bool,
    /// The engine cannot be reached.
    is_down: bool,
    pending: VecDeque<Outcome>,
    /// Channels that tokens have given.
    granted: Vec<ChannelName>,
    seats: Vec<Seat>,
    joining: VecDeque<Key>,
    keys: u32,
    /// Publications that have not been written.
    queued: usize,
    is_resting: bool,
    has_resumed: bool,
    is_closed: bool,
    /// Commands by their ids.
    unanswered: HashMap<u64, usize>,
    /// Bytes that were said.
    said: usize,
    /// Of payloads.
    largest: usize,
}

struct Seat {
    key: Key,
    channel: ChannelName,
    /// The next offset that it gets; `None` until it has joined.
    next: Option<u64>,
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

impl Default for Around {
    fn default() -> Self {
        Self {
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

impl Server {
    fn hear(&mut self, text: &str) {
        if self.is_paused {
            return;
        }
        let before = self.around.said;
        if let Ok(command) = serde_json::from_str::<Command>(text) {
            *self.around.unanswered.entry(command.id).or_default() += 1;
        }
        self.around.largest = self.around.largest.max(text.len());
        let flow = self.machine.handle_text(text, &mut self.around);
        self.is_paused = flow == Flow::Pause;
        let said = self.around.said - before;
        let page = 8 * (2 * self.around.largest + 256);
        assert!(said <= 1024 + 40 * text.len() + page, "it says too much");
        assert!(self.around.seats.len() <= CHANNELS);
        assert!(self.around.pending.len() <= CHANNELS + 65);
    }

    fn happen(&mut self, letter: char) {
        let (machine, around) = (&mut self.machine, &mut self.around);
        match letter {
            'l' => around.is_late = !around.is_late,
            'd' => around.is_down = !around.is_down,
            // What was asked for first is there, or what was asked for last.
            'o' | 'O' => {
                self.outcome(letter == 'o');
            }
            'j' => {
                self.join();
            }
            'r' => {
                self.rest();
            }
            'b' => {
                machine.handle_binary(b"\0", around);
            }
            'e' => machine.handle_outcome(Outcome::Expired, around),
            'n' => machine.handle_outcome(Outcome::NeverConnected, around),
            't' => {
                if let Some(channel) = around.granted.pop() {
                    machine.handle_outcome(Outcome::Lapsed(channel), around);
                }
            }
            'p' => {
                let payload = Payload::Text("by another".into());
                let publish = Publish { payload, key: None };
                let _ = around.memory.publish(&room(), publish);
            }
            'f' | 'F' => {
                let top = around.top(&room()).offset;
                let to = if letter == 'f' { top } else { top / 2 };
                around.memory.fork(&room(), to);
                self.change();
            }
            'x' => {
                around.memory.lose(&room());
                self.change();
            }
            'w' => self.deliver(false),
            's' => self.deliver(true),
            _ => {}
        }
    }

    /// An answer comes.
    fn outcome(&mut self, is_first: bool) -> bool {
        let pending = &mut self.around.pending;
        let outcome = if is_first {
            pending.pop_front()
        } else {
            pending.pop_back()
        };
        let Some(outcome) = outcome else {
            return false;
        };
        self.machine.handle_outcome(outcome, &mut self.around);
        if std::mem::take(&mut self.around.has_resumed) {
            self.is_paused = false;
        }
        true
    }

    /// Somebody who has asked to joins.
    fn join(&mut self) -> bool {
        let Some(key) = self.around.joining.pop_front() else {
            return false;
        };
        let seat = self.around.seats.iter().find(|seat| seat.key == key);
        let Some(channel) = seat.map(|seat| seat.channel.clone()) else {
            return true;
        };
        let Position { epoch, offset } = self.around.top(&channel);
        let join = self
            .machine
            .handle_join(key, epoch, offset + 1, &mut self.around);
        let mut seats = self.around.seats.iter_mut();
        if let Some(seat) = seats.find(|seat| seat.key == key)
            && join == Join::Stay
        {
            seat.next = Some(offset + 1);
        }
        true
    }

    /// Everything has been written.
    fn rest(&mut self) -> bool {
        self.around.queued = 0;
        let is_resting = std::mem::take(&mut self.around.is_resting);
        if is_resting {
            self.machine.handle_rested(&mut self.around);
        }
        is_resting
    }

    /// A subscriber is sent what was published, or that is left out.
    fn deliver(&mut self, skip: bool) {
        if self.around.is_closed {
            return;
        }
        let joined = self.around.seats.iter();
        let joined: Vec<(Key, ChannelName, u64)> = joined
            .filter_map(|seat| Some((seat.key, seat.channel.clone(), seat.next?)))
            .collect();
        for (key, channel, next) in joined {
            let end = self.around.top(&channel).offset + 1;
            if skip {
                self.machine
                    .handle_skip(key, &(next..end), &mut self.around);
            }
            if let Some(seat) = self.around.seats.iter_mut().find(|seat| seat.key == key) {
                seat.next = Some(end);
            }
        }
    }

    /// The log is another one, or has forked: whoever has joined is told.
    fn change(&mut self) {
        let joined = self.around.seats.iter();
        let joined = joined.filter(|seat| seat.next.is_some() && seat.channel == room());
        let keys: Vec<Key> = joined.map(|seat| seat.key).collect();
        for key in keys {
            self.machine.handle_change(key, &mut self.around);
        }
    }

    /// Everything comes to its end.
    fn settle(&mut self) {
        self.around.is_down = false;
        let rounds = (0..ROUNDS).take_while(|_| {
            let has_outcome = self.outcome(true);
            let has_joined = self.join();
            self.rest() || has_joined || has_outcome
        });
        assert!(rounds.count() < ROUNDS, "it never comes to rest");
        if !self.around.is_closed {
            assert!(!self.is_paused, "it never reads on");
            assert_eq!(self.around.unanswered, HashMap::new(), "no answer");
        }
    }
}

fn room() -> ChannelName {
    "chat:a".parse().expect("a name")
}

fn now<T>(answer: Answer<T>) -> T {
    match answer {
        Answer::Now(answer) => answer,
        Answer::Later(_) => unreachable!("it answers at once"),
    }
}

impl Around {
    fn top(&self, channel: &ChannelName) -> Position {
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
        let waiting = self.unanswered.get_mut(&reply.id).expect("nobody asked");
        *waiting -= 1;
        if *waiting == 0 {
            self.unanswered.remove(&reply.id);
        }
    }
}

impl Driver for Around {
    fn send(&mut self, reply: &Reply) {
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
        assert!([1000, 4400, 4401, 4408].contains(&code.value()), "{code}");
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
