//! The client's side: ask, then judge the answer (RFC 6455 §4.1).

use core::fmt;

use http::header::{
    AUTHORIZATION, CONNECTION, HOST, HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT,
    SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION,
    UPGRADE,
};
use http::{Method, Request, Response, StatusCode, Version};

use crate::extension::{self, Extension, ExtensionError};

use super::encode::encode_request;
use super::endpoint::Endpoint;
use super::head::{Flaw, ResponseHead};
use super::key::Key;
use super::subprotocol::Subprotocol;
use super::token::{elements, has_token};
use super::{VERSION, is_reserved};

/// What a client asks a server for.
///
/// # Examples
/// ```
/// use holdwire_proto::handshake::{Connect, HeadLimits, HeadReader};
///
/// let mut connect = Connect::new("ws://localhost:3000/chat".parse()?);
/// connect.subprotocols.push("chat".parse()?);
/// let pending = connect.start([7; 16])?; // sixteen bytes from a CSPRNG, fresh each time
/// assert!(pending.encode().starts_with(b"GET /chat HTTP/1.1\r\nHost: localhost:3000\r\n"));
///
/// let received = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
/// let head = HeadReader::new(HeadLimits::default()).read_response(received)?.expect("complete");
/// assert!(pending.verify(head).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Connect {
    /// Where to.
    pub endpoint: Endpoint,
    /// More headers, such as `Origin`, `Cookie` or `Authorization`; the last one wins over the
    /// user and password of the URL, and `Host` over its host.
    pub headers: HeaderMap,
    /// The subprotocols to offer, the dearest first.
    pub subprotocols: Vec<Subprotocol>,
    /// The value of `Sec-WebSocket-Extensions`: what to offer.
    pub extensions: Option<HeaderValue>,
}

/// A request that must not be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectError {
    /// A subprotocol is offered twice (RFC 6455 §4.1 item 10).
    SubprotocolRepeated(Subprotocol),
    /// The extensions to offer are not a list of extensions (RFC 6455 §9.1).
    ExtensionsMalformed(ExtensionError),
    /// This header is the handshake's own.
    ReservedHeader(HeaderName),
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SubprotocolRepeated(name) => write!(f, "the subprotocol {name} is offered twice"),
            Self::ExtensionsMalformed(error) => write!(f, "the offer cannot be sent: {error}"),
            Self::ReservedHeader(name) => {
                write!(f, "the header {name} is set by the handshake alone")
            }
        }
    }
}

impl core::error::Error for ConnectError {}

impl Connect {
    /// Asks for the endpoint and nothing else.
    #[must_use]
    pub fn new(endpoint: Endpoint) -> Self {
        Self {
            endpoint,
            headers: HeaderMap::new(),
            subprotocols: Vec::new(),
            extensions: None,
        }
    }

    /// Makes the request. The nonce must be random and fresh for each attempt (RFC 6455 §4.1).
    ///
    /// # Errors
    /// [`ConnectError`] when the request would break the handshake.
    pub fn start(self, nonce: [u8; 16]) -> Result<Pending, ConnectError> {
        let Self {
            endpoint,
            headers: extra,
            subprotocols,
            extensions,
        } = self;
        if let Some(name) = extra.keys().find(|name| is_reserved(name)) {
            return Err(ConnectError::ReservedHeader(name.clone()));
        }
        for (index, name) in subprotocols.iter().enumerate() {
            if subprotocols[..index].contains(name) {
                return Err(ConnectError::SubprotocolRepeated(name.clone()));
            }
        }

        let key = Key::from_nonce(nonce);
        let mut request = Request::new(());
        *request.method_mut() = Method::GET;
        *request.uri_mut() = endpoint.target().clone();
        let headers = request.headers_mut();
        headers.insert(HOST, endpoint.host_header());
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(SEC_WEBSOCKET_KEY, key.to_header_value());
        headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static(VERSION));
        if !subprotocols.is_empty() {
            let names: Vec<&str> = subprotocols.iter().map(Subprotocol::as_str).collect();
            let value = HeaderValue::try_from(names.join(", ")).expect("tokens are visible ASCII");
            headers.insert(SEC_WEBSOCKET_PROTOCOL, value);
        }
        let offered = extension::parse(&extensions).map_err(ConnectError::ExtensionsMalformed)?;
        let offered = offered
            .into_iter()
            .map(|extension| extension.name)
            .collect();
        headers.extend(extensions.map(|value| (SEC_WEBSOCKET_EXTENSIONS, value)));
        if let Some(credentials) = endpoint.credentials() {
            headers.insert(AUTHORIZATION, credentials.clone());
        }
        headers.extend(extra); // takes the place of what has the same name
        Ok(Pending {
            request,
            key,
            subprotocols,
            extensions: offered,
        })
    }
}

