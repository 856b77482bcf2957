//! The HTTP interface for backends: each method is a POST to `/api/METHOD` with a key and a JSON
//! object, as the server libraries for Centrifugo send them.

mod answer;
mod channels;
mod glob;
mod keys;
mod publishing;
mod request;
mod sessions;

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, FromRequest as _, Path, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use holdwire_hub::Hub;
use http::StatusCode;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, WWW_AUTHENTICATE};
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::time::timeout;

use self::answer::{Answer, Fault};
pub use self::keys::Keys;
use crate::http::Site;

/// The description of the interface (OpenAPI 3.1).
const OPENAPI: &str = include_str!("api/openapi.json");

/// What the methods work on.
pub(crate) struct Api {
    hub: Hub,
    site: Arc<Site>,
    keys: Keys,
    /// Bytes of a request's body.
    max_body: usize,
    /// How long a body may take.
    patience: Duration,
    /// This node, as long as it runs.
    uid: String,
}

impl Api {
    /// The interface to a hub for whoever has one of the keys.
    pub(crate) fn new(
        hub: Hub,
        site: Arc<Site>,
        keys: Keys,
        max_body: usize,
        patience: Duration,
    ) -> Self {
        let uid = format!("{:032x}", rand::random::<u128>());
        Self {
            hub,
            site,
            keys,
            max_body,
            patience,
            uid,
        }
    }

    /// Its routes.
    pub(crate) fn routes(self) -> Router {
        let max_body = self.max_body;
        let api = Arc::new(self);
        Router::new()
            .route("/api/{method}", post(call))
            .method_not_allowed_fallback(only_post)
            .route_layer(from_fn_with_state(Arc::clone(&api), guard))
            .route("/api/openapi.json", get(openapi))
            .layer(DefaultBodyLimit::max(max_body))
            .with_state(api)
    }

    /// The body of a request, which comes in time: one in chunks may have no end.
    async fn body(&self, request: Request) -> Result<Bytes, Refusal> {
        let body = Bytes::from_request(request, &());
        let (status, message) = match timeout(self.patience, body).await {
            Ok(Ok(body)) => return Ok(body),
            Ok(Err(rejection)) => match rejection.status() {
                StatusCode::PAYLOAD_TOO_LARGE => {
                    let most = self.max_body;
                    let message = format!("a body has {most} bytes at most: api-max-body");
                    (StatusCode::PAYLOAD_TOO_LARGE, message)
                }
                status => (status, "the body did not come whole".to_owned()),
            },
            Err(_) => {
                let limit = self.patience.as_secs_f64();
                let message = format!("the body took longer than {limit} s: handshake-timeout");
                (StatusCode::REQUEST_TIMEOUT, message)
            }
        };
        Err(Refusal::new(status, Fault::bad_request(message)))
    }

    /// Follows a command; `key` is the name of a publication that came beside it.
    async fn follow(
        &self,
        method: &str,
        asked: &str,
        key: Option<&str>,
    ) -> Result<Answer, Refusal> {
        Ok(match method {
            "publish" => self.publish(publication(method, asked, key)?).await,
            "broadcast" => self.broadcast(publication(method, asked, key)?).await,
            "history" => self.history(parse(asked)?).await,
            "history_remove" => self.history_remove(parse(asked)?).await,
            "presence" => self.presence(parse(asked)?).await,
            "presence_stats" => self.presence_stats(parse(asked)?).await,
            "channels" => self.channels(&parse(asked)?),
            "info" => {
                let request::Info {} = parse(asked)?;
                self.info()
            }
            "subscribe" => self.subscribe(parse(asked)?),
            "unsubscribe" => self.unsubscribe(parse(asked)?),
            "disconnect" => self.disconnect(parse(asked)?),
            "refresh" => self.refresh(parse(asked)?),
            _ => {
                return Err(Refusal::new(
                    StatusCode::NOT_FOUND,
                    Fault::no_method(method),
                ));
            }
        })
    }

    /// Follows commands one after the other; what is wrong with one is said in its place.
    async fn batch(&self, asked: &str) -> Result<Value, Refusal> {
        let batch: request::Batch = parse(asked)?;
        let mut replies = Vec::new();
        for command in batch.commands {
            let mut members = command.into_iter();
            let (Some((method, asked)), None) = (members.next(), members.next()) else {
                let fault = Fault::bad_request("a command is an object with one member");
                replies.push(answer::reply("", &Err(fault)));
                continue;
            };
            let answer = self.follow(&method, asked.get(), None).await;
            let answer = answer.unwrap_or_else(|refusal| Err(refusal.fault));
            self.site.metrics.api(&method, outcome(&answer));
            replies.push(answer::reply(&method, &answer));
        }
        Ok(serde_json::json!({"replies": replies}))
    }
}

