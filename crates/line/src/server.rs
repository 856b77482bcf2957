//! A server: listeners, endpoints, limits, and everything else on the port for HTTP.

mod accept;
mod admit;
mod drain;
mod endpoint;
#[cfg(feature = "fallback")]
mod fallback;
mod http;
mod observe;
mod rate;
mod refuse;
mod registry;
#[cfg(feature = "shard")]
mod shards;

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ::http::{HeaderMap, Request, StatusCode};
use holdwire_proto::handshake::{Effective, HeadLimits, Hosts, Refusal};
use tokio::net::{TcpListener, ToSocketAddrs};
use tokio::task::JoinSet;

pub use self::drain::Drain;
pub use self::endpoint::{Accept, Endpoint, Upgrade};
pub use self::observe::{Observer, TurnedAway};
pub use self::rate::HandshakeRate;
pub use self::registry::ServerHandle;
use crate::driver::Outcome;
use crate::tcp;
use crate::websocket::WebSocket;

/// A WebSocket server on one or more listeners.
///
/// Defaults: strict same origin, any host, 10 s for a request head of at most 16 KiB and 100
/// fields, no limit on connections, and 426 for requests that want no WebSocket.
///
/// # Examples
/// ```no_run
/// use holdwire::{Server, WebSocket};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let server = Server::bind("127.0.0.1:3000").await?;
/// server
///     .serve(|mut socket: WebSocket, _request| async move {
///         socket.send("Information from the server").await?;
///         while let Some(message) = socket.recv().await.transpose()? {
///             println!("{message:?}");
///         }
///         Ok::<(), holdwire::Error>(())
///     })
///     .await
/// # }
/// ```
#[must_use = "a server accepts only while it is served"]
pub struct Server {
    listeners: Vec<TcpListener>,
    #[cfg(feature = "shard")]
    shards: usize,
    inner: Inner,
}

/// Everything that the connections of a server share.
struct Inner {
    endpoints: Vec<(Path, Endpoint)>,
    limits: ServerLimits,
    hosts: Option<Hosts>,
    peers: Option<Peers>,
    observer: Option<Arc<dyn Observer>>,
    #[cfg(feature = "fallback")]
    fallback: Option<fallback::Fallback>,
    #[cfg(feature = "tls")]
    tls: Option<crate::tls::TlsAcceptor>,
    handle: ServerHandle,
    permits: accept::Permits,
    #[cfg(feature = "shard")]
    shards: shards::Shards,
    /// What sessions tell the server, wherever they run.
    #[cfg(feature = "shard")]
    owner: Arc<dyn crate::shard::Owner>,
}

/// Which requests an endpoint is for.
enum Path {
    Any,
    Exactly(Box<str>),
    /// All that begin so.
    Under(Box<str>),
}

/// Says who a request comes from, given the address of the TCP peer and the header fields.
type Peers = Arc<dyn Fn(SocketAddr, &HeaderMap) -> Peer + Send + Sync>;

/// Who a request comes from; in the extensions of every request.
///
/// Behind a reverse proxy this is what the proxy says, if it is trusted: see [`Server::peers`].
///
/// # Examples
/// ```
/// use holdwire::Peer;
/// use holdwire::handshake::Effective;
///
/// let peer = Peer::new(([192, 0, 2, 1], 50_000).into(), Effective::tls());
/// assert_eq!(peer.address.port(), 50_000);
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Peer {
    /// The client's address.
    pub address: SocketAddr,
    /// The scheme and host that it used.
    pub effective: Effective,
}

impl Peer {
    /// A client at `address` that addressed the server so.
    #[must_use]
    pub const fn new(address: SocketAddr, effective: Effective) -> Self {
        Self { address, effective }
    }
}

