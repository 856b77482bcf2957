//! Why a server refuses a handshake, and the response that says so.

use core::fmt;

use bytes::Bytes;
use http::header::{ALLOW, CONNECTION, CONTENT_TYPE, HeaderValue, SEC_WEBSOCKET_VERSION, UPGRADE};
use http::{Response, StatusCode};

use crate::extension::ExtensionError;

use super::VERSION;
use super::head::{Flaw, HeadError};
use super::host::Host;

/// A server's no: the response for the client, and the reason for the log.
///
/// Every refusal carries `Connection: close`: what follows a refused handshake is never read as a
/// request. `Display` is the log line: it names the values that did not fit, escaped, and what to
/// do about it.
#[derive(Debug)]
pub struct Refusal(Box<Inner>);

#[derive(Debug)]
struct Inner {
    response: Response<Bytes>,
    reason: Reason,
}

impl Refusal {
    /// Refuses for a reason of the handshake's rules.
    #[must_use]
    pub fn new(reason: Reason) -> Self {
        let mut response = Response::new(Bytes::from(reason.body()));
        *response.status_mut() = reason.status();
        let headers = response.headers_mut();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("text/plain; charset=utf-8"),
        );
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        match reason.status() {
            StatusCode::METHOD_NOT_ALLOWED => {
                headers.insert(ALLOW, HeaderValue::from_static("GET"));
            }
            StatusCode::UPGRADE_REQUIRED => {
                headers.insert(CONNECTION, HeaderValue::from_static("upgrade, close"));
                headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
                headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static(VERSION));
            }
            _ => {}
        }
        Self(Box::new(Inner { response, reason }))
    }

    /// Refuses with the application's own response, of any status.
    ///
    /// `Connection: close` is set; everything else goes out as it is.
    #[must_use]
    pub fn application(mut response: Response<Bytes>) -> Self {
        response
            .headers_mut()
            .insert(CONNECTION, HeaderValue::from_static("close"));
        let reason = Reason::Application(response.status());
        Self(Box::new(Inner { response, reason }))
    }

    /// The response to send.
    #[must_use]
    pub const fn response(&self) -> &Response<Bytes> {
        &self.0.response
    }

    /// The response to send, to keep or to change.
    #[must_use]
    pub fn into_response(self) -> Response<Bytes> {
        self.0.response
    }

    /// Why.
    #[must_use]
    pub const fn reason(&self) -> &Reason {
        &self.0.reason
    }

    /// The same without a body, as a HEAD request wants it.
    pub(super) fn without_body(mut self) -> Self {
        *self.0.response.body_mut() = Bytes::new();
        self
    }

    /// The same for HTTP/2, which knows no 426 and no header of the connection (RFC 9113 §8.2.2).
    pub(super) fn for_http2(mut self) -> Self {
        let response = &mut self.0.response;
        if response.status() == StatusCode::UPGRADE_REQUIRED {
            *response.status_mut() = StatusCode::BAD_REQUEST;
        }
        response.headers_mut().remove(CONNECTION);
        response.headers_mut().remove(UPGRADE);
        self
    }
}

impl From<HeadError> for Refusal {
    fn from(error: HeadError) -> Self {
        Self::new(Reason::Head(error))
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reason = self.reason();
        write!(
            f,
            "handshake refused with {}: {reason}",
            self.response().status().as_u16()
        )?;
        match reason.advice_to_operator() {
            Some(advice) => write!(f, "; {advice}"),
            None => Ok(()),
        }
    }
}

impl core::error::Error for Refusal {}

