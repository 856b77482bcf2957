//! Who may do what: the offer, the answer and its check (RFC 7692 §5 and §7.1).

use std::fmt::{self, Write as _};

use http::HeaderValue;

use super::{DeflateConfig, DeflateParams, WindowBits};
use crate::extension::Extension;

/// The server's answer: the first offer that it can accept, with the value of its
/// `Sec-WebSocket-Extensions` header; `None` declines them all, and the connection goes on
/// uncompressed.
///
/// An offer is declined when a parameter is unknown, repeated or has a value that it must not
/// have, and when it limits the server to a window of 8 bits, which zlib cannot produce.
pub fn accept_offer(
    config: &DeflateConfig,
    offers: &[Extension],
) -> Option<(DeflateParams, HeaderValue)> {
    offers
        .iter()
        .filter(|offer| offer.name == NAME)
        .find_map(|offer| accept(config, Parameters::read(offer, Side::Offer).ok()?))
}

fn accept(config: &DeflateConfig, offered: Parameters) -> Option<(DeflateParams, HeaderValue)> {
    let server_max_window_bits = match offered.server_max_window_bits {
        Some(bits) if bits < WindowBits::MIN.get() => return None,
        Some(bits) => bits.min(config.server_max_window_bits.get()),
        None => config.server_max_window_bits.get(),
    };
    let wanted = config.client_max_window_bits.get();
    let client_max_window_bits = match offered.client_max_window_bits {
        Some(hint) => wanted.min(hint.unwrap_or(UNLIMITED)),
        None => UNLIMITED,
    };
    let params = DeflateParams {
        server_no_context_takeover: offered.server_no_context_takeover
            || config.server_no_context_takeover,
        client_no_context_takeover: offered.client_no_context_takeover
            || config.client_no_context_takeover
            || client_max_window_bits > wanted,
        server_max_window_bits,
        client_max_window_bits,
    };
    let answer = Parameters {
        server_no_context_takeover: params.server_no_context_takeover,
        client_no_context_takeover: params.client_no_context_takeover,
        server_max_window_bits: (offered.server_max_window_bits.is_some()
            || server_max_window_bits < UNLIMITED)
            .then_some(server_max_window_bits),
        client_max_window_bits: (client_max_window_bits < UNLIMITED)
            .then_some(Some(client_max_window_bits)),
    };
    Some((params, answer.to_header_value()))
}

/// The client's offer, the value of its `Sec-WebSocket-Extensions` header.
///
/// `client_max_window_bits` is always in it, since we can obey whatever the server answers.
pub fn offer(config: &DeflateConfig) -> HeaderValue {
    let limit = |bits: WindowBits| (bits < WindowBits::MAX).then_some(bits.get());
    Parameters {
        server_no_context_takeover: config.server_no_context_takeover,
        client_no_context_takeover: config.client_no_context_takeover,
        server_max_window_bits: limit(config.server_max_window_bits),
        client_max_window_bits: Some(limit(config.client_max_window_bits)),
    }
    .to_header_value()
}

/// The client's check of the answer to what [`offer`] made of the same `config`; `None` when the
/// server declined.
///
/// # Errors
/// [`DeflateError`] when the server answered with something that was not offered or that no
/// server may answer; the client must fail the connection (RFC 7692 §5.1).
pub fn verify(
    config: &DeflateConfig,
    response: &[Extension],
) -> Result<Option<DeflateParams>, DeflateError> {
    let Some((extension, others)) = response.split_first() else {
        return Ok(None);
    };
    if extension.name != NAME || others.iter().any(|other| other.name != NAME) {
        return Err(DeflateError::NotOffered);
    }
    if !others.is_empty() {
        return Err(DeflateError::RepeatedExtension);
    }

    let answer = Parameters::read(extension, Side::Answer)?;
    let server_max_window_bits = answer.server_max_window_bits.unwrap_or(UNLIMITED);
    if server_max_window_bits > config.server_max_window_bits.get()
        || (config.server_no_context_takeover && !answer.server_no_context_takeover)
    {
        return Err(DeflateError::OfferIgnored);
    }
    let asked = answer.client_max_window_bits.flatten();
    Ok(Some(DeflateParams {
        server_no_context_takeover: answer.server_no_context_takeover,
        client_no_context_takeover: answer.client_no_context_takeover
            || config.client_no_context_takeover,
        server_max_window_bits,
        client_max_window_bits: asked
            .unwrap_or(UNLIMITED)
            .min(config.client_max_window_bits.get()),
    }))
}

