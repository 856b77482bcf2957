//! Frame heads (RFC 6455 §5.2): read with every rule that the head alone decides, and written.

use crate::error::Violation;

/// The longest head: two bytes, eight of length, four of masking key.
pub const MAX_HEAD: usize = 14;

/// The most payload bytes of a control frame (RFC 6455 §5.5).
pub const MAX_CONTROL_PAYLOAD: usize = 125;

const FIN: u8 = 0x80;
const RSV1: u8 = 0x40;
const RSV2_RSV3: u8 = 0x30;
const OPCODE: u8 = 0x0f;
const MASKED: u8 = 0x80;
const LENGTH: u8 = 0x7f;

/// What a frame is (RFC 6455 §5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Opcode {
    /// 0x0: goes on with the message.
    Continuation,
    /// 0x1: begins a text message.
    Text,
    /// 0x2: begins a binary message.
    Binary,
    /// 0x8: begins or answers the closing handshake.
    Close,
    /// 0x9: asks for a pong.
    Ping,
    /// 0xA: answers a ping, or is sent unasked.
    Pong,
}

impl Opcode {
    fn parse(bits: u8) -> Option<Self> {
        match bits {
            0x0 => Some(Self::Continuation),
            0x1 => Some(Self::Text),
            0x2 => Some(Self::Binary),
            0x8 => Some(Self::Close),
            0x9 => Some(Self::Ping),
            0xA => Some(Self::Pong),
            _ => None,
        }
    }

    /// The four bits on the wire.
    #[must_use]
    pub const fn bits(self) -> u8 {
        match self {
            Self::Continuation => 0x0,
            Self::Text => 0x1,
            Self::Binary => 0x2,
            Self::Close => 0x8,
            Self::Ping => 0x9,
            Self::Pong => 0xA,
        }
    }

    /// Whether this is Close, Ping or Pong.
    #[must_use]
    pub const fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

/// What the connection knows when a head arrives, and the head must agree with.
#[derive(Clone, Copy, Debug)]
pub struct Expected {
    /// Frames carry a mask: true on a server (RFC 6455 §5.1).
    pub masked: bool,
    /// permessage-deflate was negotiated, so RSV1 may stand on the first frame of a message.
    pub compression: bool,
    /// A fragmented message is open, so data frames must be continuations.
    pub in_message: bool,
}

/// The head of one frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The last frame of its message.
    pub fin: bool,
    /// RSV1: the message is compressed (RFC 7692 §6).
    pub rsv1: bool,
    /// What the frame is.
    pub opcode: Opcode,
    /// The masking key, if the frame is masked.
    pub mask: Option<[u8; 4]>,
    /// The payload's length in bytes.
    pub length: u64,
}

impl Head {
    /// Reads a head from the beginning of `bytes`; `None` when more bytes are needed.
    ///
    /// Also gives the head's own length. A rule is applied as soon as the byte that breaks it is
    /// there, so a bad opcode is refused before the length has come.
    ///
    /// # Errors
    /// The [`Violation`] of RFC 6455 §5 that the head commits.
    #[inline]
    pub fn parse(bytes: &[u8], expected: Expected) -> Result<Option<(Self, usize)>, Violation> {
        let Some(&first) = bytes.first() else {
            return Ok(None);
        };
        let (fin, rsv1) = (first & FIN != 0, first & RSV1 != 0);
        if first & RSV2_RSV3 != 0 {
            return Err(Violation::ReservedBit);
        }
        let opcode = Opcode::parse(first & OPCODE).ok_or(Violation::ReservedOpcode)?;
        let begins_message = matches!(opcode, Opcode::Text | Opcode::Binary);
        if rsv1 && !(expected.compression && begins_message) {
            return Err(Violation::ReservedBit);
        }
        if opcode.is_control() && !fin {
            return Err(Violation::FragmentedControlFrame);
        }
        if begins_message && expected.in_message {
            return Err(Violation::UnfinishedMessage);
        }
        if opcode == Opcode::Continuation && !expected.in_message {
            return Err(Violation::UnexpectedContinuation);
        }

        let Some(&second) = bytes.get(1) else {
            return Ok(None);
        };
        if (second & MASKED != 0) != expected.masked {
            return Err(if expected.masked {
                Violation::UnmaskedFrame
            } else {
                Violation::MaskedFrame
            });
        }
        let short = second & LENGTH;
        if opcode.is_control() && usize::from(short) > MAX_CONTROL_PAYLOAD {
            return Err(Violation::ControlFrameTooLong);
        }
        let rest = &bytes[2..];
        let (length, at) = match short {
            126 => match rest.first_chunk() {
                Some(length) => (u64::from(u16::from_be_bytes(*length)), 4),
                None => return Ok(None),
            },
            127 => match rest.first_chunk() {
                Some(length) => (u64::from_be_bytes(*length), 10),
                None => return Ok(None),
            },
            short => (u64::from(short), 2),
        };
        let shortest = match short {
            126 => length > 125,
            127 => length > u64::from(u16::MAX) && length <= i64::MAX.unsigned_abs(),
            _ => true,
        };
        if !shortest {
            return Err(Violation::InvalidLength);
        }
        if !expected.masked {
            return Ok(Some((
                Self {
                    fin,
                    rsv1,
                    opcode,
                    mask: None,
                    length,
                },
                at,
            )));
        }
        let key = bytes[at..].first_chunk();
        Ok(key.map(|key| {
            (
                Self {
                    fin,
                    rsv1,
                    opcode,
                    mask: Some(*key),
                    length,
                },
                at + 4,
            )
        }))
    }

