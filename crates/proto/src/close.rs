//! Close codes and reasons (RFC 6455 §7.4).

use std::fmt;

use crate::frame::{Head, MAX_HEAD, Opcode};
use crate::utf8;

/// A close code that may stand in a Close frame: 1000 to 1003, 1007 to 1014, 3000 to 4999.
///
/// 1005, 1006 and 1015 exist only as words for what happened and can never be built.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CloseCode(u16);

impl CloseCode {
    /// 1000: the purpose is fulfilled.
    pub const NORMAL: Self = Self(1000);
    /// 1001: a server goes down or a page is left.
    pub const GOING_AWAY: Self = Self(1001);
    /// 1002: the peer broke the protocol.
    pub const PROTOCOL_ERROR: Self = Self(1002);
    /// 1003: the kind of data cannot be accepted.
    pub const UNSUPPORTED_DATA: Self = Self(1003);
    /// 1007: the payload does not fit its kind, such as text that is not UTF-8.
    pub const INVALID_PAYLOAD: Self = Self(1007);
    /// 1008: a rule of the endpoint was broken.
    pub const POLICY_VIOLATION: Self = Self(1008);
    /// 1009: a message is too big.
    pub const MESSAGE_TOO_BIG: Self = Self(1009);
    /// 1010: the client misses an extension.
    pub const MANDATORY_EXTENSION: Self = Self(1010);
    /// 1011: the server met an unexpected condition.
    pub const INTERNAL_ERROR: Self = Self(1011);
    /// 1012: the service restarts; come back after a while.
    pub const SERVICE_RESTART: Self = Self(1012);
    /// 1013: the service is overloaded; come back later.
    pub const TRY_AGAIN_LATER: Self = Self(1013);
    /// 1014: a gateway got a bad answer from upstream.
    pub const BAD_GATEWAY: Self = Self(1014);
    /// 4400, ours: what HTTP calls 400, said after the opening handshake, where pages see it.
    pub const BAD_REQUEST: Self = Self(4400);
    /// 4401, ours: what HTTP calls 401, said after the opening handshake.
    pub const UNAUTHORIZED: Self = Self(4401);
    /// 4403, ours: what HTTP calls 403, said after the opening handshake.
    pub const FORBIDDEN: Self = Self(4403);
    /// 4404, ours: what HTTP calls 404, said after the opening handshake.
    pub const NOT_FOUND: Self = Self(4404);

    /// The code, if it may go on the wire.
    #[must_use]
    pub const fn new(code: u16) -> Option<Self> {
        match code {
            1000..=1003 | 1007..=1014 | 3000..=4999 => Some(Self(code)),
            _ => None,
        }
    }

    /// The number.
    #[must_use]
    pub const fn value(self) -> u16 {
        self.0
    }
}

impl fmt::Debug for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CloseCode({})", self.0)
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl TryFrom<u16> for CloseCode {
    type Error = InvalidCloseCode;

    fn try_from(code: u16) -> Result<Self, InvalidCloseCode> {
        Self::new(code).ok_or(InvalidCloseCode(code))
    }
}

impl From<CloseCode> for u16 {
    fn from(code: CloseCode) -> Self {
        code.0
    }
}

/// The number may not stand in a Close frame (RFC 6455 §7.4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidCloseCode(pub u16);

impl fmt::Display for InvalidCloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "close code {} may not be sent; use 1000 to 1003, 1007 to 1014 or 3000 to 4999",
            self.0
        )
    }
}

impl std::error::Error for InvalidCloseCode {}

/// The longest close reason, in bytes of UTF-8 (RFC 6455 §5.5: 125 less the code).
pub const MAX_CLOSE_REASON: usize = 123;

/// What a Close frame said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closing<'a> {
    /// The code; `None` when the frame was empty, which programs call 1005.
    pub code: Option<CloseCode>,
    /// The reason; for people and logs, empty when none was given.
    pub reason: &'a str,
}

/// A server's Close frame, for whoever has no connection to send it; a reason that is too long is
/// cut between two characters.
///
/// # Examples
/// ```
/// use holdwire_proto::{CloseCode, close};
///
/// let frame = close::frame(CloseCode::TRY_AGAIN_LATER, "full");
/// assert_eq!(frame, b"\x88\x06\x03\xf5full");
/// ```
#[must_use]
pub fn frame(code: CloseCode, reason: &str) -> Vec<u8> {
    let reason = fitting_reason(reason);
    let head = Head {
        fin: true,
        rsv1: false,
        opcode: Opcode::Close,
        mask: None,
        length: 2 + reason.len() as u64,
    };
    let mut bytes = [0; MAX_HEAD];
    let length = head.encode(&mut bytes);
    [
        &bytes[..length],
        &code.value().to_be_bytes(),
        reason.as_bytes(),
    ]
    .concat()
}

/// What is wrong with the body of a Close frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BadClose {
    Length,
    Code,
    Reason,
}

/// Reads the payload of a Close frame (RFC 6455 §5.5.1).
pub(crate) fn parse(payload: &[u8]) -> Result<Closing<'_>, BadClose> {
    let (code, reason) = match payload {
        [] => {
            return Ok(Closing {
                code: None,
                reason: "",
            });
        }
        [_] => return Err(BadClose::Length),
        [high, low, reason @ ..] => (u16::from_be_bytes([*high, *low]), reason),
    };
    let code = CloseCode::new(code).ok_or(BadClose::Code)?;
    let reason = utf8::check(reason).map_err(|_| BadClose::Reason)?;
    Ok(Closing {
        code: Some(code),
        reason,
    })
}

/// The longest beginning of `reason` that fits a Close frame and ends between two characters.
pub(crate) fn fitting_reason(reason: &str) -> &str {
    &reason[..reason.floor_char_boundary(MAX_CLOSE_REASON)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_that_must_not_be_sent_cannot_be_built() {
        for code in [
            0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535,
        ] {
            assert_eq!(CloseCode::new(code), None, "{code}");
        }
        for code in [1000, 1003, 1007, 1012, 1014, 3000, 3999, 4000, 4999] {
            assert_eq!(CloseCode::new(code).map(CloseCode::value), Some(code));
        }
    }

    #[test]
    fn a_long_reason_is_cut_between_two_characters() {
        let reason = "漢".repeat(42);

        assert_eq!(fitting_reason(&reason).len(), 123);
        assert_eq!(fitting_reason(&format!("a{reason}")).len(), 121);
        assert_eq!(fitting_reason("short"), "short");
    }
}
