//! Why there is no connection: each variant says who is at fault.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::io;

use bytes::Bytes;
use holdwire_proto::handshake::{
    self, EndpointError, HeadError, InvalidSubprotocol, ResponseViolation,
};
use http::header::LOCATION;
use http::{HeaderMap, Response, StatusCode};

/// Why a connection could not be opened.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConnectError {
    /// The caller: the URL is not that of a WebSocket server.
    Url(EndpointError),
    /// The caller: the request must not be sent as it is.
    Request(Box<handshake::ConnectError>),
    /// The caller: a header has a name or value that HTTP does not allow.
    Header(http::Error),
    /// The caller: what was given as a subprotocol is not a token.
    Subprotocol(InvalidSubprotocol),
    /// The network, or the caller's spelling: the host's name has no address.
    Dns(io::Error),
    /// The network: none of the host's addresses takes a TCP connection.
    Connect(io::Error),
    /// The network or the server: this phase took longer than it may.
    Timeout(Phase),
    /// The HTTP proxy, or what was said of it.
    Proxy(ProxyError),
    /// TLS: the certificate is not trusted or not for this host, the peer does not speak TLS, or
    /// there is nothing to trust.
    Tls(io::Error),
    /// The network or the server: the connection ended during the opening handshake.
    Lost(io::Error),
    /// The server: its answer is not HTTP/1.1.
    Malformed(HeadError),
    /// The server said no, and this is its answer.
    Refused(Box<Refused>),
    /// The server said yes against the rules, so the connection was failed (RFC 6455 §4.1).
    Violation(ResponseViolation),
    /// The server accepted an extension otherwise than it was offered, so the connection was
    /// failed (RFC 7692 §5.1).
    Extension(Box<dyn StdError + Send + Sync>),
}

/// A part of opening a connection; each has its own timeout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Phase {
    /// Finding the host's addresses and connecting to one of them.
    Connect,
    /// Asking the HTTP proxy for a tunnel.
    Proxy,
    /// The TLS handshake.
    Tls,
    /// The WebSocket opening handshake.
    Handshake,
}

/// What went wrong with the HTTP proxy.
#[derive(Debug)]
#[non_exhaustive]
pub enum ProxyError {
    /// The proxy's URL is not like `http://proxy.example:3128`.
    Url(EndpointError),
    /// The proxy wants a user and password, or other ones (407).
    Credentials(Box<Refused>),
    /// The proxy does not open the tunnel.
    Refused(Box<Refused>),
    /// Something spoke through the tunnel before it was asked; no WebSocket or TLS server does.
    EarlyBytes,
    /// The connection to the proxy failed, as one to a server can.
    Failed(Box<ConnectError>),
}

/// The answer of a server, or proxy, that refused.
///
/// Redirects are not followed, for they would carry credentials to places that the caller did not
/// name: see [`Refused::location`].
#[derive(Debug)]
#[non_exhaustive]
pub struct Refused {
    /// Status, headers and body.
    pub response: Response<Bytes>,
    /// Whether the body is whole. It is not when it is longer than 64 KiB, came too slowly, or was
    /// cut off.
    pub is_complete: bool,
}

impl Refused {
    /// The status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.response.status()
    }

    /// The headers.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    /// What there is of the body.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        self.response.body()
    }

    /// The body as text, for people to read.
    #[must_use]
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(self.body())
    }

    /// Where a redirect points.
    #[must_use]
    pub fn location(&self) -> Option<&str> {
        self.headers().get(LOCATION)?.to_str().ok()
    }
}

impl From<handshake::ConnectError> for ConnectError {
    fn from(error: handshake::ConnectError) -> Self {
        Self::Request(Box::new(error))
    }
}

impl From<EndpointError> for ConnectError {
    fn from(error: EndpointError) -> Self {
        Self::Url(error)
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(_) => f.write_str("the URL cannot be connected to"),
            Self::Request(_) => f.write_str("the request cannot be sent"),
            Self::Header(_) => f.write_str("a header cannot be sent"),
            Self::Subprotocol(_) => f.write_str("the subprotocol cannot be offered"),
            Self::Dns(_) => f.write_str("the host was not found"),
            Self::Connect(_) => f.write_str("the host cannot be connected to"),
            Self::Timeout(phase) => write!(f, "{phase} took too long"),
            Self::Proxy(_) => f.write_str("the proxy gave no way through"),
            Self::Tls(_) => f.write_str("the TLS handshake failed"),
            Self::Lost(_) => f.write_str("the connection was lost during the opening handshake"),
            Self::Malformed(_) => f.write_str("the server does not answer in HTTP/1.1"),
            Self::Refused(refused) => write!(f, "the server refused the handshake with {refused}"),
            Self::Violation(_) => f.write_str("the server broke the rules of the handshake"),
            Self::Extension(_) => f.write_str("the server broke the rules of an extension"),
        }
    }
}

impl StdError for ConnectError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Url(error) => Some(error),
            Self::Request(error) => Some(error.as_ref()),
            Self::Header(error) => Some(error),
            Self::Subprotocol(error) => Some(error),
            Self::Dns(error) | Self::Connect(error) | Self::Tls(error) | Self::Lost(error) => {
                Some(error)
            }
            Self::Proxy(error) => Some(error),
            Self::Malformed(error) => Some(error),
            Self::Violation(violation) => Some(violation),
            Self::Extension(error) => Some(error.as_ref()),
            Self::Timeout(_) | Self::Refused(_) => None,
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "connecting to the host",
            Self::Proxy => "the answer of the proxy",
            Self::Tls => "the TLS handshake",
            Self::Handshake => "the opening handshake",
        })
    }
}

impl fmt::Display for ProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(_) => f.write_str("the proxy's URL is not like http://proxy.example:3128"),
            Self::Credentials(refused) => {
                write!(f, "the proxy wants a user and password: {refused}")
            }
            Self::Refused(refused) => write!(f, "the proxy opens no tunnel: {refused}"),
            Self::EarlyBytes => f.write_str("the tunnel speaks before it is asked"),
            Self::Failed(_) => f.write_str("the connection to the proxy failed"),
        }
    }
}

impl StdError for ProxyError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Url(error) => Some(error),
            Self::Failed(error) => Some(error.as_ref()),
            Self::Credentials(_) | Self::Refused(_) | Self::EarlyBytes => None,
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.status().fmt(f)?;
        match self.location() {
            Some(location) => write!(f, ", which points to {location}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_small() {
        let size = size_of::<ConnectError>();

        assert!(size <= 40, "{size} bytes");
    }
}