/// The rule by which a server refuses a handshake; each knows its status.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// The head cannot be read.
    Head(HeadError),
    /// The head did not come whole in the time that the driver gives it (RFC 9110 §15.5.9).
    Timeout,
    /// The method is not GET (RFC 6455 §4.2.1 item 1).
    Method,
    /// The request is HTTP/1.0 (RFC 6455 §4.2.1 item 1).
    HttpVersion,
    /// An ordinary request came to where only WebSocket lives (RFC 9110 §15.5.22).
    NotWebSocket,
    /// `Upgrade` lacks the token `websocket` (RFC 6455 §4.2.1 item 3).
    Upgrade,
    /// `Connection` lacks the token `upgrade` (RFC 6455 §4.2.1 item 4).
    Connection,
    /// The head has something in it that a handshake must not have.
    Flaw(Flaw),
    /// The request target is neither a path nor a whole URI (RFC 6455 §4.2.1 item 1).
    Target,
    /// `Host` is missing (RFC 6455 §4.2.1 item 2).
    HostMissing,
    /// `Host` is there more than once (RFC 9112 §3.2).
    HostRepeated,
    /// `Host` is not a host with perhaps a port (RFC 9112 §3.2).
    HostMalformed,
    /// The request announces a body.
    Body,
    /// The request has a `Transfer-Encoding`.
    TransferEncoding,
    /// `Sec-WebSocket-Version` is missing (RFC 6455 §4.2.1 item 6).
    VersionMissing,
    /// `Sec-WebSocket-Version` is there more than once (RFC 6455 §11.3.5).
    VersionRepeated,
    /// `Sec-WebSocket-Version` is not 13 (RFC 6455 §4.2.2 item 4, §4.4).
    VersionUnsupported,
    /// `Sec-WebSocket-Key` is missing (RFC 6455 §4.2.1 item 5).
    KeyMissing,
    /// `Sec-WebSocket-Key` is there more than once (RFC 6455 §11.3.1).
    KeyRepeated,
    /// `Sec-WebSocket-Key` is not base64 of sixteen bytes (RFC 6455 §4.2.1 item 5).
    KeyMalformed,
    /// `Sec-WebSocket-Protocol` is not a list of tokens (RFC 6455 §4.3).
    SubprotocolMalformed,
    /// `Sec-WebSocket-Protocol` names a subprotocol twice (RFC 6455 §4.1 item 10).
    SubprotocolRepeated,
    /// `Sec-WebSocket-Extensions` is not a list of extensions (RFC 6455 §9.1).
    ExtensionsMalformed(ExtensionError),
    /// The server demands a subprotocol that the client did not offer.
    NoCommonSubprotocol,
    /// The server does not answer for this host (RFC 9110 §15.5.20).
    Misdirected {
        /// The host that the client named.
        host: String,
    },
    /// Pages of this origin may not connect (RFC 6455 §4.2.2 item 4).
    Origin {
        /// The `Origin` header.
        origin: String,
        /// The endpoint's own origin, as the client addressed it.
        own: String,
    },
    /// `Origin` is missing where the server demands it.
    OriginMissing,
    /// The application said no, with this status.
    Application(StatusCode),
}

impl Reason {
    /// The status that tells the client.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::Head(error) => error.status(),
            Self::Timeout => StatusCode::REQUEST_TIMEOUT,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::HttpVersion => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            Self::NotWebSocket | Self::VersionMissing | Self::VersionUnsupported => {
                StatusCode::UPGRADE_REQUIRED
            }
            Self::Misdirected { .. } => StatusCode::MISDIRECTED_REQUEST,
            Self::Origin { .. } | Self::OriginMissing => StatusCode::FORBIDDEN,
            Self::Application(status) => *status,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    /// The server does not answer for this host.
    pub(super) fn misdirected(host: &Host) -> Self {
        Self::Misdirected {
            host: host.to_string(),
        }
    }

