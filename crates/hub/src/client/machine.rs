//! A client of the session protocol: what its user wants and what the server says in, commands
//! and news out.
//!
//! It owns no socket and no clock. A line that is lost changes nothing but what is sent when the
//! next one is up.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::{Duration, Instant};

use serde_json::value::RawValue;

use super::grant::Grant;
use super::publishing::{Item, Publishing};
use super::sub::{Sub, Wish};
use crate::channel::ChannelName;
use crate::position::Position;
use crate::publication::Payload;
use crate::wire::{
    Command, Connect, Data, Error, Fault, Ping, Publish, Push, Reply, Subscribe, Subscribed,
    Unsubscribe,
};

pub(crate) use super::granting::TokenAsk;
pub(crate) use super::publishing::Serial;
pub(crate) use super::sub::{Event, Told};

/// After how long something is tried again that the server could not do.
pub(crate) const AGAIN: Duration = Duration::from_secs(1);

/// Publications are not repeated so long before the server may have forgotten them: longer than a
/// message can lie in a half-open line before the heartbeat gives that up, which are 45 s.
const MARGIN: Duration = Duration::from_secs(60);

/// Commands without a reply.
const UNDER_WAY: usize = 64;

/// What a client is told.
#[derive(Debug)]
pub(crate) enum News {
    /// It has a connection.
    Connected { client: String, resumed: bool },
    /// A channel has something to tell.
    Channel(ChannelName, Event),
    /// A channel needs a token: [`Machine::token`].
    Token(ChannelName, TokenAsk),
    /// What has become of a publication.
    Published(Serial, Outcome),
    /// What has become of a question.
    Answered(Ask, Result<Box<Reply>, Trouble>),
    /// The server does not accept who the client is.
    Refused(Error),
}

/// What has become of a publication.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It stands there.
    Placed {
        position: Position,
        is_duplicate: bool,
    },
    /// It was refused.
    Failed(Error),
    /// It may have been published or not.
    Unknown,
}

/// Why a question has no answer.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The server says no.
    Refused(Error),
    /// The line was lost first.
    Lost,
}

/// A question's name between a machine and its driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Ask(pub(crate) u64);

/// A command that was sent and has no reply.
#[derive(Debug)]
pub(super) enum Sent {
    Connect,
    Subscribe(ChannelName),
    SubRefresh(ChannelName),
    Unsubscribe,
    Publish(Serial),
    Question(Ask),
    Ping,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Link {
    #[default]
    Down,
    Up,
    Connected,
}

/// A client.
#[derive(Debug, Default)]
pub(crate) struct Machine {
    link: Link,
    token: Option<String>,
    session: Option<String>,
    publisher: Option<String>,
    window: Duration,
    /// Bytes of a message that the server takes, as it has said.
    max_message: Option<u64>,
    pub(super) subs: BTreeMap<ChannelName, Sub>,
    publishing: Publishing,
    /// Questions that were not sent.
    questions: VecDeque<(Ask, Command)>,
    pub(super) asked: u64,
    ids: u64,
    sent: HashMap<u64, Sent>,
    output: VecDeque<String>,
    pub(super) news: VecDeque<News>,
}

impl Machine {
    /// The token that the next `connect` shows.
    pub(crate) fn set_token(&mut self, token: Option<String>) {
        self.token = token;
    }

    /// The line is up.
    pub(crate) fn handle_up(&mut self, now: Instant) {
        self.handle_down();
        self.link = Link::Up;
        self.output.clear();
        let span = self.window.saturating_sub(MARGIN);
        for serial in self.publishing.forget(now, span) {
            self.publisher = None;
            self.news
                .push_back(News::Published(serial, Outcome::Unknown));
        }
        let subs = self.subs.iter_mut();
        let subs = subs.filter(|(_, sub)| sub.wish != Wish::Bare);
        let subs = subs.map(|(name, sub)| {
            sub.wish = Wish::Asked;
            (name.as_str().to_owned(), sub.start())
        });
        let connect = Connect {
            token: self.token.clone(),
            session: self.session.clone(),
            publisher: self.publisher.clone(),
            subs: subs.collect(),
            ..Connect::default()
        };
        let command = Command {
            connect: Some(connect),
            ..Command::default()
        };
        self.command(command, Sent::Connect);
    }

