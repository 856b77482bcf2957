//! What the user of a client does with it.

use std::collections::HashMap;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use serde_json::value::RawValue;
use tokio::sync::{Notify, oneshot, watch};
use tokio::time::Instant;

use super::builder::Builder;
use super::machine::{Ask, Machine, Outcome, Serial, Trouble, raw};
use super::subscription::{Queue, Subscription, Wants};
use crate::channel::ChannelName;
use crate::engine::Published;
use crate::position::{Epoch, Position};
use crate::publication::{Payload, Publication};
use crate::wire::{Command, Error, History, Reply, Rpc, Start};

/// A client of the session protocol; clones are the same client.
///
/// When the last clone and the last [`Subscription`] are dropped, it stops.
///
/// # Examples
/// ```no_run
/// use holdwire_hub::client::{Client, Event, Wants};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let client = Client::to("ws://localhost:3000/connection").start();
/// let channel = "chat:lobby".parse()?;
/// let mut lobby = client.subscribe(&channel, Wants::new())?;
/// let published = client.publish(&channel, "hello")?.await?;
/// println!("it stands at {}", published.position);
/// while let Some(event) = lobby.next().await {
///     match event {
///         Event::Publication { publication, .. } => println!("{publication:?}"),
///         Event::Gap(gap) => println!("{gap}"),
///         _ => {}
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Client(Arc<Owner>);

/// Stops the client when it is dropped.
pub(super) struct Owner(pub(super) Arc<Shared>);

/// How a client is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Status {
    /// It has not had a connection or lost one yet.
    Connecting,
    /// It has no connection, and comes back by itself.
    Down {
        /// How the last connection or attempt ended.
        reason: String,
    },
    /// It has one.
    Connected {
        /// The client's name, as others see it.
        client: String,
        /// Whether its session has gone on: it has not left in between.
        resumed: bool,
    },
    /// It will not come back.
    Stopped {
        /// Why.
        reason: String,
    },
}

/// Tells what becomes of one publication: a future of where it stands.
///
/// It is repeated until it is answered, whatever happens to the line, as long as the client lives.
#[derive(Debug)]
pub struct Receipt(oneshot::Receiver<Result<Published, Unpublished>>);

/// Why a publication has no position.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unpublished {
    /// The server refused it, or it is larger than the server takes (code 106); nothing was published.
    Refused {
        /// The error code of the protocol.
        code: u16,
        /// The same for people.
        message: String,
    },
    /// The line was away for so long that the server may have forgotten whether it was published.
    Unknown,
    /// The client stopped first: it may have been published or not.
    Stopped,
}

/// A publication was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unsent {
    /// There are too many without an outcome: await a receipt.
    Full,
    /// The client has stopped.
    Stopped,
}

/// Why there is no subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SubscribeError {
    /// There is one of this client already.
    Already,
    /// The client has stopped.
    Stopped,
}

/// Why a question has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AskError {
    /// The server says no.
    Refused {
        /// The error code of the protocol.
        code: u16,
        /// The same for people.
        message: String,
    },
    /// The line was lost after it was asked: ask again.
    Lost,
    /// The client has stopped.
    Stopped,
    /// What was asked for is no JSON, or the answer is not what it should be.
    Malformed,
}

/// A page of a channel's past.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// What was published.
    pub publications: Vec<Publication>,
    /// The place after it.
    pub position: Position,
    /// The newest offset of the log: there is more while it is above that of `position`.
    pub newest: u64,
    /// The offset up to which what was asked for is not there; `None` when nothing is missing.
    pub missing_to: Option<u64>,
}

/// Somebody who is in a channel.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Member {
    /// The client's name.
    pub client: String,
    /// Whose it is; empty when nobody has said.
    pub user: String,
}

/// Between the handles and the task.
pub(super) struct Shared {
    inner: Mutex<Inner>,
    /// The task has something to do.
    pub(super) wake: Notify,
    pub(super) status: watch::Sender<Status>,
    max_messages: usize,
    max_bytes: usize,
}

#[derive(Default)]
pub(super) struct Inner {
    pub(super) machine: Machine,
    pub(super) queues: HashMap<ChannelName, Arc<Queue>>,
    receipts: HashMap<Serial, oneshot::Sender<Result<Published, Unpublished>>>,
    questions: HashMap<Ask, oneshot::Sender<Result<Box<Reply>, AskError>>>,
    pub(super) is_stopping: bool,
}

