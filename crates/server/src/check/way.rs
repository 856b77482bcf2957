//! The way to the server, step by step: name, TCP, proxy, TLS, opening handshake.

use std::sync::Arc;
use std::time::Duration;

use holdwire::Stream;
use holdwire::handshake::{
    Accepted, Connect, Endpoint, HeadLimits, HeadReader, Pending, ResponseError, ResponseHead,
    encode_request,
};
use holdwire::proto::bytes::{Buf as _, BytesMut};
use holdwire::proto::deflate::{self, DeflateConfig, DeflateParams};
use holdwire::tls::TlsConnector;
use holdwire::tls::rustls::ClientConfig;
use holdwire::tls::rustls::pki_types::ServerName;
use http::header::{CONTENT_LENGTH, HOST, PROXY_AUTHORIZATION};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use serde::Serialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Instant, timeout};

use crate::connect::insecure_connector;

use super::certificate::{Tls, distrust};
use super::dial::{Dialing, dial};
use super::timing::Millis;
use super::trouble::{Refusal, Trouble};
use super::visitor::Visitor;

/// How the steps went, as far as they did.
#[derive(Debug, Default, Serialize)]
pub(super) struct Way {
    /// Of the server, or of the proxy where there is one.
    #[serde(flatten)]
    pub(super) dialing: Dialing,
    /// How long the HTTP proxy took to open the tunnel.
    pub(super) proxy_ms: Option<Millis>,
    pub(super) tls_ms: Option<Millis>,
    pub(super) tls: Option<Tls>,
    /// How long the server took to answer the request.
    pub(super) upgrade_ms: Option<Millis>,
    /// All steps together, once the connection is open.
    pub(super) total_ms: Option<Millis>,
}

/// An opening handshake that went well.
pub(super) struct Opened {
    pub(super) stream: Stream,
    /// Bytes of frames that came with the answer.
    pub(super) received: BytesMut,
    /// What was asked.
    pub(super) request: Request<()>,
    pub(super) response: Response<()>,
    pub(super) subprotocol: Option<String>,
    pub(super) deflate: Option<DeflateParams>,
}

/// Interim responses that a server may send before the real one.
const MAX_INTERIM: usize = 16;

/// How many bytes of a refusal's body are read.
const MAX_REFUSAL: usize = 64 * 1024;

/// How long a refusal's body may take.
const REFUSAL_TIME: Duration = Duration::from_millis(500);

impl Visitor {
    /// Goes all the way.
    pub(super) async fn open(&self, to: &Endpoint, way: &mut Way) -> Result<Opened, Trouble> {
        let begin = Instant::now();
        let pending = self.request(to)?;
        let mut stream = self.reach(to, way).await?;
        let bytes = pending.encode();
        let (head, mut received) = self.ask(&mut stream, &bytes, way).await?;
        let accepted = match pending.verify(head) {
            Ok(accepted) => accepted,
            Err(ResponseError::Refused(response)) => {
                read_refusal(&mut stream, &mut received, response.headers()).await;
                let refusal = Refusal::new(*response, &received);
                return Err(Trouble::Refused(Box::new(refusal)));
            }
            Err(ResponseError::Violation(violation)) => {
                return Err(Trouble::Violation(violation.to_string()));
            }
            Err(other) => return Err(Trouble::Violation(other.to_string())),
        };
        let Accepted {
            response,
            subprotocol,
            extensions,
        } = accepted;
        let deflate = deflate::verify(&DeflateConfig::default(), &extensions)
            .map_err(|error| Trouble::Violation(error.to_string()))?;
        way.total_ms = Some(Millis(begin.elapsed()));
        Ok(Opened {
            stream,
            received,
            request: pending.request().clone(),
            response,
            subprotocol: subprotocol.map(|name| name.to_string()),
            deflate,
        })
    }

    /// Asks with a request that was changed, and gives whatever answers it.
    pub(super) async fn ask_changed(
        &self,
        to: &Endpoint,
        change: impl FnOnce(&mut Request<()>),
    ) -> Result<Response<()>, Trouble> {
        let mut request = self.request(to)?.request().clone();
        change(&mut request);
        let mut way = Way::default();
        let mut stream = self.reach(to, &mut way).await?;
        let bytes = encode_request(&request);
        let (head, mut received) = self.ask(&mut stream, &bytes, &mut way).await?;
        if head.response.status() != StatusCode::SWITCHING_PROTOCOLS {
            read_refusal(&mut stream, &mut received, head.response.headers()).await;
        }
        Ok(head.response)
    }

    fn request(&self, to: &Endpoint) -> Result<Pending, Trouble> {
        let mut connect = Connect::new(to.clone());
        connect.headers = self.headers.clone();
        connect.subprotocols = self.subprotocols.clone();
        connect.extensions = Some(deflate::offer(&DeflateConfig::default()));
        connect
            .start(rand::random())
            .map_err(|error| Trouble::Violation(error.to_string()))
    }

    /// A transport to the server, encrypted if the URL says so.
    async fn reach(&self, to: &Endpoint, way: &mut Way) -> Result<Stream, Trouble> {
        let first = self.proxy.as_ref().unwrap_or(to);
        let place = (first.host(), first.port());
        let mut stream = dial(place, self.timeout, &mut way.dialing).await?.into();
        if let Some(proxy) = &self.proxy {
            let begin = Instant::now();
            let opened = self.tunnel(&mut stream, proxy, to).await;
            way.proxy_ms = Some(Millis(begin.elapsed()));
            opened?;
        }
        if !to.is_secure() {
            return Ok(stream);
        }
        // The certificates that the system trusts are read once; that is no part of the handshake.
        let connector = self.connector().await?;
        let begin = Instant::now();
        let secured = self.secure(stream, to, connector.config()).await;
        way.tls_ms = Some(Millis(begin.elapsed()));
        match secured {
            Ok((stream, tls)) => {
                way.tls = Some(tls);
                Ok(stream)
            }
            Err(trouble) => {
                way.tls = self.look_at_certificate(to).await;
                Err(trouble)
            }
        }
    }

