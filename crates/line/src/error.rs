//! What can go wrong, by who is at fault.

use std::fmt;
use std::io;

use holdwire_proto::{CloseCode, Ended, Message, Violation};

/// Why an operation on a connection failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The peer broke a rule of the protocol and was told so; the connection is over.
    Protocol(Violation),
    /// The line is gone without a closing handshake.
    Lost(Lost),
    /// The connection is closing or closed, so nothing can be sent any more.
    Closed,
    /// The send queue is full; here is the message back.
    Full(Message),
}

/// How a line was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Lost {
    /// The transport ended without a Close frame.
    Eof,
    /// The peer sent no byte for the heartbeat's interval and timeout, and left a ping unanswered.
    HeartbeatTimeout,
    /// The peer took no byte for the whole write-stall time.
    WriteStalled,
    /// The peer did not answer our Close frame in time.
    CloseTimeout,
    /// The transport failed.
    Io(io::ErrorKind),
}

impl Error {
    /// The error of a connection that ended so; `None` when it ended as it should.
    pub(crate) fn of(ended: Ended) -> Option<Self> {
        match ended {
            Ended::Clean(_) => None,
            Ended::Violation(violation) => Some(Self::Protocol(violation)),
            Ended::HeartbeatTimeout => Some(Self::Lost(Lost::HeartbeatTimeout)),
            Ended::WriteStalled => Some(Self::Lost(Lost::WriteStalled)),
            Ended::CloseTimeout => Some(Self::Lost(Lost::CloseTimeout)),
            Ended::Io(kind) => Some(Self::Lost(Lost::Io(kind))),
            _ => Some(Self::Lost(Lost::Eof)),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Protocol(violation) => violation.fmt(f),
            Self::Lost(lost) => lost.fmt(f),
            Self::Closed => f.write_str("the connection is closing; nothing can be sent any more"),
            Self::Full(_) => f.write_str("the send queue is full; wait until the peer has read"),
        }
    }
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Eof => f.write_str("the line was lost: no closing handshake came"),
            Self::HeartbeatTimeout => f.write_str("the line was lost: no answer to the heartbeat"),
            Self::WriteStalled => f.write_str("the line was lost: the peer stopped reading"),
            Self::CloseTimeout => f.write_str("the line was lost: the closing handshake timed out"),
            Self::Io(kind) => write!(f, "the line was lost: {kind}"),
        }
    }
}

impl std::error::Error for Error {}

/// How a connection ended: data for logs and decisions.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Closed {
    /// What happened.
    pub ended: Ended,
    /// The reason in the peer's Close frame; empty when there was none.
    pub reason: Box<str>,
}

impl Closed {
    /// Whether the closing handshake was completed.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        matches!(self.ended, Ended::Clean(_))
    }

    /// The code as a browser shows it: 1005 for an empty Close frame, 1006 when none came.
    #[must_use]
    pub fn code(&self) -> u16 {
        match self.ended {
            Ended::Clean(code) => code.map_or(1005, CloseCode::value),
            _ => 1006,
        }
    }
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.reason.is_empty() {
            self.ended.fmt(f)
        } else {
            write!(f, "{}: {:?}", self.ended, self.reason)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_small() {
        assert!(size_of::<Error>() <= 48, "{} bytes", size_of::<Error>());
    }
}
