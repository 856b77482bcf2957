//! One attempt to open a connection, phase after phase.

use std::io;
use std::sync::Arc;

use bytes::BytesMut;
use holdwire_proto::Role;
use holdwire_proto::handshake::{Accepted, Connect, Endpoint, Pending, ResponseError};
use http::Response;
use tokio::net::TcpStream;
use tokio::time::timeout_at;

use crate::driver::Driver;
use crate::stream::Stream;
use crate::tcp;
use crate::websocket::{Setup, WebSocket};

use super::Client;
use super::body::refused;
use super::dial::dial;
use super::error::{ConnectError, Phase, ProxyError};
use super::exchange::ask;
use crate::deadline::deadline;

/// A connection that was just opened, which nobody drives yet.
#[derive(Debug)]
#[non_exhaustive]
pub struct Opened {
    /// The connection.
    pub socket: WebSocket,
    /// What moves it: await, spawn or join it.
    pub driver: Driver,
    /// The server's 101, with all its headers.
    pub response: Response<()>,
    /// The parameters of permessage-deflate in use.
    #[cfg(feature = "deflate")]
    pub deflate: Option<holdwire_proto::deflate::DeflateParams>,
}

impl Opened {
    /// Spawns the driver.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    #[must_use]
    pub fn spawn(self) -> WebSocket {
        tokio::spawn(self.driver);
        self.socket
    }
}

impl Client {
    /// Makes the request, so that a wrong one costs no connection.
    pub(super) fn request(&self, endpoint: &Endpoint) -> Result<Pending, ConnectError> {
        let mut connect = Connect::new(endpoint.clone());
        connect.headers = self.headers.clone();
        connect.subprotocols = self.subprotocols.clone();
        #[cfg(feature = "deflate")]
        {
            let offer = self.config.deflate.as_ref();
            connect.extensions = offer.map(holdwire_proto::deflate::offer);
        }
        Ok(connect.start(rand::random())?)
    }

    /// A transport to the server: straight, or a tunnel through the proxy.
    pub(super) async fn reach(&self, server: &Endpoint) -> Result<Stream, ConnectError> {
        let proxy = match &self.proxy {
            Some(proxies) => proxies.towards(server)?.map(|proxy| (proxies, proxy)),
            None => None,
        };
        let Some((proxies, proxy)) = proxy else {
            return Ok(self.dial(server).await?.into());
        };
        let mut stream = self.reach_proxy(proxy).await.map_err(ProxyError::failed)?;
        let deadline = deadline(self.limits.proxy);
        proxies.tunnel(&mut stream, proxy, server, deadline).await?;
        Ok(stream)
    }

    async fn reach_proxy(&self, proxy: &Endpoint) -> Result<Stream, ConnectError> {
        let stream = self.dial(proxy).await?.into();
        self.secure(stream, proxy).await
    }

    async fn dial(&self, endpoint: &Endpoint) -> Result<TcpStream, ConnectError> {
        let stream = dial(endpoint, self.limits.connect).await?;
        tcp::tune(&stream, tcp::patience([&*self.config]));
        Ok(stream)
    }

    /// TLS when the endpoint asks for it.
    async fn secure(&self, stream: Stream, endpoint: &Endpoint) -> Result<Stream, ConnectError> {
        if !endpoint.is_secure() {
            return Ok(stream);
        }
        let deadline = deadline(self.limits.tls);
        timeout_at(deadline, self.encrypt(stream, endpoint))
            .await
            .unwrap_or(Err(ConnectError::Timeout(Phase::Tls)))
    }

    #[cfg(feature = "tls")]
    async fn encrypt(&self, stream: Stream, endpoint: &Endpoint) -> Result<Stream, ConnectError> {
        let tls = match &self.tls {
            Some(tls) => tls.clone(),
            None => crate::tls::TlsConnector::system()
                .await
                .map_err(|error| ConnectError::Tls(io::Error::other(error)))?,
        };
        tls.connect(endpoint.host(), stream)
            .await
            .map_err(ConnectError::Tls)
    }

    #[cfg(not(feature = "tls"))]
    #[expect(clippy::unused_async, reason = "the same as with the feature")]
    async fn encrypt(&self, _: Stream, _: &Endpoint) -> Result<Stream, ConnectError> {
        Err(ConnectError::Tls(io::Error::new(
            io::ErrorKind::Unsupported,
            "holdwire was built without its feature tls",
        )))
    }

    /// TLS if need be, then the opening handshake.
    pub(super) async fn shake_hands(
        &self,
        stream: Stream,
        endpoint: &Endpoint,
        pending: Pending,
    ) -> Result<Opened, ConnectError> {
        let mut stream = self.secure(stream, endpoint).await?;
        let deadline = deadline(self.limits.handshake);
        let mut received = BytesMut::new();
        let limit = (Phase::Handshake, deadline);
        let head = ask(&mut stream, &pending.encode(), &mut received, limit).await?;
        match pending.verify(head) {
            Ok(accepted) => self.start(stream, accepted, received),
            Err(ResponseError::Refused(response)) => {
                let refused = refused(&mut stream, *response, received, deadline).await;
                Err(ConnectError::Refused(refused))
            }
            Err(ResponseError::Violation(violation)) => Err(ConnectError::Violation(violation)),
            Err(other) => Err(ConnectError::Lost(io::Error::other(other))),
        }
    }

    fn start(
        &self,
        stream: Stream,
        accepted: Accepted,
        received: BytesMut,
    ) -> Result<Opened, ConnectError> {
        #[cfg(feature = "deflate")]
        let deflate = match &self.config.deflate {
            Some(offered) => holdwire_proto::deflate::verify(offered, &accepted.extensions)
                .map_err(|error| ConnectError::Extension(Box::new(error)))?,
            None => None,
        };
        let setup = Setup {
            config: Arc::clone(&self.config),
            subprotocol: accepted.subprotocol,
            #[cfg(feature = "deflate")]
            deflate,
            received: received.freeze(),
        };
        let (socket, driver) = WebSocket::over_stream(stream, Role::Client, setup);
        Ok(Opened {
            socket,
            driver,
            response: accepted.response,
            #[cfg(feature = "deflate")]
            deflate,
        })
    }
}
