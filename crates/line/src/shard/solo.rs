//! A session in a task of its own: over TLS, and in a server without shards.

use std::collections::VecDeque;
use std::future::{pending, poll_fn};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use holdwire_proto::{Event, Flow, Handler, Message, SendError, Sender};
use http::Request;
use tokio::sync::oneshot;

use super::mailbox::{Command, Mailbox, Order};
use super::opening::{Make, Owner};
use super::remote::Remote;
use super::session::{Join, Nobody, Session};
use super::slab::Id;
use super::topic::{Publication, Slow, Topic};
use crate::error::Error;
use crate::handle::Shared;
use crate::stats::Stats;
use crate::websocket::WebSocket;

/// The one connection of its mailbox.
const ONLY: Id = Id {
    index: 0,
    generation: 0,
};

/// How often commands are taken before others have their turn.
const LOOKS: u32 = 8;

/// Runs the session of a connection until the connection has ended.
pub(crate) fn run(
    mut socket: WebSocket,
    make: Make,
    request: Request<()>,
    owner: Arc<dyn Owner>,
) -> impl Future<Output = ()> + Send {
    // Before anything is awaited: from now on it can be asked for something.
    let mailbox = Open(Mailbox::new());
    let remote = Remote::new(Arc::clone(&mailbox.0), ONLY);
    socket.handle.0.is_driven_by(remote.clone());
    async move {
        let mut solo = Solo {
            session: make(request, remote),
            shared: Arc::clone(&socket.handle.0),
            topics: Vec::new(),
            is_paused: false,
            is_to_wake: false,
            told: Stats::default(),
            waiting: VecDeque::new(),
            looks: 0,
            mailbox,
            owner,
        };
        solo.call(|session, sender| session.on_open(sender));
        let mut commands = Vec::new();
        while socket.closed().is_none() {
            if solo.next(&mut socket, &mut commands).await {
                break;
            }
            for command in commands.drain(..) {
                solo.obey(command);
            }
            solo.tell_skipped();
            solo.wake_when_sent();
        }
        solo.report();
    }
}

struct Solo {
    session: Box<dyn Session>,
    shared: Arc<Shared>,
    topics: Vec<Joined>,
    is_paused: bool,
    /// The session is woken when nothing waits to be written.
    is_to_wake: bool,
    /// What the owner knows of.
    told: Stats,
    /// Messages that wait for room, and who waits until they are queued.
    waiting: VecDeque<(Message, Done)>,
    /// How often there were commands since the task last went to sleep for their sake.
    looks: u32,
    mailbox: Open,
    owner: Arc<dyn Owner>,
}

type Done = oneshot::Sender<Result<(), Error>>;

