//! What a backend answers.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use holdwire::{CloseCode, Text};
use holdwire_hub::session::{Denied, Guest, Loan};
use holdwire_hub::{ChannelName, Member, Payload};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// The word for yes.
pub(super) const OK: &str = "ok";

/// Yes, with what belongs to it, or no.
pub(super) type Answer<T> = Result<T, Denied>;

/// An answer has one of these.
#[derive(Deserialize)]
#[serde(bound = "T: DeserializeOwned")]
struct Envelope<T> {
    result: Option<T>,
    error: Option<Fault>,
    disconnect: Option<Disconnect>,
}

#[derive(Deserialize)]
struct Fault {
    code: u16,
    #[serde(default)]
    message: String,
    #[serde(default)]
    temporary: bool,
}

#[derive(Deserialize)]
struct Disconnect {
    code: u16,
    #[serde(default)]
    reason: String,
}

/// Who somebody is.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Connect {
    user: String,
    channels: Vec<String>,
    expire_in: Option<u64>,
    info: Option<Box<RawValue>>,
    data: Option<Box<RawValue>>,
}

/// For how long a client has a channel.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Subscribe {
    expire_in: Option<u64>,
}

/// What is published instead.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Publish {
    #[serde(deserialize_with = "there")]
    data: Option<Box<RawValue>>,
    base64: Option<String>,
}

/// What a client is answered.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Rpc {
    #[serde(deserialize_with = "there")]
    data: Option<Box<RawValue>>,
}

/// A member that is there, whatever its value.
fn there<'de, D>(deserializer: D) -> Result<Option<Box<RawValue>>, D::Error>
where
    D: Deserializer<'de>,
{
    Box::<RawValue>::deserialize(deserializer).map(Some)
}

/// An answer, and one word for it; `None` when it makes no sense.
pub(super) fn read<T: DeserializeOwned, U>(
    body: &[u8],
    take: impl FnOnce(T) -> Option<U>,
) -> Option<(Answer<U>, &'static str)> {
    let envelope: Envelope<T> = serde_json::from_slice(body).ok()?;
    match (envelope.result, envelope.error, envelope.disconnect) {
        (Some(result), None, None) => Some((Ok(take(result)?), OK)),
        (None, Some(error), None) => Some((Err(error.denied()?), "error")),
        (None, None, Some(end)) => {
            let code = CloseCode::new(end.code).filter(|code| code.value() >= 3000)?;
            // A close frame has room for so much (RFC 6455 §5.5).
            let reason = end.reason.get(..end.reason.floor_char_boundary(123))?;
            Some((Err(Denied::disconnect(code, reason)), "disconnect"))
        }
        _ => None,
    }
}

impl Fault {
    fn denied(self) -> Option<Denied> {
        let message = self.message;
        match self.code {
            100 => Some(Denied::unavailable(message)),
            103 => Some(Denied::not_allowed(message)),
            104 => Some(Denied::no_method(message)),
            107 => Some(Denied::bad_request(message)),
            code => Denied::error(code, message, self.temporary),
        }
    }
}

impl Connect {
    pub(super) fn guest(self) -> Option<Guest> {
        let mut member = Member::new(self.user);
        member.info = self.info;
        let mut guest = Guest::new(member);
        let channels = self.channels.iter().map(|name| name.parse::<ChannelName>());
        guest.channels = channels.collect::<Result<_, _>>().ok()?;
        guest.holds = self.expire_in.map(Duration::from_secs);
        guest.data = self.data;
        Some(guest)
    }
}

impl Subscribe {
    #[expect(clippy::unnecessary_wraps, reason = "as the others")]
    pub(super) fn loan(self) -> Option<Loan> {
        Some(Loan::For(self.expire_in.map(Duration::from_secs)))
    }
}

impl Publish {
    pub(super) fn payload(self) -> Option<Option<Payload>> {
        match (self.data, self.base64) {
            (None, None) => Some(None),
            (Some(value), None) if value.get().starts_with('"') => {
                let text: String = serde_json::from_str(value.get()).ok()?;
                Some(Some(Payload::Text(Text::from(text))))
            }
            (Some(value), None) => Some(Some(Payload::Json(Text::from(value.get())))),
            (None, Some(base64)) => {
                Some(Some(Payload::Binary(STANDARD.decode(base64).ok()?.into())))
            }
            _ => None,
        }
    }
}

impl Rpc {
    pub(super) fn data(self) -> Option<Box<RawValue>> {
        self.data
            .or_else(|| RawValue::from_string("null".to_owned()).ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(body: &str) -> Option<&'static str> {
        read(body.as_bytes(), Connect::guest).map(|(_, word)| word)
    }

    #[test]
    fn an_answer_has_a_result_an_error_or_a_disconnect() {
        for (body, expected) in [
            (r#"{"result":{}}"#, Some("ok")),
            (
                r#"{"result":{"user":"ann","channels":["a:b"],"expire_in":60,"info":{},"data":1}}"#,
                Some("ok"),
            ),
            (r#"{"error":{"code":403,"message":"no"}}"#, Some("error")),
            (r#"{"error":{"code":103}}"#, Some("error")),
            (
                r#"{"disconnect":{"code":4403,"reason":"banned"}}"#,
                Some("disconnect"),
            ),
            (r"{}", None),
            (r"[]", None),
            ("", None),
            ("<html>", None),
            (r#"{"result":{},"error":{"code":403}}"#, None),
            (r#"{"error":{"code":1}}"#, None),
            (r#"{"error":{"code":-1}}"#, None),
            (r#"{"disconnect":{"code":1000}}"#, None),
            (r#"{"disconnect":{"code":99}}"#, None),
            (r#"{"result":{"channels":["a b"]}}"#, None),
            (r#"{"result":{"user":7}}"#, None),
            (r#"{"result":{"expire_in":-1}}"#, None),
        ] {
            assert_eq!(word(body), expected, "{body}");
        }
    }

    #[test]
    fn a_reason_that_is_too_long_for_a_close_frame_is_cut() {
        let body = format!(
            r#"{{"disconnect":{{"code":4403,"reason":"{}"}}}}"#,
            "ä".repeat(200)
        );

        let (answer, _) = read(body.as_bytes(), Connect::guest).unwrap();

        assert_eq!(
            answer.unwrap_err(),
            Denied::disconnect(CloseCode::new(4403).unwrap(), "ä".repeat(61))
        );
    }

    #[test]
    fn what_is_published_instead_is_a_text_json_or_bytes() {
        let payload = |body: &str| {
            let (answer, _) = read(body.as_bytes(), Publish::payload)?;
            answer.ok()
        };

        assert_eq!(payload(r#"{"result":{}}"#), Some(None));
        assert_eq!(
            payload(r#"{"result":{"data":"a"}}"#),
            Some(Some(Payload::from("a")))
        );
        assert_eq!(
            payload(r#"{"result":{"data":null}}"#),
            Some(Some(Payload::Json("null".into())))
        );
        assert_eq!(
            payload(r#"{"result":{"base64":"AP8="}}"#),
            Some(Some(Payload::Binary(vec![0, 255].into())))
        );
        assert_eq!(payload(r#"{"result":{"base64":"?"}}"#), None);
        assert_eq!(payload(r#"{"result":{"data":1,"base64":"AA=="}}"#), None);
    }
}
