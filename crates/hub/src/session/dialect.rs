//! In whose words a connection is spoken to: what differs between protocols that mean the same.

use holdwire::{CloseCode, Message};

use super::{ABUSE, SUBPROTOCOL};
use crate::centrifuge::{self, Encoding};
use crate::format::Format;
use crate::local::TOO_SLOW;
use crate::wire::Reply;

/// The protocol of a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// Our own.
    #[default]
    Holdwire,
    /// The Centrifuge client protocol.
    Centrifuge(Encoding),
}

/// Why the server ends a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// A message is no command.
    NoCommand,
    /// Who the client is, is not accepted, or not any more.
    Unauthorized,
    /// The client's token has expired.
    Expired,
    /// Nobody has connected in time.
    TooLate,
    /// The client wants it so.
    Bye,
    /// The session goes on in another connection.
    Elsewhere,
    /// The client reads too slowly.
    TooSlow,
    /// Far too much comes from the client.
    TooFast,
    /// The client does not answer.
    Silent,
    /// What the client sends can be of no use here.
    NotServed,
    /// The server goes down.
    Shutdown,
}

impl Dialect {
    /// Whether it is not our own.
    pub(crate) fn is_foreign(self) -> bool {
        self != Self::Holdwire
    }

    /// What a backend knows it by.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Holdwire => SUBPROTOCOL,
            Self::Centrifuge(Encoding::Json) => "centrifuge-json",
            Self::Centrifuge(Encoding::Protobuf) => "centrifuge-protobuf",
        }
    }

    /// How a subscription of it gets publications.
    pub(crate) fn format(self, with_presence: bool) -> Format {
        match self {
            Self::Holdwire if with_presence => Format::SessionPresence,
            Self::Holdwire => Format::Session,
            Self::Centrifuge(encoding) => encoding.format(with_presence),
        }
    }

    /// A message to a client.
    pub(crate) fn message(self, reply: &Reply) -> Message {
        match self {
            // Strings, numbers and maps with string keys always have a JSON form.
            Self::Holdwire => Message::from(serde_json::to_string(reply).unwrap_or_default()),
            Self::Centrifuge(encoding) => centrifuge::written(encoding, reply),
        }
    }

    /// The close code that tells a client what to do now.
    pub(crate) fn code(self, end: End) -> CloseCode {
        let code = match (self, end) {
            (Self::Holdwire, End::NoCommand | End::NotServed) => 4400,
            (Self::Holdwire, End::Unauthorized | End::Expired) => 4401,
            (Self::Holdwire, End::TooLate | End::Silent) => 4408,
            (Self::Holdwire, End::Elsewhere) => 4409,
            (Self::Holdwire, End::TooFast) => return ABUSE,
            (Self::Holdwire, End::TooSlow) => return TOO_SLOW,
            (Self::Holdwire, End::Shutdown) => return CloseCode::SERVICE_RESTART,
            (_, End::Bye) => return CloseCode::NORMAL,
            (Self::Centrifuge(_), end) => match end {
                End::Shutdown | End::Elsewhere | End::Bye => 3001,
                End::Expired => 3005,
                End::TooSlow => return centrifuge::TOO_SLOW,
                End::Silent => 3012,
                End::Unauthorized => 3500,
                End::NoCommand => 3501,
                End::TooLate => 3502,
                End::NotServed => 3508,
                End::TooFast => 3509,
            },
        };
        CloseCode::new(code).unwrap_or(CloseCode::POLICY_VIOLATION)
    }

    /// The close code for one that a backend has chosen: those by which clients of the Centrifuge
    /// protocol know that they are to stay away mean nothing to our own.
    pub(crate) fn ordered(self, code: CloseCode) -> CloseCode {
        match code.value() {
            3500..=3999 | 4500..=4999 if !self.is_foreign() => CloseCode::FORBIDDEN,
            _ => code,
        }
    }
}
