//! What a request to the plain door asks for, and whether it is let in.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};

use crate::channel::ChannelName;
use crate::format::Format;
use crate::hub::Hub;
use crate::position::Position;

/// A request for a channel that may be had so.
#[derive(Clone)]
pub struct Entrance {
    pub(super) channel: ChannelName,
    pub(super) format: Format,
    /// From where on; `None` from the newest.
    pub(super) since: Option<Position>,
    /// What the query shows.
    pub(super) token: Option<Box<str>>,
    /// For how long it may stay; `None` for ever.
    pub(super) holds: Option<Duration>,
    /// Whether it may not publish.
    pub(super) is_mute: bool,
}

impl Entrance {
    /// What this request asks for, whose path ends with the channel's name.
    ///
    /// # Errors
    /// The response: 400 when something is wrong, 404 when there is no such namespace, 403 when it
    /// does not show who is there.
    #[expect(
        clippy::result_large_err,
        reason = "this is what a hook answers, once for a connection"
    )]
    pub fn new(hub: &Hub, name: &str, query: &str) -> Result<Self, Response<Bytes>> {
        let refuse = |status, text: String| Err(response(status, text));
        let bad = |text: String| response(StatusCode::BAD_REQUEST, text);
        let name = decoded(name).ok_or_else(|| bad(ENCODING.to_owned()))?;
        let channel: ChannelName = name.parse().map_err(|error| bad(format!("{error}")))?;
        let (mut is_json, mut wants_members) = (false, false);
        let (mut since, mut token) = (None, None);
        for pair in query.split('&') {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = || decoded(value).ok_or_else(|| bad(ENCODING.to_owned()));
            match key {
                "format" => {
                    is_json = match value()?.as_str() {
                        "raw" => false,
                        "json" => true,
                        _ => return Err(bad("format is raw or json".to_owned())),
                    }
                }
                "since" => {
                    since = match value()?.as_str() {
                        "last" => None,
                        text => Some(text.parse::<Position>().map_err(|error| {
                            bad(format!("since is last, or a position: {error}"))
                        })?),
                    }
                }
                "presence" => wants_members = true,
                "token" => token = Some(value()?.into_boxed_str()),
                _ => {}
            }
        }
        let Some(namespace) = hub.namespaces().of(&channel) else {
            let name = channel.namespace();
            return refuse(
                StatusCode::NOT_FOUND,
                format!("there is no namespace {name:?} here: configure it, or use another"),
            );
        };
        if wants_members && !namespace.presence {
            return refuse(
                StatusCode::FORBIDDEN,
                "this channel does not show who is there".to_owned(),
            );
        }
        if wants_members && !is_json {
            return refuse(
                StatusCode::BAD_REQUEST,
                "presence needs format=json".to_owned(),
            );
        }
        let format = match (is_json, wants_members) {
            (false, _) => Format::Raw,
            (true, false) => Format::Json,
            (true, true) => Format::JsonPresence,
        };
        Ok(Self {
            channel,
            format,
            since,
            token,
            holds: None,
            is_mute: false,
        })
    }

    /// Which channel.
    #[must_use]
    pub fn channel(&self) -> &ChannelName {
        &self.channel
    }
}

impl fmt::Debug for Entrance {
    /// Without the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entrance")
            .field("channel", &self.channel)
            .field("format", &self.format)
            .field("since", &self.since)
            .finish_non_exhaustive()
    }
}

const ENCODING: &str = "a percent sign is followed by two hexadecimal digits, all of it UTF-8";

pub(super) fn response(status: StatusCode, text: String) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(text + "\n"));
    *response.status_mut() = status;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, plain);
    response
}

/// Percent-decodes (RFC 3986 §2.1).
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || char::from(rest.next()?).to_digit(16);
        let value = digit()? * 16 + digit()?;
        bytes.push(u8::try_from(value).ok()?);
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::channel::Namespace;
    use crate::namespaces::Namespaces;

    fn status(name: &str, query: &str) -> u16 {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let runtime = runtime.unwrap();
        let _inside = runtime.enter();
        let hub = Hub::in_memory(Namespaces::new().with("chat", Namespace::default()));
        match Entrance::new(&hub, name, query) {
            Ok(_) => 101,
            Err(response) => response.status().as_u16(),
        }
    }

    #[test]
    fn channel_is_had_in_all_documented_ways() {
        for query in [
            "",
            "format=raw",
            "format=json&since=last",
            "since=kzeqhzcd.0:17",
            "since=kzeqhzcd.0%3A17&format=json",
            "token=abc",
        ] {
            assert_eq!(status("chat:a", query), 101, "{query}");
        }
        assert_eq!(status("chat%3Aa", ""), 101);
    }

    #[test]
    fn anything_else_is_refused() {
        for (name, query, expected) in [
            ("", "", 400),
            ("chat:%", "", 400),
            ("chat:%20", "", 400),
            ("chat:a", "format=xml", 400),
            ("chat:a", "since=17", 400),
            ("chat:a", "since=", 400),
            ("news:a", "", 404),
            ("chat", "", 404),
            ("chat:a", "presence&format=json", 403),
        ] {
            assert_eq!(status(name, query), expected, "{name} {query}");
        }
    }

    proptest! {
        #[test]
        fn whoever_is_let_in_has_a_legal_name_and_an_honest_query(
            name in "(chat:)?[ -~%]{0,20}|.{0,20}",
            query in "(format|since|presence|x)?=?(json|raw|last|%[0-9a-f]{2}|.{0,20})(&.{0,20})?",
        ) {
            let expected = [101, 400, 403, 404];
            prop_assert!(expected.contains(&status(&name, &query)));
            if status(&name, "") == 101 {
                let name = decoded(&name).unwrap();
                let channel: ChannelName = name.parse().unwrap();
                prop_assert_eq!(channel.namespace(), "chat");
            }
        }
    }
}
