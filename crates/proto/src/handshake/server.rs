//! The server's side: check a request, then accept it (RFC 6455 §4.2).

use core::fmt;

use http::header::{
    CONNECTION, CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN,
    SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, TRANSFER_ENCODING, UPGRADE,
};
use http::uri::Scheme;
use http::{Method, Request, Response, StatusCode, Version};

use crate::extension::{self, Extension};

use super::head::{Flaw, RequestHead, wants_websocket};
use super::host::{Host, Hosts};
use super::key::Key;
use super::origin::{Origin, Origins};
use super::refusal::{Reason, Refusal};
use super::subprotocol::{self, Subprotocol, Subprotocols};
use super::token::{has_token, one};
use super::{VERSION, is_reserved};

/// What an endpoint asks of a handshake, beyond what RFC 6455 does.
///
/// The default is for an endpoint with state: strict same origin, any host, no subprotocol.
///
/// # Examples
/// ```
/// use holdwire_proto::handshake::{NoneCommon, Origins, Rules, Subprotocols};
///
/// let rules = Rules {
///     origins: Origins::List(vec!["https://app.example.com".parse()?]),
///     subprotocols: Subprotocols::Preferred {
///         names: vec!["chat.v2".parse()?, "chat.v1".parse()?],
///         otherwise: NoneCommon::Refuse,
///     },
///     ..Rules::default()
/// };
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// Whose pages may connect.
    pub origins: Origins,
    /// Whether a request without `Origin`, which then comes from no browser, is refused.
    pub require_origin: bool,
    /// The hosts that the server answers for.
    pub hosts: Hosts,
    /// How a subprotocol is picked.
    pub subprotocols: Subprotocols,
}

/// How the client addressed the server, where the request itself does not show it.
#[derive(Clone, Debug)]
pub struct Effective {
    /// `https` when the connection is TLS, or when a trusted proxy says that its own was.
    pub scheme: Scheme,
    /// The host that a trusted proxy was asked for; `None` takes it from the request.
    pub host: Option<Host>,
}

impl Effective {
    /// Over plain TCP, with no proxy that is trusted.
    #[must_use]
    pub const fn plain() -> Self {
        Self {
            scheme: Scheme::HTTP,
            host: None,
        }
    }

    /// Over TLS, with no proxy that is trusted.
    #[must_use]
    pub const fn tls() -> Self {
        Self {
            scheme: Scheme::HTTPS,
            host: None,
        }
    }
}

/// A request that obeys all rules and waits for the application's word.
///
/// The application looks at the request, then calls [`accept`](Self::accept), or drops this and
/// sends [`Refusal::application`].
#[derive(Clone, Debug)]
pub struct Offer {
    /// The key to answer; `None` over HTTP/2, which needs no proof.
    key: Option<Key>,
    offered: Vec<Subprotocol>,
    picked: Option<Subprotocol>,
    extensions: Vec<Extension>,
}

/// What the application adds to an accept.
#[derive(Clone, Debug, Default)]
pub struct Acceptance {
    /// The subprotocol, if the application decides instead of [`Rules::subprotocols`].
    pub subprotocol: Option<Subprotocol>,
    /// The value of `Sec-WebSocket-Extensions`: what was negotiated.
    pub extensions: Option<HeaderValue>,
    /// More headers for the response, such as `Set-Cookie`.
    pub headers: HeaderMap,
}

/// The application asked for an accept that would break the handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AcceptError {
    /// The client did not offer this subprotocol (RFC 6455 §4.2.2 item 5.5).
    SubprotocolNotOffered(Subprotocol),
    /// Extensions are to be accepted, but none was offered (RFC 6455 §9.1).
    ExtensionsNotOffered,
    /// This header is the handshake's own.
    ReservedHeader(HeaderName),
}

impl fmt::Display for AcceptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SubprotocolNotOffered(name) => {
                write!(f, "the client did not offer the subprotocol {name}")
            }
            Self::ExtensionsNotOffered => f.write_str("the client did not offer any extension"),
            Self::ReservedHeader(name) => {
                write!(f, "the header {name} is set by the handshake alone")
            }
        }
    }
}

impl core::error::Error for AcceptError {}

