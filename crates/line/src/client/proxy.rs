//! HTTP proxies: which one, if any, and the tunnel through it.

use std::fmt;
use std::sync::Arc;

use bytes::BytesMut;
use holdwire_proto::handshake::{Endpoint, EndpointError, encode_request};
use http::header::{HOST, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHORIZATION};
use http::{Method, Request, StatusCode, Uri};
use hyper_util::client::proxy::matcher::Matcher;
use tokio::time::Instant;

use crate::stream::Stream;

use super::body::refused;
use super::dial::authority;
use super::error::{ConnectError, Phase, ProxyError};
use super::exchange::ask;
use super::header;

/// The HTTP proxy that connections go through, by CONNECT (RFC 9110 §9.3.6).
///
/// Both `ws` and `wss` go through a tunnel, so the proxy changes nothing of what is said in it.
/// User and password of the proxy's URL are sent to the proxy alone. A proxy at an `https` URL is
/// spoken to by TLS.
///
/// # Examples
/// ```
/// use holdwire::{Client, Proxy};
///
/// let proxy = Proxy::http("http://user:password@proxy.example:3128")?.bypass("localhost,10.0.0.0/8");
/// let client = Client::new().proxy(proxy);
/// # Ok::<(), holdwire::ConnectError>(())
/// ```
#[derive(Clone)]
pub struct Proxy {
    plain: Option<Target>,
    secure: Option<Target>,
    /// What `NO_PROXY` says; it matches what is *not* to go straight to the host.
    bypass: Option<Arc<Matcher>>,
    headers: HeaderMap,
}

/// Where a proxy is; a URL that cannot be used is told when it would be used.
type Target = Result<Endpoint, EndpointError>;

impl Proxy {
    /// One proxy for every host: `http://proxy.example:3128`, or with `user:password@`.
    ///
    /// # Errors
    /// [`ProxyError::Url`] when the URL is another one.
    pub fn http(url: impl AsRef<str>) -> Result<Self, ConnectError> {
        let endpoint = target(url.as_ref()).map_err(ProxyError::Url)?;
        Ok(Self {
            plain: Some(Ok(endpoint.clone())),
            secure: Some(Ok(endpoint)),
            bypass: None,
            headers: HeaderMap::new(),
        })
    }

    /// The proxies that the environment names now: `HTTP_PROXY` for `ws`, `HTTPS_PROXY` for `wss`,
    /// `ALL_PROXY` for what has none of its own, `NO_PROXY` for hosts that need none.
    ///
    /// The lower-case names come first; an empty variable counts as none. In a CGI program, where
    /// `REQUEST_METHOD` is set, `HTTP_PROXY` is ignored: there it holds a request's `Proxy` header.
    /// A proxy that is no HTTP proxy fails the attempt to connect, rather than be passed by.
    #[must_use]
    pub fn from_env() -> Self {
        Self::from_variables(|name| std::env::var(name).ok())
    }

    /// As [`Proxy::from_env`], with variables from elsewhere.
    #[must_use]
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Self {
        let first = |names: [&str; 2]| {
            names
                .into_iter()
                .filter_map(&variable)
                .map(|value| value.trim().to_owned())
                .find(|value| !value.is_empty())
        };
        let is_cgi = variable("REQUEST_METHOD").is_some();
        let http = if is_cgi { "http_proxy" } else { "HTTP_PROXY" };
        let all = first(["all_proxy", "ALL_PROXY"]);
        let find = |names| first(names).or_else(|| all.clone()).map(|url| target(&url));
        let proxy = Self {
            plain: find(["http_proxy", http]),
            secure: find(["https_proxy", "HTTPS_PROXY"]),
            bypass: None,
            headers: HeaderMap::new(),
        };
        match first(["no_proxy", "NO_PROXY"]) {
            Some(hosts) => proxy.bypass(&hosts),
            None => proxy,
        }
    }

    /// Hosts that need no proxy, in the syntax of `NO_PROXY`: names with all names below them,
    /// addresses, networks such as `10.0.0.0/8`, or `*`, separated by commas.
    #[must_use]
    pub fn bypass(mut self, hosts: &str) -> Self {
        if hosts.split(',').any(|host| host.trim() == "*") {
            // The matcher takes it for names alone, not for addresses.
            (self.plain, self.secure) = (None, None);
        }
        let matcher = Matcher::builder().all(ANY_PROXY).no(hosts).build();
        self.bypass = Some(Arc::new(matcher));
        self
    }