    /// The plain text for whoever reads the response: who is at fault, and what to do.
    fn body(&self) -> String {
        match self {
            Self::NotWebSocket => "This address speaks WebSocket only.\n\
                Open it with a WebSocket client (version 13), not as a page.\n"
                .to_owned(),
            Self::Timeout => {
                "The request did not come whole in time, the client's fault or the network's.\n\
                Connect again and send it at once.\n"
                    .to_owned()
            }
            Self::Origin { .. } | Self::OriginMissing | Self::Misdirected { .. } => format!(
                "The server does not allow this connection: {self}.\n\
                 Connect from a page of this server, or ask its operator to allow yours.\n"
            ),
            Self::NoCommonSubprotocol => format!(
                "The WebSocket handshake cannot be accepted: {self}.\n\
                 Offer a subprotocol in Sec-WebSocket-Protocol that the server speaks.\n"
            ),
            Self::Upgrade | Self::Connection => format!(
                "The WebSocket handshake is wrong, the client's fault or a proxy's: {self}.\n\
                 Correct the request, or let the proxy pass Upgrade and Connection on.\n"
            ),
            _ => format!(
                "The WebSocket handshake or its HTTP is wrong, the client's fault: {self}.\n\
                 Correct the request and connect again.\n"
            ),
        }
    }

    /// What the operator of the server can do, if it is theirs to do.
    const fn advice_to_operator(&self) -> Option<&'static str> {
        match self {
            Self::Origin { .. } => Some(
                "if that page is yours, add its origin to the allowed origins of this endpoint; \
                 if a proxy stands in front, trust its forwarded host and scheme",
            ),
            Self::OriginMissing => Some("allow requests without an origin if programs may connect"),
            Self::Misdirected { .. } => {
                Some("if that name is yours, add it to the hosts of this server")
            }
            Self::Upgrade | Self::Connection => {
                Some("if a proxy stands in front, let it pass Upgrade and Connection on")
            }
            _ => None,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Head(error) => return error.fmt(f),
            Self::Flaw(flaw) => return flaw.fmt(f),
            Self::ExtensionsMalformed(error) => {
                return write!(f, "the Sec-WebSocket-Extensions header is wrong: {error}");
            }
            Self::Misdirected { host } => {
                return write!(f, "the host {host:?} is not one of this server's");
            }
            Self::Origin { origin, own } => {
                return write!(
                    f,
                    "pages of the origin {origin:?} may not connect to {own:?}"
                );
            }
            Self::Application(status) => {
                return write!(f, "the application answered {}", status.as_u16());
            }
            Self::Timeout => "the head did not come whole in time",
            Self::Method => "the method is not GET",
            Self::HttpVersion => "the request is HTTP/1.0, not HTTP/1.1",
            Self::NotWebSocket => "an ordinary request came where only WebSocket lives",
            Self::Upgrade => "the Upgrade header does not say websocket",
            Self::Connection => "the Connection header does not say upgrade",
            Self::Target => "the request target is neither a path nor a whole URI",
            Self::HostMissing => "the Host header is missing",
            Self::HostRepeated => "the Host header is there more than once",
            Self::HostMalformed => "the Host header is not a host with perhaps a port",
            Self::Body => "the request announces a body",
            Self::TransferEncoding => "the request has a Transfer-Encoding",
            Self::VersionMissing => "the Sec-WebSocket-Version header is missing",
            Self::VersionRepeated => "the Sec-WebSocket-Version header is there more than once",
            Self::VersionUnsupported => "the Sec-WebSocket-Version is not 13",
            Self::KeyMissing => "the Sec-WebSocket-Key header is missing",
            Self::KeyRepeated => "the Sec-WebSocket-Key header is there more than once",
            Self::KeyMalformed => "the Sec-WebSocket-Key is not base64 of 16 bytes",
            Self::SubprotocolMalformed => {
                "the Sec-WebSocket-Protocol header is not a list of tokens"
            }
            Self::SubprotocolRepeated => "the Sec-WebSocket-Protocol header names one twice",
            Self::NoCommonSubprotocol => "no subprotocol offered is one that the server speaks",
            Self::OriginMissing => "the Origin header is missing",
        })
    }
}
