//! The schedule: what happens next, to whom.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::checking::{Reader, Truth};
use super::random::Random;
use super::server::{Node, Session};
use crate::channel::{ChannelName, Namespace};
use crate::client::driven::{Grant, Machine, News, Outcome, Serial};
use crate::engine::Publish;
use crate::log::Retention;
use crate::namespaces::Namespaces;
use crate::position::Position;
use crate::publication::Payload;
use crate::reading::Since;

/// What may be wrong with the code, and must be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    /// A client keeps a position whose publications it has not handed over.
    PositionMovesEarly,
    /// A subscriber misses what is published while it joins.
    JoinsLate,
    /// The engine does not know what was published before.
    NoDuplicates,
    /// What an old connection has sent reaches the client in the new one.
    OldMessages,
    /// The server tells of no gap.
    SilentGap,
}

/// What has happened in a run.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) deliveries: u64,
    pub(super) gaps: u64,
}

struct User {
    machine: Machine,
    /// The connection, when it has one.
    session: Option<Session>,
    to_server: VecDeque<String>,
    /// What an old connection has still sent.
    old: VecDeque<String>,
    readers: HashMap<ChannelName, Reader>,
    /// What the client would keep over its end: the place after what it has handed over.
    kept: HashMap<ChannelName, Position>,
    publishing: HashMap<Serial, (ChannelName, Payload)>,
}

pub(super) struct World {
    random: Random,
    flaw: Option<Flaw>,
    now: Instant,
    node: Node,
    namespaces: Arc<Namespaces>,
    channels: Vec<ChannelName>,
    truth: Truth,
    users: Vec<User>,
    /// Connections that are cut, of which the server does not know yet.
    ghosts: Vec<Session>,
    count: u64,
}

/// The channel in which clients publish.
///
/// It does not fork: a log that loses what a publisher has sent may forget the publisher and take
/// any number as its first, so that two publications can have had the same one.
const COUNTED: usize = 0;

/// The channel whose log forks.
const FORKING: usize = 1;

type Checked = Result<(), String>;

impl World {
    pub(super) fn new(seed: u64, flaw: Option<Flaw>) -> Self {
        let mut random = Random::new(seed);
        let namespace = Namespace {
            retention: Retention {
                publications: [5, 20, 1000][random.below(3)],
                bytes: usize::MAX,
                age: Duration::from_secs(3600),
            },
            publish: true,
            page: 1 + random.below(7),
            ..Namespace::default()
        };
        let namespaces = Arc::new(Namespaces::new().with("chat", namespace));
        let channels: Vec<ChannelName> = ["chat:a", "chat:b"]
            .iter()
            .filter_map(|name| name.parse().ok())
            .collect();
        let mut world = Self {
            flaw,
            now: Instant::now(),
            node: Node::new(&namespaces, flaw),
            namespaces,
            channels,
            truth: Truth::default(),
            users: Vec::new(),
            ghosts: Vec::new(),
            count: 0,
            random,
        };
        for _ in 0..2 {
            world.users.push(User {
                machine: Machine::default(),
                session: None,
                to_server: VecDeque::new(),
                old: VecDeque::new(),
                readers: HashMap::new(),
                kept: HashMap::new(),
                publishing: HashMap::new(),
            });
        }
        for at in 0..world.users.len() {
            world.begin(at);
        }
        world
    }

    /// Runs to the end; else says what is wrong.
    pub(super) fn run(mut self) -> Result<Seen, String> {
        for _ in 0..300 {
            self.step()?;
        }
        // Nothing fails any more: everybody has everything in the end.
        self.ghosts.clear();
        for _ in 0..100_000 {
            if !self.heal()? {
                return self.end();
            }
        }
        Err("it does not come to rest".to_owned())
    }

    fn step(&mut self) -> Checked {
        let at = self.random.below(self.users.len());
        match self.random.below(40) {
            0..=9 => self.client_receives(at)?,
            10..=17 => self.server_receives(at),
            18..=20 => {
                self.turn(at);
            }
            21..=23 => {
                self.hand_over(at)?;
            }
            24..=28 => self.publish(at),
            29..=31 => self.publish_elsewhere(),
            32 => self.cut(at),
            33 | 34 => self.connect(at),
            35 => {
                self.now += Duration::from_millis(500);
                self.users[at].machine.handle_timeout(self.now);
            }
            36 => self.users[at].machine.ping(),
            37 if self.random.once_in(3) => self.kill(at),
            38 if self.random.once_in(4) => self.restart(),
            39 if self.random.once_in(3) => self.fork(),
            _ => {}
        }
        self.flush(at);
        Ok(())
    }

