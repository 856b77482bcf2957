//! Subprotocols: what the client offers, and which one the server picks (RFC 6455 §1.9, §4.2.2).

use core::fmt;
use core::str::FromStr;

use http::header::SEC_WEBSOCKET_PROTOCOL;
use http::{HeaderMap, HeaderValue};

use super::refusal::Reason;
use super::token::{elements, is_token};

/// The name of a subprotocol: a token (RFC 6455 §4.1 item 10), compared byte for byte.
///
/// # Examples
/// ```
/// use holdwire_proto::handshake::Subprotocol;
///
/// assert_eq!("v2.chat".parse::<Subprotocol>()?.as_str(), "v2.chat");
/// assert!("chat room".parse::<Subprotocol>().is_err());
/// # Ok::<(), holdwire_proto::handshake::InvalidSubprotocol>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Subprotocol(Box<str>);

impl Subprotocol {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name as a header value.
    pub(super) fn to_header_value(&self) -> HeaderValue {
        HeaderValue::from_str(&self.0).expect("a token is visible ASCII")
    }

    pub(super) fn from_bytes(text: &[u8]) -> Result<Self, InvalidSubprotocol> {
        core::str::from_utf8(text)
            .map_err(|_| InvalidSubprotocol)?
            .parse()
    }
}

impl FromStr for Subprotocol {
    type Err = InvalidSubprotocol;

    fn from_str(text: &str) -> Result<Self, InvalidSubprotocol> {
        if is_token(text.as_bytes()) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidSubprotocol)
        }
    }
}

impl fmt::Display for Subprotocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text is not the name of a subprotocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidSubprotocol;

impl fmt::Display for InvalidSubprotocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a subprotocol is letters, digits and !#$%&'*+-.^_`|~ without blanks")
    }
}

impl core::error::Error for InvalidSubprotocol {}

/// How the server picks among the offered subprotocols.
///
/// An application that decides by itself leaves this and names its choice in
/// [`Acceptance::subprotocol`](super::Acceptance::subprotocol).
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum Subprotocols {
    /// Picks none. Browsers fail a connection that offered some and got none.
    #[default]
    None,
    /// Picks the first one offered, whatever it is: for an endpoint that only echoes.
    FirstOffered,
    /// Picks the first of these that was offered: the server's order counts, not the client's.
    Preferred {
        /// The subprotocols that the server speaks, the dearest first.
        names: Vec<Subprotocol>,
        /// What happens when the client offered none of them, or none at all.
        otherwise: NoneCommon,
    },
}

/// What happens when client and server have no subprotocol in common.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NoneCommon {
    /// The connection is accepted without a subprotocol.
    #[default]
    Accept,
    /// The handshake is refused with status 400.
    Refuse,
}

impl Subprotocols {
    /// Picks one of those offered, or none, or refuses.
    pub(super) fn pick(&self, offered: &[Subprotocol]) -> Result<Option<Subprotocol>, Reason> {
        match self {
            Self::None => Ok(None),
            Self::FirstOffered => Ok(offered.first().cloned()),
            Self::Preferred { names, otherwise } => {
                match (names.iter().find(|name| offered.contains(name)), otherwise) {
                    (None, NoneCommon::Refuse) => Err(Reason::NoCommonSubprotocol),
                    (found, _) => Ok(found.cloned()),
                }
            }
        }
    }
}

/// Reads the subprotocols that a request offers; none when the header is not there.
pub(super) fn offered(headers: &HeaderMap) -> Result<Vec<Subprotocol>, Reason> {
    let offered = elements(headers, &SEC_WEBSOCKET_PROTOCOL)
        .map(Subprotocol::from_bytes)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| Reason::SubprotocolMalformed)?;
    // Sorted, as a head has room for thousands of names: comparing all pairs would be slow.
    let mut sorted: Vec<&str> = offered.iter().map(Subprotocol::as_str).collect();
    sorted.sort_unstable();
    if sorted.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(Reason::SubprotocolRepeated);
    }
    if offered.is_empty() && headers.contains_key(SEC_WEBSOCKET_PROTOCOL) {
        return Err(Reason::SubprotocolMalformed); // the header is `1#token`: one at least
    }
    Ok(offered)
}
