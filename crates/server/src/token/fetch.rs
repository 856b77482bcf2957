//! One GET, for a document that others keep.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use holdwire::tls::TlsConnector;
use http::header::{ACCEPT, HOST, USER_AGENT};
use http::{Request, StatusCode, Uri};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::set::LARGEST;

/// For the whole of it.
const PATIENCE: Duration = Duration::from_secs(5);

/// The body that is at a URL.
///
/// It follows no redirection, for whoever names the keys is to be the one who was named.
///
/// # Errors
/// Why it cannot be had.
pub(super) async fn fetch(url: &Uri) -> Result<Vec<u8>, String> {
    let got = tokio::time::timeout(PATIENCE, get(url)).await;
    got.unwrap_or_else(|_| Err("it does not come in 5 s".to_owned()))
}

async fn get(url: &Uri) -> Result<Vec<u8>, String> {
    let authority = url.authority().ok_or("there is no host")?;
    let is_secure = url.scheme_str() == Some("https");
    let port = authority
        .port_u16()
        .unwrap_or(if is_secure { 443 } else { 80 });
    let host = authority.host().trim_matches(['[', ']']);
    let tcp = TcpStream::connect((host, port)).await.map_err(words)?;
    if !is_secure {
        return ask(tcp, url, authority.as_str()).await;
    }
    let tls = TlsConnector::system().await.map_err(words)?;
    let stream = tls.connect(host, tcp).await.map_err(words)?;
    ask(stream, url, authority.as_str()).await
}

async fn ask<T>(stream: T, url: &Uri, host: &str) -> Result<Vec<u8>, String>
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(words)?;
    let path = url.path_and_query().map_or("/", |path| path.as_str());
    let request = Request::get(path)
        .header(HOST, host)
        .header(ACCEPT, "application/json")
        .header(USER_AGENT, concat!("holdwire/", env!("CARGO_PKG_VERSION")))
        .body(Body::empty())
        .map_err(words)?;
    let exchange = async {
        let response = sender.send_request(request).await.map_err(words)?;
        if response.status() != StatusCode::OK {
            return Err(format!("the answer is {}", response.status().as_u16()));
        }
        let body = to_bytes(Body::new(response.into_body()), LARGEST).await;
        body.map(Vec::from).map_err(words)
    };
    tokio::pin!(exchange);
    tokio::select! {
        biased;
        body = &mut exchange => body,
        // It may end with the last byte of the body.
        _ = connection => exchange.await,
    }
}

fn words(error: impl std::fmt::Display) -> String {
    error.to_string()
}
