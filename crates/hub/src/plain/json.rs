//! What a subscriber with JSON may send, and what it is told when that is not published.

use std::borrow::Cow;

use holdwire::{CloseCode, Text};
use serde_json::value::RawValue;

use crate::engine::PublishError;
use crate::format;
use crate::publication::Payload;
use crate::session::Denied;

/// Why something was not published: a code and words in JSON, the end of the connection in raw.
pub(crate) struct Refused {
    pub(super) code: u16,
    pub(super) close: CloseCode,
    pub(super) message: Cow<'static, str>,
}

impl Refused {
    /// 103: the namespace does not allow it.
    pub(super) fn not_allowed() -> Self {
        Self {
            code: 103,
            close: CloseCode::POLICY_VIOLATION,
            message: Cow::Borrowed("clients may not publish in this channel"),
        }
    }

    /// 107: the message is not what was to be sent.
    pub(super) fn not_json(what: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code: 107,
            close: CloseCode::UNSUPPORTED_DATA,
            message: what.into(),
        }
    }

    /// 111: too many of them.
    pub(super) fn too_fast() -> Self {
        Self {
            code: 111,
            close: CloseCode::TRY_AGAIN_LATER,
            message: Cow::Borrowed("too many messages in a second"),
        }
    }

    /// What the application says.
    pub(super) fn denied(denied: &Denied) -> Self {
        let close = if denied.is_temporary() {
            CloseCode::TRY_AGAIN_LATER
        } else {
            CloseCode::POLICY_VIOLATION
        };
        Self {
            code: denied.code(),
            close: denied.close().unwrap_or(close),
            message: Cow::Owned(denied.message.clone()),
        }
    }

    /// What the engine says: 100 when it cannot do it now, 107 otherwise.
    pub(super) fn of(error: &PublishError) -> Self {
        match error {
            PublishError::Engine(_) => Self {
                code: 100,
                close: CloseCode::TRY_AGAIN_LATER,
                message: Cow::Borrowed("nothing can be published now"),
            },
            error => Self {
                code: 107,
                close: CloseCode::POLICY_VIOLATION,
                message: Cow::Owned(error.to_string()),
            },
        }
    }

    pub(super) fn json(&self) -> String {
        format::error(self.code, &self.message)
    }
}

impl From<Refused> for String {
    fn from(refused: Refused) -> Self {
        refused.message.into_owned()
    }
}

/// What is published when this text comes.
pub(crate) fn payload(text: &str) -> Result<Payload, Refused> {
    let wrong = |error: serde_json::Error| Refused::not_json(format!("no JSON: {error}"));
    let value: &RawValue = serde_json::from_str(text).map_err(wrong)?;
    if value.get().starts_with('"') {
        let text: String = serde_json::from_str(value.get()).map_err(wrong)?;
        return Ok(Payload::Text(Text::from(text)));
    }
    Ok(Payload::Json(Text::from(value.get())))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::de::IgnoredAny;

    use super::*;

    #[test]
    fn string_is_a_text_and_any_other_value_is_itself() {
        let ok = |text| payload(text).map_err(String::from).unwrap();

        assert_eq!(ok(r#" "a\nb" "#), Payload::from("a\nb"));
        assert_eq!(ok(" [1, 2] "), Payload::Json("[1, 2]".into()));
        assert_eq!(ok("null"), Payload::Json("null".into()));
    }

    #[test]
    fn what_is_no_json_is_refused() {
        let deep = "[".repeat(100_000);
        for text in ["", "hello", "{", "1 2", r#""\ud800""#, &deep] {
            assert!(payload(text).is_err(), "{}", &text[..text.len().min(9)]);
        }
    }

    proptest! {
        #[test]
        fn what_is_taken_is_the_value_that_was_sent(text in r#"[\[\]{}:,"\\ 0-9a-u]{0,40}|.{0,40}"#) {
            let is_json = serde_json::from_str::<IgnoredAny>(&text).is_ok();
            match payload(&text).map_err(String::from) {
                Ok(Payload::Text(taken)) => {
                    prop_assert_eq!(serde_json::from_str::<String>(&text).unwrap(), &*taken);
                }
                Ok(taken) => {
                    prop_assert!(is_json);
                    prop_assert_eq!(taken.as_bytes(), text.trim_matches([' ', '\t', '\n', '\r']).as_bytes());
                }
                // Half of a surrogate pair is good grammar and no text.
                Err(why) => prop_assert!(!is_json || text.contains("\\u"), "{}", why),
            }
        }
    }
}