impl Shared {
    pub(super) fn new(max_messages: usize, max_bytes: usize) -> Self {
        Self {
            inner: Mutex::default(),
            wake: Notify::new(),
            status: watch::Sender::new(Status::Connecting),
            max_messages,
            max_bytes,
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_token(&self, token: String) {
        self.lock().machine.set_token(Some(token));
    }
}

impl Inner {
    /// Something has become of a publication.
    pub(super) fn settle(&mut self, serial: Serial, outcome: Outcome) {
        let Some(promise) = self.receipts.remove(&serial) else {
            return;
        };
        // Whoever has dropped the receipt does not want to know.
        let _ = promise.send(match outcome {
            Outcome::Placed {
                position,
                is_duplicate,
            } => Ok(Published {
                position,
                is_duplicate,
            }),
            Outcome::Failed(Error { code, message, .. }) => {
                Err(Unpublished::Refused { code, message })
            }
            Outcome::Unknown => Err(Unpublished::Unknown),
        });
    }

    /// A question has its answer.
    pub(super) fn answer(&mut self, ask: Ask, answer: Result<Box<Reply>, Trouble>) {
        let Some(promise) = self.questions.remove(&ask) else {
            return;
        };
        let _ = promise.send(answer.map_err(|trouble| match trouble {
            Trouble::Refused(Error { code, message, .. }) => AskError::Refused { code, message },
            Trouble::Lost => AskError::Lost,
        }));
    }

    /// The client has stopped: nobody waits any longer.
    pub(super) fn stop(&mut self) {
        self.is_stopping = true;
        self.receipts.clear();
        self.questions.clear();
        for queue in self.queues.drain().map(|(_, queue)| queue) {
            queue.end();
        }
    }
}

impl Client {
    /// A client of the server at this URL, such as `ws://localhost:3000/connection`.
    pub fn to(url: impl Into<String>) -> Builder {
        Builder::new(url.into())
    }

    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self(Arc::new(Owner(shared)))
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.0.0
    }

    /// Subscribes to a channel, now or as soon as there is a connection, and at every later one.
    ///
    /// What comes waits to be taken: when 256 events of a subscription wait, the client reads
    /// nothing more of any channel until some are taken.
    ///
    /// # Errors
    /// [`SubscribeError`]: there is one already, or the client has stopped.
    pub fn subscribe(
        &self,
        channel: &ChannelName,
        wants: Wants,
    ) -> Result<Subscription, SubscribeError> {
        let mut inner = self.shared().lock();
        if inner.is_stopping {
            return Err(SubscribeError::Stopped);
        }
        let now = Instant::now().into_std();
        let (grant, source) = wants.token.split();
        if !inner
            .machine
            .subscribe(channel, wants.since, wants.presence, grant, now)
        {
            return Err(SubscribeError::Already);
        }
        let queue = Arc::new(Queue::new(source));
        inner.queues.insert(channel.clone(), Arc::clone(&queue));
        drop(inner);
        self.shared().wake.notify_one();
        let owner = Arc::clone(&self.0);
        Ok(Subscription::new(
            owner,
            channel.clone(),
            queue,
            wants.since,
        ))
    }

    /// Publishes, as soon as there is a connection; publications in one channel keep their order.
    ///
    /// # Errors
    /// [`Unsent`]: there are too many without an outcome, or the client has stopped.
    pub fn publish(
        &self,
        channel: &ChannelName,
        payload: impl Into<Payload>,
    ) -> Result<Receipt, Unsent> {
        let payload = payload.into();
        let mut inner = self.shared().lock();
        if inner.is_stopping {
            return Err(Unsent::Stopped);
        }
        let (messages, bytes) = inner.machine.waiting();
        let has_room = messages < self.shared().max_messages
            && bytes + payload.len() <= self.shared().max_bytes;
        if messages > 0 && !has_room {
            return Err(Unsent::Full);
        }
        let now = Instant::now().into_std();
        let serial = inner.machine.publish(channel, payload, now);
        let (promise, receipt) = oneshot::channel();
        inner.receipts.insert(serial, promise);
        drop(inner);
        self.shared().wake.notify_one();
        Ok(Receipt(receipt))
    }

    /// A page of a channel's past: what follows `since`, or begins with the oldest.
    ///
    /// # Errors
    /// [`AskError`].
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn history(
        &self,
        channel: &ChannelName,
        since: Option<Position>,
        limit: Option<u64>,
    ) -> Result<Page, AskError> {
        let history = History {
            channel: channel.as_str().to_owned(),
            since: since.map(|position| Start {
                epoch: Some(position.epoch.to_string()),
                offset: Some(position.offset),
                ..Start::default()
            }),
            limit,
            reverse: false,
        };
        let command = Command {
            history: Some(history),
            ..Command::default()
        };
        let reply = self.ask(command).await?;
        let found = reply.history.ok_or(AskError::Malformed)?;
        let epoch: Epoch = found.epoch.parse().map_err(|_| AskError::Malformed)?;
        let publications = found.publications.iter().map(|entry| entry.publication());
        Ok(Page {
            publications: publications
                .collect::<Option<_>>()
                .ok_or(AskError::Malformed)?,
            position: epoch.at(found.offset),
            newest: found.newest,
            missing_to: found.gap.map(|gap| gap.to),
        })
    }

    /// Who is in a channel, by the names of the clients.
    ///
    /// # Errors
    /// [`AskError`].
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn presence(&self, channel: &ChannelName) -> Result<Vec<Member>, AskError> {
        let channel = channel.as_str().to_owned();
        let command = Command {
            presence: Some(crate::wire::Ask { channel }),
            ..Command::default()
        };
        let reply = self.ask(command).await?;
        let who = reply.presence.ok_or(AskError::Malformed)?;
        let members = who.presence.into_values();
        Ok(members
            .map(|someone| Member {
                client: someone.client,
                user: someone.user,
            })
            .collect())
    }

    /// How many clients and how many users are in a channel.
    ///
    /// # Errors
    /// [`AskError`].
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn presence_stats(&self, channel: &ChannelName) -> Result<(u64, u64), AskError> {
        let channel = channel.as_str().to_owned();
        let command = Command {
            presence_stats: Some(crate::wire::Ask { channel }),
            ..Command::default()
        };
        let reply = self.ask(command).await?;
        let stats = reply.presence_stats.ok_or(AskError::Malformed)?;
        Ok((stats.num_clients, stats.num_users))
    }

    /// Asks the application behind the server; `data` and the answer are JSON.
    ///
    /// # Errors
    /// [`AskError`].
    ///
    /// # Cancel safety
    /// When the future is dropped it may have been asked.
    pub async fn rpc(&self, method: &str, data: Option<&str>) -> Result<String, AskError> {
        let data = data.map(raw).transpose().map_err(|_| AskError::Malformed)?;
        let rpc = Rpc {
            method: method.to_owned(),
            data,
        };
        let command = Command {
            rpc: Some(rpc),
            ..Command::default()
        };
        let reply = self.ask(command).await?;
        let data = reply.rpc.and_then(|said| said.data);
        Ok(data.map_or_else(|| "null".to_owned(), |data| RawValue::get(&data).to_owned()))
    }

    async fn ask(&self, command: Command) -> Result<Box<Reply>, AskError> {
        let answer = {
            let mut inner = self.shared().lock();
            if inner.is_stopping {
                return Err(AskError::Stopped);
            }
            let ask = inner.machine.ask(command, Instant::now().into_std());
            let (promise, answer) = oneshot::channel();
            inner.questions.insert(ask, promise);
            answer
        };
        self.shared().wake.notify_one();
        answer.await.unwrap_or(Err(AskError::Stopped))
    }

    /// How it is.
    #[must_use]
    pub fn status(&self) -> Status {
        self.shared().status.borrow().clone()
    }

    /// Waits until it is otherwise than `status`, and says how.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn status_after(&self, status: &Status) -> Status {
        let mut watch = self.shared().status.subscribe();
        let changed = watch.wait_for(|now| now != status).await;
        // The sender is as old as the client.
        changed.map_or_else(|_| self.status(), |now| now.clone())
    }