/// A request on its way, and what its answer must look like.
#[derive(Clone, Debug)]
pub struct Pending {
    request: Request<()>,
    key: Key,
    subprotocols: Vec<Subprotocol>,
    /// The names of the extensions offered.
    extensions: Vec<String>,
}

/// The server agreed: frames follow.
#[derive(Clone, Debug)]
pub struct Accepted {
    /// The 101, with all its headers.
    pub response: Response<()>,
    /// The subprotocol that the server picked of those offered.
    pub subprotocol: Option<Subprotocol>,
    /// The extensions that the server answered, all of them offered; their parameters are for
    /// whoever made the offer to judge. Empty when the server wants none.
    pub extensions: Vec<Extension>,
}

/// Why there is no connection.
#[derive(Debug)]
#[non_exhaustive]
pub enum ResponseError {
    /// The server said no, with this status and these headers; its body may follow.
    Refused(Box<Response<()>>),
    /// The server said yes, but wrongly: the connection must be failed.
    Violation(ResponseViolation),
}

/// The rule that a 101 broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ResponseViolation {
    /// The 101 is not HTTP/1.1 (RFC 9110 §15.2).
    HttpVersion,
    /// The head has something in it that a handshake must not have.
    Flaw(Flaw),
    /// `Upgrade` is missing (RFC 6455 §4.1 item 2).
    UpgradeMissing,
    /// `Upgrade` says something else than `websocket` (RFC 6455 §4.1 item 2).
    UpgradeWrong,
    /// `Connection` lacks the token `upgrade` (RFC 6455 §4.1 item 3).
    Connection,
    /// `Sec-WebSocket-Accept` is missing (RFC 6455 §4.1 item 4).
    AcceptMissing,
    /// `Sec-WebSocket-Accept` is there more than once (RFC 6455 §11.3.3).
    AcceptRepeated,
    /// `Sec-WebSocket-Accept` does not answer the key (RFC 6455 §4.1 item 4).
    AcceptWrong,
    /// `Sec-WebSocket-Extensions` is not a list of extensions (RFC 6455 §9.1).
    ExtensionsMalformed(ExtensionError),
    /// An extension is in use that was not offered (RFC 6455 §4.1 item 5).
    ExtensionNotOffered,
    /// A subprotocol is in use that was not offered (RFC 6455 §4.1 item 6).
    SubprotocolNotOffered,
    /// `Sec-WebSocket-Protocol` is there more than once or names several (RFC 6455 §11.3.4).
    SubprotocolRepeated,
}

impl Pending {
    /// The request.
    #[must_use]
    pub const fn request(&self) -> &Request<()> {
        &self.request
    }

