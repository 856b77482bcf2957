//! The one message that a run sends over and over.

use std::io::{self, Read, Write};

use holdwire_bench::deflate::{DOCUMENT, deflate, inflate};
use holdwire_bench::wire::{MAX_HEADER, ServerHeader, masked_deflated_message, masked_message};

use crate::Target;

/// A message as it goes out, and what the answer must say.
pub(crate) struct Message {
    /// The whole frame, masked.
    pub(crate) frame: Vec<u8>,
    payload: Vec<u8>,
}

impl Message {
    /// The message that the command line asks for: stars, or the compressed document.
    pub(crate) fn of(target: &Target) -> io::Result<Self> {
        if target.deflate {
            return Ok(Self {
                frame: masked_deflated_message(&deflate(DOCUMENT)?),
                payload: DOCUMENT.to_vec(),
            });
        }
        let payload = vec![b'*'; target.payload];
        Ok(Self {
            frame: masked_message(&payload),
            payload,
        })
    }

    /// Sends the message and receives it back.
    pub(crate) fn exchange(&self, stream: &mut (impl Read + Write)) -> io::Result<ServerHeader> {
        stream.write_all(&self.frame)?;
        self.receive(stream)
    }

    /// Receives one frame that has to say the same, and returns its header.
    pub(crate) fn receive(&self, stream: &mut impl Read) -> io::Result<ServerHeader> {
        let mut head = Vec::with_capacity(MAX_HEADER);
        let header = loop {
            if let Some(header) = ServerHeader::read(&head) {
                break header;
            }
            let mut byte = [0];
            stream.read_exact(&mut byte)?;
            head.extend(byte);
        };
        let longest = self.frame.len().max(self.payload.len());
        if header.payload > longest {
            return Err(io::Error::other("the server's answer is too long"));
        }
        let mut payload = vec![0; header.payload];
        stream.read_exact(&mut payload)?;
        if header.is_deflated {
            payload = inflate(&payload, self.payload.len())?;
        }
        if payload == self.payload {
            Ok(header)
        } else {
            Err(io::Error::other("the server's answer is not the message"))
        }
    }
}

#[cfg(test)]
mod tests {
    use holdwire_bench::wire::unmasked_message;

    use super::*;

    fn message(deflate: bool) -> Message {
        let address = "127.0.0.1:1".parse().unwrap();
        Message::of(&Target {
            deflate,
            payload: 5,
            ..Target::new(address)
        })
        .unwrap()
    }

    #[test]
    fn answer_that_says_the_same_is_taken_compressed_or_not() {
        let mut compressed = vec![0xc1, 126];
        let payload = deflate(DOCUMENT).unwrap();
        compressed.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
        compressed.extend(&payload);

        let plain = message(true).receive(&mut &unmasked_message(DOCUMENT)[..]);
        let deflated = message(true).receive(&mut &compressed[..]);

        assert_eq!(plain.unwrap().payload, 1024);
        assert_eq!(deflated.unwrap().payload, payload.len());
    }

    #[test]
    fn answer_that_says_something_else_is_an_error() {
        for wrong in [&b"****"[..], b"****!", b"******"] {
            let answer = message(false).receive(&mut &unmasked_message(wrong)[..]);

            assert!(answer.is_err(), "{wrong:?}");
        }
    }
}
