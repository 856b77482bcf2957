//! Whether the server lives, and whether it wants new connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::response::IntoResponse;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderName, StatusCode};
use serde_json::json;

use super::Site;

/// How a server is doing.
#[derive(Debug)]
pub struct Status {
    started: Instant,
    is_draining: AtomicBool,
}

impl Status {
    /// A server that starts now and is ready.
    pub fn new() -> Self {
        Self {
            started: Instant::now(),
            is_draining: AtomicBool::new(false),
        }
    }

    /// From now on the server is not ready: it closes its connections and takes no new ones.
    pub fn drain(&self) {
        self.is_draining.store(true, Ordering::Relaxed);
    }

    /// Whether the server closes its connections.
    pub fn is_draining(&self) -> bool {
        self.is_draining.load(Ordering::Relaxed)
    }

    /// The time since the start.
    pub fn uptime(&self) -> Duration {
        self.started.elapsed()
    }
}

impl Default for Status {
    fn default() -> Self {
        Self::new()
    }
}

const FRESH: (HeaderName, &str) = (CACHE_CONTROL, "no-store");

/// `/health/live`: 200 as long as the server answers at all.
pub(super) async fn live() -> impl IntoResponse {
    ([FRESH], "ok\n")
}

/// `/health/ready`: 503 while the server drains, so that a load balancer looks elsewhere.
pub(super) async fn ready(State(site): State<Arc<Site>>) -> impl IntoResponse {
    let (status, text) = if site.status.is_draining() {
        (StatusCode::SERVICE_UNAVAILABLE, "draining\n")
    } else {
        (StatusCode::OK, "ok\n")
    };
    (status, [FRESH], text)
}

/// `/health`: all in one, as JSON; its status is that of `/health/ready`.
pub(super) async fn all(State(site): State<Arc<Site>>) -> impl IntoResponse {
    let (status, word) = if site.status.is_draining() {
        (StatusCode::SERVICE_UNAVAILABLE, "draining")
    } else {
        (StatusCode::OK, "ok")
    };
    let body = json!({
        "status": word,
        "version": env!("CARGO_PKG_VERSION"),
        "uptime_seconds": site.status.uptime().as_secs(),
        "connections": site.metrics.connections(),
    });
    let media_type = (CONTENT_TYPE, "application/json");
    (status, [FRESH, media_type], format!("{body}\n"))
}