impl Rules {
    /// Checks an upgrade request that was read from the connection's bytes.
    ///
    /// Order: method, HTTP version, `Upgrade` and `Connection`, then what every request must have
    /// (flaws of the head, target, `Host`, no body), WebSocket version, key, subprotocols, the
    /// grammar of extensions, hosts, `Origin`.
    ///
    /// # Errors
    /// [`Refusal`], with the response to send.
    pub fn check(&self, head: &RequestHead, effective: &Effective) -> Result<Offer, Refusal> {
        self.check_upgrade(&head.request, head.flaw, effective)
    }

    /// Checks an upgrade request that an HTTP library has read; the flaws of its bytes are unseen.
    ///
    /// # Errors
    /// [`Refusal`], with the response to send.
    pub fn check_request<B>(
        &self,
        request: &Request<B>,
        effective: &Effective,
    ) -> Result<Offer, Refusal> {
        self.check_upgrade(request, None, effective)
    }

    /// Checks an extended CONNECT of HTTP/2 with `:protocol` `websocket` (RFC 8441 §5).
    ///
    /// There the stream takes the place of `Upgrade`, `Connection` and the key; the accept is a
    /// 200. Whether the method is CONNECT and the protocol `websocket` is the caller's to know.
    ///
    /// # Errors
    /// [`Refusal`], with the response to send.
    pub fn check_extended_connect<B>(
        &self,
        request: &Request<B>,
        effective: &Effective,
    ) -> Result<Offer, Refusal> {
        let headers = request.headers();
        Host::of(request)
            .and_then(|host| host.ok_or(Reason::HostMissing))
            .and_then(|host| {
                check_version(headers)?;
                self.check_shared(headers, host, effective, None)
            })
            .map_err(|reason| Refusal::new(reason).for_http2())
    }

    fn check_upgrade<B>(
        &self,
        request: &Request<B>,
        flaw: Option<Flaw>,
        effective: &Effective,
    ) -> Result<Offer, Refusal> {
        let headers = request.headers();
        check_is_upgrade(request)
            .and_then(|()| {
                let host = check_message(request, flaw)?;
                check_version(headers)?;
                let key = check_key(headers)?;
                self.check_shared(headers, host, effective, Some(key))
            })
            .map_err(|reason| {
                let refusal = Refusal::new(reason);
                if request.method() == Method::HEAD {
                    refusal.without_body()
                } else {
                    refusal
                }
            })
    }

    /// The rules that HTTP/1.1 and HTTP/2 share.
    fn check_shared(
        &self,
        headers: &HeaderMap,
        host: Host,
        effective: &Effective,
        key: Option<Key>,
    ) -> Result<Offer, Reason> {
        let offered = subprotocol::offered(headers)?;
        let picked = self.subprotocols.pick(&offered)?;
        let extensions = extension::parse(headers.get_all(SEC_WEBSOCKET_EXTENSIONS))
            .map_err(Reason::ExtensionsMalformed)?;
        let host = effective.host.clone().unwrap_or(host);
        if !self.hosts.admits(&host) {
            return Err(Reason::misdirected(&host));
        }
        self.check_origin(headers, &Origin::of(&effective.scheme, &host))?;
        Ok(Offer {
            key,
            offered,
            picked,
            extensions,
        })
    }

    fn check_origin(&self, headers: &HeaderMap, own: &Origin) -> Result<(), Reason> {
        let mut lines = headers.get_all(ORIGIN).iter();
        let Some(first) = lines.next() else {
            return if self.require_origin {
                Err(Reason::OriginMissing)
            } else {
                Ok(())
            };
        };
        if matches!(self.origins, Origins::Any) {
            return Ok(());
        }
        // Two origins, or something that is none, fit no rule.
        let origin = first
            .to_str()
            .ok()
            .and_then(|text| text.parse::<Origin>().ok());
        match origin {
            Some(origin) if lines.next().is_none() && self.origins.admits(&origin, own) => Ok(()),
            _ => Err(Reason::Origin {
                origin: String::from_utf8_lossy(first.as_bytes()).into_owned(),
                own: own.to_string(),
            }),
        }
    }
}

