//! Opening a connection: resolve, connect, tunnel, TLS, opening handshake.

mod attempt;
mod body;
mod dial;
mod error;
mod exchange;
mod proxy;

use std::sync::Arc;
use std::time::Duration;

use holdwire_proto::Config;
use holdwire_proto::handshake::{Endpoint, Subprotocol};
use http::header::{
    AUTHORIZATION, COOKIE, HeaderMap, HeaderName, HeaderValue, ORIGIN, PROXY_AUTHORIZATION,
};

use crate::stream::{Io, Stream};
use crate::websocket::WebSocket;

pub use attempt::Opened;
pub use error::{ConnectError, Phase, ProxyError, Refused};
pub use proxy::Proxy;

/// Opens a connection with the defaults of [`Client`].
///
/// A small task is spawned that drives it, so pings are answered whatever the application does;
/// the task ends with the connection. [`Client::open`] spawns nothing.
///
/// # Errors
/// [`ConnectError`], which says who is at fault.
///
/// # Cancel safety
/// Cancel safe: dropping the future closes the attempt.
///
/// # Panics
/// When it is awaited outside a tokio runtime.
///
/// # Examples
/// ```no_run
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let mut socket = holdwire::connect("ws://localhost:3000/echo").await?;
/// socket.send("hello").await?;
/// while let Some(message) = socket.recv().await {
///     println!("{:?}", message?);
/// }
/// # Ok(())
/// # }
/// ```
pub async fn connect(url: impl AsRef<str>) -> Result<WebSocket, ConnectError> {
    Client::new().connect(url).await
}

/// How to open connections; one serves any number of them.
///
/// `ws` goes over TCP, `wss` over TLS and never otherwise. Each phase has its own limit of 10 s.
/// Redirects are not followed. No proxy is used unless [`Client::proxy`] says so.
///
/// # Examples
/// ```no_run
/// use holdwire::{Client, Config, Proxy};
///
/// # async fn run(token: &str) -> Result<(), Box<dyn std::error::Error>> {
/// let client = Client::new()
///     .header("authorization", token)?
///     .subprotocol("chat")?
///     .config(Config::default().max_message(64 * 1024))
///     .proxy(Proxy::from_env());
/// let socket = client.connect("wss://example.com/some/path").await?;
/// assert_eq!(socket.subprotocol(), Some("chat"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a client does nothing until it connects"]
pub struct Client {
    headers: HeaderMap,
    subprotocols: Vec<Subprotocol>,
    config: Arc<Config>,
    proxy: Option<Proxy>,
    #[cfg(feature = "tls")]
    tls: Option<crate::tls::TlsConnector>,
    limits: PhaseLimits,
}

/// How long each phase may take.
#[derive(Clone, Copy, Debug)]
struct PhaseLimits {
    connect: Duration,
    proxy: Duration,
    tls: Duration,
    handshake: Duration,
}

impl Client {
    /// No headers or subprotocols of its own, no proxy, the default limits.
    pub fn new() -> Self {
        Self::default()
    }

    /// One more request header. A name may come several times.
    ///
    /// `Authorization` replaces the user and password of the URL, `Host` its host.
    ///
    /// # Errors
    /// [`ConnectError::Header`] when HTTP does not allow it. A header that belongs to the handshake
    /// is refused when connecting.
    pub fn header<N, V>(mut self, name: N, value: V) -> Result<Self, ConnectError>
    where
        N: TryInto<HeaderName, Error: Into<http::Error>>,
        V: TryInto<HeaderValue, Error: Into<http::Error>>,
    {
        let (name, value) = header(name, value)?;
        self.headers.append(name, value);
        Ok(self)
    }

    /// The page on whose behalf the client asks; none by default, as a browser alone has one
    /// (RFC 6455 §4.1 item 8).
    ///
    /// # Errors
    /// [`ConnectError::Header`] when HTTP does not allow it.
    pub fn origin<V>(mut self, origin: V) -> Result<Self, ConnectError>
    where
        V: TryInto<HeaderValue, Error: Into<http::Error>>,
    {
        let (name, value) = header(ORIGIN, origin)?;
        self.headers.insert(name, value);
        Ok(self)
    }

    /// Offers one more subprotocol, after those offered so far.
    ///
    /// A server may answer with none of them: see [`WebSocket::subprotocol`].
    ///
    /// # Errors
    /// [`ConnectError::Subprotocol`] when the name is not a token.
    pub fn subprotocol(mut self, name: impl AsRef<str>) -> Result<Self, ConnectError> {
        let name = name.as_ref().parse().map_err(ConnectError::Subprotocol)?;
        self.subprotocols.push(name);
        Ok(self)
    }

    /// The limits of the connections, and whether they offer permessage-deflate.
    pub fn config(mut self, config: impl Into<Arc<Config>>) -> Self {
        self.config = config.into();
        self
    }

