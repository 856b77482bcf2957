//! The plain door: a channel as a WebSocket endpoint, for any page with `new WebSocket`.
//!
//! What is sent is published, what is published is received. The format `raw` hands the payload on
//! as it is; `json` sends one object a message, and the first is always a position, so that a page
//! knows from where to go on when it comes back: `/ws/chat:room1?format=json&since=kzeqhzcd.0:17`.

mod entrance;
mod guard;
pub(crate) mod json;
mod watching;

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use holdwire::proto::{Event, Flow, Sender};
use holdwire::shard::{Join, Remote, Session, Topic};
use holdwire::{CloseCode, Endpoint, Upgrade};
use http::Request;
use tokio::task::AbortHandle;

pub use self::entrance::Entrance;
pub use self::guard::guarded;
use self::json::Refused;
use self::watching::Watched;
use crate::channel::ChannelName;
use crate::cursor::{Cursor, Hears, Listener, Next};
use crate::engine::{Answer, EngineError, PublishError};
use crate::format::{self, Format, Place};
use crate::hub::{Hub, Subscription};
use crate::local::{CHANGED, HAS_CHANGED, UNAVAILABLE};
use crate::position::{Epoch, Position};
use crate::presence::{ClientId, Member};
use crate::publication::{Payload, Publication};
use crate::reading::{Gap, Reading, Since};
use crate::session::{ABUSE, FAR_TOO_FAST, Pass, Purse};

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
/// `presence` where the namespace does not show it with 403. Where a namespace's
/// [`Access`](crate::Access) asks for more, whoever has no name is refused with 401, and a token is
/// not looked at: [`guarded`] does that.
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
    let (hook, prefix) = (hub.clone(), Arc::<str>::from(prefix));
    sessions(hub).on_upgrade(move |upgrade: Upgrade| {
        let entrance = guard::entrance(&hook, &prefix, &upgrade.request);
        let member = upgrade.request.extensions().get::<Member>();
        let user = member.map_or("", |member| &member.user);
        let entrance = match entrance {
            Ok(mut entrance) => {
                guard::admit(&hook, &mut entrance, user, false, false).map(|()| entrance)
            }
            refused => refused,
        };
        std::future::ready(match entrance {
            Ok(entrance) => Ok(upgrade.accept().context(entrance)),
            Err(refusal) => Err(refusal),
        })
    })
}

