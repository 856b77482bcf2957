//! One connection of the session protocol: commands in, replies and pushes out.
//!
//! It owns no socket, clock or engine: what it needs it asks of its [`Driver`].

mod asking;

use std::ops::Range;

use holdwire::CloseCode;
use holdwire::proto::Flow;
use holdwire::shard::Join;

use super::answer;
use super::driver::{Ask, Driver, Outcome, Wanted, Welcome};
use super::policy::Denied;
use super::sub::{Key, Sub};
use crate::channel::ChannelName;
use crate::cursor::Next;
use crate::engine::{EngineError, PublisherId};
use crate::format::Format;
use crate::position::{Epoch, MAX_OFFSET, Position};
use crate::reading::{Reading, Since};
use crate::wire::{Command, Connect, Fault, Reply, Start, Subscribe};

/// Channels of one connection.
pub(crate) const CHANNELS: usize = 128;

/// Commands without a reply, above which no more are read.
const UNDER_WAY: usize = 64;

/// 4400: a message is no command.
const NO_COMMAND: u16 = 4400;

/// 4401: who the client is, is not accepted, or not any more.
const UNAUTHORIZED: u16 = 4401;

/// 4408: nobody has connected in time.
const TOO_LATE: u16 = 4408;

/// The subscription is void because the log is another one or has forked.
const HAS_CHANGED: u16 = 2500;

/// A connection: not connected, being connected, connected, or ending.
#[derive(Debug, Default)]
pub(crate) struct Machine {
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
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    New,
    Connecting,
    Connected,
    Over,
}

impl Machine {
    /// Takes a message.
    pub(crate) fn handle_text(&mut self, text: &str, driver: &mut impl Driver) -> Flow {
        if self.state == State::Over {
            return Flow::Continue;
        }
        match serde_json::from_str::<Command>(text) {
            Ok(command) if (1..=MAX_OFFSET).contains(&command.id) => self.command(command, driver),
            Ok(_) => self.close(
                NO_COMMAND,
                "a command has an id, from 1 to 2^53 - 1",
                driver,
            ),
            Err(error) => self.close(NO_COMMAND, &format!("no command: {error}"), driver),
        }
        if std::mem::take(&mut self.is_crowding) {
            return Flow::Pause;
        }
        self.flow()
    }

