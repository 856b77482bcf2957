//! One log line for each HTTP request, without anything that may be secret.

use std::time::Instant;

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use holdwire::Peer;

/// Logs method, path without its query, status, time and client address.
pub(super) async fn log(request: Request, next: Next) -> Response {
    let started = Instant::now();
    let client = request.extensions().get::<Peer>();
    let client = client.map(|client| client.address.ip());
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
