//! The plain door: a channel as a WebSocket endpoint, for any page with `new WebSocket`.
//!
//! What is sent is published, what is published is received. The format `raw` hands the payload on
//! as it is; `json` sends one object a message, and the first is always a position, so that a page
//! knows from where to go on when it comes back: `/ws/chat:room1?format=json&since=kzeqhzcd.0:17`.

mod entrance;
mod json;

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use holdwire::proto::{Event, Flow, Sender};
use holdwire::shard::{Join, Remote, Session, Topic};
use holdwire::{CloseCode, Endpoint, Upgrade};
use http::Request;

pub use self::entrance::Entrance;
use self::json::Refused;
use crate::engine::{Answer, EngineError, Publish, PublishError};
use crate::format::{self, Format};
use crate::hub::{Hub, Subscription};
use crate::local::{CHANGED, HAS_CHANGED, UNAVAILABLE};
use crate::position::{Epoch, Position};
use crate::presence::{ClientId, Member};
use crate::publication::Payload;
use crate::reading::{Gap, Reading, Reason, Since};

/// 4410: a subscriber that cannot be told otherwise misses publications; the reason says which.
pub const GAP: CloseCode = match CloseCode::new(4410) {
    Some(code) => code,
    None => CloseCode::POLICY_VIOLATION,
};

/// The channels of a hub as an endpoint for all paths that begin with `prefix`, such as `/ws/`.
///
/// What follows it is the channel's name, percent-encoded where needed. The query says how:
/// `format=raw` or `json`, `since=EPOCH:OFFSET` or `last`, `presence`; other keys are the
/// application's. Anything wrong is refused with 400, a channel without a namespace with 404, and
/// `presence` where the namespace does not show it with 403.
///
/// An application with rules of its own builds the endpoint from [`Entrance`] and [`Plain`].
///
/// # Examples
/// ```no_run
/// use holdwire::Server;
/// use holdwire_hub::{Hub, Namespaces, plain};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let hub = Hub::in_memory(Namespaces::new());
/// let server = Server::bind("127.0.0.1:3000").await?;
/// server
///     .endpoint_under("/ws/", plain::endpoint(&hub, "/ws/"))
///     .run()
///     .await
/// # }
/// ```
#[must_use]
pub fn endpoint(hub: &Hub, prefix: &str) -> Endpoint {
    let (hook, hub, prefix) = (hub.clone(), hub.clone(), Arc::<str>::from(prefix));
    Endpoint::sessions(move |request: Request<()>, remote| {
        let entrance = request.extensions().get::<Entrance>();
        // Without the hook nobody is let in.
        let entrance = entrance.cloned();
        let member = request.extensions().get::<Member>().cloned();
        entrance.map_or_else(
            || Door::Shut,
            |entrance| {
                Door::Open(Plain::new(
                    &hub,
                    entrance,
                    member.unwrap_or_default(),
                    remote,
                ))
            },
        )
    })
    .on_upgrade(move |upgrade: Upgrade| {
        let uri = upgrade.request.uri();
        let path = uri.path().strip_prefix(&*prefix).unwrap_or_default();
        let entrance = Entrance::new(&hook, path, uri.query().unwrap_or_default());
        std::future::ready(match entrance {
            Ok(entrance) => Ok(upgrade.accept().context(entrance)),
            Err(refusal) => Err(refusal),
        })
    })
}

/// A session that may not have come by the hook.
enum Door {
    Open(Plain),
    Shut,
}

/// One subscriber of the plain door.
pub struct Plain {
    subscription: Subscription,
    remote: Remote,
    place: Place,
    /// It has not been told where it begins.
    is_untold: bool,
    client: Option<Box<(ClientId, Member)>>,
    /// What it wants to publish as soon as it has joined.
    held: Option<Box<Payload>>,
    /// What the engine has answered.
    inbox: Option<Inbox>,
}

/// Where a reading arrives that the engine did not have at once.
type Inbox = Arc<Mutex<Option<Result<Reading, EngineError>>>>;

/// Where a subscriber is in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// It begins with what is published after it has joined.
    New,
    /// It has everything up to here, and is to be sent what follows.
    At(Position),
    /// It gets what is published, in this epoch.
    Live(Epoch),
    /// It is being closed.
    Over,
}

