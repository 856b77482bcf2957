//! One log line for each HTTP request, without anything that may be secret.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::Next;
use axum::response::Response;

use super::Site;
use crate::proxy_headers::Client;

/// Logs method, path without its query, status, time and client address.
pub(super) async fn log(State(site): State<Arc<Site>>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let client = peer.map(|ConnectInfo(peer)| {
        let headers = request.headers();
        Client::find(peer.ip(), site.is_secure, headers, &site.trusted_proxies).address
    });
    let method = request.method().clone();
    let path = request.uri().path().to_owned();

    let response = next.run(request).await;

    tracing::info!(
        target: "holdwire::access",
        client = client.map(tracing::field::display),
        %method,
        path,
        status = response.status().as_u16(),
        milliseconds = started.elapsed().as_secs_f64() * 1000.0,
        "request"
    );
    response
}
