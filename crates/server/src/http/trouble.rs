//! `POST /trouble/…`: a page of this server troubles its own connections.
//!
//! Where the server listens says nothing about who asks: a reverse proxy stands in front of it. So
//! a request must come from a page of the same origin, know the token that the page was served
//! with, and names the page whose connections it is about.

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use holdwire::Peer;
use holdwire::handshake::{Effective, Host, Origin, Origins};
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HOST, ORIGIN, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use serde_json::{Value, json};

use super::Site;
use crate::trouble::{NoTrouble, PageId, Trouble};

/// The largest body: an id, a token, and what JSON needs around them.
const MAX_BODY: usize = 512; // bytes

const JSON: &str = "application/json";

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The routes; that of the drain only where the server is there to be shown.
pub(super) fn routes(site: &Arc<Site>) -> Router<Arc<Site>> {
    let only_post = async || No::new(StatusCode::METHOD_NOT_ALLOWED, "this path takes POST only");
    let mut routes = Router::new().route("/trouble/{what}", post(cause).fallback(only_post));
    if site.is_demo {
        routes = routes.route("/trouble/drain", post(drain).fallback(only_post));
    }
    routes
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(from_fn_with_state(Arc::clone(site), check_origin))
}

async fn cause(
    State(site): State<Arc<Site>>,
    Path(what): Path<String>,
    body: Bytes,
) -> Result<Response, No> {
    let page = asked(&site, &body)?;
    let now = Instant::now();
    let troubles = &site.troubles;
    let done = match what.as_str() {
        "drop" => troubles.cause(page, Trouble::Drop, now),
        "hold" => troubles.cause(page, Trouble::Hold, now),
        "refuse" => troubles.refuse(page, now),
        _ => return Err(No::new(StatusCode::NOT_FOUND, "there is no such trouble")),
    };
    tracing::info!(target: "holdwire::trouble", what, is_done = done.is_ok(), "asked for");
    let count = done.map_err(|reason| match reason {
        NoTrouble::NoConnection => No::new(
            StatusCode::CONFLICT,
            "this page has no connection to trouble",
        ),
        NoTrouble::TooOften(wait) => No {
            retry_after: Some(wait.as_secs() + 1),
            ..No::new(StatusCode::TOO_MANY_REQUESTS, "too often: wait a little")
        },
    })?;
    Ok(answer(StatusCode::OK, &json!({ "count": count })))
}

/// The whole server goes down as SIGTERM makes it.
async fn drain(State(site): State<Arc<Site>>, body: Bytes) -> Result<Response, No> {
    asked(&site, &body)?;
    tracing::info!(target: "holdwire::trouble", what = "drain", "asked for");
    site.ask_to_drain();
    Ok(answer(StatusCode::ACCEPTED, &json!({ "draining": true })))
}

/// The page that asks, if the body has the token.
fn asked(site: &Site, body: &[u8]) -> Result<PageId, No> {
    const MALFORMED: No = No::new(
        StatusCode::BAD_REQUEST,
        r#"the body is not {"page":"…","token":"…"}"#,
    );
    let body: Value = serde_json::from_slice(body).map_err(|_| MALFORMED)?;
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    let (Some(page), Some(token)) = (text("page"), text("token")) else {
        return Err(MALFORMED);
    };
    if !site.troubles.token().is(token) {
        return Err(No::new(
            StatusCode::FORBIDDEN,
            "the token is not of this start of the server: load the page again",
        ));
    }
    page.parse().map_err(|_| MALFORMED)
}

/// Lets pages of this server through, and nobody else.
async fn check_origin(State(site): State<Arc<Site>>, request: Request, next: Next) -> Response {
    if request.method() != Method::POST {
        return next.run(request).await;
    }
    let headers = request.headers();
    if !own_origin(&site, &request).is_some_and(|own| is_same(headers, &own)) {
        return No::new(
            StatusCode::FORBIDDEN,
            "only a page of this server may ask: the Origin is missing or another",
        )
        .into_response();
    }
    // A page of another origin cannot send this type without asking first (a CORS preflight).
    if headers.get(CONTENT_TYPE).is_none_or(|own| own != JSON) {
        return No::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "the body must be application/json",
        )
        .into_response();
    }
    next.run(request).await
}

/// The origin of this server's pages, as the client sees it.
fn own_origin<B>(site: &Site, request: &http::Request<B>) -> Option<Origin> {
    let peer = request.extensions().get::<Peer>();
    let effective = peer.map_or_else(
        || match site.is_secure {
            true => Effective::tls(),
            false => Effective::plain(),
        },
        |peer| peer.effective.clone(),
    );
    let host = match effective.host {
        Some(host) => host,
        None => host_of(request)?,
    };
    Some(Origin::of(&effective.scheme, &host))
}

/// The host that the request is for (RFC 9112 §3.2.2).
fn host_of<B>(request: &http::Request<B>) -> Option<Host> {
    let mut named = request.headers().get_all(HOST).iter();
    let (Some(host), None) = (named.next(), named.next()) else {
        return None;
    };
    match request.uri().authority() {
        Some(authority) => authority.as_str().parse().ok(),
        None => host.to_str().ok()?.parse().ok(),
    }
}

/// Whether the browser says that the request comes from a page of this origin.
fn is_same(headers: &HeaderMap, own: &Origin) -> bool {
    let mut origins = headers.get_all(ORIGIN).iter();
    let (Some(origin), None) = (origins.next(), origins.next()) else {
        return false;
    };
    let origin = origin.to_str().ok().and_then(|text| text.parse().ok());
    let is_same_site = headers
        .get_all(FETCH_SITE)
        .iter()
        .all(|site| site == "same-origin");
    is_same_site && origin.is_some_and(|origin| Origins::SameOrigin.admits(&origin, own))
}

/// A refusal, said in JSON.
struct No {
    status: StatusCode,
    error: &'static str,
    /// Seconds.
    retry_after: Option<u64>,
}

impl No {
    const fn new(status: StatusCode, error: &'static str) -> Self {
        Self {
            status,
            error,
            retry_after: None,
        }
    }
}

impl IntoResponse for No {
    fn into_response(self) -> Response {
        let mut response = answer(self.status, &json!({ "error": self.error }));
        let headers = response.headers_mut();
        if self.status == StatusCode::METHOD_NOT_ALLOWED {
            headers.insert(ALLOW, HeaderValue::from_static("POST"));
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        response
    }
}

fn answer(status: StatusCode, body: &Value) -> Response {
    let fields = [(CONTENT_TYPE, JSON), (CACHE_CONTROL, "no-store")];
    (status, fields, body.to_string()).into_response()
}