/// Why a server's answer fails the handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeflateError {
    /// An extension that the client never offered.
    NotOffered,
    /// permessage-deflate twice.
    RepeatedExtension,
    /// A parameter that RFC 7692 does not know.
    UnknownParameter,
    /// A parameter twice.
    RepeatedParameter,
    /// A value where none belongs, none where one must stand, or a window outside 8 to 15.
    InvalidValue,
    /// A limit on the server that the client asked for is missing or exceeded.
    OfferIgnored,
}

impl fmt::Display for DeflateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotOffered => "server accepted an extension that was not offered",
            Self::RepeatedExtension => "server accepted permessage-deflate twice",
            Self::UnknownParameter => "permessage-deflate has an unknown parameter",
            Self::RepeatedParameter => "permessage-deflate has a parameter twice",
            Self::InvalidValue => "permessage-deflate has a parameter with an invalid value",
            Self::OfferIgnored => "server exceeds the limits that were offered to it",
        })
    }
}

impl std::error::Error for DeflateError {}

/// The parameters as they stand in a header.
#[derive(Default)]
struct Parameters {
    server_no_context_takeover: bool,
    client_no_context_takeover: bool,
    server_max_window_bits: Option<u8>,
    /// `Some(None)` stands for the parameter without a value.
    client_max_window_bits: Option<Option<u8>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Offer,
    Answer,
}

impl Parameters {
    fn read(extension: &Extension, side: Side) -> Result<Self, DeflateError> {
        let mut read = Self::default();
        for (name, value) in &extension.params {
            let value = value.as_deref();
            let repeated = match name.as_str() {
                SERVER_NO_CONTEXT_TAKEOVER => {
                    no_value(value)?;
                    std::mem::replace(&mut read.server_no_context_takeover, true)
                }
                CLIENT_NO_CONTEXT_TAKEOVER => {
                    no_value(value)?;
                    std::mem::replace(&mut read.client_no_context_takeover, true)
                }
                SERVER_MAX_WINDOW_BITS => {
                    let bits = window_bits(value.ok_or(DeflateError::InvalidValue)?)?;
                    read.server_max_window_bits.replace(bits).is_some()
                }
                CLIENT_MAX_WINDOW_BITS => {
                    let bits = value.map(window_bits).transpose()?;
                    if bits.is_none() && side == Side::Answer {
                        return Err(DeflateError::InvalidValue);
                    }
                    read.client_max_window_bits.replace(bits).is_some()
                }
                _ => return Err(DeflateError::UnknownParameter),
            };
            if repeated {
                return Err(DeflateError::RepeatedParameter);
            }
        }
        Ok(read)
    }

    fn to_header_value(&self) -> HeaderValue {
        let mut header = String::from(NAME);
        for (present, name) in [
            (self.server_no_context_takeover, SERVER_NO_CONTEXT_TAKEOVER),
            (self.client_no_context_takeover, CLIENT_NO_CONTEXT_TAKEOVER),
        ] {
            if present {
                push(&mut header, name, None);
            }
        }
        if let Some(bits) = self.server_max_window_bits {
            push(&mut header, SERVER_MAX_WINDOW_BITS, Some(bits));
        }
        if let Some(bits) = self.client_max_window_bits {
            push(&mut header, CLIENT_MAX_WINDOW_BITS, bits);
        }
        HeaderValue::try_from(header).expect("names and digits are visible ASCII")
    }
}

fn push(header: &mut String, name: &str, value: Option<u8>) {
    header.push_str("; ");
    header.push_str(name);
    if let Some(value) = value {
        write!(header, "={value}").expect("a string takes everything");
    }
}

fn no_value(value: Option<&str>) -> Result<(), DeflateError> {
    value.map_or(Ok(()), |_| Err(DeflateError::InvalidValue))
}

/// RFC 7692 §7.1.2: a decimal from 8 to 15 without leading zeros.
fn window_bits(value: &str) -> Result<u8, DeflateError> {
    (8..=15)
        .find(|bits: &u8| bits.to_string() == value)
        .ok_or(DeflateError::InvalidValue)
}

const NAME: &str = "permessage-deflate";
const SERVER_NO_CONTEXT_TAKEOVER: &str = "server_no_context_takeover";
const CLIENT_NO_CONTEXT_TAKEOVER: &str = "client_no_context_takeover";
const SERVER_MAX_WINDOW_BITS: &str = "server_max_window_bits";
const CLIENT_MAX_WINDOW_BITS: &str = "client_max_window_bits";

/// The window of a peer that was told nothing (RFC 7692 §7.1.2).
const UNLIMITED: u8 = WindowBits::MAX.0;
