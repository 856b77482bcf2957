//! Why there is no connection.

use std::fmt;

use http::{HeaderMap, StatusCode};

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
    Refused(StatusCode, Box<HeaderMap>),
    /// The server said yes against the rules.
    Violation(String),
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
            Self::Refused(..) => "refused",
            Self::Violation(_) => "violation",
        }
    }

    /// The answer's status, if there was a refusal.
    pub(super) fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Refused(status, _) => Some(*status),
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
            Self::Refused(status, _) => write!(f, "the handshake was refused: {status}"),
            Self::Violation(said) => write!(f, "the server's yes breaks the rules: {said}"),
        }
    }
}