    /// Takes a binary message, which is none.
    pub(crate) fn handle_binary(&mut self, driver: &mut impl Driver) {
        if self.state != State::Over {
            self.close(NO_COMMAND, "commands are text messages", driver);
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
            Outcome::Read(Ask::Sub(key), reading) => self.take(key, &reading, driver),
            Outcome::Read(Ask::Reply(id), reading) => {
                self.reply(answer::found(id, &reading), driver)
            }
            Outcome::Published(id, result) => self.reply(answer::placed(id, &result), driver),
            Outcome::Members(id, stats, members) => {
                self.reply(answer::members(id, stats, &members), driver);
            }
            Outcome::Said(id, said) => self.reply(answer::said(id, said), driver),
            Outcome::Refreshed(id, result) => self.refreshed(id, result, driver),
            Outcome::Granted(wanted, result) => {
                self.asked -= 1;
                self.granted(&wanted, result, driver);
            }
            Outcome::Lapsed(channel) => self.lapsed(&channel, driver),
            Outcome::Expired => self.close(UNAUTHORIZED, "the token has expired", driver),
            Outcome::NeverConnected if self.state == State::New => {
                self.close(TOO_LATE, "connect comes first, within 10 s", driver);
            }
            Outcome::NeverConnected => {}
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

    fn flow(&mut self) -> Flow {
        let waits =
            self.state == State::Connecting || self.under_way >= UNDER_WAY || self.asked > 0;
        self.is_paused = waits;
        if waits { Flow::Pause } else { Flow::Continue }
    }

    fn command(&mut self, command: Command, driver: &mut impl Driver) {
        let id = command.id;
        match (command.names(), command.connect.is_some(), self.state) {
            (2.., ..) => return self.close(NO_COMMAND, "a command has one name", driver),
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
                self.reply(answer::said(id, said), driver);
            }
        } else if let Some(ping) = command.ping {
            self.ping(id, &ping, driver);
        } else if let Some(refresh) = command.refresh {
            self.under_way += 1;
            if let Some(result) = driver.refresh(id, &refresh.token) {
                self.refreshed(id, result, driver);
            }
        } else if command.disconnect.is_some() {
            driver.revoke();
            self.close(CloseCode::NORMAL.value(), "", driver);
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
            Err(denied) if denied.fault == Fault::NotAllowed => {
                return self.close(UNAUTHORIZED, &denied.message, driver);
            }
            Err(denied) => {
                self.state = State::New;
                return fail(id, denied.fault, &denied.message, driver);
            }
        };
        self.state = State::Connected;
        self.publisher = Some(welcome.publisher);
        driver.send(&answer::text(&Reply {
            id,
            connect: Some(welcome.reply),
            ..Reply::default()
        }));
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
                self.close(UNAUTHORIZED, &denied.message, driver);
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
        if start.token.is_none() {
            return self.begin(id, channel, start, driver);
        }
        match of(channel, driver) {
            Ok((channel, _)) => {
                let start = start.clone();
                match driver.grant(Wanted { id, channel, start }) {
                    Some((wanted, result)) => self.granted(&wanted, result, driver),
                    None => self.asked += 1,
                }
            }
            Err((fault, message)) => refuse(id, channel, fault, message, driver),
        }
    }

    /// A token gives a channel, or does not.
    fn granted(&mut self, wanted: &Wanted, result: Result<(), Denied>, driver: &mut impl Driver) {
        let Wanted { id, channel, start } = wanted;
        match result {
            Ok(()) => self.begin(*id, channel.as_str(), start, driver),
            Err(denied) => refuse(*id, channel.as_str(), denied.fault, &denied.message, driver),
        }
    }

    /// A subscription whose token has expired ends, unless another one was shown.
    fn lapsed(&mut self, channel: &ChannelName, driver: &mut impl Driver) {
        let at = self.subs.iter().position(|sub| sub.name == *channel);
        if let Some(at) = at.filter(|_| !driver.admits(channel)) {
            let code = HAS_CHANGED + Fault::TokenExpired as u16;
            self.expel(at, code, "the token has expired", driver);
        }
    }

    fn begin(&mut self, id: Option<u64>, channel: &str, start: &Start, driver: &mut impl Driver) {
        match self.try_subscribe(channel, start, driver) {
            Ok((name, format, since)) => {
                self.keys += 1;
                let key = Key(self.keys);
                driver.subscribe(key, &name, format);
                self.subs.push(Sub::new(key, name, since, id));
                self.go_on(key, driver);
            }
            Err((fault, message)) => refuse(id, channel, fault, message, driver),
        }
    }

    fn try_subscribe(
        &self,
        channel: &str,
        start: &Start,
        driver: &impl Driver,
    ) -> Result<(ChannelName, Format, Option<Position>), (Fault, &'static str)> {
        let bad = |what| (Fault::BadRequest, what);
        let (name, namespace) = admitted(channel, driver)?;
        let since =
            position(start).ok_or(bad("epoch and offset are a position, or both missing"))?;
        if self.subs.iter().any(|sub| sub.name == name) {
            return Err((Fault::AlreadySubscribed, "this connection has that channel"));
        }
        if self.subs.len() >= CHANNELS {
            return Err((Fault::Limit, "a connection has 128 channels at most"));
        }
        if start.join_leave && !namespace.presence {
            return Err((Fault::NotAllowed, "the channel does not show who is there"));
        }
        let format = if start.join_leave {
            Format::SessionPresence
        } else {
            Format::Session
        };
        Ok((name, format, since))
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
        driver.send(&answer::text(&Reply {
            id,
            unsubscribe: Some(crate::wire::Empty {}),
            ..Reply::default()
        }));
    }

    /// Answers a command that was under way.
    fn reply(&mut self, reply: Reply, driver: &mut impl Driver) {
        self.under_way -= 1;
        driver.send(&answer::text(&reply));
    }

    fn close(&mut self, code: u16, reason: &str, driver: &mut impl Driver) {
        self.state = State::Over;
        for sub in self.subs.drain(..) {
            driver.unsubscribe(sub.key);
        }
        let code = CloseCode::new(code).unwrap_or(CloseCode::POLICY_VIOLATION);
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
        Fault::TokenExpired | Fault::Unavailable => HAS_CHANGED,
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
    driver.send(&answer::text(&answer::error(id, fault, message)));
}