impl Plain {
    /// A subscriber who has been let in; others see `member` when the namespace shows presence.
    #[must_use]
    pub fn new(hub: &Hub, entrance: Entrance, member: Member, remote: Remote) -> Self {
        let subscription = hub.subscribe(&entrance.channel, entrance.format);
        let is_shown = subscription.namespace().presence;
        let place = match entrance.since {
            Some(position) => Place::At(position),
            None => Place::New,
        };
        Self {
            subscription,
            remote,
            place,
            is_untold: entrance.format != Format::Raw,
            client: is_shown.then(|| Box::new((ClientId::new(rand::random()), member))),
            held: None,
            inbox: None,
        }
    }

    fn is_raw(&self) -> bool {
        self.subscription.format == Format::Raw
    }

    /// Reads on, or joins where nothing is left to be read.
    fn go_on(&mut self, sender: &mut Sender<'_>) {
        let Place::At(position) = self.place else {
            return;
        };
        let subscription = &self.subscription;
        let page = subscription.namespace().page.max(1);
        let since = Since::Position(position);
        match subscription.hub.read(subscription.channel(), since, page) {
            Answer::Now(reading) => self.take(reading, sender),
            Answer::Later(reading) => {
                let inbox = self.inbox.get_or_insert_default();
                let (inbox, remote) = (Arc::clone(inbox), self.remote.clone());
                subscription.hub.runtime().spawn(async move {
                    let reading = reading.await;
                    *inbox.lock().unwrap_or_else(PoisonError::into_inner) = Some(reading);
                    remote.wake();
                });
            }
        }
    }

    /// Sends a page; then it reads on when that has been written, or joins.
    fn take(&mut self, reading: Result<Reading, EngineError>, sender: &mut Sender<'_>) {
        let Ok(reading) = reading else {
            return self.close(sender, CloseCode::TRY_AGAIN_LATER, UNAVAILABLE);
        };
        self.show(&reading, u64::MAX, sender);
        match self.place {
            Place::At(position) if position.offset < reading.newest => {
                self.remote.wake_when_sent();
            }
            Place::At(_) => self.subscription.join(&self.remote),
            _ => {}
        }
    }

    /// Sends what was read, below the offset `end`, as far as half the queue has room.
    fn show(&mut self, reading: &Reading, end: u64, sender: &mut Sender<'_>) {
        let Place::At(before) = self.place else {
            return;
        };
        let epoch = reading.position.epoch;
        let mut place = epoch.at(before.offset);
        let gap = reading.gap.map(|gap| {
            // What is published from `end` on comes by itself.
            let to = gap.to.min(end - 1);
            let from = gap.from.min(to + 1);
            Gap { from, to, ..gap }
        });
        if let Some(gap) = gap {
            place = epoch.at(gap.to);
        }
        self.tell_place(place, sender);
        if let Some(gap) = gap {
            self.tell_gap(&gap, sender);
            if self.place == Place::Over {
                return;
            }
        }
        let mut count = 0;
        for publication in &reading.publications {
            let room = (sender.limit() / 2).saturating_sub(sender.queued());
            let is_first = count == 0 && sender.queued() == 0;
            if publication.offset >= end || (publication.payload.len() > room && !is_first) {
                break;
            }
            if publication.offset <= place.offset {
                continue;
            }
            let message = self.subscription.format.publication(epoch, publication);
            if sender.message(message).is_err() {
                self.place = Place::Over;
                return;
            }
            place = epoch.at(publication.offset);
            count += 1;
        }
        self.place = Place::At(place);
        self.subscription.hub.counters().replayed(count);
    }

    /// Says where the subscriber begins, once.
    fn tell_place(&mut self, place: Position, sender: &mut Sender<'_>) {
        if std::mem::take(&mut self.is_untold) {
            // Whoever is closing gets nothing more.
            let _ = sender.text(&format::position(place));
        }
    }

    /// Says what is missing; in the raw format only the end of the connection can.
    fn tell_gap(&mut self, gap: &Gap, sender: &mut Sender<'_>) {
        self.subscription.hub.counters().gap(gap.reason);
        if self.is_raw() {
            let go_on = gap.epoch.at(gap.to);
            return self.close(sender, GAP, &format!("{gap}; go on with since={go_on}"));
        }
        let _ = sender.text(&format::gap(gap));
    }

    fn close(&mut self, sender: &mut Sender<'_>, code: CloseCode, reason: &str) {
        self.place = Place::Over;
        sender.close(code, reason);
    }