/// What is wrong with a request itself.
struct Refusal {
    status: StatusCode,
    fault: Fault,
}

impl Refusal {
    fn new(status: StatusCode, fault: Fault) -> Self {
        Self { status, fault }
    }

    fn bad_request(why: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, Fault::bad_request(why))
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = json(self.status, &answer::body(&Err(self.fault)));
        if self.status == StatusCode::UNAUTHORIZED {
            let challenge = http::HeaderValue::from_static("apikey");
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

fn parse<T: DeserializeOwned>(asked: &str) -> Result<T, Refusal> {
    // Members in a row are no object, though they could be read.
    if !asked.trim_start().starts_with('{') {
        return Err(Refusal::bad_request("the body is a JSON object"));
    }
    serde_json::from_str(asked).map_err(|error| Refusal::bad_request(error.to_string()))
}

fn publication(method: &str, asked: &str, key: Option<&str>) -> Result<request::Publish, Refusal> {
    let asked: request::Publish = parse(asked)?;
    let asked = match method {
        "publish" => asked.one(),
        _ => asked.many(),
    };
    let asked = asked.map_err(Refusal::bad_request)?;
    let named = asked.with_key(key);
    named.map_err(|why| Refusal::new(StatusCode::CONFLICT, Fault::bad_request(why)))
}

fn json(status: StatusCode, body: &Value) -> Response {
    let headers = [
        (CONTENT_TYPE, "application/json"),
        (CACHE_CONTROL, "no-store"),
    ];
    (status, headers, format!("{body}\n")).into_response()
}

/// Lets nobody in without a key.
async fn guard(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    if api.keys.admit(request.headers()) {
        return next.run(request).await;
    }
    api.site.metrics.api("", "unauthorized");
    let message = "a key is needed: X-API-Key, or Authorization: apikey";
    Refusal::new(StatusCode::UNAUTHORIZED, Fault::unauthorized(message)).into_response()
}

async fn call(
    State(api): State<Arc<Api>>,
    Path(method): Path<String>,
    request: Request,
) -> Response {
    let begun = Instant::now();
    let (response, outcome) = match answered(&api, &method, request).await {
        Ok((body, outcome)) => (json(StatusCode::OK, &body), outcome),
        Err(refusal) => (refusal.into_response(), "refused"),
    };
    api.site.metrics.api(&method, outcome);
    tracing::debug!(
        target: "holdwire::api",
        method,
        outcome,
        milliseconds = begun.elapsed().as_secs_f64() * 1000.0,
        "called"
    );
    response
}

async fn answered(
    api: &Api,
    method: &str,
    request: Request,
) -> Result<(Value, &'static str), Refusal> {
    let headers = request.headers().clone();
    let body = api.body(request).await?;
    let text =
        std::str::from_utf8(&body).map_err(|_| Refusal::bad_request("the body is not UTF-8"))?;
    if method == "batch" {
        return Ok((api.batch(text).await?, "ok"));
    }
    let key = headers.get("idempotency-key").map(|key| key.to_str());
    let key = key.transpose();
    let key = key.map_err(|_| Refusal::bad_request("Idempotency-Key is not ASCII"))?;
    let answer = api.follow(method, text, key).await?;
    Ok((answer::body(&answer), outcome(&answer)))
}

fn outcome(answer: &Answer) -> &'static str {
    match answer {
        Ok(_) => "ok",
        Err(_) => "error",
    }
}

async fn only_post() -> Response {
    let fault = Fault::bad_request("this path takes POST only");
    let mut response = Refusal::new(StatusCode::METHOD_NOT_ALLOWED, fault).into_response();
    let allowed = http::HeaderValue::from_static("POST");
    response.headers_mut().insert(ALLOW, allowed);
    response
}

async fn openapi() -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], OPENAPI)
}

/// A raw value as the JSON value it is.
fn value(raw: Option<&RawValue>) -> Value {
    let value = raw.map(|raw| serde_json::from_str(raw.get()));
    value.and_then(Result::ok).unwrap_or_default()
}

#[cfg(test)]
mod tests;