    /// What everybody waits for happens; false when nobody waits for anything.
    fn heal(&mut self) -> Result<bool, String> {
        let mut is_busy = false;
        self.now += Duration::from_millis(500);
        for at in 0..self.users.len() {
            if self.users[at].session.is_none() {
                self.connect(at);
                is_busy = true;
            }
            self.users[at].machine.handle_timeout(self.now);
            self.flush(at);
            is_busy |= self.users[at].machine.poll_timeout().is_some();
            while !self.users[at].to_server.is_empty() {
                self.server_receives(at);
                is_busy = true;
            }
            for _ in 0..3 {
                is_busy |= self.turn(at);
            }
            let user = &mut self.users[at];
            user.old.clear();
            while let Some(text) = user.session.as_mut().and_then(Session::send) {
                user.machine.handle_message(&text, self.now);
                is_busy = true;
            }
            is_busy |= self.hand_over(at)?;
            self.flush(at);
            is_busy |= !self.users[at].to_server.is_empty();
        }
        Ok(is_busy)
    }

    fn end(self) -> Result<Seen, String> {
        let mut seen = Seen::default();
        for user in &self.users {
            if let Some((channel, payload)) = user.publishing.values().next() {
                return Err(format!("nobody knows of {payload:?} in {channel}"));
            }
            for channel in &self.channels {
                let top = self.node.top(channel);
                let reader = &user.readers[channel];
                if reader.position != Some(top) {
                    return Err(format!("{channel} is at {top}, not {:?}", reader.position));
                }
                seen.deliveries += reader.deliveries;
                seen.gaps += reader.gaps;
            }
        }
        for channel in &self.channels {
            let mut all = HashSet::new();
            let reading = self.node.read(channel, Since::Oldest, usize::MAX);
            for publication in reading.publications {
                let bytes = publication.payload.as_bytes().to_vec();
                if !all.insert(bytes) {
                    return Err(format!("{:?} is there twice", publication.payload));
                }
            }
        }
        Ok(seen)
    }

    /// A client begins, with the positions that were kept.
    fn begin(&mut self, at: usize) {
        let (now, user) = (self.now, &mut self.users[at]);
        for channel in &self.channels {
            let since = user.kept.get(channel).copied();
            user.machine
                .subscribe(channel, since, false, Grant::fixed(None), now);
            let reader = user.readers.entry(channel.clone()).or_default();
            *reader = Reader {
                // What the user really has.
                position: since.and(reader.position),
                deliveries: reader.deliveries,
                gaps: reader.gaps,
                ..Reader::default()
            };
        }
    }

    /// A client is killed, and begins anew.
    fn kill(&mut self, at: usize) {
        self.cut(at);
        let user = &mut self.users[at];
        if self.flaw == Some(Flaw::PositionMovesEarly) {
            for channel in &self.channels {
                user.kept.extend(
                    user.machine
                        .position(channel)
                        .map(|at| (channel.clone(), at)),
                );
            }
        }
        user.machine = Machine::default();
        user.publishing.clear();
        self.begin(at);
    }

    fn connect(&mut self, at: usize) {
        let user = &mut self.users[at];
        if user.session.is_none() {
            user.session = Some(Session::default());
            user.machine.handle_up(self.now);
        }
    }

    /// The server learns of it later, or never.
    fn cut(&mut self, at: usize) {
        let user = &mut self.users[at];
        let Some(mut session) = user.session.take() else {
            return;
        };
        user.machine.handle_down();
        // Some of what was on its way still arrives.
        let arrives = self.random.below(user.to_server.len() + 1);
        for text in user.to_server.drain(..).take(arrives) {
            session.receive(&text, &mut self.node);
        }
        user.to_server.clear();
        self.note();
        if self.flaw == Some(Flaw::OldMessages) {
            self.users[at].old = session.rest();
        } else {
            self.ghosts.push(session);
        }
    }

