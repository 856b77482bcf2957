//! How a subscriber takes what is published: each format is encoded once, however many take it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use holdwire::proto::{SendError, Sender};
use holdwire::{Message, Prepared};
use serde::Serialize;

use holdwire::shard::Slow;

use crate::centrifuge::{self, Encoding};
use crate::channel::{ChannelName, SlowConsumer};
use crate::local::{IS_SLOW, TOO_SLOW};
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
    /// A push of the session protocol.
    Session,
    /// The same, and who joins and leaves.
    SessionPresence,
    /// A push of the Centrifuge protocol in JSON.
    Centrifuge,
    /// The same, and who joins and leaves.
    CentrifugePresence,
    /// A push of the Centrifuge protocol in Protobuf.
    Protobuf,
    /// The same, and who joins and leaves.
    ProtobufPresence,
}

impl Format {
    /// How many there are.
    pub(crate) const COUNT: usize = Self::ALL.len();

    /// All of them, each at its [index](Self::index).
    pub(crate) const ALL: [Self; 9] = [
        Self::Raw,
        Self::Json,
        Self::JsonPresence,
        Self::Session,
        Self::SessionPresence,
        Self::Centrifuge,
        Self::CentrifugePresence,
        Self::Protobuf,
        Self::ProtobufPresence,
    ];

    /// A number below [`Format::COUNT`].
    pub(crate) fn index(self) -> usize {
        self as usize
    }

    /// Whether subscribers are told who joins and leaves.
    pub(crate) fn has_presence(self) -> bool {
        self.encoding() != self
    }

    /// The one that encodes a publication in the same way.
    pub(crate) fn encoding(self) -> Self {
        match self {
            Self::JsonPresence => Self::Json,
            Self::SessionPresence => Self::Session,
            Self::CentrifugePresence => Self::Centrifuge,
            Self::ProtobufPresence => Self::Protobuf,
            format => format,
        }
    }

    /// How a message of the Centrifuge protocol is written, if it is one.
    fn centrifuge(self) -> Option<Encoding> {
        match self.encoding() {
            Self::Centrifuge => Some(Encoding::Json),
            Self::Protobuf => Some(Encoding::Protobuf),
            _ => None,
        }
    }

    /// What becomes of a subscriber that reads too slowly.
    ///
    /// A client of the Centrifuge protocol cannot be told of a gap, so it always comes back.
    pub(crate) fn slow(self, slow: SlowConsumer) -> Slow {
        match (self.centrifuge(), slow) {
            (Some(_), _) => Slow::Close(centrifuge::TOO_SLOW, centrifuge::IS_SLOW),
            (None, SlowConsumer::Close) => Slow::Close(TOO_SLOW, IS_SLOW),
            (None, SlowConsumer::Skip) => Slow::Skip,
        }
    }

    /// A publication as a message.
    pub(crate) fn publication(self, at: &Place<'_>) -> Message {
        if let Some(encoding) = self.centrifuge() {
            return centrifuge::publication(encoding, at.channel, at.publication);
        }
        match (self.encoding(), &at.publication.payload) {
            (Self::Raw, Payload::Text(text) | Payload::Json(text)) => Message::Text(text.clone()),
            (Self::Raw, Payload::Binary(bytes)) => Message::Binary(bytes.clone()),
            (Self::Session, _) => Message::from(push(at.channel, at.publication)),
            _ => Message::from(json(at.epoch, at.publication)),
        }
    }

    /// The same for many, compressed or not.
    pub(crate) fn prepare(self, at: &Place<'_>, compress: bool) -> Prepared {
        let prepared = prepare(&self.publication(at));
        if compress {
            prepared
        } else {
            prepared.uncompressed()
        }
    }

    /// Sends one that was read again.
    ///
    /// # Errors
    /// Those of [`Sender::message`].
    pub(crate) fn replay(
        self,
        at: &Place<'_>,
        compress: bool,
        sender: &mut Sender<'_>,
    ) -> Result<(), SendError> {
        if compress {
            sender.message(self.publication(at))
        } else {
            sender.prepared(&self.prepare(at, false))
        }
    }

    /// Somebody who joins, or leaves.
    pub(crate) fn presence(
        self,
        channel: &ChannelName,
        joins: bool,
        client: ClientId,
        who: &Member,
    ) -> Prepared {
        if let Some(encoding) = self.centrifuge() {
            return prepare(&centrifuge::member(encoding, channel, joins, client, who));
        }
        let what = if joins { "join" } else { "leave" };
        let who = member(client, who);
        if self == Self::SessionPresence {
            return Prepared::text(&format!(
                "{{\"push\":{{\"channel\":\"{channel}\",\"{what}\":{{\"info\":{who}}}}}}}"
            ));
        }
        Prepared::text(&format!("{{\"{what}\":{who}}}"))
    }
}

fn prepare(message: &Message) -> Prepared {
    match message {
        Message::Text(text) => Prepared::text(text),
        Message::Binary(bytes) => Prepared::binary(bytes),
    }
}

/// A publication, and where it is.
pub(crate) struct Place<'a> {
    pub(crate) channel: &'a ChannelName,
    pub(crate) epoch: Epoch,
    pub(crate) publication: &'a Publication,
}

/// `{"push":{"channel":"chat:lobby","pub":{"offset":18,"data":…}}}`
///
/// A channel's name needs no care in JSON.
pub(crate) fn push(channel: &ChannelName, publication: &Publication) -> String {
    let Publication { offset, payload } = publication;
    let content = content(payload);
    format!("{{\"push\":{{\"channel\":\"{channel}\",\"pub\":{{\"offset\":{offset},{content}}}}}}}")
}

/// `{"offset":18,"epoch":"kzeqhzcd.0","data":…}`
fn json(epoch: Epoch, publication: &Publication) -> String {
    let Publication { offset, payload } = publication;
    let content = content(payload);
    format!("{{\"offset\":{offset},\"epoch\":\"{epoch}\",{content}}}")
}

/// `"data":…` or `"base64":"…"`
fn content(payload: &Payload) -> String {
    match payload {
        Payload::Text(text) => format!("\"data\":{}", quoted(text)),
        Payload::Json(text) => format!("\"data\":{text}"),
        Payload::Binary(bytes) => format!("\"base64\":\"{}\"", STANDARD.encode(bytes)),
    }
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
    let info = who
        .info
        .as_deref()
        .map_or_else(String::new, |info| format!(",\"info\":{info}"));
    format!("{{\"client\":\"{client}\",\"user\":{user}{info}}}")
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
