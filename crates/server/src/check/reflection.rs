//! What changed on the way: the request as it was sent, against what the server says it saw.

use http::{HeaderName, Request};
use serde::Serialize;
use serde_json::Value;

use crate::reflect::is_shown;

/// What proxies changed, as far as it is known.
#[derive(Debug, Default, Serialize)]
pub(super) struct Changes {
    /// Who asked, as the server saw it.
    pub(super) peer: Option<String>,
    /// The version that the server was spoken to in.
    pub(super) version: Option<String>,
    /// The target, where it is another one.
    pub(super) target: Option<Change>,
    /// Fields that were not sent and came; the value is not known where it is kept back.
    pub(super) added: Vec<Field>,
    /// Fields that were sent and did not come.
    pub(super) removed: Vec<Field>,
    /// Fields that came with another value.
    pub(super) changed: Vec<ChangedField>,
    /// Fields that came, with values that the server keeps back.
    pub(super) kept_back: Vec<String>,
}

/// A field of the request.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) value: Option<String>,
}

/// A field with two values.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct ChangedField {
    pub(super) name: String,
    #[serde(flatten)]
    pub(super) change: Change,
}

/// What was sent and what came.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Change {
    pub(super) sent: String,
    pub(super) came: String,
}

/// The request that a message reflects; `None` when it reflects none.
///
/// It is read as `/echo/headers` of `holdwire serve` writes it, and where `headers` is an object.
pub(super) struct Reflected {
    peer: Option<String>,
    version: Option<String>,
    target: Option<String>,
    headers: Vec<(String, Option<String>)>,
}

impl Reflected {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let Value::Object(reflected) = serde_json::from_str(text).ok()? else {
            return None;
        };
        let headers: Option<Vec<_>> = match reflected.get("headers")? {
            Value::Array(fields) => fields.iter().map(pair).collect(),
            Value::Object(fields) => fields
                .iter()
                .map(|(name, value)| Some((name.to_ascii_lowercase(), text_of(value))))
                .collect(),
            _ => None,
        };
        let headers = headers?;
        // Any request has a host: what has none is some other message.
        headers.iter().find(|(name, _)| name == "host")?;
        let text = |name| reflected.get(name).and_then(text_of);
        Some(Self {
            peer: text("peer"),
            version: text("version"),
            target: text("target"),
            headers,
        })
    }

    /// The differences.
    pub(super) fn changes(&self, request: &Request<()>) -> Changes {
        let sent = sent(request);
        let target = request.uri().to_string();
        let mut changes = Changes {
            peer: self.peer.clone(),
            version: self.version.clone(),
            target: self
                .target
                .clone()
                .filter(|came| *came != target)
                .map(|came| Change {
                    sent: without_query(&target),
                    came: without_query(&came),
                }),
            ..Changes::default()
        };
        for (name, came) in grouped(&self.headers) {
            let was = sent
                .iter()
                .find(|(sent, _)| *sent == name)
                .map(|(_, value)| value);
            match (was, came) {
                (None, came) => changes.added.push(Field { name, value: came }),
                (Some(_), None) => changes.kept_back.push(name),
                (Some(was), Some(came)) if *was != came => {
                    let change = Change {
                        sent: shown(&name, was),
                        came,
                    };
                    changes.changed.push(ChangedField { name, change });
                }
                (Some(_), Some(_)) => {}
            }
        }
        for (name, value) in sent {
            if self.headers.iter().all(|(came, _)| *came != name) {
                let value = Some(shown(&name, &value));
                changes.removed.push(Field { name, value });
            }
        }
        changes
    }
}

impl Changes {
    /// Whether the request came as it was sent.
    pub(super) fn are_none(&self) -> bool {
        let is_same_version = self
            .version
            .as_deref()
            .is_none_or(|version| version == "HTTP/1.1");
        self.added.is_empty()
            && self.removed.is_empty()
            && self.changed.is_empty()
            && self.target.is_none()
            && is_same_version
    }

    /// What became of a field: what was sent, and what came if anything did.
    pub(super) fn of(&self, name: &str) -> Option<(&str, Option<&str>)> {
        let changed = self.changed.iter().find(|field| field.name == name);
        let removed = self.removed.iter().find(|field| field.name == name);
        changed
            .map(|field| (&*field.change.sent, Some(&*field.change.came)))
            .or(removed.map(|field| (field.value.as_deref().unwrap_or(""), None)))
    }
}