    /// It has joined and has everything before: from now on it is sent what is published.
    fn begin(&mut self, epoch: Epoch, sender: &mut Sender<'_>) {
        self.place = Place::Live(epoch);
        self.inbox = None;
        if self.subscription.format == Format::JsonPresence {
            self.tell_members(sender);
        }
        if let Some(payload) = self.held.take()
            && self.publish(*payload, sender) == Flow::Continue
        {
            self.remote.resume();
        }
    }

    fn tell_members(&self, sender: &mut Sender<'_>) {
        let subscription = &self.subscription;
        match subscription.hub.engine().members(subscription.channel()) {
            Answer::Now(Ok(members)) => {
                let _ = sender.text(&format::members(&members));
            }
            Answer::Now(Err(_)) => {}
            Answer::Later(members) => {
                let remote = self.remote.clone();
                subscription.hub.runtime().spawn(async move {
                    if let Ok(members) = members.await {
                        let _ = remote.send(format::members(&members)).await;
                    }
                });
            }
        }
    }

    /// Publishes, when it has joined: whoever publishes gets that too.
    fn publish(&mut self, payload: Payload, sender: &mut Sender<'_>) -> Flow {
        match self.place {
            Place::Live(_) => {}
            Place::Over => return Flow::Continue,
            Place::New | Place::At(_) => {
                self.held = Some(Box::new(payload));
                return Flow::Pause;
            }
        }
        let subscription = &self.subscription;
        let publish = Publish { payload, key: None };
        match subscription.hub.put(subscription.channel(), publish) {
            Answer::Now(Ok(_)) => subscription.local.pace(&self.remote),
            Answer::Now(Err(error)) => {
                self.refuse(&Refused::of(&error), sender);
                Flow::Continue
            }
            Answer::Later(result) => {
                let (remote, local) = (self.remote.clone(), Arc::clone(&subscription.local));
                let is_raw = self.is_raw();
                subscription.hub.runtime().spawn(async move {
                    match result.await {
                        // Its turn comes when the others have caught up.
                        Ok(_) if local.pace(&remote) == Flow::Pause => return,
                        Ok(_) => {}
                        Err(error) => refuse_later(&remote, is_raw, &error).await,
                    }
                    remote.resume();
                });
                Flow::Pause
            }
        }
    }

    /// Says that something was not published, and why.
    fn refuse(&mut self, refused: &Refused, sender: &mut Sender<'_>) {
        if self.is_raw() {
            return self.close(sender, refused.close, &refused.message);
        }
        let _ = sender.text(&refused.json());
    }

    /// What a message asks to publish.
    fn payload(&self, event: Event<'_>) -> Result<Option<Payload>, Refused> {
        let payload = match event {
            Event::Text(text) if self.is_raw() => Payload::Text(text.into()),
            Event::Binary(bytes) if self.is_raw() => Payload::Binary(bytes.into_owned().into()),
            Event::Text(text) => json::payload(&text)?,
            Event::Binary(_) => return Err(Refused::not_json("a binary message is no JSON")),
            _ => return Ok(None),
        };
        if self.subscription.namespace().publish {
            return Ok(Some(payload));
        }
        Err(Refused::not_allowed())
    }
}

async fn refuse_later(remote: &Remote, is_raw: bool, error: &PublishError) {
    let refused = Refused::of(error);
    if is_raw {
        remote.close(refused.close, refused.message);
    } else {
        // It may be gone.
        let _ = remote.send(refused.json()).await;
    }
}

impl Session for Plain {
    fn on_open(&mut self, sender: &mut Sender<'_>) {
        if let Some(client) = &self.client {
            let (client, member) = &**client;
            let subscription = &self.subscription;
            let engine = subscription.hub.engine();
            let entering = engine.enter(subscription.channel(), *client, member.clone());
            self.wait_for(entering);
        }
        match self.place {
            Place::New => self.subscription.join(&self.remote),
            _ => self.go_on(sender),
        }
    }

    fn on_event(&mut self, event: Event<'_>, sender: &mut Sender<'_>) -> Flow {
        match self.payload(event) {
            Ok(Some(payload)) => self.publish(payload, sender),
            Ok(None) => Flow::Continue,
            Err(refused) => {
                self.refuse(&refused, sender);
                Flow::Continue
            }
        }
    }

