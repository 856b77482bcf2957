//! The sessions of this node by their users, and what a backend orders them to do.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use holdwire::CloseCode;
use holdwire::shard::Remote;

use super::door::{Arrival, put};
use super::pulse::Inbox;
use crate::channel::ChannelName;
use crate::hub::Hub;
use crate::position::Position;
use crate::presence::ClientId;

/// Whom an order is for: the sessions of a user, or some of them.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Whom {
    /// The user; those without a name have the empty one.
    pub user: Box<str>,
    /// Only this client of the user, as [`ClientId`] shows it. Default: all of them.
    pub client: Option<Box<str>>,
    /// Clients that are left alone. Default: none.
    pub but: Vec<Box<str>>,
}

impl Whom {
    /// All sessions of a user.
    #[must_use]
    pub fn user(user: impl Into<Box<str>>) -> Self {
        Self {
            user: user.into(),
            ..Self::default()
        }
    }

    pub(super) fn is(&self, user: &str, client: ClientId) -> bool {
        if *self.user != *user {
            return false;
        }
        let client = client.to_string();
        self.client.as_deref().is_none_or(|only| *only == *client)
            && !self.but.iter().any(|but| **but == *client)
    }
}

/// What a backend orders a session to do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Order {
    /// To have a channel, which it may use from now on; after this position when there is one.
    Subscribe(ChannelName, Option<Position>),
    /// To have it no more: the client is told this code and reason. Up to 2499 it does not come
    /// back to the channel by itself.
    Unsubscribe(ChannelName, u16, String),
    /// To end, with this close code and reason; the session cannot be resumed. 3500 to 3999 and
    /// 4500 to 4999 say that the client is to stay away: our own clients are told so with 4403.
    Disconnect(CloseCode, String),
    /// To be let in for so long from now on, or for ever.
    Hold(Option<Duration>),
    /// To end as when a token expires: the client comes back with a fresh one.
    Expire,
}

/// The sessions of this node.
#[derive(Default)]
pub(crate) struct Registry(Mutex<HashMap<Box<str>, HashMap<ClientId, Entry>>>);

struct Entry {
    /// Which of the client's connections it is.
    number: u64,
    inbox: Inbox,
    remote: Remote,
}

impl Registry {
    /// The client has this connection from now on.
    pub(super) fn enter(
        &self,
        user: &str,
        client: ClientId,
        number: u64,
        inbox: &Inbox,
        remote: &Remote,
    ) {
        let entry = Entry {
            number,
            inbox: inbox.clone(),
            remote: remote.clone(),
        };
        let mut users = self.lock();
        match users.get_mut(user) {
            Some(clients) => {
                clients.insert(client, entry);
            }
            None => {
                users.insert(user.into(), HashMap::from([(client, entry)]));
            }
        }
    }

    /// The connection is gone; another one may have taken its place.
    pub(super) fn leave(&self, user: &str, client: ClientId, number: u64) {
        let mut users = self.lock();
        let Some(clients) = users.get_mut(user) else {
            return;
        };
        if clients.get(&client).is_some_and(|it| it.number == number) {
            clients.remove(&client);
        }
        if clients.is_empty() {
            users.remove(user);
        }
    }

    /// How many users and sessions there are.
    fn count(&self) -> (usize, usize) {
        let users = self.lock();
        let clients = users.values().map(HashMap::len).sum();
        (users.len(), clients)
    }

    fn order(&self, whom: &Whom, order: &Order) -> usize {
        let users = self.lock();
        let Some(clients) = users.get(&whom.user) else {
            return 0;
        };
        let mut count = 0;
        for (client, entry) in clients {
            if whom.is(&whom.user, *client) {
                put(&entry.inbox, Arrival::Order(order.clone()), &entry.remote);
                count += 1;
            }
        }
        count
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Box<str>, HashMap<ClientId, Entry>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hub {
    /// Orders sessions of this node to do something, and says how many of them were there.
    ///
    /// They do it as soon as their threads come to it. Sessions whose connections are lost just now
    /// are not told; with [`Order::Disconnect`] and [`Order::Expire`] they cannot be resumed.
    pub fn order(&self, whom: &Whom, order: &Order) -> usize {
        if matches!(order, Order::Disconnect(..) | Order::Expire) {
            self.sessions().revoke_all(whom);
        }
        self.registry().order(whom, order)
    }

    /// How many users, and how many sessions, there are on this node.
    #[must_use]
    pub fn users(&self) -> (usize, usize) {
        self.registry().count()
    }
}
