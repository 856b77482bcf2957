//! One POST to a backend, over connections that are kept.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use holdwire::Stream;
use holdwire::tls::TlsConnector;
use http::header::{ACCEPT, CONTENT_TYPE, USER_AGENT};
use http::{Request, Uri};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::client::legacy::{Client, Error};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tower_service::Service;

/// The largest answer, in bytes.
const LARGEST: usize = 256 * 1024;

/// For how long a connection is kept that nobody needs: less than backends do, of which some close
/// after 5 s, so that no question meets a closed one.
const IDLE: Duration = Duration::from_secs(4);

/// The most of them.
const MOST_IDLE: usize = 64;

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// There was no connection: nobody has seen the question.
    Unreachable,
    /// The answer did not come in time.
    Timeout,
    /// The connection was lost before the answer.
    Lost,
    /// Somebody in between says that nobody is there: 502, 503 or 504.
    Unavailable(u16),
    /// Another status than 200; redirections are not followed.
    Status(u16),
    /// The answer has more than 256 KiB.
    TooLarge,
    /// The answer is not what was asked for.
    Invalid,
    /// It was not asked: the backend has not answered before.
    Resting,
    /// It was not asked: too much is asked at the same time.
    Full,
}

impl Failure {
    /// One word for it, for metrics and logs.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Timeout => "timeout",
            Self::Lost => "lost",
            Self::Unavailable(_) => "unavailable",
            Self::Status(_) => "status",
            Self::TooLarge => "too_large",
            Self::Invalid => "invalid",
            Self::Resting => "resting",
            Self::Full => "full",
        }
    }

    /// Whether the backend is down; else it has answered, and there is something wrong with that.
    pub(super) fn is_outage(self) -> bool {
        !matches!(self, Self::Status(_) | Self::TooLarge | Self::Invalid)
    }
}

/// Connections to backends.
#[derive(Clone, Debug)]
pub(super) struct Link(Client<Connector, Body>);

impl Link {
    pub(super) fn new() -> Self {
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(MOST_IDLE)
            .build(Connector);
        Self(client)
    }

    /// The body of the answer, when it has come whole and its status is 200.
    pub(super) async fn post(
        &self,
        url: &Uri,
        headers: &[(&'static str, &str)],
        body: Bytes,
    ) -> Result<Bytes, Failure> {
        let mut request = Request::post(url)
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, "application/json")
            .header(USER_AGENT, concat!("holdwire/", env!("CARGO_PKG_VERSION")));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body));
        // Its parts are legal: a URL that was parsed, and names and values of ours.
        let request = request.map_err(|_| Failure::Invalid)?;
        let response = self.0.request(request).await.map_err(|error| why(&error))?;
        match response.status().as_u16() {
            200 => {}
            status @ 502..=504 => return Err(Failure::Unavailable(status)),
            status => return Err(Failure::Status(status)),
        }
        let body = response.into_body();
        let announced = http_body_size(&body);
        if announced > LARGEST as u64 {
            return Err(Failure::TooLarge);
        }
        to_bytes(Body::new(body), LARGEST).await.map_err(|error| {
            // It says in words which of the two it was, and as the cause.
            let is_long = std::error::Error::source(&error)
                .is_some_and(|cause| cause.to_string().contains("length limit"));
            if is_long {
                Failure::TooLarge
            } else {
                Failure::Lost
            }
        })
    }
}

/// Bytes that a body has at least.
fn http_body_size(body: &hyper::body::Incoming) -> u64 {
    hyper::body::Body::size_hint(body).lower()
}

fn why(error: &Error) -> Failure {
    if error.is_connect() {
        Failure::Unreachable
    } else {
        Failure::Lost
    }
}

/// Opens connections, with TLS for `https`.
#[derive(Clone, Copy, Debug)]
struct Connector;

impl Service<Uri> for Connector {
    type Response = Wire;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Wire>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, url: Uri) -> Self::Future {
        Box::pin(async move {
            let is_secure = url.scheme_str() == Some("https");
            let host = url.host().unwrap_or_default().trim_matches(['[', ']']);
            let port = url.port_u16().unwrap_or(if is_secure { 443 } else { 80 });
            let tcp = TcpStream::connect((host, port)).await?;
            tcp.set_nodelay(true)?;
            if !is_secure {
                return Ok(Wire::Plain(TokioIo::new(tcp)));
            }
            let tls = TlsConnector::system().await.map_err(io::Error::other)?;
            let stream = tls.connect(host, tcp).await?;
            Ok(Wire::Tls(TokioIo::new(stream)))
        })
    }
}

/// A connection to a backend.
enum Wire {
    Plain(TokioIo<TcpStream>),
    Tls(TokioIo<Stream>),
}

impl Connection for Wire {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl Read for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(io) => Pin::new(io).poll_read(context, buffer),
            Self::Tls(io) => Pin::new(io).poll_read(context, buffer),
        }
    }
}

impl Write for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(io) => Pin::new(io).poll_write(context, bytes),
            Self::Tls(io) => Pin::new(io).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(io) => Pin::new(io).poll_flush(context),
            Self::Tls(io) => Pin::new(io).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(io) => Pin::new(io).poll_shutdown(context),
            Self::Tls(io) => Pin::new(io).poll_shutdown(context),
        }
    }
}
