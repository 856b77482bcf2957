//! From a host and a port to a TCP connection.

use std::convert::Infallible;
use std::error::Error as StdError;
use std::future::{Ready, ready};
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};
use std::time::Duration;

use holdwire_proto::handshake::Endpoint;
use http::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tower_service::Service;

use super::error::{ConnectError, Phase};

/// Connects to the first address that answers, the two address families raced (RFC 8305).
///
/// Several addresses of one family are tried in turn and share the limit.
pub(super) async fn dial(endpoint: &Endpoint, limit: Duration) -> Result<TcpStream, ConnectError> {
    timeout(limit, resolve_and_connect(endpoint, limit))
        .await
        .unwrap_or(Err(ConnectError::Timeout(Phase::Connect)))
}

async fn resolve_and_connect(
    endpoint: &Endpoint,
    limit: Duration,
) -> Result<TcpStream, ConnectError> {
    let uri: Uri = format!("http://{}/", authority(endpoint))
        .parse()
        .map_err(|error| {
            ConnectError::Connect(io::Error::new(io::ErrorKind::InvalidInput, error))
        })?;
    let addresses = tokio::net::lookup_host((endpoint.host(), endpoint.port()))
        .await
        .map_err(ConnectError::Dns)?;

    let mut connector = HttpConnector::new_with_resolver(Addresses(addresses.collect()));
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(limit));
    match connector.call(uri).await {
        Ok(tcp) => Ok(tcp.into_inner()),
        Err(error) => match cause(&error) {
            Some(cause) if cause.kind() == io::ErrorKind::TimedOut => {
                Err(ConnectError::Timeout(Phase::Connect))
            }
            Some(cause) => Err(ConnectError::Connect(owned(cause))),
            None => Err(ConnectError::Connect(io::Error::other(error))),
        },
    }
}

/// Host and port, an IPv6 address in brackets.
pub(super) fn authority(endpoint: &Endpoint) -> String {
    let (host, port) = (endpoint.host(), endpoint.port());
    if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

/// What the operating system said.
fn cause<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a io::Error> {
    let mut next = error.source();
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref() {
            return Some(error);
        }
        next = error.source();
    }
    None
}

fn owned(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}

/// Addresses that are already known, as the connector asks for them.
#[derive(Clone)]
struct Addresses(Vec<SocketAddr>);

impl Service<Name> for Addresses {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Name) -> Self::Future {
        ready(Ok(self.0.clone().into_iter()))
    }
}
