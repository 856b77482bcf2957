//! A channel as its user reads it.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use holdwire::line::TargetError;
use tokio::sync::Notify;

use super::grant::Grant;
use super::handle::Owner;
use super::sub::Event;
use crate::channel::ChannelName;
use crate::position::Position;

/// Events that wait, above which nothing more is read.
const FULL: usize = 256;

/// What is wanted of a channel.
#[derive(Clone, Debug, Default)]
pub struct Wants {
    pub(super) since: Option<Position>,
    pub(super) presence: bool,
    pub(super) token: Token,
}

type Granting = Pin<Box<dyn Future<Output = Result<String, TargetError>> + Send>>;

/// Gets tokens for a channel.
pub(super) type Source = Arc<dyn Fn(ChannelName) -> Granting + Send + Sync>;

/// Where a channel's token comes from.
#[derive(Clone, Default)]
pub(super) enum Token {
    #[default]
    None,
    Fixed(String),
    Source(Source),
}

impl Token {
    /// What the machine knows of it, and whom the task asks.
    pub(super) fn split(self) -> (Grant, Option<Source>) {
        match self {
            Self::None => (Grant::fixed(None), None),
            Self::Fixed(token) => (Grant::fixed(Some(token)), None),
            Self::Source(source) => (Grant::of_driver(), Some(source)),
        }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Fixed(_) => "Fixed",
            Self::Source(_) => "Source",
        })
    }
}

impl Wants {
    /// What is published from now on.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What follows this position.
    #[must_use]
    pub fn since(position: Position) -> Self {
        Self {
            since: Some(position),
            ..Self::default()
        }
    }

    /// Also who comes and goes.
    #[must_use]
    pub fn presence(self) -> Self {
        Self {
            presence: true,
            ..self
        }
    }

    /// Asks for a token for the channel, where the server wants one: at first, when a fifth of the
    /// last one's time is left, and once more when the server finds it too old.
    ///
    /// It is shown at each connection until there is another one. When the function fails or
    /// panics, the subscription ends with code 2109 and what it has said; so does one that is given
    /// an expired token twice. A token that is not accepted ends it with code 2103. What the
    /// function gives after the subscription has ended is not used; when the client stops, its
    /// future is dropped at an await. Default: no token.
    ///
    /// # Examples
    /// ```no_run
    /// use holdwire_hub::client::{Client, Wants};
    ///
    /// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
    /// let client = Client::to("wss://example.com/connection").start();
    /// let wants = Wants::new().token(|channel| async move { Ok(ask_for(&channel).await?) });
    /// let board = client.subscribe(&"private:board".parse()?, wants)?;
    /// # drop(board);
    /// # Ok(())
    /// # }
    /// # async fn ask_for(_: &holdwire_hub::ChannelName) -> std::io::Result<String> { Ok(String::new()) }
    /// ```
    #[must_use]
    pub fn token<F, R>(self, function: F) -> Self
    where
        F: Fn(ChannelName) -> R + Send + Sync + 'static,
        R: Future<Output = Result<String, TargetError>> + Send + 'static,
    {
        let source: Source = Arc::new(move |channel| Box::pin(function(channel)));
        Self {
            token: Token::Source(source),
            ..self
        }
    }

    /// Shows this token for the channel, and no other: when it has expired the subscription ends
    /// with code 2109.
    ///
    /// # Examples
    /// ```
    /// use holdwire_hub::client::Wants;
    ///
    /// let wants = Wants::new().fixed_token("eyJhbGciOiJIUzI1NiJ9.e30.c2ln");
    /// assert!(!format!("{wants:?}").contains("eyJ"));
    /// ```
    #[must_use]
    pub fn fixed_token(self, token: impl Into<String>) -> Self {
        Self {
            token: Token::Fixed(token.into()),
            ..self
        }
    }
}

/// A subscription of a [`Client`](super::Client); it ends when this is dropped.
pub struct Subscription {
    owner: Arc<Owner>,
    channel: ChannelName,
    queue: Arc<Queue>,
    position: Option<Position>,
}

/// What waits for the user.
#[derive(Default)]
pub(super) struct Queue {
    inner: Mutex<Waiting>,
    arrived: Notify,
    /// Whom to ask for tokens.
    pub(super) source: Option<Source>,
}

#[derive(Default)]
struct Waiting {
    events: VecDeque<Event>,
    has_ended: bool,
}

impl Queue {
    pub(super) fn new(source: Option<Source>) -> Self {
        Self {
            source,
            ..Self::default()
        }
    }

    pub(super) fn push(&self, event: Event) {
        let mut inner = self.lock();
        inner.has_ended |= matches!(event, Event::Ended { .. });
        inner.events.push_back(event);
        drop(inner);
        self.arrived.notify_one();
    }

    pub(super) fn is_full(&self) -> bool {
        self.lock().events.len() >= FULL
    }

    /// Nothing more comes.
    pub(super) fn end(&self) {
        self.lock().has_ended = true;
        self.arrived.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Subscription {
    pub(super) fn new(
        owner: Arc<Owner>,
        channel: ChannelName,
        queue: Arc<Queue>,
        position: Option<Position>,
    ) -> Self {
        Self {
            owner,
            channel,
            queue,
            position,
        }
    }

    /// The channel.
    #[must_use]
    pub fn channel(&self) -> &ChannelName {
        &self.channel
    }

    /// The place after what [`Subscription::next`] has given: what to [begin
    /// with](Wants::since) another time. `None` before the first event, if there was none to begin
    /// with.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        self.position
    }

    /// The next event; `None` when the subscription has ended or the client has stopped.
    ///
    /// Publications come in the order of the log, none twice, and none is left out without an
    /// [`Event::Gap`] before the next one.
    ///
    /// # Cancel safety
    /// Cancel safe: an event is handed over or stays.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            let (event, has_ended, is_relieved) = {
                let mut inner = self.queue.lock();
                let was_full = inner.events.len() == FULL;
                (inner.events.pop_front(), inner.has_ended, was_full)
            };
            if is_relieved {
                self.owner.0.wake.notify_one();
            }
            if let Some(event) = event {
                self.pass(&event);
                return Some(event);
            }
            if has_ended {
                return None;
            }
            self.queue.arrived.notified().await;
        }
    }

    fn pass(&mut self, event: &Event) {
        match event {
            // Before a gap is told, the position stays before it.
            Event::Subscribed {
                recovered: Some(false),
                ..
            } => {}
            Event::Subscribed { position, .. } | Event::Publication { position, .. } => {
                self.position = Some(*position);
            }
            Event::Gap(gap) => self.position = Some(gap.epoch.at(gap.to)),
            _ => {}
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let shared = &self.owner.0;
        let mut inner = shared.lock();
        let is_its = |queue: &Arc<Queue>| Arc::ptr_eq(queue, &self.queue);
        if inner.queues.get(&self.channel).is_some_and(is_its) {
            inner.queues.remove(&self.channel);
            inner.machine.unsubscribe(&self.channel);
        }
        drop(inner);
        shared.wake.notify_one();
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription")
            .field("channel", &self.channel)
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}
