//! How a subscriber takes what is published: each format is encoded once, however many take it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use holdwire::{Message, Prepared};
use serde::Serialize;

use crate::position::{Epoch, Position};
use crate::presence::{ClientId, Member};
use crate::publication::{Payload, Publication};
use crate::reading::{Gap, Reason};

/// What a subscriber is sent for the same publication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// The payload as it is.
    Raw,
    /// One JSON object a message.
    Json,
    /// The same, and who joins and leaves.
    JsonPresence,
}

impl Format {
    /// How many there are.
    pub(crate) const COUNT: usize = 3;

    /// A number below [`Format::COUNT`].
    pub(crate) fn index(self) -> usize {
        self as usize
    }

    /// A publication as a message.
    pub(crate) fn publication(self, epoch: Epoch, publication: &Publication) -> Message {
        match (self, &publication.payload) {
            (Self::Raw, Payload::Text(text) | Payload::Json(text)) => Message::Text(text.clone()),
            (Self::Raw, Payload::Binary(bytes)) => Message::Binary(bytes.clone()),
            (Self::Json | Self::JsonPresence, _) => Message::from(json(epoch, publication)),
        }
    }

    /// The same for many.
    pub(crate) fn prepare(self, epoch: Epoch, publication: &Publication) -> Prepared {
        match (self, &publication.payload) {
            (Self::Raw, Payload::Text(text) | Payload::Json(text)) => Prepared::text(text),
            (Self::Raw, Payload::Binary(bytes)) => Prepared::binary(bytes),
            (Self::Json | Self::JsonPresence, _) => Prepared::text(&json(epoch, publication)),
        }
    }
}

/// `{"offset":18,"epoch":"kzeqhzcd.0","data":…}`
fn json(epoch: Epoch, publication: &Publication) -> String {
    let Publication { offset, payload } = publication;
    let content = match payload {
        Payload::Text(text) => format!("\"data\":{}", quoted(text)),
        Payload::Json(text) => format!("\"data\":{text}"),
        Payload::Binary(bytes) => format!("\"base64\":\"{}\"", STANDARD.encode(bytes)),
    };
    format!("{{\"offset\":{offset},\"epoch\":\"{epoch}\",{content}}}")
}

/// `{"epoch":"kzeqhzcd.0","offset":17}`
pub(crate) fn position(position: Position) -> String {
    let Position { epoch, offset } = position;
    format!("{{\"epoch\":\"{epoch}\",\"offset\":{offset}}}")
}

/// `{"gap":{"reason":"expired","from":11,"to":40,"epoch":"kzeqhzcd.0","offset":40}}`
pub(crate) fn gap(gap: &Gap) -> String {
    let Gap {
        reason,
        from,
        to,
        epoch,
    } = gap;
    let fork = match reason {
        Reason::Diverged { fork } => format!(",\"fork\":{fork}"),
        _ => String::new(),
    };
    let reason = reason.word();
    format!(
        "{{\"gap\":{{\"reason\":\"{reason}\"{fork},\"from\":{from},\"to\":{to},\
         \"epoch\":\"{epoch}\",\"offset\":{to}}}}}"
    )
}

/// `{"join":{"client":"…","user":"…"}}`
pub(crate) fn join(client: ClientId, who: &Member) -> String {
    format!("{{\"join\":{}}}", member(client, who))
}

/// `{"leave":{"client":"…","user":"…"}}`
pub(crate) fn leave(client: ClientId, who: &Member) -> String {
    format!("{{\"leave\":{}}}", member(client, who))
}

/// `{"presence":[{"client":"…","user":"…"},…]}`
pub(crate) fn members(members: &[(ClientId, Member)]) -> String {
    let members = members.iter().map(|(client, who)| member(*client, who));
    format!(
        "{{\"presence\":[{}]}}",
        members.collect::<Vec<_>>().join(",")
    )
}

/// `{"error":{"code":107,"message":"…"}}`
pub(crate) fn error(code: u16, message: &str) -> String {
    let message = quoted(message);
    format!("{{\"error\":{{\"code\":{code},\"message\":{message}}}}}")
}

fn member(client: ClientId, who: &Member) -> String {
    let user = quoted(&who.user);
    format!("{{\"client\":\"{client}\",\"user\":{user}}}")
}

/// A text as a JSON string.
fn quoted(text: &str) -> String {
    let mut quoted = Vec::with_capacity(text.len() + 2);
    let mut serializer = serde_json::Serializer::new(&mut quoted);
    // A text has a JSON form, and a vector takes all that is written to it.
    let _ = text.serialize(&mut serializer);
    String::from_utf8(quoted).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn published(payload: Payload) -> String {
        let publication = Publication {
            offset: 18,
            payload,
        };
        json(Epoch::new(*b"12345678"), &publication)
    }

    #[test]
    fn each_payload_has_its_json_form() {
        let epoch = Epoch::new(*b"12345678");
        let expected = |content: &str| format!("{{\"offset\":18,\"epoch\":\"{epoch}\",{content}}}");

        let text = published("a\"b\n".into());
        let value = published(Payload::Json("[1, {}]".into()));
        let bytes = published(Payload::Binary(Bytes::from_static(b"\0\xff")));

        assert_eq!(text, expected(r#""data":"a\"b\n""#));
        assert_eq!(value, expected(r#""data":[1, {}]"#));
        assert_eq!(bytes, expected(r#""base64":"AP8=""#));
    }

    #[test]
    fn gap_says_why_and_from_where_to_where() {
        let epoch = Epoch::new(*b"12345678");
        let diverged = Gap {
            reason: Reason::Diverged { fork: 10 },
            from: 11,
            to: 40,
            epoch,
        };

        assert_eq!(
            gap(&diverged),
            format!(
                "{{\"gap\":{{\"reason\":\"diverged\",\"fork\":10,\"from\":11,\"to\":40,\
                 \"epoch\":\"{epoch}\",\"offset\":40}}}}"
            )
        );
    }
}