    /// One more header for the proxy, such as `User-Agent` or a `Proxy-Authorization` other than
    /// that of the URL.
    ///
    /// # Errors
    /// [`ConnectError::Header`] when HTTP does not allow it.
    pub fn header<N, V>(mut self, name: N, value: V) -> Result<Self, ConnectError>
    where
        N: TryInto<HeaderName, Error: Into<http::Error>>,
        V: TryInto<HeaderValue, Error: Into<http::Error>>,
    {
        let (name, value) = header(name, value)?;
        self.headers.append(name, value);
        Ok(self)
    }

    /// The proxy on the way to a server; `None` when the way is straight.
    pub(super) fn towards(&self, server: &Endpoint) -> Result<Option<&Endpoint>, ConnectError> {
        let target = if server.is_secure() {
            &self.secure
        } else {
            &self.plain
        };
        match target {
            None => Ok(None),
            Some(_) if self.bypasses(server) => Ok(None),
            Some(Ok(proxy)) => Ok(Some(proxy)),
            Some(Err(error)) => Err(ProxyError::Url(*error).into()),
        }
    }

    fn bypasses(&self, server: &Endpoint) -> bool {
        let Some(matcher) = &self.bypass else {
            return false;
        };
        let uri = format!("http://{}/", authority(server)).parse::<Uri>();
        uri.is_ok_and(|uri| matcher.intercept(&uri).is_none())
    }

    /// Asks a proxy that is connected for a tunnel to the server.
    pub(super) async fn tunnel(
        &self,
        stream: &mut Stream,
        proxy: &Endpoint,
        server: &Endpoint,
        deadline: Instant,
    ) -> Result<(), ConnectError> {
        let request = encode_request(&self.request(proxy, server)?);
        let mut received = BytesMut::new();
        let limit = (Phase::Proxy, deadline);
        let head = match ask(stream, &request, &mut received, limit).await {
            Err(ConnectError::Timeout(phase)) => return Err(ConnectError::Timeout(phase)),
            answer => answer.map_err(ProxyError::failed)?,
        };
        let status = head.response.status();
        if !status.is_success() {
            let refused = refused(stream, head.response, received, deadline).await;
            return Err(if status == StatusCode::PROXY_AUTHENTICATION_REQUIRED {
                ProxyError::Credentials(refused).into()
            } else {
                ProxyError::Refused(refused).into()
            });
        }
        if !received.is_empty() {
            return Err(ProxyError::EarlyBytes.into());
        }
        Ok(())
    }

    fn request(&self, proxy: &Endpoint, server: &Endpoint) -> Result<Request<()>, ConnectError> {
        let authority = authority(server);
        let mut request = Request::builder()
            .method(Method::CONNECT)
            .uri(&authority)
            .header(HOST, &authority)
            .body(())
            .map_err(ConnectError::Header)?;
        let headers = request.headers_mut();
        if let Some(credentials) = proxy.credentials() {
            headers.insert(PROXY_AUTHORIZATION, credentials.clone());
        }
        headers.extend(self.headers.clone());
        Ok(request)
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy")
            .field("plain", &self.plain)
            .field("secure", &self.secure)
            .finish_non_exhaustive()
    }
}

impl ProxyError {
    pub(super) fn failed(error: ConnectError) -> Self {
        Self::Failed(Box::new(error))
    }
}

impl From<ProxyError> for ConnectError {
    fn from(error: ProxyError) -> Self {
        Self::Proxy(error)
    }
}

/// A proxy's URL; one without a scheme is an HTTP proxy's, as elsewhere.
fn target(url: &str) -> Target {
    match url.split_once("://") {
        None => format!("http://{url}").parse(),
        Some((scheme, _)) if ["http", "https"].contains(&scheme.to_ascii_lowercase().as_str()) => {
            url.parse()
        }
        Some(_) => Err(EndpointError::Scheme),
    }
}

/// Stands for whatever proxy there is while only the exceptions are of interest.
const ANY_PROXY: &str = "http://proxy.invalid";
