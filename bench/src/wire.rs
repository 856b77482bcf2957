//! Frames as the load generator sends them and as the servers answer (RFC 6455 §5.2), and the
//! one opening handshake that both know.

/// The key that the load generator sends in every opening handshake.
pub const HANDSHAKE_KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// The accept value of [`HANDSHAKE_KEY`] (the example of RFC 6455 §1.3).
pub const HANDSHAKE_ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// Masking key of all frames that the load generator sends.
pub const MASKING_KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// Bytes that a thread receives at once into the buffer that its connections share: the size
/// that our shard driver has, in the limit and in the load generator too, so that nobody is ahead
/// by the size of a buffer.
pub const RECEIVE_BUFFER: usize = 256 * 1024;

/// Longest frame header: two bytes, eight of length, four of masking key.
pub const MAX_HEADER: usize = 14;

const FINAL_TEXT: u8 = 0x81;
const FINAL_BINARY: u8 = 0x82;
const FINAL_PING: u8 = 0x89;
const FINAL_PONG: u8 = 0x8a;
const MASKED: u8 = 0x80;
/// Marks a compressed message (RFC 7692 §6).
const RSV1: u8 = 0x40;

/// A header of a masked frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaskedHeader {
    /// Bytes of the header itself, masking key included.
    pub length: usize,
    /// Bytes of the payload behind it.
    pub payload: usize,
    /// The masking key.
    pub key: [u8; 4],
}

impl MaskedHeader {
    /// Reads the header that `bytes` begin with; `None` while it is incomplete.
    ///
    /// Nothing is checked: not the opcode, not the reserved bits, not that there is a mask.
    #[inline]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let (key_at, payload) = lengths(bytes)?;
        let key = bytes.get(key_at..key_at + 4)?.try_into().ok()?;
        Some(Self {
            length: key_at + 4,
            payload,
            key,
        })
    }
}

/// A header of a frame without a masking key, as servers send it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerHeader {
    /// Bytes of the header itself.
    pub length: usize,
    /// Bytes of the payload behind it.
    pub payload: usize,
    /// Whether the payload is compressed.
    pub is_deflated: bool,
}

impl ServerHeader {
    /// Reads the header that `bytes` begin with; `None` while it is incomplete.
    ///
    /// Nothing is checked but that which is returned.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let (length, payload) = lengths(bytes)?;
        Some(Self {
            length,
            payload,
            is_deflated: bytes.first()? & RSV1 != 0,
        })
    }
}

/// Lengths of the header, but for the masking key, and of the payload.
#[inline]
fn lengths(bytes: &[u8]) -> Option<(usize, usize)> {
    match bytes.get(1)? & 0x7f {
        126 => {
            let length = bytes.get(2..4)?.try_into().ok()?;
            Some((4, usize::from(u16::from_be_bytes(length))))
        }
        127 => {
            let length = bytes.get(2..10)?.try_into().ok()?;
            Some((10, usize::try_from(u64::from_be_bytes(length)).ok()?))
        }
        short => Some((2, usize::from(short))),
    }
}

/// Applies a masking key to a whole payload in place, eight bytes at a time.
#[inline]
pub fn unmask(payload: &mut [u8], key: [u8; 4]) {
    let [a, b, c, d] = key;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, rest) = payload.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(key.iter().cycle()) {
        *byte ^= key;
    }
}

/// Builds a whole masked binary message in one frame.
pub fn masked_message(payload: &[u8]) -> Vec<u8> {
    let mut frame = header(payload.len(), MASKED);
    frame.extend(MASKING_KEY);
    let start = frame.len();
    frame.extend(payload);
    unmask(&mut frame[start..], MASKING_KEY);
    frame
}

/// Builds a whole masked text message in one frame.
pub fn masked_text(text: &str) -> Vec<u8> {
    let mut frame = masked_message(text.as_bytes());
    frame[0] = FINAL_TEXT;
    frame
}

