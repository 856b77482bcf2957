//! Who is in a channel.

use std::fmt;

use serde_json::value::RawValue;

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
#[derive(Clone, Debug, Default)]
pub struct Member {
    /// Whose connection it is; empty when nobody has said.
    pub user: Box<str>,
    /// What else is known, a JSON value; `None` when nothing is.
    pub info: Option<Box<RawValue>>,
}

impl Member {
    /// A connection of this user, of which nothing else is known.
    #[must_use]
    pub fn new(user: impl Into<Box<str>>) -> Self {
        Self {
            user: user.into(),
            info: None,
        }
    }
}

impl PartialEq for Member {
    /// The same user, and the same words about it.
    fn eq(&self, other: &Self) -> bool {
        let [one, two] = [self, other].map(|member| member.info.as_deref().map(RawValue::get));
        self.user == other.user && one == two
    }
}

impl Eq for Member {}