/// Limits of a server as a whole; those of a connection are in [`Config`](crate::Config).
///
/// Name those that you set and take the rest from the defaults: later versions add limits.
///
/// # Examples
/// ```
/// use holdwire::ServerLimits;
///
/// let limits = ServerLimits {
///     max_connections: 50_000,
///     ..Default::default()
/// };
/// assert_eq!(limits.max_connections_per_ip, usize::MAX);
/// ```
#[derive(Clone, Debug)]
pub struct ServerLimits {
    /// Sizes of a request head. Default 16 KiB and 100 fields; beyond them 431.
    pub head: HeadLimits,
    /// How long TLS and a request head may take. Default 10 s; then 408.
    pub handshake_timeout: Duration,
    /// How long a kept-alive HTTP connection may be silent, and how long its client may send
    /// nothing of a body whose length it announced, or read nothing of a response. Default 30 s.
    pub keep_alive: Duration,
    /// The most TCP connections at once. Default: no limit.
    ///
    /// 64 more are let in to get 503, or the answer of the fallback to one ordinary request, so
    /// that a full server can be told from a dead one. Beyond those a connection is dropped at
    /// once, before TLS.
    pub max_connections: usize,
    /// The most WebSocket connections of one address at once. Default: no limit; beyond it 429.
    pub max_connections_per_ip: usize,
    /// The most handshakes a second. Default: no limit; beyond it 503, and `Retry-After` that
    /// grows with the number of those who were sent away.
    pub handshake_rate: Option<HandshakeRate>,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            head: HeadLimits::default(),
            handshake_timeout: Duration::from_secs(10),
            keep_alive: Duration::from_secs(30),
            max_connections: usize::MAX,
            max_connections_per_ip: usize::MAX,
            handshake_rate: None,
        }
    }
}

impl Server {
    /// Listens on the first of the addresses that can be bound.
    ///
    /// # Errors
    /// The error of the system, such as [`io::ErrorKind::AddrInUse`].
    pub async fn bind(address: impl ToSocketAddrs) -> io::Result<Self> {
        Ok(Self::on([TcpListener::bind(address).await?]))
    }

    /// Serves on listeners that are bound already.
    pub fn on(listeners: impl IntoIterator<Item = TcpListener>) -> Self {
        let (handle, permits) = (ServerHandle::default(), accept::Permits::default());
        #[cfg(feature = "shard")]
        let owner = Arc::new(shards::Hosting::new(&handle, &permits, None));
        Self {
            listeners: listeners.into_iter().collect(),
            #[cfg(feature = "shard")]
            shards: 0,
            inner: Inner {
                endpoints: Vec::new(),
                limits: ServerLimits::default(),
                hosts: None,
                peers: None,
                observer: None,
                #[cfg(feature = "fallback")]
                fallback: None,
                #[cfg(feature = "tls")]
                tls: None,
                handle,
                permits,
                #[cfg(feature = "shard")]
                shards: shards::Shards::default(),
                #[cfg(feature = "shard")]
                owner,
            },
        }
    }

    /// The addresses that the server listens on.
    ///
    /// # Errors
    /// The error of the system.
    pub fn local_addresses(&self) -> io::Result<Vec<SocketAddr>> {
        self.listeners.iter().map(TcpListener::local_addr).collect()
    }

    /// Adds an endpoint for exactly this path. Upgrades to other paths get 404, unless there is
    /// a handler for all of them.
    pub fn endpoint(mut self, path: &str, endpoint: Endpoint) -> Self {
        let path = Path::Exactly(path.into());
        self.inner.endpoints.push((path, endpoint));
        self
    }

    /// Adds an endpoint for all paths that begin with this one and have none of their own; of
    /// several the longest.
    pub fn endpoint_under(mut self, prefix: &str, endpoint: Endpoint) -> Self {
        let path = Path::Under(prefix.into());
        self.inner.endpoints.push((path, endpoint));
        self
    }

    /// Adds an endpoint for every path that has none of its own.
    pub fn endpoint_for_all(mut self, endpoint: Endpoint) -> Self {
        self.inner.endpoints.push((Path::Any, endpoint));
        self
    }

    /// Sets the limits.
    pub fn limits(mut self, limits: ServerLimits) -> Self {
        self.inner.limits = limits;
        self
    }

    /// Says who a request comes from: where trusted reverse proxies are known.
    ///
    /// Without it the client is the TCP peer, and the scheme is that of the listener.
    pub fn peers(
        mut self,
        peers: impl Fn(SocketAddr, &HeaderMap) -> Peer + Send + Sync + 'static,
    ) -> Self {
        self.inner.peers = Some(Arc::new(peers));
        self
    }

    /// Serves plain TCP connections of endpoints that are made of
    /// [sessions](Endpoint::sessions) on so many threads of their own: see
    /// [`shard`](crate::shard). Default: none; then each of them has a task.
    ///
    /// One for each CPU is right; a connection stays with its thread.
    #[cfg(feature = "shard")]
    pub fn shards(mut self, count: usize) -> Self {
        self.shards = count;
        self
    }

    /// Tells `observer` about handshakes and connections, for metrics and logs.
    pub fn observe(mut self, observer: Arc<dyn Observer>) -> Self {
        self.inner.observer = Some(observer);
        self
    }

