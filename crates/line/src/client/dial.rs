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
    let addresses = tokio::net::lookup_host((endpoint.host(), endpoint.port()))
        .await
        .map_err(ConnectError::Dns)?;
    connect_to_any(addresses.collect(), &authority(endpoint), limit).await
}

/// The connector resolves names itself and cannot say that this failed, so it is given addresses.
async fn connect_to_any(
    addresses: Vec<SocketAddr>,
    authority: &str,
    limit: Duration,
) -> Result<TcpStream, ConnectError> {
    let uri: Uri = format!("http://{authority}/").parse().map_err(|error| {
        ConnectError::Connect(io::Error::new(io::ErrorKind::InvalidInput, error))
    })?;
    let mut connector = HttpConnector::new_with_resolver(Addresses(addresses));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn address_that_refuses_is_passed_by() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let here = listener.local_addr().unwrap();
        let other_family = SocketAddr::new(std::net::Ipv6Addr::LOCALHOST.into(), here.port());
        let same_family = SocketAddr::new([127, 0, 0, 2].into(), here.port());
        for first in [other_family, same_family] {
            let authority = format!("localhost:{}", here.port());

            let tcp = connect_to_any(vec![first, here], &authority, Duration::from_secs(5)).await;

            let tcp = tcp.unwrap();
            assert_eq!(tcp.peer_addr().unwrap(), here);
            assert!(tcp.nodelay().unwrap());
        }
    }
}
