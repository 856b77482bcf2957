//! Subscriptions, from the command that asks for one to its end.

use std::ops::Range;

use holdwire::shard::Join;

use super::{HAS_CHANGED, Machine, admitted, fail, of};
use crate::channel::ChannelName;
use crate::cursor::Next;
use crate::engine::EngineError;
use crate::format::Format;
use crate::position::{Epoch, MAX_OFFSET, Position};
use crate::reading::{Reading, Since};
use crate::session::answer;
use crate::session::driver::{Ask, Driver, Grant, Wanted};
use crate::session::sub::{Key, Sub};
use crate::wire::{Fault, Reply, Start};

impl Machine {
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

    /// Subscribes, asked by a command or else in some other way; with a token when that gives the
    /// channel.
    pub(super) fn subscribe(
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
    pub(super) fn sub_refresh(
        &mut self,
        id: u64,
        channel: &str,
        start: Start,
        driver: &mut impl Driver,
    ) {
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

    pub(super) fn grant(&mut self, wanted: Wanted, driver: &mut impl Driver) {
        match driver.grant(wanted) {
            Some((wanted, result)) => self.granted(&wanted, result, driver),
            None => self.asked += 1,
        }
    }

    /// A token gives a channel, for so many seconds or for ever, or does not.
    pub(super) fn granted(&mut self, wanted: &Wanted, result: Grant, driver: &mut impl Driver) {
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
    pub(super) fn lapsed(&mut self, channel: &ChannelName, driver: &mut impl Driver) {
        let at = self.subs.iter().position(|sub| sub.name == *channel);
        if let Some(at) = at.filter(|_| driver.has_lapsed(channel)) {
            let code = HAS_CHANGED + Fault::TokenExpired as u16;
            self.expel(at, code, "the token has expired", driver);
        }
    }

    pub(super) fn begin(
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
    pub(super) fn open(
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

    pub(super) fn try_subscribe(
        &self,
        channel: &str,
        start: &Start,
        driver: &impl Driver,
    ) -> Result<(ChannelName, Format, Option<Position>), (Fault, &'static str)> {
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
    pub(super) fn go_on(&mut self, key: Key, driver: &mut impl Driver) {
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
    pub(super) fn take(
        &mut self,
        key: Key,
        reading: &Result<Reading, EngineError>,
        driver: &mut impl Driver,
    ) {
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
    pub(super) fn end_if_over(&mut self, key: Key, driver: &mut impl Driver) {
        let is_over = |sub: &Sub| sub.key == key && sub.cursor.is_over();
        if self.subs.iter().any(is_over) {
            self.handle_change(key, driver);
        }
    }

    /// The engine cannot be read now.
    pub(super) fn give_up(&mut self, key: Key, driver: &mut impl Driver) {
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
    pub(super) fn expel(&mut self, at: usize, code: u16, reason: &str, driver: &mut impl Driver) {
        let sub = self.subs.swap_remove(at);
        driver.unsubscribe(sub.key);
        if let Some(id) = sub.asked {
            // It was never told that it has begun.
            return fail(id, Fault::Unavailable, reason, driver);
        }
        driver.send(&answer::ended(sub.name.as_str(), code, reason));
    }

    pub(super) fn unsubscribe(&mut self, id: u64, channel: &str, driver: &mut impl Driver) {
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
pub(super) fn position(start: &Start) -> Option<Option<Position>> {
    match (&start.epoch, start.offset) {
        (None, None) => Some(None),
        (Some(epoch), Some(offset)) if offset <= MAX_OFFSET => {
            Some(Some(epoch.parse::<Epoch>().ok()?.at(offset)))
        }
        _ => None,
    }
}