/// The endpoint without its hook, which leaves an [`Entrance`] in the request.
fn sessions(hub: &Hub) -> Endpoint {
    let hub = hub.clone();
    Endpoint::sessions(move |request: Request<()>, remote| {
        let entrance = request.extensions().get::<Entrance>();
        // Without the hook nobody is let in.
        let entrance = entrance.cloned();
        let member = request.extensions().get::<Member>().cloned();
        let watched = request.extensions().get::<Option<Box<Watched>>>().cloned();
        entrance.map_or_else(
            || Door::Shut,
            |entrance| {
                let member = member.unwrap_or_default();
                let plain = Plain::new(&hub, entrance, member, remote);
                Door::Open(plain.watched(watched.flatten()))
            },
        )
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
    cursor: Cursor,
    client: Option<Box<(ClientId, Member)>>,
    /// When it has to go.
    timer: Option<AbortHandle>,
    /// It may not publish.
    is_mute: bool,
    /// What it wants to publish as soon as it has joined.
    held: Option<Box<Payload>>,
    /// What the engine has answered.
    inbox: Option<Inbox>,
    /// What is there only for a policy that asks for more.
    watched: Option<Box<Watched>>,
    /// What it has spent, where that is limited.
    purse: Option<Box<Purse>>,
}

/// Where a reading arrives that the engine did not have at once.
type Inbox = Arc<Mutex<Option<Result<Reading, EngineError>>>>;

/// Tells a subscriber what its cursor reads.
struct Teller<'a, 'b> {
    hub: &'a Hub,
    channel: &'a ChannelName,
    format: Format,
    compress: bool,
    sender: &'a mut Sender<'b>,
    /// Nothing was sent in this turn.
    is_first: bool,
}

impl Teller<'_, '_> {
    fn is_raw(&self) -> bool {
        self.format == Format::Raw
    }
}

impl Listener for Teller<'_, '_> {
    fn begin(&mut self, at: Position, gap: Option<&Gap>, _: bool) -> Hears {
        if !self.is_raw() {
            // Whoever is closing gets nothing more.
            let _ = self.sender.text(&format::position(at));
        }
        gap.map_or(Hears::On, |gap| self.gap(gap))
    }

    /// In the raw format only the end of the connection can tell it.
    fn gap(&mut self, gap: &Gap) -> Hears {
        self.hub.counters().gap(gap.reason);
        if self.is_raw() {
            let go_on = gap.epoch.at(gap.to);
            self.sender
                .close(GAP, &format!("{gap}; go on with since={go_on}"));
            return Hears::Over;
        }
        let _ = self.sender.text(&format::gap(gap));
        Hears::On
    }

    /// Each message names its epoch.
    fn fork(&mut self) -> Hears {
        Hears::On
    }

    fn replay(&mut self, epoch: Epoch, publication: &Publication) -> Hears {
        let room = (self.sender.limit() / 2).saturating_sub(self.sender.queued());
        let is_first = std::mem::take(&mut self.is_first) && self.sender.queued() == 0;
        if publication.payload.len() > room && !is_first {
            return Hears::Full;
        }
        let place = Place {
            channel: self.channel,
            epoch,
            publication,
        };
        let replayed = self.format.replay(&place, self.compress, self.sender);
        if replayed.is_err() {
            return Hears::Over;
        }
        self.hub.counters().replayed(1);
        Hears::On
    }
}

impl Plain {
    /// A subscriber who has been let in; others see `member` when the namespace shows presence.
    #[must_use]
    pub fn new(hub: &Hub, entrance: Entrance, member: Member, remote: Remote) -> Self {
        let subscription = hub.subscribe(&entrance.channel, entrance.format);
        let is_shown = subscription.namespace().presence;
        let mut purse = hub.limiting().purse();
        if let Some(purse) = &mut purse {
            purse.belong(&member.user);
        }
        let timer = entrance.holds.map(|holds| {
            let remote = remote.clone();
            let timer = hub.runtime().spawn(async move {
                tokio::time::sleep(holds).await;
                remote.close(CloseCode::UNAUTHORIZED, "the token has expired");
            });
            timer.abort_handle()
        });
        Self {
            timer,
            subscription,
            remote,
            cursor: Cursor::new(entrance.since),
            client: is_shown.then(|| Box::new((ClientId::new(rand::random()), member))),
            held: None,
            is_mute: entrance.is_mute,
            inbox: None,
            watched: None,
            purse,
        }
    }

    fn is_raw(&self) -> bool {
        self.subscription.format == Format::Raw
    }

    /// Does what the cursor wants.
    fn go_on(&mut self, mut next: Next, sender: &mut Sender<'_>) {
        while let Next::Read(position) = next {
            let subscription = &self.subscription;
            let page = subscription.namespace().page.max(1);
            let since = Since::Position(position);
            match subscription.hub.read(subscription.channel(), since, page) {
                Answer::Now(reading) => next = self.take(reading, sender),
                Answer::Later(reading) => {
                    let inbox = self.inbox.get_or_insert_default();
                    let (inbox, remote) = (Arc::clone(inbox), self.remote.clone());
                    subscription.hub.runtime().spawn(async move {
                        let reading = reading.await;
                        *inbox.lock().unwrap_or_else(PoisonError::into_inner) = Some(reading);
                        remote.wake();
                    });
                    return;
                }
            }
        }
        match next {
            Next::Rest => self.remote.wake_when_sent(),
            Next::Join => self.subscription.join(&self.remote),
            Next::Read(_) | Next::Nothing => {}
        }
    }

    /// Sends a page.
    fn take(&mut self, reading: Result<Reading, EngineError>, sender: &mut Sender<'_>) -> Next {
        let Ok(reading) = reading else {
            self.close(sender, CloseCode::TRY_AGAIN_LATER, UNAVAILABLE);
            return Next::Nothing;
        };
        let mut teller = teller(&self.subscription, sender);
        self.cursor.read(&reading, &mut teller)
    }

    fn close(&mut self, sender: &mut Sender<'_>, code: CloseCode, reason: &str) {
        self.cursor.end();
        self.ends(code, reason);
        sender.close(code, reason);
    }

    /// It has joined and has everything before: from now on it is sent what is published.
    fn begin(&mut self, sender: &mut Sender<'_>) {
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
        if self.cursor.is_over() {
            return Flow::Continue;
        }
        if self.cursor.live().is_none() {
            self.held = Some(Box::new(payload));
            return Flow::Pause;
        }
        let publish = match self.ask(payload, sender) {
            Ok(publish) => publish,
            Err(flow) => return flow,
        };
        let subscription = &self.subscription;
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

    /// Whether one more message is too much.
    fn is_limited(&mut self, sender: &mut Sender<'_>) -> bool {
        let counters = self.subscription.hub.counters();
        let pass = self.purse.as_mut().map(|purse| purse.spend(true, counters));
        match pass.unwrap_or(Pass::Go) {
            Pass::Go => false,
            Pass::Wait => {
                self.refuse(&Refused::too_fast(), sender);
                true
            }
            Pass::Stop => {
                self.close(sender, ABUSE, FAR_TOO_FAST);
                true
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
        if self.subscription.namespace().publish && !self.is_mute {
            return Ok(Some(payload));
        }
        Err(Refused::not_allowed())
    }
}

fn teller<'a, 'b>(subscription: &'a Subscription, sender: &'a mut Sender<'b>) -> Teller<'a, 'b> {
    Teller {
        hub: &subscription.hub,
        channel: subscription.channel(),
        format: subscription.format,
        compress: subscription.namespace().compress,
        sender,
        is_first: true,
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
        self.go_on(self.cursor.next(), sender);
    }

    fn on_event(&mut self, event: Event<'_>, sender: &mut Sender<'_>) -> Flow {
        if let Event::Close(closing) = &event
            && let Some(code) = closing.code
        {
            self.ends(code, closing.reason);
        }
        if matches!(event, Event::Text(_) | Event::Binary(_)) && self.is_limited(sender) {
            return Flow::Continue;
        }
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
        let next = match arrived {
            Some(reading) => self.take(reading, sender),
            None => self.cursor.next(),
        };
        self.go_on(next, sender);
    }

    fn on_join(&mut self, topic: &Topic, next: u64, sender: &mut Sender<'_>) -> Join {
        let subscription = &self.subscription;
        let Some(epoch) = subscription.local.epoch(subscription.format, topic) else {
            self.close(sender, CHANGED, HAS_CHANGED);
            return Join::Leave;
        };
        let read = |place| {
            let page = subscription.namespace().page.max(1);
            let since = Since::Position(place);
            match subscription.hub.read(subscription.channel(), since, page) {
                Answer::Now(reading) => reading.ok(),
                Answer::Later(_) => None,
            }
        };
        let mut teller = teller(subscription, sender);
        let join = self.cursor.join(epoch, next, read, &mut teller);
        match join {
            Join::Stay => self.begin(sender),
            Join::Leave if self.cursor.is_over() => {}
            Join::Leave => self.remote.wake_when_sent(),
        }
        join
    }

    fn on_skip(&mut self, _: &Topic, skipped: Range<u64>, sender: &mut Sender<'_>) {
        let Some(gap) = self.cursor.skipped(&skipped) else {
            return;
        };
        if teller(&self.subscription, sender).gap(&gap) == Hears::Over {
            self.cursor.end();
        }
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
        if let Some(timer) = self.timer.take() {
            timer.abort();
        }
        self.tell_end();
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
            .field("cursor", &self.cursor)
            .finish_non_exhaustive()
    }
}
