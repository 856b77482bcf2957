//! Who clients are, across their connections: sessions that can be resumed, and publishers.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use holdwire::shard::Remote;
use sha2::Sha256;
use tokio::time::Instant;

use super::registry::Whom;
use crate::channel::ChannelName;
use crate::engine::PublisherId;
use crate::presence::{ClientId, Member};

/// For how long a session may be resumed after its connection is lost.
pub(crate) const KEPT: Duration = Duration::from_secs(60);

/// Lost sessions that are kept; of more the oldest go.
const LOST: usize = 100_000;

/// Bytes of a secret that cannot be guessed, and of a proof of where it comes from.
const BYTES: usize = 16;

/// A client, whatever connection it has at the time.
pub(crate) struct Identity {
    pub(crate) client: ClientId,
    pub(crate) member: Member,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The number of the connection that is the client's now.
    owner: u64,
    /// Channels in whose presence it is.
    attending: HashSet<ChannelName>,
    /// Until when it is let in; `None` for ever.
    until: Option<Instant>,
    /// Channels that tokens have given it, and until when; `None` for ever.
    granted: HashMap<ChannelName, Option<Instant>>,
    /// Those of them that it has only while it has subscribed.
    lent: HashSet<ChannelName>,
}

impl Identity {
    pub(crate) fn new(client: ClientId, member: Member) -> Self {
        Self {
            client,
            member,
            state: Mutex::default(),
        }
    }

    /// Another connection is the client's from now on; gives its number.
    pub(crate) fn take_over(&self) -> u64 {
        let mut state = lock(&self.state);
        state.owner += 1;
        state.owner
    }

    /// Whether this connection is still the client's.
    pub(crate) fn is_owner(&self, number: u64) -> bool {
        lock(&self.state).owner == number
    }

    /// It is let in until then, or for ever.
    pub(crate) fn hold(&self, until: Option<Instant>) {
        lock(&self.state).until = until;
    }

    /// For how long it is still let in; `None` for ever.
    pub(crate) fn left(&self) -> Option<Duration> {
        let until = lock(&self.state).until?;
        Some(until.saturating_duration_since(Instant::now()))
    }

    /// Whether it may not come back without a token.
    pub(crate) fn has_expired(&self) -> bool {
        self.left() == Some(Duration::ZERO)
    }

    /// A token gives it a channel, until then or for ever.
    pub(crate) fn grant(&self, channel: ChannelName, until: Option<Instant>) {
        let (mut state, now) = (lock(&self.state), Instant::now());
        let holds = |until: &Option<Instant>| until.is_none_or(|until| until > now);
        state.granted.retain(|_, until| holds(until));
        state.granted.insert(channel, until);
    }

    /// What gave it a channel does so no more.
    pub(crate) fn take(&self, channel: &ChannelName) {
        lock(&self.state).granted.remove(channel);
    }

    /// Whether a token has given it a channel, and still does.
    pub(crate) fn is_granted(&self, channel: &ChannelName) -> bool {
        let state = lock(&self.state);
        let until = state.granted.get(channel);
        until.is_some_and(|until| until.is_none_or(|until| until > Instant::now()))
    }

    /// The same, until it has unsubscribed.
    pub(crate) fn lend(&self, channel: ChannelName, until: Option<Instant>) {
        self.grant(channel.clone(), until);
        lock(&self.state).lent.insert(channel);
    }

    /// Whether a channel was lent, however long ago.
    pub(crate) fn is_lent(&self, channel: &ChannelName) -> bool {
        lock(&self.state).lent.contains(channel)
    }

    /// Takes back what was lent, but for these channels.
    pub(crate) fn take_back(&self, keep: impl Fn(&ChannelName) -> bool) {
        let State { granted, lent, .. } = &mut *lock(&self.state);
        lent.retain(|channel| {
            let is_kept = keep(channel);
            if !is_kept {
                granted.remove(channel);
            }
            is_kept
        });
    }

    /// The client comes to a channel; whether it was not there.
    pub(crate) fn attend(&self, channel: &ChannelName) -> bool {
        lock(&self.state).attending.insert(channel.clone())
    }

    /// The client goes, if that connection is still its own; whether it was there.
    pub(crate) fn miss(&self, channel: &ChannelName, number: u64) -> bool {
        let mut state = lock(&self.state);
        state.owner == number && state.attending.remove(channel)
    }

