//! Who is at fault, and what the peer is told: one table from violation to close code.

use std::fmt;
use std::io;

use crate::close::{BadClose, CloseCode};

/// A rule that the peer broke.
///
/// The variant alone decides the close code ([`Violation::close_code`]); no other place picks
/// one for an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Violation {
    /// RSV2 or RSV3 is set, or RSV1 where no extension gives it a meaning (RFC 6455 §5.2).
    ReservedBit,
    /// The opcode is 3 to 7 or 11 to 15 (RFC 6455 §5.2).
    ReservedOpcode,
    /// A client sent a frame without a mask (RFC 6455 §5.1).
    UnmaskedFrame,
    /// A server sent a frame with a mask (RFC 6455 §5.1).
    MaskedFrame,
    /// The length is not in its shortest form, or its top bit is set (RFC 6455 §5.2).
    InvalidLength,
    /// A control frame is fragmented (RFC 6455 §5.4).
    FragmentedControlFrame,
    /// A control frame has more than 125 bytes (RFC 6455 §5.5).
    ControlFrameTooLong,
    /// A continuation came while no message was open (RFC 6455 §5.4).
    UnexpectedContinuation,
    /// A new message began inside a fragmented one (RFC 6455 §5.4).
    UnfinishedMessage,
    /// The Close frame has one byte, or a code that must not be sent (RFC 6455 §5.5.1, §7.4).
    InvalidCloseFrame,
    /// A text message or a close reason is not UTF-8 (RFC 6455 §8.1).
    InvalidUtf8,
    /// A compressed message cannot be inflated (RFC 7692 §7.2.2).
    InvalidDeflate,
    /// The message inflates to more than the allowed multiple of its size.
    InflateRatio,
    /// A frame is longer than the limit.
    FrameTooBig,
    /// A message is longer than the limit, inflated size included.
    MessageTooBig,
    /// A message has more fragments than the limit, empty ones counted.
    TooManyFragments,
    /// A message was begun and not finished in time.
    MessageTimeout,
}

impl Violation {
    /// The close code that tells the peer (RFC 6455 §7.4.1).
    #[must_use]
    pub const fn close_code(self) -> CloseCode {
        match self {
            Self::ReservedBit
            | Self::ReservedOpcode
            | Self::UnmaskedFrame
            | Self::MaskedFrame
            | Self::InvalidLength
            | Self::FragmentedControlFrame
            | Self::ControlFrameTooLong
            | Self::UnexpectedContinuation
            | Self::UnfinishedMessage
            | Self::InvalidCloseFrame => CloseCode::PROTOCOL_ERROR,
            Self::InvalidUtf8 | Self::InvalidDeflate => CloseCode::INVALID_PAYLOAD,
            Self::FrameTooBig | Self::MessageTooBig | Self::InflateRatio => {
                CloseCode::MESSAGE_TOO_BIG
            }
            Self::TooManyFragments | Self::MessageTimeout => CloseCode::POLICY_VIOLATION,
        }
    }

    /// The rule in a few words, sent as the close reason.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::ReservedBit => "reserved bit is set",
            Self::ReservedOpcode => "opcode is reserved",
            Self::UnmaskedFrame => "client frame is not masked",
            Self::MaskedFrame => "server frame is masked",
            Self::InvalidLength => "length is not in its shortest form",
            Self::FragmentedControlFrame => "control frame is fragmented",
            Self::ControlFrameTooLong => "control frame is longer than 125 bytes",
            Self::UnexpectedContinuation => "continuation without a message",
            Self::UnfinishedMessage => "new message inside a fragmented one",
            Self::InvalidCloseFrame => "close frame has an invalid body",
            Self::InvalidUtf8 => "text is not UTF-8",
            Self::InvalidDeflate => "compressed message is corrupt",
            Self::InflateRatio => "message inflates beyond the allowed ratio",
            Self::FrameTooBig => "frame is too big",
            Self::MessageTooBig => "message is too big",
            Self::TooManyFragments => "message has too many fragments",
            Self::MessageTimeout => "message was not finished in time",
        }
    }
}

impl From<BadClose> for Violation {
    fn from(bad: BadClose) -> Self {
        match bad {
            BadClose::Length | BadClose::Code => Self::InvalidCloseFrame,
            BadClose::Reason => Self::InvalidUtf8,
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the peer broke the protocol: {} (close code {})",
            self.reason(),
            self.close_code()
        )
    }
}

impl std::error::Error for Violation {}

/// Why a message was not taken for sending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError {
    /// The closing handshake has begun, or the connection is over: nothing can be sent any more.
    Closed,
    /// The send queue is full; wait until the peer has read.
    Full,
    /// The payload of a ping or pong is longer than 125 bytes (RFC 6455 §5.5).
    ControlTooLong,
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "the connection is closing; nothing can be sent any more",
            Self::Full => "the send queue is full; wait until the peer has read",
            Self::ControlTooLong => "a ping or pong carries at most 125 bytes",
        })
    }
}

impl std::error::Error for SendError {}

/// How a connection ended, as data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ended {
    /// The closing handshake was completed; the code is the peer's, `None` for an empty frame.
    Clean(Option<CloseCode>),
    /// The peer broke a rule and was told so.
    Violation(Violation),
    /// The transport ended without a closing handshake (RFC 6455 §7.1.5 calls it 1006).
    Lost,
    /// The peer did not answer our Close frame in time.
    CloseTimeout,
    /// The peer took no byte for the whole write-stall time.
    WriteStalled,
    /// The peer sent no byte for the heartbeat's interval and timeout, and left a ping unanswered.
    HeartbeatTimeout,
    /// The transport failed.
    Io(io::ErrorKind),
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Clean(Some(code)) => write!(f, "closed with code {code}"),
            Self::Clean(None) => f.write_str("closed without a code"),
            Self::Violation(violation) => violation.fmt(f),
            Self::Lost => f.write_str("the transport ended without a closing handshake"),
            Self::CloseTimeout => f.write_str("the peer did not answer the close frame in time"),
            Self::HeartbeatTimeout => f.write_str("the peer did not answer the heartbeat"),
            Self::Io(kind) => write!(f, "the transport failed: {kind}"),
            Self::WriteStalled => {
                f.write_str("the peer took no byte for the whole write-stall time")
            }
        }
    }
}