    async fn connector(&self) -> Result<TlsConnector, Trouble> {
        match &self.tls {
            Some(connector) => Ok(connector.clone()),
            None => TlsConnector::system()
                .await
                .map_err(|error| Trouble::Tls(error.to_string())),
        }
    }

    async fn secure(
        &self,
        stream: Stream,
        to: &Endpoint,
        config: &Arc<ClientConfig>,
    ) -> Result<(Stream, Tls), Trouble> {
        let name = ServerName::try_from(to.host().to_owned())
            .map_err(|error| Trouble::Tls(error.to_string()))?;
        let connector = tokio_rustls::TlsConnector::from(Arc::clone(config));
        match timeout(self.timeout, connector.connect(name, stream)).await {
            Ok(Ok(secured)) => {
                let tls = Tls::of(secured.get_ref().1);
                Ok((Stream::new(secured), tls))
            }
            Ok(Err(error)) => Err(Trouble::Tls(distrust(&error))),
            Err(_) => Err(Trouble::Late("the TLS handshake")),
        }
    }

    /// What a server shows that was not trusted; nothing is said to it.
    async fn look_at_certificate(&self, to: &Endpoint) -> Option<Tls> {
        let connector = insecure_connector().ok()?;
        let first = self.proxy.as_ref().unwrap_or(to);
        let place = (first.host(), first.port());
        let mut stream = dial(place, self.timeout, &mut Dialing::default())
            .await
            .ok()?
            .into();
        if let Some(proxy) = &self.proxy {
            self.tunnel(&mut stream, proxy, to).await.ok()?;
        }
        let (_, tls) = self.secure(stream, to, connector.config()).await.ok()?;
        Some(tls)
    }

    /// Asks the proxy for a tunnel to the server (RFC 9110 §9.3.6).
    async fn tunnel(
        &self,
        stream: &mut Stream,
        proxy: &Endpoint,
        to: &Endpoint,
    ) -> Result<(), Trouble> {
        let place = match to.host() {
            host if host.contains(':') => format!("[{host}]:{}", to.port()),
            host => format!("{host}:{}", to.port()),
        };
        let mut request = Request::builder()
            .method(Method::CONNECT)
            .uri(&place)
            .header(HOST, &place)
            .body(())
            .map_err(|error| Trouble::Proxy(error.to_string()))?;
        if let Some(credentials) = proxy.credentials() {
            request
                .headers_mut()
                .insert(PROXY_AUTHORIZATION, credentials.clone());
        }
        let request = encode_request(&request);
        match timeout(self.timeout, exchange(stream, &request)).await {
            Ok(Ok((head, _))) if head.response.status().is_success() => Ok(()),
            Ok(Ok((head, _))) => Err(Trouble::Proxy(head.response.status().to_string())),
            Ok(Err(trouble)) => Err(Trouble::Proxy(trouble.to_string())),
            Err(_) => Err(Trouble::Late("the answer of the proxy")),
        }
    }

    async fn ask(
        &self,
        stream: &mut Stream,
        request: &[u8],
        way: &mut Way,
    ) -> Result<(ResponseHead, BytesMut), Trouble> {
        let begin = Instant::now();
        let answer = timeout(self.timeout, exchange(stream, request)).await;
        way.upgrade_ms = Some(Millis(begin.elapsed()));
        answer.unwrap_or(Err(Trouble::Late("the answer to the handshake")))
    }
}

/// Reads what follows a refusal: who leaves with bytes unread resets the connection, which a server
/// may take for an error of its own.
async fn read_refusal(stream: &mut Stream, received: &mut BytesMut, headers: &HeaderMap) {
    let length = headers.get(CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
    let most = length.unwrap_or(MAX_REFUSAL).min(MAX_REFUSAL);
    let whole = async {
        while received.len() < most {
            if !matches!(stream.read_buf(received).await, Ok(count) if count > 0) {
                return;
            }
        }
    };
    // A body that takes longer is not worth the wait.
    let _ = timeout(REFUSAL_TIME, whole).await;
}

/// Sends a request and reads the head of the answer; gives what came after it too.
async fn exchange(
    stream: &mut Stream,
    request: &[u8],
) -> Result<(ResponseHead, BytesMut), Trouble> {
    let lost = |error: std::io::Error| Trouble::Lost(error.to_string());
    stream.write_all(request).await.map_err(lost)?;
    stream.flush().await.map_err(lost)?;
    let mut received = BytesMut::new();
    let mut reader = HeadReader::new(HeadLimits::default());
    let mut interim = 0;
    loop {
        match reader.read_response(&received) {
            Err(error) => return Err(Trouble::Malformed(error.to_string())),
            Ok(Some(head)) => {
                received.advance(head.length);
                if !head.is_interim() {
                    return Ok((head, received));
                }
                interim += 1;
                if interim > MAX_INTERIM {
                    return Err(Trouble::Malformed(
                        "interim responses without end".to_owned(),
                    ));
                }
            }
            Ok(None) => match stream.read_buf(&mut received).await {
                Ok(0) => return Err(Trouble::Lost("it was closed".to_owned())),
                Ok(_) => {}
                Err(error) => return Err(lost(error)),
            },
        }
    }
}
