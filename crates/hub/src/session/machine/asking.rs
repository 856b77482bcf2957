//! Commands about a channel that need no subscription.

use super::subscribing::position;
use super::{Machine, admitted, fail};
use crate::allow::Allow;
use crate::channel::ChannelName;
use crate::engine::{Key as PublishKey, Publish as Publication};
use crate::reading::Since;
use crate::session::answer;
use crate::session::driver::{Ask, Driver};
use crate::wire::{Data, Fault, History, Ping, Pong, Publish, Reply};

impl Machine {
    pub(super) fn publish(&mut self, id: u64, publish: Publish, driver: &mut impl Driver) {
        let Publish {
            channel,
            data,
            base64,
            n,
        } = publish;
        let (name, namespace) = match admitted(&channel, driver) {
            Ok(found) => found,
            Err((fault, message)) => return fail(id, fault, message, driver),
        };
        if !namespace.publish {
            let message = "clients may not publish in this channel";
            return fail(id, Fault::NotAllowed, message, driver);
        }
        let allow = namespace.allowed.publish;
        if !self.may(allow, &name, driver) {
            return fail(id, Fault::NotAllowed, allow.words(), driver);
        }
        let Some(payload) = Data::payload(data.as_deref(), base64.as_deref()) else {
            return fail(
                id,
                Fault::BadRequest,
                "data or base64 is what is published",
                driver,
            );
        };
        if n == Some(0) {
            return fail(id, Fault::BadRequest, "n counts from 1", driver);
        }
        let key = self
            .publisher
            .zip(n)
            .map(|(publisher, n)| PublishKey::Sequence(publisher, n));
        let publication = Publication { payload, key };
        self.under_way += 1;
        let bytes = publication.payload.len();
        let Some(publication) = driver.ask(id, &name, publication) else {
            return self.wait(id, bytes);
        };
        if let Some(expected) = self.hole(&name, &publication) {
            return self.reply(answer::hole(id, expected), driver);
        }
        if let Some(result) = driver.publish(id, &name, publication) {
            self.reply(answer::placed(id, &result), driver);
            self.is_crowding = driver.is_crowded(&name);
        }
    }

    /// Whether the client may do this in a channel that it may use.
    fn may(&self, allow: Allow, channel: &ChannelName, driver: &impl Driver) -> bool {
        let mut subs = self.subs.iter();
        allow == Allow::All || {
            let is_subscribed = subs.any(|sub| sub.name == *channel);
            driver.allows(allow, channel, is_subscribed)
        }
    }

    pub(super) fn history(&mut self, id: u64, history: &History, driver: &mut impl Driver) {
        let (name, namespace) = match admitted(&history.channel, driver) {
            Ok(found) => found,
            Err((fault, message)) => return fail(id, fault, message, driver),
        };
        if !namespace.history {
            return fail(
                id,
                Fault::NotAllowed,
                "the channel does not show its past",
                driver,
            );
        }
        let allow = namespace.allowed.history;
        let page = namespace.page.max(1);
        if !self.may(allow, &name, driver) {
            return fail(id, Fault::NotAllowed, allow.words(), driver);
        }
        let since = match history.since.as_ref().map(position) {
            None if history.limit == Some(0) => Since::Newest,
            None => Since::Oldest,
            Some(Some(Some(position))) => Since::Position(position),
            Some(_) => return fail(id, Fault::BadRequest, "since is a position", driver),
        };
        let limit = history.limit.map_or(page, |limit| {
            usize::try_from(limit).unwrap_or(page).min(page)
        });
        self.under_way += 1;
        if history.reverse {
            let before = match since {
                Since::Position(position) => Some(position),
                _ => None,
            };
            if let Some(reading) = driver.read_back(id, &name, before, limit) {
                self.reply(answer::found_back(id, &reading), driver);
            }
        } else if let Some(reading) = driver.read(Ask::Reply(id), &name, since, limit) {
            let found = answer::found(id, &reading, self.dialect.is_foreign());
            self.reply(found, driver);
        }
    }

    pub(super) fn members(
        &mut self,
        id: u64,
        channel: &str,
        stats: bool,
        driver: &mut impl Driver,
    ) {
        let (name, namespace) = match admitted(channel, driver) {
            Ok(found) => found,
            Err((fault, message)) => return fail(id, fault, message, driver),
        };
        if !namespace.presence {
            let message = "the channel does not show who is there";
            return fail(id, Fault::NotAllowed, message, driver);
        }
        let allow = namespace.allowed.presence;
        if !self.may(allow, &name, driver) {
            return fail(id, Fault::NotAllowed, allow.words(), driver);
        }
        self.under_way += 1;
        if let Some(members) = driver.members(id, &name, stats) {
            self.reply(answer::members(id, stats, &members), driver);
        }
    }

    pub(super) fn ping(&mut self, id: u64, ping: &Ping, driver: &mut impl Driver) {
        let (mut pong, mut ahead) = (Pong::default(), Vec::new());
        for (channel, at) in &ping.at {
            let sub = self.subs.iter().find(|sub| sub.name.as_str() == channel);
            let Some(sub) = sub.filter(|sub| sub.cursor.live().is_some()) else {
                continue;
            };
            if let Some(top) = driver.top(sub.key) {
                pong.top.insert(channel.clone(), top);
                if *at > top {
                    ahead.push(sub.key);
                }
            }
        }
        driver.send(&Reply {
            id,
            ping: Some(pong),
            ..Reply::default()
        });
        for key in ahead {
            self.handle_change(key, driver);
        }
    }
}
