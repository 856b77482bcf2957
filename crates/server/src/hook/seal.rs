//! Proves to a backend who asks.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use ring::hmac;

/// The shortest secret, in bytes.
const SHORTEST: usize = 32;

/// What both ends know.
#[derive(Clone)]
pub struct Secret(hmac::Key);

impl Secret {
    /// A secret of 32 bytes or more; `None` for a shorter one.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        (bytes.len() >= SHORTEST).then(|| Self(hmac::Key::new(hmac::HMAC_SHA256, bytes)))
    }

    /// The value of `Holdwire-Signature` for a body that is sent now.
    pub(super) fn seal(&self, body: &[u8]) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        self.seal_at(now.unwrap_or_default().as_secs(), body)
    }

    fn seal_at(&self, seconds: u64, body: &[u8]) -> String {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(seconds.to_string().as_bytes());
        context.update(b".");
        context.update(body);
        let tag = context.sign();
        let digits = tag.as_ref().iter().map(|byte| format!("{byte:02x}"));
        format!("t={seconds},v1={}", digits.collect::<String>())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signature_is_that_of_time_and_body() {
        let secret = Secret::new(b"0123456789abcdef0123456789abcdef").unwrap();

        // printf '1700000000.{}' | openssl dgst -sha256 -hmac 0123456789abcdef0123456789abcdef
        let expected =
            "t=1700000000,v1=417adf36b901772f658597a76d329694e335e65fc0849d7715c3ca33406309b5";
        assert_eq!(secret.seal_at(1_700_000_000, b"{}"), expected);
    }

    #[test]
    fn short_secret_is_none() {
        assert!(Secret::new(&[7; 31]).is_none());
    }
}