    /// Gives every request that wants no WebSocket to a tower service, such as an axum `Router`.
    #[cfg(feature = "fallback")]
    pub fn fallback<S, B>(mut self, service: S) -> Self
    where
        S: tower_service::Service<
                Request<fallback::Body>,
                Response = ::http::Response<B>,
                Error = std::convert::Infallible,
                Future: Send + 'static,
            > + Clone
            + Send
            + Sync
            + 'static,
        B: hyper::body::Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>>
            + Send
            + 'static,
    {
        self.inner.fallback = Some(fallback::Fallback::new(service));
        self
    }

    /// Speaks TLS on every listener.
    #[cfg(feature = "tls")]
    pub fn tls(mut self, acceptor: crate::tls::TlsAcceptor) -> Self {
        self.inner.tls = Some(acceptor);
        self
    }

    /// The hosts that the server answers for, on every endpoint and for every page. Default: any.
    ///
    /// A server on a loopback address should name them: a page of `evil.example` whose name is
    /// made to point at 127.0.0.1 is otherwise of the same origin (DNS rebinding). Others get 421.
    pub fn hosts(mut self, hosts: Hosts) -> Self {
        self.inner.hosts = Some(hosts);
        self
    }

    /// A handle to shut the server down with.
    #[must_use]
    pub fn handle(&self) -> ServerHandle {
        self.inner.handle.clone()
    }

    /// Serves one handler on every path, until the server is shut down.
    ///
    /// # Errors
    /// As [`Server::run`].
    ///
    /// # Cancel safety
    /// As [`Server::run`].
    pub async fn serve<H, F>(self, handler: H) -> io::Result<()>
    where
        H: Fn(WebSocket, Request<()>) -> F + Send + Sync + 'static,
        F: Future<Output: Outcome> + Send + 'static,
    {
        self.endpoint_for_all(Endpoint::new(handler)).run().await
    }

    /// Serves until the server is shut down by its [`ServerHandle`] and all connections are gone.
    ///
    /// # Errors
    /// The error of a listener that can no longer accept, or of a shard that cannot start.
    ///
    /// # Cancel safety
    /// When the future is dropped, no more connections are accepted; those that are open go on.
    pub async fn run(self) -> io::Result<()> {
        let mut inner = self.inner;
        if let Some(hosts) = &inner.hosts {
            for (_, endpoint) in &mut inner.endpoints {
                endpoint.rules.hosts = hosts.clone();
            }
        }
        let patience = tcp::patience(
            inner
                .endpoints
                .iter()
                .map(|(_, endpoint)| &*endpoint.config),
        );
        #[cfg(feature = "shard")]
        {
            let observer = inner.observer.clone();
            inner.owner = Arc::new(shards::Hosting::new(
                &inner.handle,
                &inner.permits,
                observer,
            ));
            inner.shards = shards::Shards::start(self.shards, &inner.handle, &inner.owner)?;
        }
        let inner = Arc::new(inner);
        let mut loops = JoinSet::new();
        for listener in self.listeners {
            tcp::tune(&listener, patience);
            tcp::widen(&listener);
            loops.spawn(accept::accept_all(listener, Arc::clone(&inner)));
        }
        while loops.join_next().await.is_some() {}
        inner.handle.finished().await;
        Ok(())
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("listeners", &self.listeners)
            .finish_non_exhaustive()
    }
}

impl Inner {
    /// Tells the observer how a handshake was answered.
    fn count(&self, status: StatusCode) {
        if let Some(observer) = &self.observer {
            observer.handshake(status);
        }
    }

    fn endpoint(&self, path: &str) -> Option<&Endpoint> {
        let mut best = None;
        for (own, endpoint) in &self.endpoints {
            let length = match own {
                Path::Exactly(own) if **own == *path => usize::MAX,
                Path::Under(prefix) if path.starts_with(&**prefix) => prefix.len(),
                Path::Any => 0,
                Path::Exactly(_) | Path::Under(_) => continue,
            };
            // Of two that are the same the first.
            if best.is_none_or(|(longest, _)| length > longest) {
                best = Some((length, endpoint));
            }
        }
        best.map(|(_, endpoint)| endpoint)
    }

    /// Whether the request's own host is one of the server's.
    fn check_host(&self, request: &Request<()>) -> Result<(), Refusal> {
        match &self.hosts {
            Some(hosts) => hosts.check(request),
            None => Hosts::Any.check(request),
        }
    }

    fn peer(&self, peer: SocketAddr, headers: &HeaderMap, is_tls: bool) -> Peer {
        match &self.peers {
            Some(peers) => peers(peer, headers),
            None if is_tls => Peer::new(peer, Effective::tls()),
            None => Peer::new(peer, Effective::plain()),
        }
    }
}
