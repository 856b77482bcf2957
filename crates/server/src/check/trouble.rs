//! Why there is no connection.

use std::fmt;

use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Response, StatusCode};

/// Why there is no connection; what the network, TLS or the server said.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The name has no address.
    Name(String),
    /// No address takes a TCP connection.
    Connect(String),
    /// The HTTP proxy opens no tunnel.
    Proxy(String),
    /// TLS failed, or the certificate is not trusted.
    Tls(String),
    /// A step took longer than it may.
    Late(&'static str),
    /// The connection ended before an answer was whole.
    Lost(String),
    /// The answer is not HTTP/1.1.
    Malformed(String),
    /// The server said no.
    Refused(Box<Refusal>),
    /// The server said yes against the rules.
    Violation(String),
}

/// A server's no.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// The beginning of the body, where it is text and came at once.
    pub(super) said: Option<String>,
}

/// More of a body is not for people.
const MAX_SAID: usize = 240;

impl Refusal {
    pub(super) fn new(response: Response<()>, received: &[u8]) -> Self {
        let (parts, ()) = response.into_parts();
        let is_text = |value: &HeaderValue| value.as_bytes().starts_with(b"text/plain");
        // Without a length the body may be in chunks.
        let is_readable = parts.headers.contains_key(CONTENT_LENGTH)
            && parts.headers.get(CONTENT_TYPE).is_some_and(is_text);
        let body = String::from_utf8_lossy(received);
        let words: Vec<&str> = body.split_whitespace().collect();
        let said: String = words.join(" ").chars().take(MAX_SAID).collect();
        Self {
            status: parts.status,
            headers: parts.headers,
            said: Some(said).filter(|said| is_readable && !said.is_empty()),
        }
    }
}

impl Trouble {
    /// The word for it that programs read.
    pub(super) fn id(&self) -> &'static str {
        match self {
            Self::Name(_) => "name",
            Self::Connect(_) => "connect",
            Self::Proxy(_) => "proxy",
            Self::Tls(_) => "tls",
            Self::Late(_) => "late",
            Self::Lost(_) => "lost",
            Self::Malformed(_) => "malformed",
            Self::Refused(_) => "refused",
            Self::Violation(_) => "violation",
        }
    }

    /// The answer's status, if there was a refusal.
    pub(super) fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Refused(refusal) => Some(refusal.status),
            _ => None,
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(said) => write!(f, "the host was not found: {said}"),
            Self::Connect(said) => write!(f, "no TCP connection: {said}"),
            Self::Proxy(said) => write!(f, "the proxy opened no tunnel: {said}"),
            Self::Tls(said) => write!(f, "TLS failed: {said}"),
            Self::Late(step) => write!(f, "{step} took too long"),
            Self::Lost(said) => write!(f, "the connection ended without an answer: {said}"),
            Self::Malformed(said) => write!(f, "the answer is not HTTP/1.1: {said}"),
            Self::Refused(refusal) => {
                write!(f, "the handshake was refused: {}", refusal.status)?;
                match &refusal.said {
                    Some(said) => write!(f, ", it says: {said}"),
                    None => Ok(()),
                }
            }
            Self::Violation(said) => write!(f, "the server's yes breaks the rules: {said}"),
        }
    }
}