    /// Stops for good: the session ends, and what was published without an outcome is given up.
    pub fn stop(&self) {
        self.0.stop();
    }

    /// Waits until the client has stopped and its connection is closed.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn stopped(&self) {
        let mut watch = self.shared().status.subscribe();
        let is_stopped = |status: &Status| matches!(status, Status::Stopped { .. });
        // The sender is as old as the client.
        let _ = watch.wait_for(is_stopped).await;
    }
}

impl Owner {
    fn stop(&self) {
        self.0.lock().is_stopping = true;
        self.0.wake.notify_one();
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Future for Receipt {
    type Output = Result<Published, Unpublished>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let outcome = Pin::new(&mut self.0).poll(cx);
        outcome.map(|outcome| outcome.unwrap_or(Err(Unpublished::Stopped)))
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Client");
        shown
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Unpublished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { code, message } => write!(f, "not published: {message} ({code})"),
            Self::Unknown => {
                f.write_str("the line was away for too long to know whether it was published")
            }
            Self::Stopped => f.write_str("the client stopped before the server had answered"),
        }
    }
}

impl std::error::Error for Unpublished {}

impl fmt::Display for Unsent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "too many publications wait for their outcome: await a receipt",
            Self::Stopped => "the client has stopped",
        })
    }
}

impl std::error::Error for Unsent {}

impl fmt::Display for SubscribeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Already => "this client has a subscription to that channel",
            Self::Stopped => "the client has stopped",
        })
    }
}

impl std::error::Error for SubscribeError {}

impl fmt::Display for AskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { code, message } => write!(f, "refused: {message} ({code})"),
            Self::Lost => f.write_str("the line was lost before the answer came: ask again"),
            Self::Stopped => f.write_str("the client has stopped"),
            Self::Malformed => f.write_str("the question or the answer is not what it should be"),
        }
    }
}

impl std::error::Error for AskError {}
