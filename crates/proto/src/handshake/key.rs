//! The key of a handshake and the accept value that answers it (RFC 6455 §4.1, §4.2.2).

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};
use http::HeaderValue;
use sha1::{Digest as _, Sha1};

/// The value of `Sec-WebSocket-Key`: sixteen bytes in base64, twenty-four characters.
///
/// It proves that the server speaks WebSocket; it hides and authenticates nothing.
///
/// # Examples
/// ```
/// use holdwire_proto::handshake::Key;
///
/// let key = Key::parse(b"w4v7O6xFTi36lq3RNcgctw==").expect("sixteen bytes in base64");
/// assert_eq!(key.accept(), "Oy4NRAQ13jhfONC7bP8dTKb4PTU=");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key([u8; KEY_LENGTH]);

impl Key {
    /// A client's key from a nonce, which must be random for each connection (RFC 6455 §4.1).
    #[must_use]
    pub fn from_nonce(nonce: [u8; NONCE_LENGTH]) -> Self {
        let mut key = [0; KEY_LENGTH];
        BASE64
            .encode_slice(nonce, &mut key)
            .expect("sixteen bytes make twenty-four characters of base64");
        Self(key)
    }

    /// Reads a key as it stands in the header; `None` unless it is base64 of sixteen bytes.
    ///
    /// The four bits that the last character has to spare may be anything: the example in
    /// RFC 6455 §4.1 (`AQIDBAUGBwgJCgsMDQ4PEC==`) has some of them set.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let key: [u8; KEY_LENGTH] = text.try_into().ok()?;
        // The decoder wants room for the longest text of this length, padding or not.
        let mut nonce = [0; KEY_LENGTH / 4 * 3];
        let length = BASE64.decode_slice(key, &mut nonce).ok()?;
        (length == NONCE_LENGTH).then_some(Self(key))
    }

    /// The value of `Sec-WebSocket-Accept` that answers this key (RFC 6455 §4.2.2 item 5.4).
    #[must_use]
    pub fn accept(&self) -> HeaderValue {
        let digest = Sha1::new()
            .chain_update(self.0)
            .chain_update(GUID)
            .finalize();
        HeaderValue::try_from(BASE64.encode(digest)).expect("base64 is visible ASCII")
    }

    /// The key as a header value.
    pub(super) fn to_header_value(self) -> HeaderValue {
        HeaderValue::from_bytes(&self.0).expect("base64 is visible ASCII")
    }
}

const NONCE_LENGTH: usize = 16; // RFC 6455 §4.1
const KEY_LENGTH: usize = 24; // sixteen bytes in base64
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"; // RFC 6455 §1.3

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);
