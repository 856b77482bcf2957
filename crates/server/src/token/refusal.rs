//! Why a token is not accepted.

use std::fmt;

use holdwire_hub::session::Denied;

/// What is wrong with a token; never what is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is none.
    Missing,
    /// It is none.
    Malformed,
    /// Its algorithm is not one of the key's.
    Algorithm,
    /// It names a key that is not known.
    Key,
    /// Its signature is wrong.
    Signature,
    /// It has expired.
    Expired,
    /// It is not valid yet.
    Early,
    /// It is for somebody else.
    Audience,
    /// It is by somebody else.
    Issuer,
    /// A claim is not what it must be.
    Claims,
    /// It is for something else.
    Use,
    /// It is of another user.
    User,
    /// The keys cannot be had now.
    Unavailable,
}

impl Refusal {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::Missing,
        Self::Malformed,
        Self::Algorithm,
        Self::Key,
        Self::Signature,
        Self::Expired,
        Self::Early,
        Self::Audience,
        Self::Issuer,
        Self::Claims,
        Self::Use,
        Self::User,
        Self::Unavailable,
    ];

    /// One word for it, for metrics.
    pub fn word(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Malformed => "malformed",
            Self::Algorithm => "algorithm",
            Self::Key => "key",
            Self::Signature => "signature",
            Self::Expired => "expired",
            Self::Early => "early",
            Self::Audience => "audience",
            Self::Issuer => "issuer",
            Self::Claims => "claims",
            Self::Use => "use",
            Self::User => "user",
            Self::Unavailable => "unavailable",
        }
    }

    /// As the hub takes it: what mends it decides which code it gets.
    pub(super) fn denied(self) -> Denied {
        let why = self.to_string();
        match self {
            Self::Expired => Denied::expired(why),
            Self::Unavailable => Denied::unavailable(why),
            _ => Denied::unauthorized(why),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "a token is needed",
            Self::Malformed => "this is no token",
            Self::Algorithm => "the token's algorithm is not one of the key's",
            Self::Key => "the token names a key that is not known",
            Self::Signature => "the token's signature is wrong",
            Self::Expired => "the token has expired",
            Self::Early => "the token is not valid yet",
            Self::Audience => "the token is for another audience",
            Self::Issuer => "the token is by another issuer",
            Self::Claims => "the token's claims are not what they must be",
            Self::Use => "the token is for something else",
            Self::User => "the token is of another user",
            Self::Unavailable => "the keys cannot be had now",
        })
    }
}

impl std::error::Error for Refusal {}
