//! The plain HTTP side: pages, trouble, health, metrics, and what stands around each request.
//!
//! [`router`] answers every request that is no WebSocket handshake. Who asks is taken from the
//! request's [`Peer`](holdwire::Peer) extension.

mod access;
mod health;
mod page;
mod trouble;

use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::extract::State;
use axum::middleware::from_fn;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use holdwire::ServerHandle;
use holdwire_hub::Hub;
use http::header::{CONNECTION, CONTENT_TYPE, UPGRADE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderName, HeaderValue, StatusCode};
use ipnet::IpNet;
use tokio::sync::Notify;

pub use health::Status;

use crate::config::ServeConfig;
use crate::metrics::{self, Metrics};
use crate::trouble::Troubles;

/// What the pages know about their server; one for all connections.
#[derive(Debug)]
pub struct Site {
    /// The counters.
    pub metrics: Metrics,
    /// Whether the server is ready, and since when it runs.
    pub status: Status,
    /// Proxies whose forwarding headers are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Whether connections come by TLS.
    pub is_secure: bool,
    /// What pages ask for to see their connections come back.
    pub troubles: Arc<Troubles>,
    /// Whether the server is there to be shown: its pages may end it.
    pub is_demo: bool,
    pages: page::Pages,
    drain: Notify,
    counted: OnceLock<(ServerHandle, Hub)>,
}

impl Site {
    /// The site of a server that starts now.
    pub fn new(config: &ServeConfig) -> Self {
        let troubles = Arc::new(Troubles::new());
        Self {
            pages: page::Pages::new(troubles.token(), config),
            troubles,
            is_demo: config.demo.value,
            drain: Notify::new(),
            metrics: Metrics::new(),
            status: Status::new(),
            trusted_proxies: config.trusted_proxy.value.clone(),
            is_secure: config.tls().is_some(),
            counted: OnceLock::new(),
        }
    }

    /// From now on `/metrics` tells what waits in the queues of this server, and what this hub
    /// has counted.
    pub fn count_what_is_in(&self, server: ServerHandle, hub: Hub) {
        // A site belongs to one server; a second call would change nothing.
        let _ = self.counted.set((server, hub));
    }

    /// A page of a demonstration wants the server to go down.
    fn ask_to_drain(&self) {
        self.drain.notify_one();
    }

    /// Waits until a page of a demonstration wants the server to go down.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn asked_to_drain(&self) {
        self.drain.notified().await;
    }
}

/// The routes, those of the interface for backends among them if they are given, with what stands
/// around each request.
pub fn router(site: Arc<Site>, api: Option<Router>) -> Router {
    let pages = page::routes()
        .merge(trouble::routes(&site))
        .route("/health", get(health::all))
        .route("/health/live", get(health::live))
        .route("/health/ready", get(health::ready))
        .route("/metrics", get(show_metrics))
        .route("/echo", get(upgrade_required))
        .route("/echo/headers", get(upgrade_required))
        .route("/broadcast", get(upgrade_required))
        .route("/ws/{*channel}", get(upgrade_required))
        .route("/connection", get(upgrade_required))
        .route("/connection/websocket", get(upgrade_required))
        .fallback(async || (StatusCode::NOT_FOUND, "there is nothing at this path\n"))
        .method_not_allowed_fallback(async || {
            (StatusCode::METHOD_NOT_ALLOWED, "this path takes GET only\n")
        })
        .with_state(site);
    surrounded(match api {
        Some(api) => pages.merge(api),
        None => pages,
    })
}

/// What stands around each request of these routes.
pub fn surrounded(routes: Router) -> Router {
    routes.layer(from_fn(harden)).layer(from_fn(access::log))
}

async fn show_metrics(State(site): State<Arc<Site>>) -> impl IntoResponse {
    if let Some((server, hub)) = site.counted.get() {
        site.metrics.set_queue(server.queued());
        site.metrics.set_channels(&hub.counts());
    }
    ([(CONTENT_TYPE, metrics::MEDIA_TYPE)], site.metrics.text())
}

/// The answer to a plain GET where only WebSocket lives (RFC 9110 §15.5.22, RFC 6455 §4.4).
async fn upgrade_required() -> impl IntoResponse {
    const VERSION: HeaderName = HeaderName::from_static("sec-websocket-version");
    (
        StatusCode::UPGRADE_REQUIRED,
        [
            (UPGRADE, "websocket"),
            (CONNECTION, "upgrade"),
            (VERSION, "13"),
        ],
        "this path speaks WebSocket only\n",
    )
}

/// Tells browsers to take every answer for what it says it is.
async fn harden(request: axum::extract::Request, next: axum::middleware::Next) -> Response {
    const REFERRER_POLICY: HeaderName = HeaderName::from_static("referrer-policy");
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}
