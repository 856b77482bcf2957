//! How a line is made.

use std::fmt;

use holdwire_proto::Message;
use holdwire_proto::reconnect::{Decision, Policy, Reconnect};

use super::Line;
use super::handle::{Handle, Shared};
use super::loss::Loss;
use super::outbox::{Outbox, Queue};
use super::target::Source;
use super::task::{Greeting, Override, Settings, Task};
use crate::client::Client;

/// The settings of a [`Line`], made by [`Line::to`] or [`Line::with`].
#[must_use = "a line begins when it is started"]
pub struct Builder {
    source: Source,
    client: Client,
    policy: Policy,
    outbox: Outbox,
    on_loss: Option<Override>,
    on_up: Option<Greeting>,
    follows_advice: bool,
}

impl Builder {
    pub(super) fn new(source: Source) -> Self {
        Self {
            source,
            client: Client::new(),
            policy: Policy::default(),
            outbox: Outbox::default(),
            on_loss: None,
            on_up: None,
            follows_advice: false,
        }
    }

    /// Headers, subprotocols, proxy, TLS and limits, for every attempt whose
    /// [`Target`](super::Target) has no client of its own.
    ///
    /// The client's timeouts for the phases of an attempt hold too, within
    /// [`Policy::connect_timeout`].
    pub fn client(mut self, client: Client) -> Self {
        self.client = client;
        self
    }

    /// How eagerly to come back, how long an attempt may take, and when to give up.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// How much may wait to be sent, and how long.
    pub fn outbox(mut self, outbox: Outbox) -> Self {
        self.outbox = outbox;
        self
    }

    /// Decides on losses in place of the default table; `None` leaves one to the table.
    ///
    /// It is called in the line's task, so it must not block. An error made by
    /// [`TargetError::stop`](super::TargetError::stop) stops the line without asking it.
    ///
    /// # Examples
    /// ```no_run
    /// use holdwire::line::{Decision, Line};
    ///
    /// # async fn run() {
    /// // A server that closes with 1000 when the game is over.
    /// let line = Line::to("wss://example.com/game")
    ///     .on_loss(|loss| (loss.code() == Some(1000)).then_some(Decision::Stop))
    ///     .start();
    /// # }
    /// ```
    pub fn on_loss(
        mut self,
        decide: impl FnMut(&Loss) -> Option<Decision> + Send + 'static,
    ) -> Self {
        self.on_loss = Some(Box::new(decide));
        self
    }

    /// What each connection begins with, before anything that waits in the outbox: to log in,
    /// to subscribe again. It is given the number of the attempt.
    ///
    /// These messages have no receipts and belong to their connection: what of them was not sent
    /// when it is lost is not sent on the next one, which begins anew. The function is called in the
    /// line's task, so it must not block.
    ///
    /// # Examples
    /// ```no_run
    /// use holdwire::line::Line;
    ///
    /// # async fn run() {
    /// let line = Line::to("wss://example.com/")
    ///     .on_up(|_| ["subscribe news", "subscribe weather"])
    ///     .start();
    /// # }
    /// ```
    pub fn on_up<F, G>(mut self, mut greeting: F) -> Self
    where
        F: FnMut(u64) -> G + Send + 'static,
        G: IntoIterator<Item: Into<Message>>,
    {
        self.on_up = Some(Box::new(move |generation| {
            let messages = greeting(generation).into_iter();
            messages.map(Into::into).collect()
        }));
        self
    }

    /// Whether a line with a fixed URL takes the one that the server advised, for the one attempt
    /// after that. Off by default. When that attempt fails, whatever the reason, the next one goes
    /// to the line's own URL.
    ///
    /// The attempt carries the same headers, credentials included, to wherever the server says, so
    /// turn it on only for a server that is trusted with that. It never leads from `wss` to `ws`. A
    /// function finds the URL in [`Attempt::advised_url`](super::Attempt::advised_url) instead.
    pub fn follow_advice(mut self, follows: bool) -> Self {
        self.follows_advice = follows;
        self
    }

    /// Starts the line: the first attempt begins.
    ///
    /// One task is spawned. It drives every attempt and every connection of the line, so pings are
    /// answered and messages leave whatever the application does; it ends with the line. When a
    /// connection was closed by the server in good order, the last of the closing handshake may
    /// go on for a few seconds in a task of its own.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn start(self) -> Line {
        let shared = Shared::new(Queue::new(self.outbox));
        let handle = Handle::new(shared.clone());
        let settings = Settings {
            source: self.source,
            client: self.client,
            on_loss: self.on_loss,
            on_up: self.on_up,
            follows_advice: self.follows_advice,
        };
        let task = Task::new(shared, Reconnect::new(self.policy), settings);
        tokio::spawn(task.run());
        Line { handle }
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("source", &self.source)
            .field("client", &self.client)
            .field("policy", &self.policy)
            .field("outbox", &self.outbox)
            .field("follows_advice", &self.follows_advice)
            .finish_non_exhaustive()
    }
}
