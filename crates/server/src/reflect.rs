//! The endpoint `/echo/headers`: shows a client its own request as the server saw it.
//!
//! What a proxy put into a request is no business of the page that caused it, and this endpoint is
//! open to every page. So only fields that say how the request travelled are shown with their
//! values; of all others, cookies and credentials first, the name alone.

use holdwire::Peer;
use holdwire::proto::{Event, Flow, Sender};
use holdwire::shard::Session;
use http::{HeaderName, Request};
use serde::Serialize;

use crate::endpoints;

/// A request as the server saw it; the first message of the endpoint, as JSON.
#[derive(Debug, Serialize)]
pub(crate) struct Reflection<'a> {
    /// Tells what this JSON is.
    holdwire: &'static str,
    method: &'a str,
    target: String,
    version: String,
    /// Who asked, as trusted proxies tell it.
    peer: Option<String>,
    /// Names in lower case, in the order they came, those of one name together; `null` for a value
    /// that is kept back.
    headers: Vec<(&'a str, Option<String>)>,
}

impl<'a> Reflection<'a> {
    pub(crate) fn of(request: &'a Request<()>) -> Self {
        let peer = request.extensions().get::<Peer>();
        let shown = |name: &HeaderName, value: &[u8]| {
            is_shown(name).then(|| String::from_utf8_lossy(value).into_owned())
        };
        Self {
            holdwire: "request",
            method: request.method().as_str(),
            target: request.uri().to_string(),
            version: format!("{:?}", request.version()),
            peer: peer.map(|peer| peer.address.to_string()),
            headers: request
                .headers()
                .iter()
                .map(|(name, value)| (name.as_str(), shown(name, value.as_bytes())))
                .collect(),
        }
    }
}

/// Whether a field's value may be shown to whoever caused the request.
pub(crate) fn is_shown(name: &HeaderName) -> bool {
    SHOWN.contains(&name.as_str())
}

/// Fields that carry no secret: those of the handshake, and those by which proxies tell how the
/// request came.
const SHOWN: [&str; 42] = [
    "accept",
    "accept-encoding",
    "accept-language",
    "cache-control",
    "cdn-loop",
    "cf-connecting-ip",
    "cf-ipcountry",
    "cf-ray",
    "cf-visitor",
    "connection",
    "dnt",
    "fly-client-ip",
    "forwarded",
    "front-end-https",
    "host",
    "keep-alive",
    "origin",
    "pragma",
    "sec-fetch-dest",
    "sec-fetch-mode",
    "sec-fetch-site",
    "sec-websocket-extensions",
    "sec-websocket-key",
    "sec-websocket-protocol",
    "sec-websocket-version",
    "te",
    "traceparent",
    "true-client-ip",
    "upgrade",
    "user-agent",
    "via",
    "x-amzn-trace-id",
    "x-cloud-trace-context",
    "x-envoy-external-address",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-forwarded-server",
    "x-original-host",
    "x-real-ip",
    "x-request-id",
];

/// Sends the request back as JSON, then echoes.
pub(crate) struct Reflecting {
    /// What is to be sent first.
    reflection: String,
}

impl Reflecting {
    pub(crate) fn new(request: &Request<()>) -> Self {
        // Text and numbers: writing them as JSON does not fail.
        let reflection = serde_json::to_string(&Reflection::of(request)).unwrap_or_default();
        Self { reflection }
    }
}

impl Session for Reflecting {
    fn on_open(&mut self, sender: &mut Sender<'_>) {
        // A connection that is closing gets none.
        let _ = sender.text(&std::mem::take(&mut self.reflection));
    }

    fn on_event(&mut self, event: Event<'_>, sender: &mut Sender<'_>) -> Flow {
        endpoints::echo(event, sender)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_values_that_say_how_a_request_travelled_are_shown() {
        let request = Request::builder()
            .uri("/echo/headers?a=1")
            .header("host", "localhost:3000")
            .header("cookie", "session=s3cret")
            .header("x-forwarded-for", "192.0.2.1")
            .header("authorization", "Bearer s3cret")
            .header("x-auth-request-user", "s3cret")
            .header("x-forwarded-for", "192.0.2.2")
            .body(())
            .unwrap();

        let text = serde_json::to_string(&Reflection::of(&request)).unwrap();

        assert_eq!(
            text,
            r#"{"holdwire":"request","method":"GET","target":"/echo/headers?a=1","#.to_owned()
                + r#""version":"HTTP/1.1","peer":null,"headers":[["host","localhost:3000"],"#
                + r#"["cookie",null],["x-forwarded-for","192.0.2.1"],"#
                + r#"["x-forwarded-for","192.0.2.2"],["authorization",null],"#
                + r#"["x-auth-request-user",null]]}"#
        );
    }
}
