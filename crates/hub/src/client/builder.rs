//! The settings of a client.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use holdwire::line::{self, Attempt, Line, Target, TargetError};
use holdwire::{Config, HeartbeatConfig};

use super::handle::{Client, Shared};
use super::task::Task;
use crate::session::SUBPROTOCOL;

/// The largest message that is read: a publication of 1 MiB that is all characters which JSON must
/// escape.
const MAX_MESSAGE: usize = 8 * 1024 * 1024;

type Token = Pin<Box<dyn Future<Output = Result<String, TargetError>> + Send>>;

/// The settings of a [`Client`], made by [`Client::to`].
#[must_use = "a client begins when it is started"]
pub struct Builder {
    url: String,
    connecting: holdwire::Client,
    config: Config,
    policy: line::Policy,
    token: Option<Box<dyn FnMut(Attempt) -> Token + Send>>,
    max_messages: usize,
    max_bytes: usize,
    follows_advice: bool,
}

impl Builder {
    pub(super) fn new(url: String) -> Self {
        let mut config = Config::default();
        config.limits.max_message = MAX_MESSAGE;
        config.limits.max_frame = MAX_MESSAGE;
        Self {
            url,
            connecting: holdwire::Client::new(),
            config,
            policy: line::Policy::default(),
            token: None,
            max_messages: 1024,
            max_bytes: 1024 * 1024,
            follows_advice: false,
        }
    }

    /// Headers, proxy and TLS; its subprotocol and its [`config`](Self::config) are set here.
    pub fn client(mut self, client: holdwire::Client) -> Self {
        self.connecting = client;
        self
    }

    /// Limits and heartbeat of the connections. Default: those of the library, and messages of up
    /// to 8 MiB.
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// When the server is pinged and how long its answer may take, or never. Default: after 25 s,
    /// and 20 s.
    pub fn heartbeat(mut self, heartbeat: impl Into<Option<HeartbeatConfig>>) -> Self {
        self.config = self.config.heartbeat(heartbeat);
        self
    }

    /// How eagerly to come back, and when to give up.
    pub fn policy(mut self, policy: line::Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Asks for a token before each attempt, and once more when one was not accepted.
    ///
    /// # Examples
    /// ```no_run
    /// use holdwire_hub::client::Client;
    ///
    /// # async fn run() {
    /// let client = Client::to("wss://example.com/connection")
    ///     .token(|_| async { Ok(tokio::task::spawn_blocking(read_token).await??) })
    ///     .start();
    /// # }
    /// # fn read_token() -> std::io::Result<String> { Ok(String::new()) }
    /// ```
    pub fn token<F, R>(mut self, mut function: F) -> Self
    where
        F: FnMut(Attempt) -> R + Send + 'static,
        R: Future<Output = Result<String, TargetError>> + Send + 'static,
    {
        self.token = Some(Box::new(move |attempt| Box::pin(function(attempt))));
        self
    }

    /// How many publications may be without an outcome, and their bytes. Default: 1,024 and 1 MiB;
    /// one always may.
    pub fn outbox(mut self, max_messages: usize, max_bytes: usize) -> Self {
        self.max_messages = max_messages.max(1);
        self.max_bytes = max_bytes;
        self
    }

    /// Whether the server may send the client to another URL, without a token function. Default:
    /// no. See [`line::Builder::follow_advice`].
    pub fn follow_advice(mut self, follows: bool) -> Self {
        self.follows_advice = follows;
        self
    }

    /// Starts the client: the first attempt to connect begins.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    #[must_use]
    pub fn start(self) -> Client {
        let shared = Arc::new(Shared::new(self.max_messages, self.max_bytes));
        let url = self.url;
        let line = match self.token {
            None => Line::to(url),
            Some(mut token) => {
                let shared = Arc::clone(&shared);
                Line::with(move |attempt| {
                    let (shared, url, token) = (Arc::clone(&shared), url.clone(), token(attempt));
                    async move {
                        shared.set_token(token.await?);
                        Ok::<_, TargetError>(Target::new(url))
                    }
                })
            }
        };
        let connecting = self.connecting.config(self.config);
        // The name is a token, so there is no error.
        let connecting = connecting
            .subprotocol(SUBPROTOCOL)
            .unwrap_or_else(|_| holdwire::Client::new());
        let line = line
            .client(connecting)
            .policy(self.policy)
            .follow_advice(self.follows_advice)
            .start();
        tokio::spawn(Task::new(line, Arc::clone(&shared)).run());
        Client::new(shared)
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Builder");
        shown.field("url", &self.url).finish_non_exhaustive()
    }
}
