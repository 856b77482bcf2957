//! One connection of the session protocol: commands in, replies and pushes out.
//!
//! It owns no socket, clock or engine: what it needs it asks of its [`Driver`].

mod asking;
mod greeting;
mod holding;
mod limiting;
mod orders;

use std::ops::Range;

use holdwire::CloseCode;
use holdwire::proto::Flow;
use holdwire::shard::Join;

use self::greeting::Greeting;
use self::holding::Waiting;
use super::answer;
use super::dialect::{Dialect, End};
use super::driver::{Ask, Driver, Outcome, Wanted, Welcome};
use super::policy::Denied;
use super::sub::{Key, Sub};
use crate::centrifuge::{Encoding, Saying};
use crate::channel::ChannelName;
use crate::cursor::Next;
use crate::engine::{EngineError, PublisherId};
use crate::position::{Epoch, MAX_OFFSET, Position};
use crate::reading::{Reading, Since};
use crate::wire::{Command, Connect, Fault, Reply, Start, Subscribe};

/// Channels of one connection.
pub(crate) const CHANNELS: usize = 128;

/// Commands without a reply, above which no more are read.
const UNDER_WAY: usize = 64;

/// Pings that may go without an answer, in a protocol that has some of its own.
const UNANSWERED: u8 = 2;

/// The subscription is void because the log is another one or has forked.
const HAS_CHANGED: u16 = 2500;

/// A connection: not connected, being connected, connected, or ending.
#[derive(Debug, Default)]
pub(crate) struct Machine {
    dialect: Dialect,
    state: State,
    subs: Vec<Sub>,
    keys: u32,
    publisher: Option<PublisherId>,
    under_way: usize,
    /// Tokens for channels about which nothing is known yet: nothing more is read until it is.
    asked: usize,
    is_paused: bool,
    /// What was just published is more than the subscribers take: they resume the connection.
    is_crowding: bool,
    /// Pings since the client has said anything.
    unanswered: u8,
    /// What is left of a message while the commands before it are under way.
    held: Vec<u8>,
    /// What the reply to `connect` still waits for.
    greeting: Option<Box<Greeting>>,
    /// What waits for earlier publications, and where it is to be seen whether that is so.
    waiting: Option<Box<Waiting>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    New,
    Connecting,
    Connected,
    /// Whoever was not let in is expected to go; what it says besides means nothing.
    Refused,
    Over,
}