    /// The line is lost.
    pub(crate) fn handle_down(&mut self) {
        self.link = Link::Down;
        self.output.clear();
        self.publishing.give_back_all();
        for sub in self.subs.values_mut() {
            sub.lose();
        }
        let mut lost: Vec<Ask> = self
            .sent
            .drain()
            .filter_map(|(_, sent)| match sent {
                Sent::Question(ask) => Some(ask),
                _ => None,
            })
            .collect();
        lost.sort_unstable_by_key(|ask| ask.0);
        for ask in lost {
            self.news.push_back(News::Answered(ask, Err(Trouble::Lost)));
        }
    }

    /// A message came; whatever is no message of a server is ignored.
    pub(crate) fn handle_message(&mut self, text: &str, now: Instant) {
        let Ok(mut reply) = serde_json::from_str::<Reply>(text) else {
            tracing::debug!("a message that is none of the session protocol");
            return;
        };
        if let Some(push) = reply.push.take() {
            if self.link == Link::Connected {
                self.push(push, now);
            }
        } else if let Some(sent) = self.sent.remove(&reply.id) {
            self.reply(sent, reply, now);
        }
        self.send_waiting(now);
    }

    /// Something may be due.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        self.send_waiting(now);
    }

    /// When something is due.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        if self.link != Link::Connected {
            return None;
        }
        let subs = self.subs.values().filter_map(Sub::until);
        subs.chain(self.publishing.until()).min()
    }

    /// A message for the server.
    pub(crate) fn poll_output(&mut self) -> Option<String> {
        self.output.pop_front()
    }

    /// Something for the user.
    pub(crate) fn poll_news(&mut self) -> Option<News> {
        self.news.pop_front()
    }

    /// The user wants a channel, from after this position or from now on; false when it is
    /// subscribed already.
    pub(crate) fn subscribe(
        &mut self,
        channel: &ChannelName,
        since: Option<Position>,
        join_leave: bool,
        grant: Grant,
        now: Instant,
    ) -> bool {
        if self.subs.contains_key(channel) {
            return false;
        }
        let sub = Sub::new(since, join_leave, grant);
        self.subs.insert(channel.clone(), sub);
        self.require_token(channel);
        self.send_waiting(now);
        true
    }

    /// The user wants it no more.
    pub(crate) fn unsubscribe(&mut self, channel: &ChannelName) {
        if let Some(sub) = self.subs.remove(channel)
            && self.link == Link::Connected
            && sub.wish.is_with_server()
        {
            self.send_unsubscribe(channel);
        }
    }

    /// The user wants something to be published.
    pub(crate) fn publish(
        &mut self,
        channel: &ChannelName,
        payload: Payload,
        now: Instant,
    ) -> Serial {
        let serial = self.publishing.push(channel.clone(), payload);
        self.send_waiting(now);
        serial
    }

    /// The user has a question: a command other than those above.
    pub(crate) fn ask(&mut self, command: Command, now: Instant) -> Ask {
        self.asked += 1;
        let ask = Ask(self.asked);
        self.questions.push_back((ask, command));
        self.send_waiting(now);
        ask
    }

    /// Whether the line holds and nothing is missing: says how far the client has come.
    pub(crate) fn ping(&mut self) {
        if self.link != Link::Connected {
            return;
        }
        let at = self.subs.iter().filter_map(|(name, sub)| {
            let position = sub.position.filter(|_| sub.wish == Wish::Live)?;
            Some((name.as_str().to_owned(), position.offset))
        });
        let ping = Ping { at: at.collect() };
        let command = Command {
            ping: Some(ping),
            ..Command::default()
        };
        self.command(command, Sent::Ping);
    }

    /// Whether there is something that a [`ping`](Self::ping) is about.
    pub(crate) fn has_live(&self) -> bool {
        self.subs.values().any(|sub| sub.wish == Wish::Live)
    }

    /// The place after what has come, handed over or not.
    #[cfg(test)]
    pub(crate) fn position(&self, channel: &ChannelName) -> Option<Position> {
        self.subs.get(channel)?.position
    }

    /// Publications without an outcome, and their bytes.
    pub(crate) fn waiting(&self) -> (usize, usize) {
        self.publishing.waiting()
    }

    fn command(&mut self, command: Command, sent: Sent) {
        let text = self.next_text(command);
        self.send(text, sent);
    }

    /// The next command as it is sent.
    pub(super) fn next_text(&self, mut command: Command) -> String {
        command.id = self.ids + 1;
        // Strings, numbers and raw values always have a JSON form.
        serde_json::to_string(&command).unwrap_or_default()
    }

    pub(super) fn send(&mut self, text: String, sent: Sent) -> u64 {
        self.ids += 1;
        self.sent.insert(self.ids, sent);
        self.output.push_back(text);
        self.ids
    }

    /// Why the server would close the connection instead of an answer.
    fn excess(&self, text: &str) -> Option<Error> {
        let (bytes, most) = (text.len() as u64, self.max_message?);
        (bytes > most).then(|| Error {
            code: Fault::Limit as u16,
            message: format!("{bytes} bytes are more than the server takes: {most}"),
            temporary: false,
            expected: None,
        })
    }

    /// Sends what waits for a connection, for its time or for room.
    pub(super) fn send_waiting(&mut self, now: Instant) {
        if self.link != Link::Connected {
            return;
        }
        self.refresh_due(now);
        let due = self.subs.iter_mut().filter(|(_, sub)| sub.is_due(now));
        let due: Vec<(ChannelName, Subscribe)> = due
            .map(|(name, sub)| {
                sub.wish = Wish::Asked;
                let (channel, start) = (name.as_str().to_owned(), sub.start());
                (name.clone(), Subscribe { channel, start })
            })
            .collect();
        for (name, subscribe) in due {
            let command = Command {
                subscribe: Some(subscribe),
                ..Command::default()
            };
            self.command(command, Sent::Subscribe(name));
        }
        while self.sent.len() < UNDER_WAY {
            let Some((ask, command)) = self.questions.pop_front() else {
                break;
            };
            let text = self.next_text(command);
            if let Some(error) = self.excess(&text) {
                let answer = Err(Trouble::Refused(error));
                self.news.push_back(News::Answered(ask, answer));
                continue;
            }
            self.send(text, Sent::Question(ask));
        }
        while self.sent.len() < UNDER_WAY {
            let Some((serial, command)) = self.publishing.next(now).map(published) else {
                break;
            };
            let text = self.next_text(command);
            if let Some(error) = self.excess(&text) {
                let outcome = if self.publishing.withdraw(serial) {
                    Outcome::Failed(error)
                } else {
                    Outcome::Unknown
                };
                self.news.push_back(News::Published(serial, outcome));
                continue;
            }
            let id = self.send(text, Sent::Publish(serial));
            self.publishing.sent(serial, id, now);
        }
    }

    fn send_unsubscribe(&mut self, channel: &ChannelName) {
        let channel = channel.as_str().to_owned();
        let command = Command {
            unsubscribe: Some(Unsubscribe { channel }),
            ..Command::default()
        };
        self.command(command, Sent::Unsubscribe);
    }

    fn reply(&mut self, sent: Sent, reply: Reply, now: Instant) {
        match sent {
            Sent::Connect => self.connected(reply, now),
            Sent::SubRefresh(channel) => self.sub_refreshed(&channel, reply, now),
            Sent::Unsubscribe => {}
            Sent::Ping => self.pong(&reply, now),
            Sent::Question(ask) => {
                let answer = match reply.error {
                    Some(error) => Err(Trouble::Refused(error)),
                    None => Ok(Box::new(reply)),
                };
                self.news.push_back(News::Answered(ask, answer));
            }
            Sent::Subscribe(channel) => match (reply.subscribe, reply.error) {
                (Some(subscribed), _) => self.subscribed(&channel, &subscribed, now),
                (None, Some(error)) => self.not_subscribed(&channel, &error, now),
                (None, None) => {}
            },
            Sent::Publish(serial) => self.placed(serial, reply, now),
        }
    }

    fn connected(&mut self, reply: Reply, now: Instant) {
        let connected = match (reply.connect, reply.error) {
            (Some(connected), _) => connected,
            (None, Some(error)) => return self.news.push_back(News::Refused(error)),
            (None, None) => return,
        };
        self.link = Link::Connected;
        self.session = Some(connected.session);
        self.window = Duration::from_millis(connected.window_ms);
        self.max_message = connected.max_message;
        // A server that knows another publisher does not recognise what this one has sent, nor does
        // one that was asked for long.
        let known = self.publisher.replace(connected.publisher);
        let is_known = known.is_none() || known == self.publisher;
        let span = self.window.saturating_sub(MARGIN);
        let span = if is_known { span } else { Duration::ZERO };
        for serial in self.publishing.forget(now, span) {
            self.news
                .push_back(News::Published(serial, Outcome::Unknown));
        }
        self.news.push_back(News::Connected {
            client: connected.client,
            resumed: connected.resumed,
        });
    }

    fn push(&mut self, push: Push, now: Instant) {
        let Ok(channel) = push.channel.parse::<ChannelName>() else {
            return;
        };
        if let Some(subscribed) = &push.subscribe {
            return self.subscribed(&channel, subscribed, now);
        }
        if let Some(cause) = push.unsubscribe {
            return self.unsubscribed(&channel, cause.code, cause.reason, now);
        }
        let Some(sub) = self.subs.get_mut(&channel) else {
            return;
        };
        match sub.take(&push) {
            Told::Nothing => {}
            Told::Event(event) => self.news.push_back(News::Channel(channel, event)),
            Told::Hole => self.renew(&channel, now),
        }
    }

    fn subscribed(&mut self, channel: &ChannelName, subscribed: &Subscribed, now: Instant) {
        let Some(sub) = self.subs.get_mut(channel) else {
            return;
        };
        for event in sub.begin(subscribed, now) {
            self.news.push_back(News::Channel(channel.clone(), event));
        }
    }

    fn not_subscribed(&mut self, channel: &ChannelName, error: &Error, now: Instant) {
        let base: u16 = if error.temporary { 2500 } else { 2000 };
        let code = base.saturating_add(error.code);
        self.unsubscribed(channel, code, error.message.clone(), now);
    }

    fn unsubscribed(&mut self, channel: &ChannelName, code: u16, reason: String, now: Instant) {
        let Some(sub) = self.subs.get_mut(channel) else {
            return;
        };
        if sub.wish == Wish::Bare {
            return;
        }
        match code {
            // It is of the subscription before the one that is under way.
            2500 if sub.wish != Wish::Live => {}
            2500 => sub.lose(),
            _ if Self::is_expiry(code) => self.expired(channel, reason),
            2501.. => {
                sub.lose();
                sub.wish = Wish::Later(now + AGAIN);
            }
            _ => {
                self.subs.remove(channel);
                let ended = Event::Ended { code, reason };
                self.news.push_back(News::Channel(channel.clone(), ended));
            }
        }
    }

    /// Something is missing: subscribes anew.
    fn renew(&mut self, channel: &ChannelName, now: Instant) {
        tracing::warn!(%channel, "a publication is missing: subscribing anew");
        self.send_unsubscribe(channel);
        if let Some(sub) = self.subs.get_mut(channel) {
            sub.lose();
        }
        self.send_waiting(now);
    }

    /// What one answer names has been sent by the time of the next.
    fn pong(&mut self, reply: &Reply, now: Instant) {
        let Some(pong) = &reply.ping else {
            return;
        };
        let mut behind = Vec::new();
        for (name, sub) in &mut self.subs {
            let top = pong.top.get(name.as_str()).copied();
            let had = std::mem::replace(&mut sub.top, top);
            let at = sub.position.map(|position| position.offset);
            if sub.wish == Wish::Live && had.zip(at).is_some_and(|(had, at)| at < had) {
                sub.top = None;
                behind.push(name.clone());
            }
        }
        for channel in behind {
            self.renew(&channel, now);
        }
    }

    fn placed(&mut self, serial: Serial, reply: Reply, now: Instant) {
        if !self.publishing.is_current(serial, reply.id) {
            return;
        }
        let outcome = match (reply.publish, reply.error) {
            (Some(placed), _) => {
                let Ok(epoch) = placed.epoch.parse::<crate::position::Epoch>() else {
                    return;
                };
                Outcome::Placed {
                    position: epoch.at(placed.offset),
                    is_duplicate: placed.dup,
                }
            }
            (None, Some(error)) if error.temporary => {
                return self.publishing.put_off(serial, now + AGAIN);
            }
            (None, Some(error)) if error.code == Fault::Hole as u16 => {
                if self
                    .publishing
                    .renumber(serial, error.expected.unwrap_or(1))
                {
                    return;
                }
                Outcome::Unknown
            }
            // It was taken once, and where it is is not known any more.
            (None, Some(error)) if error.code == Fault::Forgotten as u16 => Outcome::Unknown,
            (None, Some(error)) => Outcome::Failed(error),
            (None, None) => return,
        };
        self.publishing.remove(serial);
        self.news.push_back(News::Published(serial, outcome));
    }
}

fn published(item: &Item) -> (Serial, Command) {
    let Data { data, base64 } = Data::of(&item.payload);
    let publish = Publish {
        channel: item.channel.as_str().to_owned(),
        data,
        base64,
        n: Some(item.number),
    };
    let command = Command {
        publish: Some(publish),
        ..Command::default()
    };
    (item.serial, command)
}

/// A JSON value as a question carries it.
pub(crate) fn raw(text: &str) -> Result<Box<RawValue>, serde_json::Error> {
    serde_json::from_str(text)
}
