//! Where a reader is in a log.

use std::fmt;
use std::str::{self, FromStr};

/// The largest offset that may come from outside: JavaScript's numbers are exact up to it.
pub const MAX_OFFSET: u64 = (1 << 53) - 1;

/// Letters in an epoch's name.
const LETTERS: usize = 8;

/// Which log an offset belongs to, and which part of its history.
///
/// The *name* is new when a log begins with nothing: offsets of another name say nothing about it.
/// The *generation* grows when the log may have forked, that is, when its storage came back with
/// only a part of what it had acknowledged: from the fork on the same offset may stand for something
/// else. On the wire it is the name, a full stop and the generation: `kzeqhzcd.0`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Epoch {
    name: [u8; LETTERS],
    generation: u32,
}

impl Epoch {
    /// The epoch of no log: no generation is ever this one.
    pub(crate) const NOWHERE: Self = Self {
        name: *b"nowheres",
        generation: u32::MAX,
    };

    /// The first generation of a new log, whose name is drawn from these random bytes.
    #[must_use]
    pub fn new(random: [u8; LETTERS]) -> Self {
        Self {
            name: random.map(|byte| b'a' + byte % 26),
            generation: 0,
        }
    }

    /// How often the log has forked.
    #[must_use]
    pub fn generation(self) -> u32 {
        self.generation
    }

    /// The same log after another fork.
    #[must_use]
    pub fn forked(self) -> Self {
        Self {
            generation: self.generation.saturating_add(1),
            ..self
        }
    }

    /// Whether both name the same log, in whatever generation.
    #[must_use]
    pub fn is_same_log(self, other: Self) -> bool {
        self.name == other.name
    }

    /// The place after the publication with this offset.
    #[must_use]
    pub fn at(self, offset: u64) -> Position {
        Position {
            epoch: self,
            offset,
        }
    }
}

/// A place in a log: just after the publication with this offset, or at the beginning with 0.
///
/// As text it is the epoch, a colon and the offset: `kzeqhzcd.0:17`.
///
/// # Examples
/// ```
/// use holdwire_hub::Position;
///
/// let position: Position = "kzeqhzcd.0:17".parse()?;
/// assert_eq!(position.offset, 17);
/// assert_eq!(position.to_string(), "kzeqhzcd.0:17");
/// # Ok::<(), holdwire_hub::PositionError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Position {
    /// The log and its generation.
    pub epoch: Epoch,
    /// The offset of the last publication that was read.
    pub offset: u64,
}

/// A text is no [`Position`], or no [`Epoch`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PositionError;

impl FromStr for Epoch {
    type Err = PositionError;

    fn from_str(text: &str) -> Result<Self, PositionError> {
        let (name, generation) = text.split_once('.').ok_or(PositionError)?;
        let name: [u8; LETTERS] = name.as_bytes().try_into().map_err(|_| PositionError)?;
        if !name.iter().all(u8::is_ascii_lowercase) {
            return Err(PositionError);
        }
        let generation = u32::try_from(number(generation)?).map_err(|_| PositionError)?;
        Ok(Self { name, generation })
    }
}

impl FromStr for Position {
    type Err = PositionError;

    fn from_str(text: &str) -> Result<Self, PositionError> {
        let (epoch, offset) = text.split_once(':').ok_or(PositionError)?;
        let offset = number(offset)?;
        if offset > MAX_OFFSET {
            return Err(PositionError);
        }
        Ok(epoch.parse::<Epoch>()?.at(offset))
    }
}

/// Decimal digits, as they are written: no sign, no leading zero.
fn number(digits: &str) -> Result<u64, PositionError> {
    let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    if !is_plain || (digits.len() > 1 && digits.starts_with('0')) {
        return Err(PositionError);
    }
    digits.parse().map_err(|_| PositionError)
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = str::from_utf8(&self.name).unwrap_or_default();
        write!(f, "{name}.{}", self.generation)
    }
}

impl fmt::Debug for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Epoch({self})")
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.epoch, self.offset)
    }
}

impl fmt::Debug for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Position({self})")
    }
}

impl fmt::Display for PositionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a position is EPOCH:OFFSET, such as kzeqhzcd.0:17")
    }
}

impl std::error::Error for PositionError {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn position_is_read_as_it_is_written() {
        for text in ["abcdefgh.0:0", "zzzzzzzz.4294967295:9007199254740991"] {
            assert_eq!(text.parse::<Position>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn anything_else_is_no_position() {
        let wrong = [
            "",
            ":",
            "abcdefgh:1",
            "abcdefgh.0",
            "abcdefgh.0:",
            "abcdefgh.:1",
            "abcdefgh.0:-1",
            "abcdefgh.0:+1",
            "abcdefgh.0:01",
            "abcdefgh.00:1",
            "abcdefgh.0:1 ",
            "ABCDEFGH.0:1",
            "abcdefg.0:1",
            "abcdefghi.0:1",
            "abcdefgh.4294967296:1",
            "abcdefgh.0:9007199254740992",
            "abcdefgh.0:99999999999999999999",
            "ｚbcdefg.0:1",
        ];
        for text in wrong {
            assert_eq!(text.parse::<Position>(), Err(PositionError), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn text_is_a_position_in_one_way_or_none(text in "[a-z]{8}\\.[0-9]{1,11}:[0-9]{1,17}|.{0,40}") {
            if let Ok(position) = text.parse::<Position>() {
                prop_assert!(position.offset <= MAX_OFFSET);
                prop_assert_eq!(position.to_string(), text);
            }
        }
    }
}