impl Machine {
    pub(crate) fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            ..Self::default()
        }
    }

    /// Takes a text message.
    pub(crate) fn handle_text(&mut self, text: &str, driver: &mut impl Driver) -> Flow {
        if self.state == State::Over {
            return Flow::Continue;
        }
        self.unanswered = 0;
        match self.dialect {
            Dialect::Holdwire => match serde_json::from_str::<Command>(text) {
                Ok(command) if (1..=MAX_OFFSET).contains(&command.id) => {
                    self.limited(command, driver);
                }
                Ok(_) => self.close(
                    End::NoCommand,
                    "a command has an id, from 1 to 2^53 - 1",
                    driver,
                ),
                Err(error) => {
                    self.close(End::NoCommand, &format!("no command: {error}"), driver);
                }
            },
            Dialect::Centrifuge(Encoding::Json) => {
                self.read(Encoding::Json, text.as_bytes(), driver);
            }
            Dialect::Centrifuge(Encoding::Protobuf) => {
                self.close(End::NoCommand, "commands are binary messages", driver);
            }
        }
        self.pace(driver)
    }

    /// Takes a binary message.
    pub(crate) fn handle_binary(&mut self, payload: &[u8], driver: &mut impl Driver) -> Flow {
        if self.state == State::Over {
            return Flow::Continue;
        }
        self.unanswered = 0;
        if self.dialect == Dialect::Centrifuge(Encoding::Protobuf) {
            self.read(Encoding::Protobuf, payload, driver);
        } else {
            self.close(End::NoCommand, "commands are text messages", driver);
        }
        self.pace(driver)
    }

    /// Says that the connection is there, in a protocol that has pings of its own.
    pub(crate) fn handle_beat(&mut self, driver: &mut impl Driver) {
        if self.state != State::Connected {
            return;
        }
        if self.unanswered >= UNANSWERED {
            return self.close(End::Silent, "no pong", driver);
        }
        self.unanswered += 1;
        driver.send(&Reply::default());
    }

    /// The server goes down.
    pub(crate) fn handle_drain(&mut self, driver: &mut impl Driver) {
        if self.state != State::Over && self.dialect.is_foreign() {
            self.close(End::Shutdown, "shutdown", driver);
        }
    }

    /// Follows the commands of a message, until one of them is under way that comes first.
    fn read(&mut self, encoding: Encoding, mut message: &[u8], driver: &mut impl Driver) {
        while self.state != State::Over {
            if self.waits() {
                self.held = message.to_vec();
                return;
            }
            match encoding.next(&mut message) {
                Ok(Some(Saying::Command(command))) => self.limited(*command, driver),
                // Nobody waits for an answer.
                Ok(Some(Saying::Refused(0, _, why))) => self.close(End::NoCommand, why, driver),
                Ok(Some(Saying::Refused(id, fault, why))) => fail(id, fault, why, driver),
                Ok(Some(Saying::Pong)) => {}
                Ok(None) => return,
                Err(error) => {
                    self.close(End::NoCommand, &format!("no command: {error}"), driver);
                }
            }
        }
    }

    /// Reads on what was left.
    fn read_on(&mut self, driver: &mut impl Driver) {
        if let Dialect::Centrifuge(encoding) = self.dialect {
            let held = std::mem::take(&mut self.held);
            self.read(encoding, &held, driver);
        }
    }

    /// What the driver was asked for is there.
    pub(crate) fn handle_outcome(&mut self, outcome: Outcome, driver: &mut impl Driver) {
        if self.state == State::Over {
            return;
        }
        match outcome {
            Outcome::Connected(id, connect, verdict) => {
                self.under_way -= 1;
                self.connected(id, &connect, verdict, driver);
            }
            Outcome::Read(Ask::Sub(key), reading) if self.greeting.is_some() => {
                self.placed(key, &reading, driver);
            }
            Outcome::Read(Ask::Sub(key), reading) => self.take(key, &reading, driver),
            Outcome::Read(Ask::Reply(id), reading) => {
                let found = answer::found(id, &reading, self.dialect.is_foreign());
                self.reply(found, driver);
            }
            Outcome::ReadBack(id, reading) => self.reply(answer::found_back(id, &reading), driver),
            Outcome::Asked(id, channel, publish, result) => {
                self.asked(id, channel, publish, result, driver);
            }
            Outcome::Published(id, result) => self.reply(answer::placed(id, &result), driver),
            Outcome::Members(id, stats, members) => {
                self.reply(answer::members(id, stats, &members), driver);
            }
            Outcome::Said(id, said) => self.said(id, said, driver),
            Outcome::Refreshed(id, result) => self.refreshed(id, result, driver),
            Outcome::Granted(wanted, result) => {
                self.asked -= 1;
                self.granted(&wanted, result, driver);
            }
            Outcome::Lapsed(channel) => self.lapsed(&channel, driver),
            Outcome::Expired => self.close(End::Expired, "the token has expired", driver),
            Outcome::NeverConnected if matches!(self.state, State::New | State::Refused) => {
                self.close(End::TooLate, "connect comes first, within 10 s", driver);
            }
            Outcome::NeverConnected => {}
        }
        if !self.held.is_empty() && !self.waits() {
            self.read_on(driver);
        }
        if self.is_paused && self.flow() == Flow::Continue {
            driver.resume();
        }
    }

    /// Everything that was sent has been written.
    pub(crate) fn handle_rested(&mut self, driver: &mut impl Driver) {
        let rested = self.subs.iter_mut().filter(|sub| sub.is_resting);
        let keys: Vec<Key> = rested
            .map(|sub| {
                sub.is_resting = false;
                sub.key
            })
            .collect();
        for key in keys {
            self.go_on(key, driver);
        }
    }

    /// A subscription has joined, and gets the publications from number `next` on.
    pub(crate) fn handle_join(
        &mut self,
        key: Key,
        epoch: Epoch,
        next: u64,
        driver: &mut impl Driver,
    ) -> Join {
        let Some(sub) = self.subs.iter_mut().find(|sub| sub.key == key) else {
            return Join::Leave;
        };
        let join = sub.join(epoch, next, driver);
        self.end_if_over(key, driver);
        join
    }

    /// A subscriber that reads too slowly was not sent these.
    pub(crate) fn handle_skip(&mut self, key: Key, skipped: &Range<u64>, driver: &mut impl Driver) {
        if let Some(sub) = self.subs.iter_mut().find(|sub| sub.key == key) {
            sub.skip(skipped, driver);
        }
    }

    /// The log of a subscription is another one, or has forked.
    pub(crate) fn handle_change(&mut self, key: Key, driver: &mut impl Driver) {
        if let Some(at) = self.subs.iter().position(|sub| sub.key == key) {
            self.expel(at, HAS_CHANGED, "the log has changed", driver);
        }
    }

    /// Whether what is under way comes before anything else.
    fn waits(&self) -> bool {
        self.state == State::Connecting || self.under_way >= UNDER_WAY || self.asked > 0
    }

    fn flow(&mut self) -> Flow {
        self.is_paused = self.waits();
        if self.is_paused {
            Flow::Pause
        } else {
            Flow::Continue
        }
    }

    /// Whether the next message is taken now.
    fn pace(&mut self, driver: &mut impl Driver) -> Flow {
        if std::mem::take(&mut self.is_crowding) || self.is_crowded(driver) {
            return Flow::Pause;
        }
        self.flow()
    }

    fn command(&mut self, command: Command, driver: &mut impl Driver) {
        let id = command.id;
        match (command.names(), command.connect.is_some(), self.state) {
            (2.., ..) => return self.close(End::NoCommand, "a command has one name", driver),
            (_, false, State::Refused) => return,
            (_, false, State::New) if self.dialect.is_foreign() => {
                return self.close(End::NoCommand, "connect comes first", driver);
            }
            (0, ..) => return fail(id, Fault::NoSuchMethod, "there is no such command", driver),
            (_, false, State::New) => {
                return fail(id, Fault::NotConnected, "connect comes first", driver);
            }
            (_, true, State::Connected) => {
                return fail(id, Fault::BadRequest, "connect comes once", driver);
            }
            _ => {}
        }
        if let Some(connect) = command.connect {
            self.connect(id, connect, driver);
        } else if let Some(Subscribe { channel, start }) = command.subscribe {
            self.subscribe(Some(id), &channel, &start, driver);
        } else if let Some(unsubscribe) = command.unsubscribe {
            self.unsubscribe(id, &unsubscribe.channel, driver);
        } else if let Some(publish) = command.publish {
            self.publish(id, publish, driver);
        } else if let Some(history) = command.history {
            self.history(id, &history, driver);
        } else if let Some(ask) = command.presence {
            self.members(id, &ask.channel, false, driver);
        } else if let Some(ask) = command.presence_stats {
            self.members(id, &ask.channel, true, driver);
        } else if let Some(rpc) = command.rpc {
            self.under_way += 1;
            if let Some(said) = driver.rpc(id, rpc) {
                self.said(id, said, driver);
            }
        } else if let Some(ping) = command.ping {
            self.ping(id, &ping, driver);
        } else if let Some(refresh) = command.refresh {
            self.under_way += 1;
            if let Some(result) = driver.refresh(id, &refresh.token) {
                self.refreshed(id, result, driver);
            }
        } else if let Some(Subscribe { channel, start }) = command.sub_refresh {
            self.sub_refresh(id, &channel, start, driver);
        } else if command.disconnect.is_some() {
            driver.revoke();
            self.close(End::Bye, "", driver);
        }
    }

    fn connect(&mut self, id: u64, connect: Connect, driver: &mut impl Driver) {
        self.state = State::Connecting;
        if let Some((connect, verdict)) = driver.connect(id, connect) {
            self.connected(id, &connect, verdict, driver);
        } else {
            self.under_way += 1;
        }
    }

    fn connected(
        &mut self,
        id: u64,
        connect: &Connect,
        verdict: Result<Box<Welcome>, Denied>,
        driver: &mut impl Driver,
    ) {
        let welcome = match verdict {
            Ok(welcome) => welcome,
            Err(denied) if denied.own.is_some() => return self.keep_out(id, &denied, driver),
            Err(denied) if denied.fault == Fault::NotAllowed => {
                return self.close(End::Unauthorized, &denied.message, driver);
            }
            Err(denied) => {
                self.state = match self.dialect.is_foreign() {
                    true => State::Refused,
                    false => State::New,
                };
                return fail(id, denied.fault, &denied.message, driver);
            }
        };
        if self.dialect.is_foreign() {
            return self.greet(id, connect, *welcome, driver);
        }
        self.state = State::Connected;
        self.publisher = Some(welcome.publisher);
        driver.send(&Reply {
            id,
            connect: Some(welcome.reply),
            ..Reply::default()
        });
        for (channel, start) in &connect.subs {
            self.subscribe(None, channel, start, driver);
        }
        for channel in welcome.channels {
            if !connect.subs.contains_key(channel.as_str()) {
                self.subscribe(None, channel.as_str(), &Start::default(), driver);
            }
        }
        driver.settle();
    }

    fn refreshed(
        &mut self,
        id: u64,
        result: Result<Option<u64>, Denied>,
        driver: &mut impl Driver,
    ) {
        match result {
            Err(denied) if denied.fault == Fault::NotAllowed => {
                self.close(End::Unauthorized, &denied.message, driver);
            }
            result => self.reply(answer::refreshed(id, result), driver),
        }
    }

    /// Subscribes, asked by a command or else in some other way; with a token when that gives the
    /// channel.
    fn subscribe(
        &mut self,
        id: Option<u64>,
        channel: &str,
        start: &Start,
        driver: &mut impl Driver,
    ) {
        if start.token.is_none() && !driver.is_lending() {
            return self.begin(id, channel, start, None, driver);
        }
        match of(channel, driver) {
            Ok((channel, _)) => {
                let start = start.clone();
                let is_fresh = false;
                self.grant(
                    Wanted {
                        id,
                        channel,
                        start,
                        is_fresh,
                    },
                    driver,
                );
            }
            Err((fault, message)) => refuse(id, channel, fault, message, driver),
        }
    }

    /// Shows a fresh token for a subscription.
    fn sub_refresh(&mut self, id: u64, channel: &str, start: Start, driver: &mut impl Driver) {
        let sub = self.subs.iter().find(|sub| sub.name.as_str() == channel);
        let Some(channel) = sub.map(|sub| sub.name.clone()) else {
            return fail(
                id,
                Fault::BadRequest,
                "there is no such subscription",
                driver,
            );
        };
        if start.token.is_none() {
            return fail(id, Fault::BadRequest, "a token is missing", driver);
        }
        let wanted = Wanted {
            id: Some(id),
            channel,
            start,
            is_fresh: true,
        };
        self.grant(wanted, driver);
    }

    fn grant(&mut self, wanted: Wanted, driver: &mut impl Driver) {
        match driver.grant(wanted) {
            Some((wanted, result)) => self.granted(&wanted, result, driver),
            None => self.asked += 1,
        }
    }

    /// A token gives a channel, for so many seconds or for ever, or does not.
    fn granted(
        &mut self,
        wanted: &Wanted,
        result: Result<Option<u64>, Denied>,
        driver: &mut impl Driver,
    ) {
        let (id, channel) = (wanted.id, wanted.channel.as_str());
        match (result, wanted.is_fresh) {
            (Ok(ttl), false) => self.begin(id, channel, &wanted.start, ttl, driver),
            (Ok(ttl), true) => driver.send(&answer::sub_refreshed(id.unwrap_or_default(), ttl)),
            (Err(denied), _) if denied.close().is_some() => self.deny(0, &denied, driver),
            (Err(denied), _) => match id.filter(|_| denied.own.is_some()) {
                Some(id) => self.deny(id, &denied, driver),
                None => refuse(id, channel, denied.fault, &denied.message, driver),
            },
        }
    }

    /// A subscription whose token has expired ends, unless another one was shown.
    fn lapsed(&mut self, channel: &ChannelName, driver: &mut impl Driver) {
        let at = self.subs.iter().position(|sub| sub.name == *channel);
        if let Some(at) = at.filter(|_| driver.has_lapsed(channel)) {
            let code = HAS_CHANGED + Fault::TokenExpired as u16;
            self.expel(at, code, "the token has expired", driver);
        }
    }

    fn begin(
        &mut self,
        id: Option<u64>,
        channel: &str,
        start: &Start,
        ttl: Option<u64>,
        driver: &mut impl Driver,
    ) {
        match self.open(id, channel, start, ttl, driver) {
            Ok(key) => self.go_on(key, driver),
            Err((fault, message)) => refuse(id, channel, fault, message, driver),
        }
    }

    /// A subscription that has not begun.
    fn open(
        &mut self,
        id: Option<u64>,
        channel: &str,
        start: &Start,
        ttl: Option<u64>,
        driver: &mut impl Driver,
    ) -> Result<Key, (Fault, &'static str)> {
        let (name, format, since) = self.try_subscribe(channel, start, driver)?;
        self.keys += 1;
        let key = Key(self.keys);
        driver.subscribe(key, &name, format);
        let is_foreign = self.dialect.is_foreign();
        self.subs
            .push(Sub::new(key, name, since, id, ttl, is_foreign));
        Ok(key)
    }

    fn try_subscribe(
        &self,
        channel: &str,
        start: &Start,
        driver: &impl Driver,
    ) -> Result<(ChannelName, crate::format::Format, Option<Position>), (Fault, &'static str)> {
        let bad = |what| (Fault::BadRequest, what);
        let (name, namespace) = admitted(channel, driver)?;
        let allowed = namespace.allowed;
        if !driver.allows(allowed.subscribe, &name, false) {
            return Err((Fault::NotAllowed, allowed.subscribe.words()));
        }
        let since =
            position(start).ok_or(bad("epoch and offset are a position, or both missing"))?;
        if self.subs.iter().any(|sub| sub.name == name) {
            return Err((Fault::AlreadySubscribed, "this connection has that channel"));
        }
        if !driver.has_place(self.subs.len()) {
            return Err((
                Fault::Limit,
                "the connection has as many channels as it may",
            ));
        }
        if start.join_leave && !namespace.presence {
            return Err((Fault::NotAllowed, "the channel does not show who is there"));
        }
        if start.join_leave && !driver.allows(allowed.presence, &name, true) {
            return Err((Fault::NotAllowed, allowed.presence.words()));
        }
        Ok((name, self.dialect.format(start.join_leave), since))
    }

    /// Does what the cursor of a subscription wants.
    fn go_on(&mut self, key: Key, driver: &mut impl Driver) {
        let Some(sub) = self.subs.iter_mut().find(|sub| sub.key == key) else {
            return;
        };
        let mut next = sub.cursor.next();
        while let Next::Read(position) = next {
            let (since, page) = (Since::Position(position), sub.page(driver));
            next = match driver.read(Ask::Sub(key), &sub.name, since, page) {
                Some(Ok(reading)) => sub.read(&reading, driver),
                Some(Err(_)) => return self.give_up(key, driver),
                None => return,
            };
        }
        sub.want(next, driver);
        self.end_if_over(key, driver);
    }

    /// A reading has come that was asked for before.
    fn take(&mut self, key: Key, reading: &Result<Reading, EngineError>, driver: &mut impl Driver) {
        let Some(sub) = self.subs.iter_mut().find(|sub| sub.key == key) else {
            return;
        };
        let Ok(reading) = reading else {
            return self.give_up(key, driver);
        };
        let next = sub.read(reading, driver);
        if let Next::Read(_) = next {
            return self.go_on(key, driver);
        }
        sub.want(next, driver);
        self.end_if_over(key, driver);
    }

    /// The log has forked while a subscription caught up: it begins anew.
    fn end_if_over(&mut self, key: Key, driver: &mut impl Driver) {
        let is_over = |sub: &Sub| sub.key == key && sub.cursor.is_over();
        if self.subs.iter().any(is_over) {
            self.handle_change(key, driver);
        }
    }

    /// The engine cannot be read now.
    fn give_up(&mut self, key: Key, driver: &mut impl Driver) {
        let Some(at) = self.subs.iter().position(|sub| sub.key == key) else {
            return;
        };
        let message = "the channel cannot be read now";
        if let Some(id) = self.subs[at].asked.take() {
            driver.unsubscribe(key);
            self.subs.swap_remove(at);
            return fail(id, Fault::Unavailable, message, driver);
        }
        self.expel(at, HAS_CHANGED + Fault::Unavailable as u16, message, driver);
    }

    /// Ends a subscription that the client has not asked to end.
    fn expel(&mut self, at: usize, code: u16, reason: &str, driver: &mut impl Driver) {
        let sub = self.subs.swap_remove(at);
        driver.unsubscribe(sub.key);
        if let Some(id) = sub.asked {
            // It was never told that it has begun.
            return fail(id, Fault::Unavailable, reason, driver);
        }
        driver.send(&answer::ended(sub.name.as_str(), code, reason));
    }

    fn unsubscribe(&mut self, id: u64, channel: &str, driver: &mut impl Driver) {
        let at = self
            .subs
            .iter()
            .position(|sub| sub.name.as_str() == channel);
        if let Some(at) = at {
            let sub = self.subs.swap_remove(at);
            driver.unsubscribe(sub.key);
            if let Some(asked) = sub.asked {
                fail(
                    asked,
                    Fault::BadRequest,
                    "it was ended before it began",
                    driver,
                );
            }
        }
        driver.send(&Reply {
            id,
            unsubscribe: Some(crate::wire::Empty {}),
            ..Reply::default()
        });
    }

    /// Answers a command that was under way.
    fn reply(&mut self, reply: Reply, driver: &mut impl Driver) {
        self.under_way -= 1;
        driver.send(&reply);
    }

    /// What the application says, if the client waits for it.
    fn said(
        &mut self,
        id: u64,
        said: Result<Box<serde_json::value::RawValue>, Denied>,
        driver: &mut impl Driver,
    ) {
        if let Err(denied) = &said
            && denied.close().is_some()
        {
            return self.deny(id, denied, driver);
        }
        if id > 0 {
            return self.reply(answer::said(id, said), driver);
        }
        self.under_way -= 1;
        if said.is_err_and(|denied| denied.fault == Fault::NoSuchMethod) {
            self.close(End::NotServed, "nobody takes what is sent", driver);
        }
    }

    fn close(&mut self, end: End, reason: &str, driver: &mut impl Driver) {
        self.end(self.dialect.code(end), reason, driver);
    }

    fn end(&mut self, code: CloseCode, reason: &str, driver: &mut impl Driver) {
        self.state = State::Over;
        for sub in self.subs.drain(..) {
            driver.unsubscribe(sub.key);
        }
        driver.close(code, reason);
    }
}