    /// Another server takes the place of this one, with nothing.
    fn restart(&mut self) {
        for at in 0..self.users.len() {
            self.cut(at);
        }
        self.ghosts.clear();
        self.node = Node::new(&self.namespaces, self.flaw);
    }

    /// A storage comes back without the newest publications.
    fn fork(&mut self) {
        let channel = self.channels[FORKING].clone();
        let top = self.node.top(&channel).offset;
        if top == 0 {
            return;
        }
        let lost = 1 + self.random.below(usize::try_from(top.min(4)).unwrap_or(1)) as u64;
        let oldest = self.node.read(&channel, Since::Oldest, 1);
        let first = oldest.publications.first().map_or(top, |one| one.offset);
        let node = &mut self.node;
        let sessions = self
            .users
            .iter_mut()
            .filter_map(|user| user.session.as_mut());
        let mut sessions: Vec<&mut Session> = sessions.chain(&mut self.ghosts).collect();
        for session in &mut sessions {
            session.deliver(node);
        }
        node.memory.fork(&channel, (top - lost).max(first - 1));
        node.feeds.remove(&channel);
        for session in sessions {
            session.change(&channel, node);
        }
    }

    fn client_receives(&mut self, at: usize) -> Checked {
        let user = &mut self.users[at];
        if user.session.is_some()
            && let Some(text) = user.old.pop_front()
        {
            user.machine.handle_message(&text, self.now);
            return Ok(());
        }
        let Some(session) = &mut user.session else {
            return Ok(());
        };
        if let Some(text) = session.send() {
            user.machine.handle_message(&text, self.now);
        } else if session.is_over() {
            return Err("the server has closed".to_owned());
        }
        Ok(())
    }

    fn server_receives(&mut self, at: usize) {
        let user = &mut self.users[at];
        if let Some(session) = &mut user.session
            && let Some(text) = user.to_server.pop_front()
        {
            session.receive(&text, &mut self.node);
        }
        self.note();
    }

    /// A turn of the server's shard; whether there was something to do.
    fn turn(&mut self, at: usize) -> bool {
        let Some(session) = &mut self.users[at].session else {
            return false;
        };
        // Whoever joins gets nothing of what was published before.
        session.deliver(&self.node) | session.join(&mut self.node) | session.wake(&mut self.node)
    }

    /// The user takes what the client has for it.
    fn hand_over(&mut self, at: usize) -> Result<bool, String> {
        let user = &mut self.users[at];
        let mut is_busy = false;
        while let Some(news) = user.machine.poll_news() {
            is_busy = true;
            match news {
                News::Channel(channel, event) => {
                    let reader = user.readers.entry(channel.clone()).or_default();
                    reader
                        .take(&event, &self.truth)
                        .map_err(|wrong| format!("{channel}: {wrong}"))?;
                    user.kept
                        .extend(reader.position.map(|position| (channel, position)));
                }
                News::Published(serial, outcome) => {
                    let Some((channel, payload)) = user.publishing.remove(&serial) else {
                        return Err("an outcome of nothing".to_owned());
                    };
                    if let Outcome::Placed { position, .. } = outcome
                        && self.truth.at(position) != Some(&payload)
                    {
                        return Err(format!("{channel}: {payload:?} is not at {position}"));
                    }
                }
                _ => {}
            }
        }
        Ok(is_busy)
    }

    fn payload(&mut self) -> Payload {
        self.count += 1;
        Payload::from(&*self.count.to_string())
    }

    fn publish(&mut self, at: usize) {
        let payload = self.payload();
        let channel = self.channels[COUNTED].clone();
        let user = &mut self.users[at];
        let serial = user.machine.publish(&channel, payload.clone(), self.now);
        user.publishing.insert(serial, (channel, payload));
    }

    fn publish_elsewhere(&mut self) {
        let (payload, key) = (self.payload(), None);
        let channel = self.channels[self.random.below(self.channels.len())].clone();
        let _ = self.node.publish(&channel, Publish { payload, key });
        self.note();
    }

    /// Notes what was published.
    fn note(&mut self) {
        for (_, position, publication) in self.node.published.drain(..) {
            self.truth.publish(position, publication.payload);
        }
    }

    fn flush(&mut self, at: usize) {
        let user = &mut self.users[at];
        while let Some(text) = user.machine.poll_output() {
            if user.session.is_some() {
                user.to_server.push_back(text);
            }
        }
    }
}
