//! permessage-deflate without context takeover (RFC 7692), for the load generator: its messages
//! are compressed before the clock starts, and the first answer on each connection is inflated.

use std::io;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

/// A JSON document of exactly 1 KiB, as applications send them: records with the same keys and
/// differing values. zlib makes 377 B of it at level 6.
pub const DOCUMENT: &[u8] = include_bytes!("document.json");

/// What the load generator asks for; it is the last header of its request.
pub const OFFER: &str = "Sec-WebSocket-Extensions: permessage-deflate; \
                         client_no_context_takeover; server_no_context_takeover\r\n\r\n";

/// What ends every message before compression's own end is cut off (RFC 7692 §7.2.1).
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// Compresses a whole message at zlib's level 6.
///
/// # Errors
/// The coder failed.
pub fn deflate(message: &[u8]) -> io::Result<Vec<u8>> {
    let mut coder = Compress::new(Compression::new(6), false);
    let mut payload = Vec::with_capacity(message.len() + 64);
    coder.compress_vec(message, &mut payload, FlushCompress::Sync)?;
    match payload.strip_suffix(&TAIL) {
        Some(payload) => Ok(payload.to_vec()),
        None => Err(invalid("the coder did not flush")),
    }
}

/// Inflates a whole message that is at most `longest` bytes long.
///
/// # Errors
/// The payload is not what `deflate` makes, or longer.
pub fn inflate(payload: &[u8], longest: usize) -> io::Result<Vec<u8>> {
    let mut coder = Decompress::new(false);
    // One byte more, so that a longer message is seen.
    let mut message = Vec::with_capacity(longest + 1);
    let flush = FlushDecompress::Sync;
    let status = coder.decompress_vec(payload, &mut message, flush)?;
    if status != Status::StreamEnd {
        coder.decompress_vec(&TAIL, &mut message, flush)?;
    }
    if message.len() > longest {
        return Err(invalid("the message is too long"));
    }
    Ok(message)
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn document_is_one_kibibyte_and_compresses_as_json_does() {
        let payload = deflate(DOCUMENT).unwrap();

        assert_eq!(DOCUMENT.len(), 1024);
        assert!((370..=385).contains(&payload.len()), "{}", payload.len());
        assert_eq!(inflate(&payload, 1024).unwrap(), DOCUMENT);
    }

    #[test]
    fn final_block_of_a_whole_message_coder_is_read_too() {
        let payload = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00];

        assert_eq!(inflate(&payload, 5).unwrap(), b"Hello");
    }

    #[test]
    fn message_that_is_longer_than_expected_is_an_error() {
        let payload = deflate(&[b'*'; 300]).unwrap();

        assert!(inflate(&payload, 299).is_err());
    }
}