/// A channel that may be had here, and what it keeps and allows.
fn of<'a>(
    channel: &str,
    driver: &'a impl Driver,
) -> Result<(ChannelName, &'a crate::channel::Namespace), (Fault, &'static str)> {
    let name: ChannelName = channel
        .parse()
        .map_err(|_| (Fault::BadRequest, "this is no name of a channel"))?;
    match driver.namespace(&name) {
        Some(namespace) => Ok((name, namespace)),
        None => Err((Fault::NoChannel, "there is no such namespace")),
    }
}

/// The same, which this client may use.
fn admitted<'a>(
    channel: &str,
    driver: &'a impl Driver,
) -> Result<(ChannelName, &'a crate::channel::Namespace), (Fault, &'static str)> {
    let (name, namespace) = of(channel, driver)?;
    if !driver.admits(&name) {
        return Err((Fault::NotAllowed, "this channel needs a token"));
    }
    Ok((name, namespace))
}

/// Says that a subscription does not begin.
fn refuse(id: Option<u64>, channel: &str, fault: Fault, why: &str, driver: &mut impl Driver) {
    // What another token or another time mends is worth coming again for.
    let base = match fault {
        Fault::TokenExpired | Fault::Unavailable | Fault::TooFast => HAS_CHANGED,
        _ => 2000,
    };
    match id {
        Some(id) => fail(id, fault, why, driver),
        None => driver.send(&answer::ended(channel, base + fault as u16, why)),
    }
}

/// A position that has both members; `Some(None)` when it has neither.
fn position(start: &Start) -> Option<Option<Position>> {
    match (&start.epoch, start.offset) {
        (None, None) => Some(None),
        (Some(epoch), Some(offset)) if offset <= MAX_OFFSET => {
            Some(Some(epoch.parse::<Epoch>().ok()?.at(offset)))
        }
        _ => None,
    }
}

fn fail(id: u64, fault: Fault, message: &str, driver: &mut impl Driver) {
    driver.send(&answer::error(id, fault, message));
}
