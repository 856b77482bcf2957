//! What a client sends after the opening handshake, right or wrong (RFC 6455 §5.2).

use std::time::Duration;

use serde::Deserialize;

use super::payload::{Payload, from_hex};

/// One step of what a case sends.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(crate) enum Step {
    /// Nothing for a while.
    Pause(Pause),
    /// Bytes that need not be a frame.
    Raw(Raw),
    /// Something that has no bytes.
    Word(Word),
    /// A frame.
    Frame(Box<Frame>),
}

/// Nothing is sent for this long.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pause {
    /// Milliseconds.
    pause_ms: u64,
}

/// Bytes as they stand.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Raw {
    raw: Payload,
}

/// What a client does besides sending.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Word {
    /// Ends its side of the TCP connection.
    End,
}

/// A frame with every field free to be wrong.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Frame {
    opcode: Opcode,
    #[serde(default = "yes")]
    fin: bool,
    /// The reserved bits that are set, by number.
    #[serde(default)]
    rsv: Vec<u8>,
    #[serde(default = "yes")]
    masked: bool,
    /// The masking key in hexadecimal.
    #[serde(default = "example_key")]
    key: String,
    #[serde(default)]
    payload: Payload,
    /// The length in the head, when it is not the payload's.
    #[serde(default)]
    declared_length: Option<u64>,
    /// The length's form in bits (7, 16 or 64), when it is not the shortest.
    #[serde(default)]
    length_as: Option<u8>,
    /// How many copies are sent.
    #[serde(default = "once")]
    times: usize,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Opcode {
    Name(String),
    Number(u8),
}

/// What a step puts on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    Send(Vec<u8>),
    Wait(Duration),
    End,
}

impl Step {
    /// The step as bytes or a wait.
    ///
    /// # Errors
    /// A sentence about what is wrong with the notation.
    pub(crate) fn action(&self) -> Result<Action, String> {
        Ok(match self {
            Self::Pause(pause) => Action::Wait(Duration::from_millis(pause.pause_ms)),
            Self::Raw(raw) => Action::Send(raw.raw.bytes()?),
            Self::Word(Word::End) => Action::End,
            Self::Frame(frame) => Action::Send(frame.bytes()?.repeat(frame.times)),
        })
    }
}

impl Frame {
    fn bytes(&self) -> Result<Vec<u8>, String> {
        let mut payload = self.payload.bytes()?;
        let mut first = self.opcode.number()?;
        if self.fin {
            first |= FIN;
        }
        for bit in &self.rsv {
            first |= match bit {
                1 => 0x40,
                2 => 0x20,
                3 => 0x10,
                other => return Err(format!("there is no RSV{other}")),
            };
        }
        let length = match self.declared_length {
            Some(declared) => declared,
            None => u64::try_from(payload.len()).map_err(|error| error.to_string())?,
        };
        let mut bytes = vec![first];
        bytes.extend(length_field(length, self.length_as)?);
        if self.masked {
            bytes[1] |= MASK;
            let key = from_hex(&self.key)?;
            if key.len() != 4 {
                return Err(format!("a masking key has four bytes, not {:?}", self.key));
            }
            for (byte, key) in payload.iter_mut().zip(key.iter().cycle()) {
                *byte ^= key;
            }
            bytes.extend(key);
        }
        bytes.extend(payload);
        Ok(bytes)
    }
}

impl Opcode {
    fn number(&self) -> Result<u8, String> {
        match self {
            Self::Number(number) if *number <= 0x0f => Ok(*number),
            Self::Number(number) => Err(format!("{number} does not fit an opcode")),
            Self::Name(name) => match name.as_str() {
                "continuation" => Ok(0x0),
                "text" => Ok(0x1),
                "binary" => Ok(0x2),
                "close" => Ok(0x8),
                "ping" => Ok(0x9),
                "pong" => Ok(0xa),
                other => Err(format!("{other:?} is no opcode")),
            },
        }
    }
}

/// The second byte of a head and the extended length behind it.
fn length_field(length: u64, form: Option<u8>) -> Result<Vec<u8>, String> {
    let form = form.unwrap_or(match length {
        0..=125 => 7,
        126..=0xffff => 16,
        _ => 64,
    });
    let misfit = || format!("{length} does not fit {form} bits");
    Ok(match form {
        7 if length <= 125 => vec![u8::try_from(length).map_err(|_| misfit())?],
        16 => {
            let length = u16::try_from(length).map_err(|_| misfit())?;
            [&[126], length.to_be_bytes().as_slice()].concat()
        }
        64 => [&[127], length.to_be_bytes().as_slice()].concat(),
        _ => return Err(misfit()),
    })
}

/// A correct masked frame, for what the runner sends on its own account.
pub(crate) fn masked_frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    let length = u64::try_from(payload.len()).unwrap_or(u64::MAX);
    bytes.extend(length_field(length, None).unwrap_or_default());
    bytes[1] |= MASK;
    bytes.extend(EXAMPLE_KEY);
    bytes.extend(
        payload
            .iter()
            .zip(EXAMPLE_KEY.iter().cycle())
            .map(|(byte, key)| byte ^ key),
    );
    bytes
}

fn yes() -> bool {
    true
}

fn once() -> usize {
    1
}

fn example_key() -> String {
    "37fa213d".to_owned()
}

const FIN: u8 = 0x80; // RFC 6455 §5.2
const MASK: u8 = 0x80; // RFC 6455 §5.2
const EXAMPLE_KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d]; // RFC 6455 §5.7

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes_of(notation: &str) -> Vec<u8> {
        let step: Step = serde_json::from_str(notation).unwrap();
        match step.action().unwrap() {
            Action::Send(bytes) => bytes,
            other => panic!("{other:?} instead of bytes"),
        }
    }

    #[test]
    fn frame_has_the_bytes_of_the_example_in_the_rfc() {
        let hello = [
            0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58,
        ]; // RFC 6455 §5.7

        assert_eq!(bytes_of(r#"{"opcode": "text", "payload": "Hello"}"#), hello);
        assert_eq!(masked_frame(0x81, b"Hello"), hello);
    }

    #[test]
    fn wrong_fields_are_written_as_told() {
        let frame = r#"{"opcode": 11, "fin": false, "rsv": [1, 3], "masked": false,
            "payload": "a", "declared_length": 5, "length_as": 16}"#;

        assert_eq!(bytes_of(frame), [0x5b, 126, 0, 5, b'a']);
    }

    #[test]
    fn misspelt_field_is_refused() {
        assert!(serde_json::from_str::<Step>(r#"{"opcode": "text", "maskd": true}"#).is_err());
    }
}
