//! Who is in a channel.

use std::fmt;

/// One connection's name, the same for as long as its session.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientId(u128);

impl ClientId {
    /// A name drawn from these random bytes.
    #[must_use]
    pub fn new(random: [u8; 16]) -> Self {
        Self(u128::from_le_bytes(random))
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientId({self})")
    }
}

/// What others see of somebody who is in a channel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Member {
    /// Whose connection it is; empty when nobody has said.
    pub user: Box<str>,
}
