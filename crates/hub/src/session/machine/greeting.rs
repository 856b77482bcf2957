//! The reply to `connect` in a dialect whose client wants to know at once where the subscriptions
//! begin that it has not asked for: it drops those that the reply does not name.

use super::{Machine, State, fail};
use crate::channel::ChannelName;
use crate::engine::EngineError;
use crate::reading::{Reading, Since};
use crate::session::driver::{Ask, Driver, Welcome};
use crate::session::sub::{Key, is_recoverable};
use crate::wire::{Connect, Connected, Fault, Reply, Start, Subscribed};

/// A reply that waits until its subscriptions have a place.
#[derive(Debug)]
pub(super) struct Greeting {
    id: u64,
    reply: Connected,
    /// Subscriptions without a place.
    waiting: usize,
}

impl Machine {
    /// Lets a client in that has these subscriptions without asking; nothing else is taken until
    /// they have a place.
    pub(super) fn greet(
        &mut self,
        id: u64,
        connect: &Connect,
        welcome: Welcome,
        driver: &mut impl Driver,
    ) {
        let reply = welcome.reply;
        let waiting = 1;
        self.greeting = Some(Box::new(Greeting { id, reply, waiting }));
        for channel in welcome.channels {
            if self.state == State::Refused {
                return;
            }
            let start = connect.subs.get(channel.as_str());
            let start = start.cloned().unwrap_or_else(Start::default);
            // What there is not, the reply does not name.
            if let Ok(key) = self.open(None, channel.as_str(), &start, None, driver) {
                self.find_place(key, driver);
            }
        }
        self.is_placed(None, driver);
    }

    /// Asks where a subscription begins.
    fn find_place(&mut self, key: Key, driver: &mut impl Driver) {
        let (Some(sub), Some(greeting)) = (
            self.subs.iter().find(|sub| sub.key == key),
            &mut self.greeting,
        ) else {
            return;
        };
        greeting.waiting += 1;
        let since = sub.since().map_or(Since::Newest, Since::Position);
        if let Some(reading) = driver.read(Ask::Sub(key), &sub.name, since, 1) {
            self.placed(key, &reading, driver);
        }
    }

    /// It is known where a subscription begins.
    pub(super) fn placed(
        &mut self,
        key: Key,
        reading: &Result<Reading, EngineError>,
        driver: &mut impl Driver,
    ) {
        let Some(sub) = self.subs.iter_mut().find(|sub| sub.key == key) else {
            return;
        };
        let Ok(reading) = reading else {
            return self.turn_away(driver);
        };
        let is_recoverable = is_recoverable(driver, &sub.name);
        let subscribed = sub.place(reading, is_recoverable, driver);
        let placed = (sub.name.clone(), subscribed);
        self.is_placed(Some(placed), driver);
    }

    /// One thing less to wait for.
    fn is_placed(&mut self, placed: Option<(ChannelName, Subscribed)>, driver: &mut impl Driver) {
        let Some(mut greeting) = self.greeting.take() else {
            return;
        };
        greeting.reply.subs.extend(placed);
        greeting.waiting -= 1;
        if greeting.waiting > 0 {
            self.greeting = Some(greeting);
            return;
        }
        self.state = State::Connected;
        driver.send(&Reply {
            id: greeting.id,
            connect: Some(greeting.reply),
            ..Reply::default()
        });
        let keys: Vec<Key> = self.subs.iter().map(|sub| sub.key).collect();
        for key in keys {
            self.go_on(key, driver);
        }
        driver.settle();
    }

    /// The engine does not say where the subscriptions begin: the client comes again.
    fn turn_away(&mut self, driver: &mut impl Driver) {
        let Some(greeting) = self.greeting.take() else {
            return;
        };
        self.state = State::Refused;
        for sub in self.subs.drain(..) {
            driver.unsubscribe(sub.key);
        }
        let message = "the channels cannot be read now";
        fail(greeting.id, Fault::Unavailable, message, driver);
    }
}