    /// Where it is.
    pub(crate) fn attending(&self) -> Vec<ChannelName> {
        lock(&self.state).attending.iter().cloned().collect()
    }
}

/// What may be resumed, and the key to names of publishers.
pub(crate) struct Sessions {
    store: Mutex<Store>,
    key: [u8; 32],
}

#[derive(Default)]
struct Store {
    held: HashMap<[u8; BYTES], Held>,
    /// Sessions whose connections were lost, in that order.
    lost: VecDeque<(Instant, [u8; BYTES])>,
}

struct Held {
    identity: Arc<Identity>,
    /// The connection that it has; `None` when that was lost.
    remote: Option<Remote>,
}

/// What resumes a session, once.
#[derive(Clone, Copy)]
pub(crate) struct Secret([u8; BYTES]);

impl Sessions {
    pub(crate) fn new() -> Self {
        Self {
            store: Mutex::default(),
            key: rand::random(),
        }
    }

    /// A secret for a client that has this connection.
    pub(crate) fn issue(&self, identity: &Arc<Identity>, remote: &Remote) -> Secret {
        let secret = Secret(rand::random());
        let held = Held {
            identity: Arc::clone(identity),
            remote: Some(remote.clone()),
        };
        lock(&self.store).held.insert(secret.0, held);
        secret
    }

    /// The client of a secret, which is void from now on, and the connection that it had.
    pub(crate) fn take(&self, secret: &str) -> Option<(Arc<Identity>, Option<Remote>)> {
        let secret = decode::<BYTES>(secret)?;
        let mut store = lock(&self.store);
        store.forget(Instant::now());
        let Held { identity, remote } = store.held.remove(&secret)?;
        Some((identity, remote))
    }

    /// The connection is lost: the session waits for the next one.
    pub(crate) fn lose(&self, secret: Secret) {
        let (mut store, now) = (lock(&self.store), Instant::now());
        store.forget(now);
        if let Some(held) = store.held.get_mut(&secret.0) {
            held.remote = None;
            store.lost.push_back((now, secret.0));
        }
    }

    /// Nobody can resume this session.
    pub(crate) fn revoke(&self, secret: Secret) {
        lock(&self.store).held.remove(&secret.0);
    }

    /// Nobody can resume these sessions.
    pub(crate) fn revoke_all(&self, whom: &Whom) {
        let is_one = |held: &Held| whom.is(&held.identity.member.user, held.identity.client);
        lock(&self.store).held.retain(|_, held| !is_one(held));
    }

    /// The publisher of this name, if it was given to this user; else a new one.
    pub(crate) fn publisher(&self, name: Option<&str>, user: &str) -> (String, PublisherId) {
        let known = name.and_then(decode::<{ 2 * BYTES }>).and_then(|bytes| {
            let (id, proof) = bytes.split_at(BYTES);
            self.mac(id, user).verify_truncated_left(proof).ok()?;
            <[u8; BYTES]>::try_from(id).ok()
        });
        let id = known.unwrap_or_else(rand::random);
        let proof = self.mac(&id, user).finalize().into_bytes();
        let name = URL_SAFE_NO_PAD.encode([&id[..], &proof[..BYTES]].concat());
        (name, PublisherId::new(id))
    }

    fn mac(&self, id: &[u8], user: &str) -> Hmac<Sha256> {
        // A key of any length will do.
        #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("a key");
        mac.update(id);
        mac.update(user.as_bytes());
        mac
    }
}

impl Store {
    /// Forgets sessions that nobody has resumed in time, and those that are too many.
    fn forget(&mut self, now: Instant) {
        while let Some((at, secret)) = self.lost.front().copied()
            && (now - at >= KEPT || self.lost.len() > LOST)
        {
            self.lost.pop_front();
            self.held.remove(&secret);
        }
    }
}

impl Secret {
    /// As it is told to the client.
    pub(crate) fn text(self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }
}

fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn publisher_keeps_its_name_for_the_same_user_only() {
        let sessions = Sessions::new();
        let (name, id) = sessions.publisher(None, "ann");

        assert_eq!(sessions.publisher(Some(&name), "ann"), (name.clone(), id));
        assert_ne!(sessions.publisher(Some(&name), "bob").1, id);
        assert_ne!(Sessions::new().publisher(Some(&name), "ann").1, id);
        for forged in ["", "1", &name[1..], &format!("{name}A")] {
            assert_ne!(sessions.publisher(Some(forged), "ann").1, id, "{forged}");
        }
    }
}
