//! Who may call: whoever has a key.

use std::fmt;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

/// The fewest bytes of a key.
const SHORTEST: usize = 16;

/// The keys of an interface, known by their digests only.
#[derive(Clone, PartialEq, Eq)]
pub struct Keys(Vec<[u8; 32]>);

impl Keys {
    /// The keys of a file, one on each line; empty lines and those that begin with `#` are none.
    ///
    /// # Errors
    /// What is wrong, without any key in it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let lines = text.lines().map(str::trim);
        let keys: Vec<&str> = lines
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .collect();
        if keys.is_empty() {
            return Err("there is no key in it".to_owned());
        }
        let is_short = |key: &&str| key.len() < SHORTEST;
        if keys.iter().any(is_short) {
            return Err(format!("a key has less than {SHORTEST} bytes"));
        }
        let is_ascii = |key: &&str| key.bytes().all(|byte| byte.is_ascii_graphic());
        if !keys.iter().all(is_ascii) {
            return Err("a key has characters that a header cannot have".to_owned());
        }
        Ok(Self(keys.iter().map(|key| digest(key)).collect()))
    }

    /// Whether a request has one of them, in `X-API-Key` or as `Authorization: apikey KEY`.
    pub(super) fn admit(&self, headers: &HeaderMap) -> bool {
        let own = headers.get("x-api-key").and_then(|key| key.to_str().ok());
        let bearer = headers.get(AUTHORIZATION).and_then(|field| {
            let (scheme, key) = field.to_str().ok()?.split_once(' ')?;
            scheme.eq_ignore_ascii_case("apikey").then_some(key.trim())
        });
        let Some(shown) = own.or(bearer).map(digest) else {
            return false;
        };
        // All are compared, each in the same time.
        let found = self.0.iter().map(|key| key.ct_eq(&shown));
        found.fold(Choice::from(0), |any, is_it| any | is_it).into()
    }
}

fn digest(key: &str) -> [u8; 32] {
    Sha256::digest(key).into()
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({})", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn with(name: &'static str, value: &'static str) -> HeaderMap {
        let value = HeaderValue::from_static(value);
        HeaderMap::from_iter([(http::HeaderName::from_static(name), value)])
    }

    #[test]
    fn each_key_of_the_file_is_one_and_nothing_else_is() {
        let keys = Keys::parse("# old\nabcdefghijklmnop\n\n  qrstuvwxyz0123456  \n").unwrap();

        assert!(keys.admit(&with("x-api-key", "abcdefghijklmnop")));
        assert!(keys.admit(&with("authorization", "apikey qrstuvwxyz0123456")));
        assert!(keys.admit(&with("authorization", "ApiKey qrstuvwxyz0123456")));
        for (name, value) in [
            ("x-api-key", ""),
            ("x-api-key", "# old"),
            ("x-api-key", "abcdefghijklmno"),
            ("x-api-key", "abcdefghijklmnopq"),
            ("authorization", "Bearer abcdefghijklmnop"),
            ("authorization", "apikey"),
        ] {
            assert!(!keys.admit(&with(name, value)), "{name}: {value}");
        }
        assert!(!keys.admit(&HeaderMap::new()));
    }

    #[test]
    fn file_without_a_good_key_is_refused_without_a_word_of_it() {
        for text in [
            "",
            "#\n",
            "short",
            "abcdefghijklmnop\nsecret",
            "a secret with spaces",
        ] {
            let why = Keys::parse(text).unwrap_err();
            assert!(!why.contains("secret"), "{why}");
        }
        let keys = Keys::parse("abcdefghijklmnop").unwrap();
        assert_eq!(format!("{keys:?}"), "Keys(1)");
    }
}
