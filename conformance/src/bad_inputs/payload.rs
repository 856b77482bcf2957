//! Bytes as the catalogue writes them: readable, and short even when the bytes are many.

use flate2::{Compress, Compression, FlushCompress};
use serde::Deserialize;

/// A sequence of bytes in one of the catalogue's notations.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub(crate) enum Payload {
    /// The UTF-8 bytes of a string.
    Text(String),
    /// Bytes in hexadecimal; spaces are skipped.
    Hex { hex: String },
    /// The same bytes many times.
    Repeat { repeat: Box<Payload>, times: usize },
    /// This many characters that look random and are always the same: text that deflate can
    /// hardly make smaller than half.
    Noise { noise: usize },
    /// The body of a Close frame (RFC 6455 §5.5.1).
    Close {
        code: u16,
        #[serde(default)]
        reason: Option<Box<Payload>>,
    },
    /// The bytes of a compressed message (RFC 7692 §7.2.1), made without an earlier context.
    Deflate { deflate: Box<Payload> },
    /// One after the other.
    Joined(Vec<Payload>),
}

impl Default for Payload {
    fn default() -> Self {
        Self::Text(String::new())
    }
}

impl Payload {
    /// The bytes themselves.
    ///
    /// # Errors
    /// A sentence about what is wrong with the notation.
    pub(crate) fn bytes(&self) -> Result<Vec<u8>, String> {
        Ok(match self {
            Self::Text(text) => text.as_bytes().to_vec(),
            Self::Hex { hex } => from_hex(hex)?,
            Self::Repeat { repeat, times } => repeat.bytes()?.repeat(*times),
            Self::Noise { noise } => noise_text(*noise),
            Self::Close { code, reason } => {
                let mut body = code.to_be_bytes().to_vec();
                if let Some(reason) = reason {
                    body.extend(reason.bytes()?);
                }
                body
            }
            Self::Deflate { deflate } => compressed(&deflate.bytes()?)?,
            Self::Joined(parts) => {
                let mut joined = Vec::new();
                for part in parts {
                    joined.extend(part.bytes()?);
                }
                joined
            }
        })
    }
}

/// Reads hexadecimal digits, with or without spaces between them.
pub(crate) fn from_hex(hex: &str) -> Result<Vec<u8>, String> {
    let digits: Vec<char> = hex.chars().filter(|digit| *digit != ' ').collect();
    if !digits.len().is_multiple_of(2) {
        return Err(format!("an odd number of hexadecimal digits in {hex:?}"));
    }
    digits
        .chunks(2)
        .map(|pair| {
            u8::from_str_radix(&pair.iter().collect::<String>(), 16)
                .map_err(|_| format!("not hexadecimal: {hex:?}"))
        })
        .collect()
}

/// One compressed message: a sync flush without its last four bytes (RFC 7692 §7.2.1).
pub(crate) fn compressed(message: &[u8]) -> Result<Vec<u8>, String> {
    let mut deflate = Compress::new(Compression::default(), false);
    let mut output = Vec::with_capacity(message.len() / 2 + 64);
    loop {
        let done = usize::try_from(deflate.total_in()).map_err(|error| error.to_string())?;
        let before = output.len();
        deflate
            .compress_vec(&message[done..], &mut output, FlushCompress::Sync)
            .map_err(|error| error.to_string())?;
        let room = output.capacity() - output.len();
        if room > 0 || output.len() == before {
            break;
        }
        output.reserve(output.len().max(64));
    }
    if !output.ends_with(&SYNC_FLUSH_TAIL) {
        return Err("a sync flush did not end in 00 00 ff ff".to_owned());
    }
    output.truncate(output.len() - SYNC_FLUSH_TAIL.len());
    Ok(output)
}

fn noise_text(length: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    (0..length)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            NOISE_ALPHABET[usize::from(state.to_be_bytes()[0] & 0x3f)]
        })
        .collect()
}

const SYNC_FLUSH_TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff]; // RFC 7692 §7.2.1
const NOISE_ALPHABET: &[u8; 64] =
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compressed_message_inflates_to_itself_once_the_tail_is_back() {
        let message = noise_text(100_000);

        let mut bytes = compressed(&message).unwrap();
        bytes.extend(SYNC_FLUSH_TAIL);

        let mut inflated = Vec::with_capacity(message.len() + 64);
        flate2::Decompress::new(false)
            .decompress_vec(&bytes, &mut inflated, flate2::FlushDecompress::Sync)
            .unwrap();
        assert_eq!(inflated, message);
    }

    #[test]
    fn close_body_is_code_then_reason() {
        let body: Payload = serde_json::from_str(r#"{"code": 1001, "reason": "bye"}"#).unwrap();

        assert_eq!(body.bytes().unwrap(), b"\x03\xe9bye");
    }

    #[test]
    fn unknown_notation_is_refused() {
        assert!(serde_json::from_str::<Payload>(r#"{"hexx": "00"}"#).is_err());
    }
}