    /// The bytes to send.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        encode_request(&self.request)
    }

    /// Judges the server's answer. Interim responses are the caller's to skip
    /// ([`ResponseHead::is_interim`]).
    ///
    /// That the server picked no subprotocol though some were offered is no error here.
    ///
    /// # Errors
    /// [`ResponseError::Refused`] for any status but 101, [`ResponseError::Violation`] for a 101
    /// that must not be trusted.
    pub fn verify(&self, head: ResponseHead) -> Result<Accepted, ResponseError> {
        let ResponseHead { response, flaw, .. } = head;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Err(ResponseError::Refused(Box::new(response)));
        }
        if let Some(flaw) = flaw {
            return Err(ResponseViolation::Flaw(flaw).into());
        }
        self.verify_upgrade(&response)?;
        let headers = response.headers();
        let extensions = self.verify_extensions(headers)?;
        let subprotocol = self.verify_subprotocol(headers)?;
        Ok(Accepted {
            response,
            subprotocol,
            extensions,
        })
    }

    fn verify_upgrade(&self, response: &Response<()>) -> Result<(), ResponseViolation> {
        if response.version() != Version::HTTP_11 {
            return Err(ResponseViolation::HttpVersion);
        }
        let headers = response.headers();
        let mut upgrades = elements(headers, &UPGRADE);
        match (upgrades.next(), upgrades.next()) {
            (None, _) => return Err(ResponseViolation::UpgradeMissing),
            (Some(only), None) if only.eq_ignore_ascii_case(b"websocket") => {}
            _ => return Err(ResponseViolation::UpgradeWrong),
        }
        if !has_token(headers, &CONNECTION, "upgrade") {
            return Err(ResponseViolation::Connection);
        }
        let mut accepts = headers.get_all(SEC_WEBSOCKET_ACCEPT).iter();
        match (accepts.next(), accepts.next()) {
            (None, _) => Err(ResponseViolation::AcceptMissing),
            (Some(_), Some(_)) => Err(ResponseViolation::AcceptRepeated),
            (Some(accept), None) if accept == self.key.accept() => Ok(()),
            _ => Err(ResponseViolation::AcceptWrong),
        }
    }

    fn verify_extensions(&self, headers: &HeaderMap) -> Result<Vec<Extension>, ResponseViolation> {
        let answered = extension::parse(headers.get_all(SEC_WEBSOCKET_EXTENSIONS))
            .map_err(ResponseViolation::ExtensionsMalformed)?;
        if answered
            .iter()
            .all(|extension| self.extensions.contains(&extension.name))
        {
            Ok(answered)
        } else {
            Err(ResponseViolation::ExtensionNotOffered)
        }
    }

    fn verify_subprotocol(
        &self,
        headers: &HeaderMap,
    ) -> Result<Option<Subprotocol>, ResponseViolation> {
        if headers
            .get_all(SEC_WEBSOCKET_PROTOCOL)
            .iter()
            .nth(1)
            .is_some()
        {
            return Err(ResponseViolation::SubprotocolRepeated);
        }
        let Some(value) = headers.get(SEC_WEBSOCKET_PROTOCOL) else {
            return Ok(None);
        };
        let picked = self.subprotocols.iter().find(|name| value == name.as_str());
        match picked {
            Some(name) => Ok(Some(name.clone())),
            None if value.as_bytes().contains(&b',') => Err(ResponseViolation::SubprotocolRepeated),
            None => Err(ResponseViolation::SubprotocolNotOffered),
        }
    }
}

impl From<ResponseViolation> for ResponseError {
    fn from(violation: ResponseViolation) -> Self {
        Self::Violation(violation)
    }
}

impl fmt::Display for ResponseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(response) => {
                write!(
                    f,
                    "the server refused the handshake with {}",
                    response.status()
                )
            }
            Self::Violation(_) => f.write_str("the server broke the handshake"),
        }
    }
}

impl core::error::Error for ResponseError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Refused(_) => None,
            Self::Violation(violation) => Some(violation),
        }
    }
}

impl fmt::Display for ResponseViolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Flaw(flaw) => return flaw.fmt(f),
            Self::ExtensionsMalformed(error) => return error.fmt(f),
            Self::HttpVersion => "the 101 response is not HTTP/1.1",
            Self::UpgradeMissing => "the Upgrade header is missing",
            Self::UpgradeWrong => "the Upgrade header does not say websocket",
            Self::Connection => "the Connection header does not say upgrade",
            Self::AcceptMissing => "the Sec-WebSocket-Accept header is missing",
            Self::AcceptRepeated => "the Sec-WebSocket-Accept header is there more than once",
            Self::AcceptWrong => "the Sec-WebSocket-Accept does not answer the key",
            Self::ExtensionNotOffered => "an extension is in use that was not offered",
            Self::SubprotocolNotOffered => "a subprotocol is in use that was not offered",
            Self::SubprotocolRepeated => "more than one subprotocol is in use",
        })
    }
}

impl core::error::Error for ResponseViolation {}