/// Builds a whole masked text message in one frame from its compressed payload.
pub fn masked_deflated_message(payload: &[u8]) -> Vec<u8> {
    let mut frame = masked_message(payload);
    frame[0] = FINAL_TEXT | RSV1;
    frame
}

/// Builds the frame that a server answers with: the same message, unmasked.
pub fn unmasked_message(payload: &[u8]) -> Vec<u8> {
    let mut frame = header(payload.len(), 0);
    frame.extend(payload);
    frame
}

/// Builds the masked pong that answers a ping.
pub fn masked_pong(payload: &[u8]) -> Vec<u8> {
    let mut frame = masked_message(payload);
    frame[0] = FINAL_PONG;
    frame
}

/// The payloads of the pings among a server's frames, and how many bytes are whole frames.
///
/// Nothing is checked, and frames of 126 bytes and more are taken for the end of what is whole.
pub fn pings(bytes: &[u8]) -> (Vec<&[u8]>, usize) {
    let (mut pings, mut whole) = (Vec::new(), 0);
    while let [first, length @ 0..126, rest @ ..] = &bytes[whole..]
        && let Some(payload) = rest.get(..usize::from(*length))
    {
        if *first == FINAL_PING {
            pings.push(payload);
        }
        whole += 2 + payload.len();
    }
    (pings, whole)
}

fn header(payload: usize, masked: u8) -> Vec<u8> {
    let mut header = vec![FINAL_BINARY];
    if let Ok(short @ 0..126) = u8::try_from(payload) {
        header.push(masked | short);
    } else if let Ok(medium) = u16::try_from(payload) {
        header.push(masked | 126);
        header.extend(medium.to_be_bytes());
    } else {
        header.push(masked | 127);
        header.extend((payload as u64).to_be_bytes());
    }
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_frame_has_the_bytes_of_the_rfc() {
        assert_eq!(
            masked_message(b"Hello"),
            [
                0x82, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58
            ]
        );
        assert_eq!(unmasked_message(b"Hello"), b"\x82\x05Hello");
    }

    #[test]
    fn header_is_read_back_for_every_length_form() {
        for (payload, length) in [(0, 6), (125, 6), (126, 8), (65_535, 8), (65_536, 14)] {
            let frame = masked_message(&vec![7; payload]);

            let header = MaskedHeader::read(&frame).unwrap();

            assert_eq!((header.length, header.payload), (length, payload));
            assert_eq!(header.key, MASKING_KEY);
            assert_eq!(MaskedHeader::read(&frame[..length - 1]), None);
        }
    }

    #[test]
    fn header_of_a_server_is_read_back_and_knows_compression() {
        for (payload, length) in [(0, 2), (125, 2), (126, 4), (65_535, 4), (65_536, 10)] {
            let frame = unmasked_message(&vec![7; payload]);

            let header = ServerHeader::read(&frame).unwrap();

            assert_eq!((header.length, header.payload), (length, payload));
            assert!(!header.is_deflated);
            assert_eq!(ServerHeader::read(&frame[..length - 1]), None);
        }
        let deflated = ServerHeader::read(&masked_deflated_message(b"abc")).unwrap();
        assert!(deflated.is_deflated);
    }

    #[test]
    fn pings_are_found_among_other_frames() {
        let bytes = b"\x82\x01a\x89\x02hi\x89\x00\x89\x05par";

        assert_eq!(pings(bytes), (vec![&b"hi"[..], &b""[..]], 9));
        assert_eq!(masked_pong(b"hi")[..2], [0x8a, 0x82]);
    }

    #[test]
    fn unmasking_gives_the_payload_back() {
        let payload: Vec<u8> = (0..=250).collect();
        let mut frame = masked_message(&payload);

        unmask(&mut frame[8..], MASKING_KEY);

        assert_eq!(frame[8..], payload);
    }
}
