//! One connection of the session protocol: commands in, replies and pushes out.
//!
//! It owns no socket, clock or engine: what it needs it asks of its [`Driver`].

mod asking;
mod greeting;
mod hearing;
mod holding;
mod limiting;
mod orders;
mod subscribing;

use holdwire::CloseCode;
use holdwire::proto::Flow;

use self::greeting::Greeting;
use self::holding::Waiting;
use super::answer;
use super::dialect::{Dialect, End};
use super::driver::{Ask, Driver, Outcome, Welcome};
use super::policy::Denied;
use super::sub::Sub;
use crate::channel::ChannelName;
use crate::engine::PublisherId;
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

fn fail(id: u64, fault: Fault, message: &str, driver: &mut impl Driver) {
    driver.send(&answer::error(id, fault, message));
}
