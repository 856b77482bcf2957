//! The Centrifuge client protocol, in JSON and in Protobuf, for SDKs that nobody here wrote: its
//! messages, and what they mean in the words of our own [session protocol](crate::wire).
//!
//! What is served and what is not is in `docs/protocol.md`.

mod command;
mod raw;
mod reading;
mod reply;
#[cfg(any(test, feature = "fuzz"))]
pub(crate) mod same;
mod writing;

use holdwire::CloseCode;

use crate::format::Format;
use crate::wire;

/// The subprotocol of JSON messages, and what is spoken when none was agreed on.
pub(crate) const JSON: &str = "centrifuge-json";

/// The subprotocol of Protobuf messages.
pub(crate) const PROTOBUF: &str = "centrifuge-protobuf";

/// 3008: the subscriber reads too slowly; it comes back with its position.
pub(crate) const TOO_SLOW: CloseCode = match CloseCode::new(3008) {
    Some(code) => code,
    None => CloseCode::TRY_AGAIN_LATER,
};

/// What it is told then.
pub(crate) const IS_SLOW: &str = "slow";

/// How messages are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// JSON objects in text messages, one or more in each, apart by newlines.
    Json,
    /// Protocol Buffers in binary messages, one or more in each, behind their lengths.
    Protobuf,
}

/// What a client says.
#[derive(Debug)]
pub(crate) enum Saying {
    /// A command.
    Command(Box<wire::Command>),
    /// A command with this id that means something which is not served here, or nothing.
    Refused(u64, wire::Fault, &'static str),
    /// The answer to a ping.
    Pong,
}

impl Encoding {
    /// How publications come.
    pub(crate) fn format(self, with_presence: bool) -> Format {
        match (self, with_presence) {
            (Self::Json, false) => Format::Centrifuge,
            (Self::Json, true) => Format::CentrifugePresence,
            (Self::Protobuf, false) => Format::Protobuf,
            (Self::Protobuf, true) => Format::ProtobufPresence,
        }
    }
}

pub(crate) use self::writing::{member, publication, written};

#[cfg(test)]
mod tests;