    /// The proxy to go through, or `None`, which is the default.
    pub fn proxy(mut self, proxy: impl Into<Option<Proxy>>) -> Self {
        self.proxy = proxy.into();
        self
    }

    /// Whom to trust for `wss`. The default is what
    /// [`TlsConnector::system`](crate::tls::TlsConnector::system) says.
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: crate::tls::TlsConnector) -> Self {
        self.tls = Some(tls);
        self
    }

    /// How long finding the host and connecting to it may take. Default 10 s.
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.limits.connect = limit;
        self
    }

    /// How long the proxy may take to answer. Default 10 s.
    pub fn proxy_timeout(mut self, limit: Duration) -> Self {
        self.limits.proxy = limit;
        self
    }

    /// How long the TLS handshake may take. Default 10 s.
    pub fn tls_timeout(mut self, limit: Duration) -> Self {
        self.limits.tls = limit;
        self
    }

    /// How long the opening handshake may take, the body of a refusal included. Default 10 s.
    pub fn handshake_timeout(mut self, limit: Duration) -> Self {
        self.limits.handshake = limit;
        self
    }

    /// Opens a connection and spawns the task that drives it, as [`connect`] does.
    ///
    /// # Errors
    /// [`ConnectError`], which says who is at fault.
    ///
    /// # Cancel safety
    /// Cancel safe: dropping the future closes the attempt.
    ///
    /// # Panics
    /// When it is awaited outside a tokio runtime.
    pub async fn connect(&self, url: impl AsRef<str>) -> Result<WebSocket, ConnectError> {
        Ok(self.open(url).await?.spawn())
    }

    /// Opens a connection that the caller drives, with the server's answer.
    ///
    /// # Errors
    /// [`ConnectError`], which says who is at fault.
    ///
    /// # Cancel safety
    /// Cancel safe: dropping the future closes the attempt. A look-up of the host's name that is
    /// under way ends in its own time, on a thread of the runtime.
    pub async fn open(&self, url: impl AsRef<str>) -> Result<Opened, ConnectError> {
        let endpoint: Endpoint = url.as_ref().parse()?;
        let pending = self.request(&endpoint)?;
        let stream = self.reach(&endpoint).await?;
        self.shake_hands(stream, &endpoint, pending).await
    }

    /// Opens a connection over a transport that leads to the server, such as a tunnel or a pipe,
    /// and spawns the task that drives it.
    ///
    /// The URL says what to ask for. With `wss` TLS is spoken over the transport; for one that is
    /// encrypted already give a `ws` URL.
    ///
    /// # Errors
    /// [`ConnectError`], which says who is at fault.
    ///
    /// # Cancel safety
    /// Cancel safe: dropping the future drops the transport.
    ///
    /// # Panics
    /// When it is awaited outside a tokio runtime.
    pub async fn over(&self, io: impl Io, url: impl AsRef<str>) -> Result<WebSocket, ConnectError> {
        Ok(self.open_over(io, url).await?.spawn())
    }

    /// As [`Client::over`], and the caller drives, as with [`Client::open`].
    ///
    /// # Errors
    /// [`ConnectError`], which says who is at fault.
    ///
    /// # Cancel safety
    /// Cancel safe: dropping the future drops the transport.
    pub async fn open_over(
        &self,
        io: impl Io,
        url: impl AsRef<str>,
    ) -> Result<Opened, ConnectError> {
        let endpoint: Endpoint = url.as_ref().parse()?;
        let pending = self.request(&endpoint)?;
        self.shake_hands(Stream::new(io), &endpoint, pending).await
    }
}

impl Default for Client {
    fn default() -> Self {
        Self {
            headers: HeaderMap::new(),
            subprotocols: Vec::new(),
            config: Arc::default(),
            proxy: None,
            #[cfg(feature = "tls")]
            tls: None,
            limits: PhaseLimits {
                connect: PHASE_LIMIT,
                proxy: PHASE_LIMIT,
                tls: PHASE_LIMIT,
                handshake: PHASE_LIMIT,
            },
        }
    }
}

/// Checks a header; what is secret in it is not printed by `Debug`.
fn header<N, V>(name: N, value: V) -> Result<(HeaderName, HeaderValue), ConnectError>
where
    N: TryInto<HeaderName, Error: Into<http::Error>>,
    V: TryInto<HeaderValue, Error: Into<http::Error>>,
{
    let name = name.try_into().map_err(to_header_error)?;
    let mut value = value.try_into().map_err(to_header_error)?;
    value.set_sensitive([AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION].contains(&name));
    Ok((name, value))
}

fn to_header_error(error: impl Into<http::Error>) -> ConnectError {
    ConnectError::Header(error.into())
}

/// How long a phase may take unless it is said otherwise.
const PHASE_LIMIT: Duration = Duration::from_secs(10);