    fn on_wake(&mut self, sender: &mut Sender<'_>) {
        let arrived = self.inbox.as_ref().and_then(|inbox| {
            let mut inbox = inbox.lock().unwrap_or_else(PoisonError::into_inner);
            inbox.take()
        });
        match arrived {
            Some(reading) => self.take(reading, sender),
            None => self.go_on(sender),
        }
    }

    fn on_join(&mut self, topic: &Topic, next: u64, sender: &mut Sender<'_>) -> Join {
        let subscription = &self.subscription;
        let Some(epoch) = subscription.local.epoch(subscription.format, topic) else {
            self.close(sender, CHANGED, HAS_CHANGED);
            return Join::Leave;
        };
        let top = epoch.at(next - 1);
        let mut place = match self.place {
            Place::New => {
                self.tell_place(top, sender);
                top
            }
            Place::At(place) => place,
            Place::Live(_) | Place::Over => return Join::Leave,
        };
        if place.epoch == epoch && place.offset < top.offset {
            let subscription = &self.subscription;
            let since = Since::Position(place);
            let page = subscription.namespace().page.max(1);
            let answer = subscription.hub.read(subscription.channel(), since, page);
            if let Answer::Now(Ok(reading)) = answer
                && reading.position.epoch == epoch
            {
                self.show(&reading, next, sender);
                let Place::At(shown) = self.place else {
                    return Join::Leave;
                };
                place = shown;
            }
        }
        if place == top {
            self.begin(epoch, sender);
            return Join::Stay;
        }
        // There is more than fits now, or the log has moved on: another page first.
        self.remote.wake_when_sent();
        Join::Leave
    }

    fn on_skip(&mut self, _: &Topic, skipped: Range<u64>, sender: &mut Sender<'_>) {
        let Place::Live(epoch) = self.place else {
            return;
        };
        if skipped.is_empty() {
            return;
        }
        let gap = Gap {
            reason: Reason::Slow,
            from: skipped.start,
            to: skipped.end - 1,
            epoch,
        };
        self.tell_gap(&gap, sender);
    }

    fn on_slow(&mut self, _: &Topic) {
        self.subscription.hub.counters().closed_slow();
    }
}

impl Plain {
    /// What is asked of the engine happens, if not at once.
    fn wait_for(&self, answer: Answer<Result<(), EngineError>>) {
        if let Answer::Later(answer) = answer {
            self.subscription.hub.runtime().spawn(answer);
        }
    }
}

impl Drop for Plain {
    /// Whoever is gone is seen for the time of grace, in which it may come back.
    fn drop(&mut self) {
        let Some((client, _)) = self.client.take().map(|client| *client) else {
            return;
        };
        let hub = self.subscription.hub.clone();
        let local = Arc::clone(&self.subscription.local);
        self.subscription.hub.runtime().spawn(async move {
            tokio::time::sleep(local.namespace.grace).await;
            // An engine that cannot be reached forgets it by itself.
            let _ = hub.engine().leave(&local.channel, client).get().await;
        });
    }
}

impl Session for Door {
    fn on_open(&mut self, sender: &mut Sender<'_>) {
        match self {
            Self::Open(plain) => plain.on_open(sender),
            Self::Shut => sender.close(CloseCode::INTERNAL_ERROR, ""),
        }
    }

    fn on_event(&mut self, event: Event<'_>, sender: &mut Sender<'_>) -> Flow {
        match self {
            Self::Open(plain) => plain.on_event(event, sender),
            Self::Shut => Flow::Continue,
        }
    }

    fn on_wake(&mut self, sender: &mut Sender<'_>) {
        if let Self::Open(plain) = self {
            plain.on_wake(sender);
        }
    }

    fn on_join(&mut self, topic: &Topic, next: u64, sender: &mut Sender<'_>) -> Join {
        match self {
            Self::Open(plain) => plain.on_join(topic, next, sender),
            Self::Shut => Join::Leave,
        }
    }

    fn on_skip(&mut self, topic: &Topic, skipped: Range<u64>, sender: &mut Sender<'_>) {
        if let Self::Open(plain) = self {
            plain.on_skip(topic, skipped, sender);
        }
    }

    fn on_slow(&mut self, topic: &Topic) {
        if let Self::Open(plain) = self {
            plain.on_slow(topic);
        }
    }
}

impl std::fmt::Debug for Plain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plain")
            .field("channel", self.subscription.channel())
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}
