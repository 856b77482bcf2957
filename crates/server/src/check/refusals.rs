//! What a server must refuse, and what it may.

use std::time::Duration;

use holdwire::handshake::Endpoint;
use http::header::{ORIGIN, SEC_WEBSOCKET_VERSION, SET_COOKIE};
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use tokio::time::Instant;

use super::link::Link;
use super::pings::Ending;
use super::trouble::Trouble;
use super::visitor::Visitor;
use super::way::Way;

/// A version that nobody speaks (RFC 6455 §4.4).
const WRONG_VERSION: HeaderValue = HeaderValue::from_static("99");

/// An origin that no server can have allowed by name: the domain does not exist (RFC 6761 §6.4).
pub(super) const FOREIGN_ORIGIN: &str = "https://foreign.invalid";

/// How long a server may take to take its yes back by a Close frame.
const SECOND_THOUGHT: Duration = Duration::from_millis(300);

/// The answer to a version that does not exist.
#[derive(Debug, Serialize)]
pub(super) struct VersionAnswer {
    /// The status; none when there was no answer.
    pub(super) status: Option<u16>,
    /// The versions that the server names instead.
    pub(super) supported: Option<String>,
    /// Why there was no answer.
    pub(super) trouble: Option<String>,
}

/// The answer to a page of another site.
#[derive(Debug, Serialize)]
pub(super) struct OriginAnswer {
    /// The Origin that was sent.
    pub(super) origin: &'static str,
    /// The status; none when there was no answer.
    pub(super) status: Option<u16>,
    /// How the server closed the connection at once, after its 101.
    pub(super) closed: Option<Ending>,
    /// Whether the request had a cookie or other credentials.
    pub(super) credentials: bool,
    /// Whether the answer set a cookie.
    pub(super) sets_cookie: bool,
    /// Why there was no answer.
    pub(super) trouble: Option<String>,
}

impl VersionAnswer {
    pub(super) async fn ask(visitor: &Visitor, to: &Endpoint) -> Self {
        let asked = visitor.ask_changed(to, |request| {
            request
                .headers_mut()
                .insert(SEC_WEBSOCKET_VERSION, WRONG_VERSION);
        });
        match asked.await {
            Ok(response) => {
                let named = response.headers().get_all(SEC_WEBSOCKET_VERSION);
                let named: Vec<_> = named
                    .iter()
                    .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
                    .collect();
                Self {
                    status: Some(response.status().as_u16()),
                    supported: (!named.is_empty()).then(|| named.join(", ")),
                    trouble: None,
                }
            }
            Err(trouble) => Self {
                status: None,
                supported: None,
                trouble: Some(trouble.to_string()),
            },
        }
    }
}

impl OriginAnswer {
    pub(super) async fn ask(visitor: &Visitor, to: &Endpoint) -> Self {
        let mut foreign = visitor.clone();
        foreign
            .headers
            .insert(ORIGIN, HeaderValue::from_static(FOREIGN_ORIGIN));
        let mut answer = Self {
            origin: FOREIGN_ORIGIN,
            status: None,
            closed: None,
            credentials: visitor.has_credentials(to),
            sets_cookie: false,
            trouble: None,
        };
        match foreign.open(to, &mut Way::default()).await {
            Ok(opened) => {
                answer.status = Some(StatusCode::SWITCHING_PROTOCOLS.as_u16());
                answer.sets_cookie = opened.response.headers().contains_key(SET_COOKIE);
                let mut link = Link::new(opened, super::MAX_RECEIVED);
                answer.closed = Ending::see(&mut link, Instant::now() + SECOND_THOUGHT).await;
            }
            Err(Trouble::Refused(refusal)) => answer.status = Some(refusal.status.as_u16()),
            Err(trouble) => answer.trouble = Some(trouble.to_string()),
        }
        answer
    }

    /// Whether a page of another site gets an open connection.
    pub(super) fn is_accepted(&self) -> bool {
        self.status == Some(101) && self.closed.is_none()
    }
}
