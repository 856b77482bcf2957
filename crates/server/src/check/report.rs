//! All that a check found out: what JSON shows as it is, and people in words.

use http::header::{SEC_WEBSOCKET_EXTENSIONS, SERVER, SET_COOKIE};
use http::{HeaderName, Response};
use serde::Serialize;

use super::closing::ClosingHandshake;
use super::findings::{Finding, Verdict, findings};
use super::idle::Idle;
use super::messages::{Echoes, Largest, WordAnswer};
use super::pings::Pings;
use super::reflection::Changes;
use super::refusals::{OriginAnswer, VersionAnswer};
use super::trouble::Trouble;
use super::way::{Opened, Way};

/// The facts, as far as they are known.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// The version of this shape; fields may be added within one.
    schema: u32,
    /// Without user, password and query.
    pub(super) url: String,
    /// Whether the check was ended before it was done.
    pub(super) interrupted: bool,
    pub(super) verdict: Verdict,
    pub(super) findings: Vec<Finding>,
    pub(super) way: Way,
    pub(super) trouble: Option<NoConnection>,
    pub(super) agreed: Option<Agreed>,
    pub(super) pings: Option<Pings>,
    /// `None` is unknown: nothing reflected the request.
    pub(super) changes: Option<Changes>,
    /// Why the endpoint of `--reflect` told nothing.
    pub(super) reflect_trouble: Option<String>,
    pub(super) version: Option<VersionAnswer>,
    pub(super) origin: Option<OriginAnswer>,
    pub(super) closing: Option<ClosingHandshake>,
    pub(super) echo: Option<Echoes>,
    pub(super) heartbeat_word: Option<WordAnswer>,
    pub(super) largest: Option<Largest>,
    pub(super) idle: Option<Idle>,
    #[serde(skip)]
    pub(super) is_secure: bool,
}

/// Why there is no connection.
#[derive(Debug, Serialize)]
pub(super) struct NoConnection {
    pub(super) kind: &'static str,
    pub(super) text: String,
    /// The server's answer, if it refused.
    pub(super) status: Option<u16>,
    #[serde(skip)]
    pub(super) trouble: Trouble,
}

/// What the opening handshake agreed on.
#[derive(Debug, Serialize)]
pub(super) struct Agreed {
    /// What the server, or the last proxy, calls itself.
    pub(super) server: Option<String>,
    pub(super) offered: Vec<String>,
    pub(super) subprotocol: Option<String>,
    /// Whether messages can be compressed; it was offered.
    pub(super) deflate: bool,
    /// The answer to the offer of extensions.
    pub(super) extensions: Option<String>,
    pub(super) sets_cookie: bool,
    /// The fields by which proxies tell that they were there.
    pub(super) via: Vec<(String, String)>,
}

/// Response fields that proxies and caches add.
const VIA: [&str; 8] = [
    "via",
    "x-cache",
    "x-served-by",
    "x-envoy-upstream-service-time",
    "cf-ray",
    "x-amz-cf-id",
    "x-azure-ref",
    "fly-request-id",
];

impl Report {
    pub(super) fn new(url: String, is_secure: bool) -> Self {
        Self {
            schema: 1,
            url,
            interrupted: false,
            verdict: Verdict::Unknown,
            findings: Vec::new(),
            way: Way::default(),
            trouble: None,
            agreed: None,
            pings: None,
            changes: None,
            reflect_trouble: None,
            version: None,
            origin: None,
            closing: None,
            echo: None,
            heartbeat_word: None,
            largest: None,
            idle: None,
            is_secure,
        }
    }

    /// Judges what is known.
    pub(super) fn conclude(&mut self, interrupted: bool) {
        self.interrupted = interrupted;
        self.findings = findings(self);
        self.verdict = Verdict::of(self);
    }

    pub(super) fn fail(&mut self, trouble: Trouble) {
        self.trouble = Some(NoConnection {
            kind: trouble.id(),
            text: trouble.to_string(),
            status: trouble.status().map(|status| status.as_u16()),
            trouble,
        });
    }
}

impl Agreed {
    pub(super) fn of(opened: &Opened, offered: Vec<String>) -> Self {
        let response = &opened.response;
        let via = VIA.map(HeaderName::from_static);
        Self {
            server: text(response, &SERVER),
            offered,
            subprotocol: opened.subprotocol.clone(),
            deflate: opened.deflate.is_some(),
            extensions: text(response, &SEC_WEBSOCKET_EXTENSIONS),
            sets_cookie: response.headers().contains_key(SET_COOKIE),
            via: via
                .iter()
                .filter_map(|name| Some((name.to_string(), text(response, name)?)))
                .collect(),
        }
    }
}

/// A field's values in one line.
fn text(response: &Response<()>, name: &HeaderName) -> Option<String> {
    let values = response.headers().get_all(name).iter();
    let values: Vec<_> = values
        .map(|value| String::from_utf8_lossy(value.as_bytes()))
        .collect();
    (!values.is_empty()).then(|| values.join(", "))
}
