//! Where an attempt goes: fixed, or what a function says each time.

use std::error::Error as StdError;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use holdwire_proto::reconnect;

use super::loss::Loss;
use crate::client::Client;
use crate::stream::{Io, Stream};

/// Where one attempt goes, as a function for [`Line::with`](super::Line::with) returns it.
///
/// # Examples
/// ```
/// use holdwire::Client;
/// use holdwire::line::Target;
///
/// # fn target(token: &str) -> Result<Target, holdwire::ConnectError> {
/// let client = Client::new()
///     .header("authorization", format!("Bearer {token}"))?
///     .subprotocol("chat")?;
/// Ok(Target::new("wss://example.com/chat").client(client))
/// # }
/// # assert!(target("secret").is_ok());
/// ```
#[must_use = "a target does nothing by itself"]
pub struct Target {
    pub(super) url: String,
    pub(super) client: Option<Client>,
    pub(super) io: Option<Stream>,
}

impl Target {
    /// This URL, with the client of the line's builder.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            client: None,
            io: None,
        }
    }

    /// Another client, with its headers and subprotocols, for this attempt alone.
    pub fn client(mut self, client: Client) -> Self {
        self.client = Some(client);
        self
    }

    /// A transport that leads to the server, such as a tunnel, in place of TCP: see
    /// [`Client::over`].
    pub fn over(mut self, io: impl Io) -> Self {
        self.io = Some(Stream::new(io));
        self
    }
}

/// Without the URL, which may carry a token.
impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Target");
        shown.field("client", &self.client).field("io", &self.io);
        shown.finish_non_exhaustive()
    }
}

impl From<&str> for Target {
    fn from(url: &str) -> Self {
        Self::new(url)
    }
}

impl From<String> for Target {
    fn from(url: String) -> Self {
        Self::new(url)
    }
}

/// What a function is told about the attempt that it is asked to find a [`Target`] for.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Attempt {
    /// The count of attempts, from 1, since the last connection that was up for long enough.
    pub number: u32,
    /// The number of the attempt since the start, from 1.
    pub generation: u64,
    /// What ended the attempt or connection before this one.
    pub last: Option<Arc<Loss>>,
}

impl Attempt {
    /// The URL that the server advised when it closed the connection before.
    ///
    /// It is the server's word: see whether it leads where credentials may go.
    #[must_use]
    pub fn advised_url(&self) -> Option<&str> {
        self.last.as_ref()?.advice.as_ref()?.url.as_deref()
    }

    /// Whether the server did not accept the credentials of the attempt before (HTTP 401, close
    /// code 4401): bring fresh ones. When these are not accepted either, the line stops.
    #[must_use]
    pub fn is_unauthorized(&self) -> bool {
        self.last
            .as_ref()
            .is_some_and(|loss| loss.is_unauthorized())
    }
}

/// Why a function has no target.
///
/// Every error becomes one by `?` and means that the line tries again later; [`TargetError::stop`]
/// makes one that ends it.
#[derive(Debug)]
pub struct TargetError {
    pub(super) error: Box<dyn StdError + Send + Sync>,
    pub(super) is_final: bool,
}

impl TargetError {
    /// Trying again may help: counts as a failed attempt.
    pub fn retry(error: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self {
            error: error.into(),
            is_final: false,
        }
    }

    /// Trying again is of no use: the line stops.
    pub fn stop(error: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self {
            error: error.into(),
            is_final: true,
        }
    }
}

impl TargetError {
    /// What has gone wrong, for people.
    #[must_use]
    pub fn reason(&self) -> String {
        self.error.to_string()
    }
}

impl<E: Into<Box<dyn StdError + Send + Sync>>> From<E> for TargetError {
    fn from(error: E) -> Self {
        Self::retry(error)
    }
}

/// How the line finds its target.
pub(super) enum Source {
    Fixed(String),
    Asked(Ask),
}

type Ask = Box<dyn FnMut(Attempt) -> Answer + Send>;
type Answer = Pin<Box<dyn Future<Output = Result<Target, TargetError>> + Send>>;

impl Source {
    /// As the table of decisions wants to know it.
    pub(super) fn kind(&self) -> reconnect::Target {
        match self {
            Self::Fixed(_) => reconnect::Target::Fixed,
            Self::Asked(_) => reconnect::Target::Asked,
        }
    }

    pub(super) fn asked<F, R, T>(mut function: F) -> Self
    where
        F: FnMut(Attempt) -> R + Send + 'static,
        R: Future<Output = Result<T, TargetError>> + Send + 'static,
        T: Into<Target>,
    {
        Self::Asked(Box::new(move |attempt| {
            let answer = function(attempt);
            Box::pin(async move { Ok(answer.await?.into()) })
        }))
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fixed(_) => "Fixed",
            Self::Asked(_) => "Asked",
        })
    }
}

/// The advised URL, unless it would take an encrypted line out of its encryption.
pub(super) fn may_follow(advised: &str, own: &str) -> bool {
    let is_plain = |url: &str| {
        let url = url.to_ascii_lowercase();
        url.starts_with("ws:") || url.starts_with("http:")
    };
    is_plain(own) || !is_plain(advised)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_in_the_url_is_not_shown_by_debug() {
        let target = Target::new("wss://a.example/?token=s3cret");

        assert!(!format!("{target:?}").contains("s3cret"));
    }

    #[test]
    fn advice_never_leads_out_of_encryption() {
        assert!(may_follow("wss://b.example/", "wss://a.example/"));
        assert!(may_follow("ws://b.example/", "ws://a.example/"));
        assert!(may_follow("wss://b.example/", "ws://a.example/"));
        assert!(!may_follow("ws://b.example/", "wss://a.example/"));
        assert!(!may_follow("WS://b.example/", "WSS://a.example/"));
        assert!(!may_follow("http://b.example/", "https://a.example/"));
    }
}