    /// The whole head, where it has two bytes: unmasked, for at most 125 bytes.
    #[inline]
    pub(crate) fn short(&self) -> Option<[u8; 2]> {
        match (self.mask, u8::try_from(self.length)) {
            (None, Ok(length @ 0..=125)) => Some([self.first(), length]),
            _ => None,
        }
    }

    #[inline]
    fn first(&self) -> u8 {
        self.opcode.bits() | if self.fin { FIN } else { 0 } | if self.rsv1 { RSV1 } else { 0 }
    }

    /// Writes the head into `to`; gives its length.
    #[inline]
    pub fn encode(&self, to: &mut [u8; MAX_HEAD]) -> usize {
        to[0] = self.first();
        let masked = if self.mask.is_some() { MASKED } else { 0 };
        let at = if let Ok(short @ 0..=125) = u8::try_from(self.length) {
            to[1] = masked | short;
            2
        } else if let Ok(medium) = u16::try_from(self.length) {
            to[1] = masked | 126;
            to[2..4].copy_from_slice(&medium.to_be_bytes());
            4
        } else {
            to[1] = masked | 127;
            to[2..10].copy_from_slice(&self.length.to_be_bytes());
            10
        };
        match self.mask {
            Some(key) => {
                to[at..at + 4].copy_from_slice(&key);
                at + 4
            }
            None => at,
        }
    }
}

/// The head of a whole message in one frame, uncompressed and shorter than 64 KiB.
#[derive(Clone, Copy)]
pub(crate) struct CommonHead {
    pub(crate) is_text: bool,
    /// Zeros where there is no mask.
    pub(crate) mask: [u8; 4],
    /// Bytes of the head.
    pub(crate) size: usize,
    /// Bytes of the payload.
    pub(crate) length: usize,
}

impl CommonHead {
    /// Reads such a head; `None` for every other one, and where fewer than eight bytes are there.
    #[inline]
    pub(crate) fn parse(bytes: &[u8], masked: bool) -> Option<Self> {
        let [first, second, a, b, c, d, e, f] = *bytes.first_chunk()?;
        let is_text = match first {
            0x81 => true,
            0x82 => false,
            _ => return None,
        };
        let (mask, size, length) = match (masked, second) {
            (true, 0x80..=0xfd) => ([a, b, c, d], 6, usize::from(second & LENGTH)),
            (true, 0xfe) => ([c, d, e, f], 8, usize::from(u16::from_be_bytes([a, b]))),
            (false, 0x00..=0x7d) => ([0; 4], 2, usize::from(second)),
            (false, 0x7e) => ([0; 4], 4, usize::from(u16::from_be_bytes([a, b]))),
            _ => return None,
        };
        let is_shortest = second & LENGTH < 126 || length > 125;
        is_shortest.then_some(Self {
            is_text,
            mask,
            size,
            length,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER: Expected = Expected {
        masked: true,
        compression: false,
        in_message: false,
    };

    #[test]
    fn every_length_survives_the_round_trip_in_its_shortest_form() {
        for (length, head_length) in [
            (0, 2),
            (125, 2),
            (126, 4),
            (65_535, 4),
            (65_536, 10),
            (i64::MAX.unsigned_abs(), 10),
        ] {
            for mask in [None, Some([1, 2, 3, 4])] {
                let head = Head {
                    fin: true,
                    rsv1: false,
                    opcode: Opcode::Binary,
                    mask,
                    length,
                };
                let mut bytes = [0; MAX_HEAD];
                let written = head.encode(&mut bytes);

                let expected = Expected {
                    masked: mask.is_some(),
                    ..SERVER
                };
                assert_eq!(written, head_length + if mask.is_some() { 4 } else { 0 });
                assert_eq!(
                    Head::parse(&bytes[..written], expected),
                    Ok(Some((head, written)))
                );
                assert_eq!(Head::parse(&bytes[..written - 1], expected), Ok(None));
            }
        }
    }

    #[test]
    fn a_broken_rule_is_seen_before_the_rest_of_the_head_has_come() {
        assert_eq!(Head::parse(&[0x83], SERVER), Err(Violation::ReservedOpcode));
        assert_eq!(
            Head::parse(&[0x09], SERVER),
            Err(Violation::FragmentedControlFrame)
        );
        assert_eq!(
            Head::parse(&[0x80], SERVER),
            Err(Violation::UnexpectedContinuation)
        );
        assert_eq!(
            Head::parse(&[0x81, 0x05], SERVER),
            Err(Violation::UnmaskedFrame)
        );
        assert_eq!(
            Head::parse(&[0x89, 0xfe], SERVER),
            Err(Violation::ControlFrameTooLong)
        );
    }

    #[test]
    fn a_length_that_is_not_in_its_shortest_form_is_refused() {
        let top_bit = [0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0];

        assert_eq!(
            Head::parse(&[0x82, 0xfe, 0, 125], SERVER),
            Err(Violation::InvalidLength)
        );
        assert_eq!(
            Head::parse(&[0x82, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff], SERVER),
            Err(Violation::InvalidLength)
        );
        assert_eq!(Head::parse(&top_bit, SERVER), Err(Violation::InvalidLength));
    }
}