/// RFC 6455 §4.2.1 items 1, 3 and 4: is this an upgrade to WebSocket at all?
fn check_is_upgrade<B>(request: &Request<B>) -> Result<(), Reason> {
    let headers = request.headers();
    let upgrade = has_token(headers, &UPGRADE, "websocket");
    if request.method() != Method::GET {
        Err(Reason::Method)
    } else if !wants_websocket(headers) {
        Err(Reason::NotWebSocket)
    } else if request.version() != Version::HTTP_11 {
        Err(Reason::HttpVersion)
    } else if !upgrade {
        Err(Reason::Upgrade)
    } else if !has_token(headers, &CONNECTION, "upgrade") {
        Err(Reason::Connection)
    } else {
        Ok(())
    }
}

/// What any reader in front of us must have seen in the same way: one host, and no body.
fn check_message<B>(request: &Request<B>, flaw: Option<Flaw>) -> Result<Host, Reason> {
    if let Some(flaw) = flaw {
        return Err(Reason::Flaw(flaw));
    }
    let (uri, headers) = (request.uri(), request.headers());
    let is_resource = match uri.scheme_str() {
        None => uri.authority().is_none() && uri.path().starts_with('/'),
        Some(scheme) => ["http", "https", "ws", "wss"].contains(&scheme),
    };
    if !is_resource {
        return Err(Reason::Target);
    }
    // A whole URI names the host, yet the header must be there as well (RFC 9112 §3.2).
    if !headers.contains_key(HOST) {
        return Err(Reason::HostMissing);
    }
    let host = Host::of(request)?.ok_or(Reason::HostMissing)?;
    if headers.contains_key(TRANSFER_ENCODING) {
        return Err(Reason::TransferEncoding);
    }
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    match (lengths.next(), lengths.next()) {
        (None, _) => Ok(host),
        (Some(length), None) if length == "0" => Ok(host),
        _ => Err(Reason::Body),
    }
}

fn check_version(headers: &HeaderMap) -> Result<(), Reason> {
    match one(headers, &SEC_WEBSOCKET_VERSION, Reason::VersionRepeated)? {
        Some(version) if version == VERSION => Ok(()),
        Some(_) => Err(Reason::VersionUnsupported),
        None => Err(Reason::VersionMissing),
    }
}

fn check_key(headers: &HeaderMap) -> Result<Key, Reason> {
    let key = one(headers, &SEC_WEBSOCKET_KEY, Reason::KeyRepeated)?.ok_or(Reason::KeyMissing)?;
    Key::parse(key.as_bytes()).ok_or(Reason::KeyMalformed)
}

impl Offer {
    /// The subprotocols that the client offered, in its order.
    #[must_use]
    pub fn subprotocols(&self) -> &[Subprotocol] {
        &self.offered
    }

    /// The one that [`Rules::subprotocols`] picked; it stands unless the application names another.
    #[must_use]
    pub const fn subprotocol(&self) -> Option<&Subprotocol> {
        self.picked.as_ref()
    }

    /// The extensions that the client offered, in its order, for whoever negotiates them.
    #[must_use]
    pub fn extensions(&self) -> &[Extension] {
        &self.extensions
    }

    /// Builds the response that accepts: a 101 over HTTP/1.1, a 200 over HTTP/2.
    ///
    /// # Errors
    /// [`AcceptError`] when the client must not be answered so.
    pub fn accept(self, acceptance: Acceptance) -> Result<Response<()>, AcceptError> {
        let Acceptance {
            subprotocol,
            extensions,
            headers,
        } = acceptance;
        if let Some(name) = headers.keys().find(|name| is_reserved(name)) {
            return Err(AcceptError::ReservedHeader(name.clone()));
        }
        if extensions.is_some() && self.extensions.is_empty() {
            return Err(AcceptError::ExtensionsNotOffered);
        }
        if let Some(name) = subprotocol
            .as_ref()
            .filter(|name| !self.offered.contains(name))
        {
            return Err(AcceptError::SubprotocolNotOffered(name.clone()));
        }

        let mut response = Response::new(());
        let own = response.headers_mut();
        if let Some(key) = self.key {
            own.insert(UPGRADE, HeaderValue::from_static("websocket"));
            own.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
            own.insert(SEC_WEBSOCKET_ACCEPT, key.accept());
        }
        if let Some(name) = subprotocol.or(self.picked) {
            own.insert(SEC_WEBSOCKET_PROTOCOL, name.to_header_value());
        }
        if let Some(extensions) = extensions {
            own.insert(SEC_WEBSOCKET_EXTENSIONS, extensions);
        }
        own.extend(headers);
        if self.key.is_some() {
            *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        }
        Ok(response)
    }
}