/// A value of ours as it may be shown: what was given by `--header` may be secret.
fn shown(name: &str, value: &str) -> String {
    let is_shown = name.parse::<HeaderName>().is_ok_and(|name| is_shown(&name));
    if is_shown {
        value.to_owned()
    } else {
        "…".to_owned()
    }
}

fn without_query(target: &str) -> String {
    match target.split_once('?') {
        Some((path, _)) => format!("{path}?…"),
        None => target.to_owned(),
    }
}

/// Each name once, with its values in one line (RFC 9110 §5.3).
fn sent(request: &Request<()>) -> Vec<(String, String)> {
    let headers = request.headers();
    headers
        .keys()
        .map(|name| {
            let values = headers.get_all(name).iter();
            let values: Vec<_> = values
                .map(|value| String::from_utf8_lossy(value.as_bytes()))
                .collect();
            (name.as_str().to_owned(), values.join(", "))
        })
        .collect()
}

/// Each name once, with its values in one line; no value if one of them is kept back.
fn grouped(fields: &[(String, Option<String>)]) -> Vec<(String, Option<String>)> {
    let mut groups: Vec<(String, Option<String>)> = Vec::new();
    for (name, value) in fields {
        match groups.iter_mut().find(|(known, _)| known == name) {
            Some((_, values)) => {
                *values = values
                    .take()
                    .zip(value.as_ref())
                    .map(|(all, next)| format!("{all}, {next}"));
            }
            None => groups.push((name.clone(), value.clone())),
        }
    }
    groups
}

fn pair(field: &Value) -> Option<(String, Option<String>)> {
    match field.as_array()?.as_slice() {
        [Value::String(name), value] => Some((name.to_ascii_lowercase(), text_of(value))),
        _ => None,
    }
}

fn text_of(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes(came: &str) -> Changes {
        let request = Request::builder()
            .uri("/chat?token=s3cret")
            .header("host", "example.com")
            .header("connection", "Upgrade")
            .header("x-own", "s3cret")
            .header("origin", "https://example.com")
            .body(())
            .unwrap();
        Reflected::parse(came).unwrap().changes(&request)
    }

    #[test]
    fn added_removed_and_changed_fields_are_told_apart() {
        let changes = changes(
            r#"{"version":"HTTP/1.0","target":"/v1/chat?token=s3cret","headers":[["Host","10.0.0.1"],
                ["x-forwarded-for","192.0.2.1"],["x-forwarded-for","10.0.0.2"],["x-user",null],
                ["x-own",null],["connection","Upgrade"]]}"#,
        );

        let field = |name: &str, value: Option<&str>| Field {
            name: name.to_owned(),
            value: value.map(str::to_owned),
        };
        assert_eq!(
            changes.added,
            [
                field("x-forwarded-for", Some("192.0.2.1, 10.0.0.2")),
                field("x-user", None)
            ]
        );
        assert_eq!(
            changes.removed,
            [field("origin", Some("https://example.com"))]
        );
        assert_eq!(changes.of("host"), Some(("example.com", Some("10.0.0.1"))));
        assert_eq!(changes.kept_back, ["x-own"]);
        assert_eq!(changes.version.as_deref(), Some("HTTP/1.0"));
        let target = changes.target.as_ref().unwrap();
        assert_eq!((&*target.sent, &*target.came), ("/chat?…", "/v1/chat?…"));
        assert!(!changes.are_none());
    }

    #[test]
    fn request_that_came_as_it_was_sent_has_no_changes() {
        let changes = changes(
            r#"{"headers":{"Host":"example.com","Connection":"Upgrade","X-Own":"s3cret",
                "Origin":"https://example.com"}}"#,
        );

        assert!(changes.are_none());
    }

    #[test]
    fn other_messages_reflect_nothing() {
        for text in [
            "hello",
            "{}",
            "[]",
            r#"{"headers":[]}"#,
            r#"{"headers":{"a":"b"}}"#,
            r#"{"headers":[["host"]]}"#,
        ] {
            assert!(Reflected::parse(text).is_none(), "{text}");
        }
    }
}
