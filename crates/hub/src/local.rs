//! What this node knows of one channel, as long as somebody here has subscribed to it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use holdwire::proto::Flow;
use holdwire::shard::{Remote, Topic};
use holdwire::{CloseCode, Prepared};

use crate::channel::{ChannelName, Namespace};
use crate::counts::Counters;
use crate::engine::Follower;
use crate::format::{self, Format};
use crate::position::{Epoch, Position};
use crate::presence::{ClientId, Member};
use crate::publication::Publication;

/// 4205: the channel's log is another one, or has forked; whoever comes back with its position is
/// told exactly what it misses.
pub const CHANGED: CloseCode = match CloseCode::new(4205) {
    Some(code) => code,
    None => CloseCode::TRY_AGAIN_LATER,
};

/// 4208: the subscriber reads too slowly, and more would wait for it than may; it comes back with
/// its position when it can, and is sent the rest at its own pace.
pub const TOO_SLOW: CloseCode = match CloseCode::new(4208) {
    Some(code) => code,
    None => CloseCode::TRY_AGAIN_LATER,
};

/// What subscribers are told with [`TOO_SLOW`].
pub(crate) const IS_SLOW: &str = "too slow: come back with your position";

/// What subscribers are told with [`CHANGED`].
pub(crate) const HAS_CHANGED: &str = "the channel's log has changed: come back with your position";

/// A channel on this node: follows it in the engine, and hands what happens there to a topic for
/// each format that somebody takes.
///
/// The numbers of a topic *are* the offsets of the log: a session that joins it knows from the
/// number of the next publication what is left to be read.
pub(crate) struct Local {
    pub(crate) channel: ChannelName,
    pub(crate) namespace: Namespace,
    counters: Arc<Counters>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// What was published last; `None` until the engine has said.
    position: Option<Position>,
    feeds: [Feed; Format::COUNT],
    /// Who wants to join as soon as that is known.
    waiting: Vec<(Remote, Format)>,
    /// The engine does not tell this node what happens.
    has_failed: bool,
}

/// The subscribers of one format.
#[derive(Default)]
struct Feed {
    /// There is one when somebody takes the format.
    topic: Option<Topic>,
    subscribers: usize,
}

impl Local {
    pub(crate) fn new(channel: ChannelName, namespace: Namespace, counters: Arc<Counters>) -> Self {
        Self {
            channel,
            namespace,
            counters,
            state: Mutex::default(),
        }
    }

    /// The engine tells everything from this position on.
    pub(crate) fn begin(&self, position: Position) {
        let mut state = self.lock();
        // Something may have been told already.
        if state.position.is_none() {
            self.set(&mut state, position);
        }
    }

    /// The engine cannot tell anything: nobody is kept waiting.
    pub(crate) fn fail(&self) {
        let mut state = self.lock();
        state.has_failed = true;
        for (remote, _) in state.waiting.drain(..) {
            unavailable(&remote);
        }
    }

    /// Somebody takes this format.
    pub(crate) fn enter(&self, format: Format) {
        self.lock().feeds[format.index()].subscribers += 1;
    }

    /// Somebody takes it no more.
    pub(crate) fn leave(&self, format: Format) {
        let feed = &mut self.lock().feeds[format.index()];
        feed.subscribers -= 1;
        if feed.subscribers == 0 {
            feed.topic = None;
        }
    }

    /// Has a connection that has [entered](Self::enter) join the topic of its format, now or when
    /// the engine has said where the log is.
    pub(crate) fn join(&self, format: Format, remote: &Remote) {
        let mut state = self.lock();
        if state.has_failed {
            unavailable(remote);
        } else if let Some(position) = state.position {
            remote.join(self.topic(&mut state, format, position));
        } else {
            state.waiting.push((remote.clone(), format));
        }
    }

    /// The newest offset that this node has been told of.
    pub(crate) fn top(&self) -> Option<u64> {
        self.lock().position.map(|position| position.offset)
    }

    /// The epoch of the topic's numbers; `None` when the log has changed since it was made.
    pub(crate) fn epoch(&self, format: Format, topic: &Topic) -> Option<Epoch> {
        let state = self.lock();
        let current = state.feeds[format.index()].topic.as_ref()?;
        let epoch = state.position?.epoch;
        (current == topic).then_some(epoch)
    }

    /// Whether whoever has just published here may go on.
    pub(crate) fn pace(&self, publisher: &Remote) -> Flow {
        let state = self.lock();
        let mut topics = state.feeds.iter().filter_map(|feed| feed.topic.as_ref());
        let is_crowded = topics.any(|topic| topic.pace(publisher) == Flow::Pause);
        if is_crowded {
            Flow::Pause
        } else {
            Flow::Continue
        }
    }

    fn topic<'a>(&self, state: &'a mut State, format: Format, position: Position) -> &'a Topic {
        let slow = format.slow(self.namespace.slow);
        let topic = &mut state.feeds[format.index()].topic;
        topic.get_or_insert_with(|| Topic::starting_at(position.offset + 1, slow))
    }

    /// Moves to a position that does not follow from the one before.
    fn set(&self, state: &mut State, position: Position) {
        state.position = Some(position);
        for feed in &mut state.feeds {
            if let Some(topic) = feed.topic.take() {
                topic.close(CHANGED, HAS_CHANGED);
            }
        }
        for (remote, format) in std::mem::take(&mut state.waiting) {
            remote.join(self.topic(state, format, position));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Follower for Local {
    fn published(&self, epoch: Epoch, publication: &Publication) {
        let mut state = self.lock();
        let before = epoch.at(publication.offset - 1);
        match state.position {
            Some(position) if position == before => {}
            // It was told already, before the answer came from where on to tell.
            Some(position) if position.epoch == epoch && position.offset > before.offset => return,
            _ => self.set(&mut state, before),
        }
        state.position = Some(epoch.at(publication.offset));
        let place = format::Place {
            channel: &self.channel,
            epoch,
            publication,
        };
        let mut encoded: [Option<Prepared>; Format::COUNT] = Default::default();
        let mut deliveries = 0;
        for format in Format::ALL {
            let feed = &state.feeds[format.index()];
            let Some(topic) = &feed.topic else {
                continue;
            };
            let encoded = &mut encoded[format.encoding().index()];
            let message =
                encoded.get_or_insert_with(|| format.prepare(&place, self.namespace.compress));
            let number = topic.publish(message.clone());
            debug_assert_eq!(number, publication.offset);
            deliveries += feed.subscribers;
        }
        self.counters.delivered(deliveries);
    }

    fn changed(&self, position: Position) {
        self.set(&mut self.lock(), position);
    }

    fn entered(&self, client: ClientId, member: &Member) {
        self.say(true, client, member);
    }

    fn left(&self, client: ClientId, member: &Member) {
        self.say(false, client, member);
    }
}

impl Local {
    /// Tells those who want to know who is there.
    fn say(&self, joins: bool, client: ClientId, member: &Member) {
        let state = self.lock();
        for format in Format::ALL {
            let topic = state.feeds[format.index()].topic.as_ref();
            if let Some(topic) = topic.filter(|_| format.has_presence()) {
                topic.say(format.presence(&self.channel, joins, client, member));
            }
        }
    }
}

/// Sends a connection away whose engine does not answer.
fn unavailable(remote: &Remote) {
    remote.close(CloseCode::TRY_AGAIN_LATER, UNAVAILABLE);
}

/// What is told with 1013 when the engine does not answer.
pub(crate) const UNAVAILABLE: &str = "the channel cannot be read now: come back with your position";