/// A mailbox that takes nothing more when this is dropped.
struct Open(Arc<Mailbox>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// A topic, and what of it was left out and not told yet.
struct Joined {
    topic: Topic,
    skipped: Option<Range<u64>>,
}

impl Solo {
    /// Lends events to the session until somebody asks for something; true when the connection
    /// has failed.
    async fn next(&mut self, socket: &mut WebSocket, commands: &mut Vec<Command>) -> bool {
        let Self {
            session,
            shared,
            topics,
            is_paused,
            is_to_wake,
            told,
            waiting,
            looks,
            mailbox,
            owner,
        } = self;
        let is_draining = *is_to_wake || topics.iter().any(|joined| joined.skipped.is_some());
        let was_paused = *is_paused;
        let handle = socket.handle.clone();
        let mut lend = pin!(async {
            if was_paused {
                return pending().await;
            }
            socket.lend(Lent { session, is_paused }).await
        });
        poll_fn(|cx: &mut Context<'_>| {
            let lent = lend.as_mut().poll(cx);
            report(shared, told, owner);
            if let Poll::Ready(lent) = lent {
                return Poll::Ready(lent.is_err());
            }
            // Who asks for something whenever it is asked keeps neither the driver nor the thread.
            if *looks == LOOKS {
                *looks = 0;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            if mailbox.0.poll_take(cx, commands).is_ready() {
                *looks += 1;
                return Poll::Ready(false);
            }
            send_waiting(shared, waiting, Some(cx));
            if is_draining {
                let mut state = shared.lock();
                state.wait(cx);
                if state.queued() == 0 {
                    return Poll::Ready(false);
                }
            }
            if was_paused && handle.poll_over(cx).is_ready() {
                return Poll::Ready(true);
            }
            Poll::Pending
        })
        .await
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::To(_, Order::Send(message, done)) => {
                self.waiting.push_back((message, done));
                if self.waiting.len() == 1 {
                    send_waiting(&self.shared, &mut self.waiting, None);
                }
            }
            Command::To(_, Order::Close(code, reason)) => self.shared.lock().close(code, &reason),
            Command::To(_, Order::Drain(code, reason)) => {
                self.call(|session, sender| session.on_drain(code, &reason, sender));
                self.shared.lock().close(code, &reason);
            }
            Command::To(_, Order::Cut) => self.shared.lock().cut(),
            Command::To(_, Order::PlayDead(duration)) => self.shared.lock().play_dead(duration),
            Command::To(_, Order::Resume) => self.is_paused = false,
            Command::To(_, Order::Wake) => self.call(|session, sender| session.on_wake(sender)),
            Command::To(_, Order::WakeWhenSent) => self.is_to_wake = true,
            Command::To(_, Order::Join(topic)) => self.join(topic),
            Command::To(_, Order::Leave(topic)) => self.leave(&topic),
            Command::Deliver(topic) => self.deliver(&topic),
            Command::Disband(topic, code, reason) => {
                self.deliver(&topic);
                if self.topics.iter().any(|joined| joined.topic == topic) {
                    self.leave(&topic);
                    self.call(|session, sender| session.on_end(&topic, code, &reason, sender));
                }
            }
            // A shard's only.
            Command::Open(..) | Command::Name(_) | Command::CutAll | Command::Stop => {}
        }
    }

    /// Calls the session outside of an event.
    fn call(&mut self, act: impl FnOnce(&mut dyn Session, &mut Sender<'_>)) {
        let session = &mut *self.session;
        self.shared.lock().reply_with(|sender| act(session, sender));
    }

    fn join(&mut self, topic: Topic) {
        if self.topics.iter().any(|joined| joined.topic == topic) {
            return;
        }
        let next = topic.attach(&self.mailbox.0);
        self.topics.push(Joined {
            topic: topic.clone(),
            skipped: None,
        });
        let mut join = Join::Stay;
        self.call(|session, sender| join = session.on_join(&topic, next, sender));
        if join == Join::Leave {
            self.leave(&topic);
        }
    }

    /// Wakes a session that has waited until nothing is to be written.
    fn wake_when_sent(&mut self) {
        if self.is_to_wake && self.shared.lock().queued() == 0 {
            self.is_to_wake = false;
            self.call(|session, sender| session.on_wake(sender));
        }
    }

    fn leave(&mut self, topic: &Topic) {
        let has_left = |joined: &mut Joined| joined.topic == *topic;
        for left in self.topics.extract_if(.., has_left) {
            left.topic.detach(&self.mailbox.0);
        }
    }

    fn deliver(&mut self, topic: &Topic) {
        let mut publications = Vec::new();
        topic.take(&self.mailbox.0, &mut publications);
        for publication in publications {
            if publication.publisher(&self.mailbox.0).is_none() {
                self.hand_over(topic, &publication);
            }
        }
    }

    fn hand_over(&mut self, topic: &Topic, publication: &Publication) {
        self.tell_skipped();
        let mut joined = self.topics.iter_mut();
        let Some(joined) = joined.find(|joined| joined.topic == *topic) else {
            return;
        };
        if let Some(skipped) = &mut joined.skipped {
            skipped.end = publication.end();
            return;
        }
        let sent = self.shared.lock().send_prepared(&publication.message);
        match (sent, topic.slow()) {
            (Err(SendError::Full), Slow::Skip) => {
                joined.skipped = Some(publication.number..publication.end());
            }
            (Err(SendError::Full), Slow::Close(code, reason)) => {
                self.session.on_slow(topic);
                self.leave(topic);
                self.shared.lock().close(*code, reason);
            }
            _ => {}
        }
    }

    /// Says what was left out, once there is room again.
    fn tell_skipped(&mut self) {
        for at in 0..self.topics.len() {
            let joined = &mut self.topics[at];
            if joined.skipped.is_some() && self.shared.lock().queued() == 0 {
                let topic = joined.topic.clone();
                if let Some(skipped) = joined.skipped.take() {
                    self.call(|session, sender| session.on_skip(&topic, skipped, sender));
                }
            }
        }
    }

    fn report(&mut self) {
        report(&self.shared, &mut self.told, &self.owner);
    }
}

/// Queues messages that wait for room, in their order; where there is none, the task of `cx` is
/// woken when there is.
fn send_waiting(
    shared: &Shared,
    waiting: &mut VecDeque<(Message, Done)>,
    cx: Option<&Context<'_>>,
) {
    while let Some((message, _)) = waiting.front() {
        let mut state = shared.lock();
        let sent = state.send(message);
        if sent == Err(SendError::Full) {
            if let Some(cx) = cx {
                state.wait(cx);
            }
            return;
        }
        drop(state);
        if let Some((_, done)) = waiting.pop_front() {
            // Nobody need be waiting any more.
            let _ = done.send(sent.map_err(|_| Error::Closed));
        }
    }
}

/// Tells the owner what went over the connection since it was last told.
fn report(shared: &Shared, told: &mut Stats, owner: &Arc<dyn Owner>) {
    let now = shared.lock().stats();
    let (mut received, mut sent) = (now.received, now.sent);
    received -= &told.received;
    sent -= &told.sent;
    if received.messages + sent.messages > 0 {
        owner.moved(&received, &sent);
        *told = now;
    }
}

impl Drop for Solo {
    fn drop(&mut self) {
        self.mailbox.0.close();
        for joined in &self.topics {
            joined.topic.detach(&self.mailbox.0);
        }
        // It may panic, also while a panic of its own unwinds.
        let session = std::mem::replace(&mut self.session, Box::new(Nobody));
        if catch_unwind(AssertUnwindSafe(|| drop(session))).is_err() {
            tracing::warn!("a session panicked when it was dropped");
        }
    }
}

/// A session as the handler of a lease.
struct Lent<'a> {
    session: &'a mut Box<dyn Session>,
    is_paused: &'a mut bool,
}

impl Handler for Lent<'_> {
    fn on_event(&mut self, event: Event<'_>, sender: &mut Sender<'_>) -> Flow {
        let flow = self.session.on_event(event, sender);
        *self.is_paused = flow == Flow::Pause;
        flow
    }
}
