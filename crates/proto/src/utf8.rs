//! UTF-8 that arrives in pieces (RFC 6455 §8.1): a bad byte is refused as soon as it is seen.

/// Below this many bytes the standard library is as fast as SIMD, measured.
const SIMD_FROM: usize = 64;

/// The bytes are not UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidUtf8;

/// Checks a text message piece by piece; holds at most three bytes of an unfinished character.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Utf8Checker {
    pending: [u8; 3],
    length: u8,
}

impl Utf8Checker {
    /// Checks the next piece.
    ///
    /// # Errors
    /// [`InvalidUtf8`] when no continuation can make the bytes so far UTF-8.
    pub fn feed(&mut self, piece: &[u8]) -> Result<(), InvalidUtf8> {
        let mut rest = piece;
        while self.length > 0 {
            let Some((&byte, after)) = rest.split_first() else {
                return Ok(());
            };
            rest = after;
            self.complete(byte)?;
        }
        match check(rest) {
            Ok(_) => Ok(()),
            Err(valid_up_to) => self.keep(&rest[valid_up_to..]),
        }
    }

    /// Says whether the text may end here.
    ///
    /// # Errors
    /// [`InvalidUtf8`] when a character is unfinished.
    pub fn finish(&self) -> Result<(), InvalidUtf8> {
        if self.length == 0 {
            Ok(())
        } else {
            Err(InvalidUtf8)
        }
    }

    /// Adds one byte to the unfinished character.
    fn complete(&mut self, byte: u8) -> Result<(), InvalidUtf8> {
        let length = usize::from(self.length);
        let mut character = [0; 4];
        character[..length].copy_from_slice(&self.pending[..length]);
        character[length] = byte;
        self.length = 0;
        match std::str::from_utf8(&character[..=length]) {
            Ok(_) => Ok(()),
            Err(_) => self.keep(&character[..=length]),
        }
    }

    /// Keeps `tail`, which begins with a character that is unfinished or wrong.
    fn keep(&mut self, tail: &[u8]) -> Result<(), InvalidUtf8> {
        let error = match std::str::from_utf8(tail) {
            Ok(_) => return Ok(()),
            Err(error) => error,
        };
        if error.error_len().is_some() || error.valid_up_to() != 0 || tail.len() > 3 {
            return Err(InvalidUtf8);
        }
        self.pending[..tail.len()].copy_from_slice(tail);
        self.length = u8::try_from(tail.len()).map_err(|_| InvalidUtf8)?;
        Ok(())
    }
}

/// Reads a whole text; `Err` has the length of the part that is UTF-8.
pub(crate) fn check(bytes: &[u8]) -> Result<&str, usize> {
    if bytes.len() < SIMD_FROM {
        std::str::from_utf8(bytes).map_err(|error| error.valid_up_to())
    } else {
        // The compat flavour alone says where the error is, and is only asked when there is one.
        simdutf8::basic::from_utf8(bytes).map_err(|_| match simdutf8::compat::from_utf8(bytes) {
            Ok(_) => bytes.len(),
            Err(error) => error.valid_up_to(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first byte at which a checker fed byte by byte refuses, or the verdict at the end.
    fn refused_at(bytes: &[u8]) -> Option<usize> {
        let mut checker = Utf8Checker::default();
        for (index, byte) in bytes.iter().enumerate() {
            if checker.feed(&[*byte]).is_err() {
                return Some(index);
            }
        }
        checker.finish().is_err().then_some(bytes.len())
    }

    #[test]
    fn a_bad_byte_is_refused_the_moment_it_arrives() {
        assert_eq!(
            refused_at(b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xf4\x90\x80\x80"),
            Some(12)
        );
        assert_eq!(refused_at(b"\xc0\xaf"), Some(0));
        assert_eq!(refused_at(b"\xe0\x80"), Some(1));
        assert_eq!(refused_at(b"\xed\xa0\x80"), Some(1));
        assert_eq!(refused_at(b"\xf8"), Some(0));
        assert_eq!(refused_at(b"ok\x80"), Some(2));
    }

    #[test]
    fn an_unfinished_character_is_refused_at_the_end_only() {
        assert_eq!(refused_at(b"\xf0\x9f\x98"), Some(3));
        assert_eq!(refused_at("😀".as_bytes()), None);
    }

    #[test]
    fn every_split_gives_the_verdict_of_the_whole() {
        let long = "aé漢😀".repeat(20);
        let texts: [&[u8]; 4] = [
            long.as_bytes(),
            b"plain ascii",
            b"\xf4\x8f\xbf\xbf",
            b"bad \xff in the middle",
        ];
        for text in texts {
            let whole = std::str::from_utf8(text).is_ok();
            for at in 0..=text.len() {
                let mut checker = Utf8Checker::default();
                let split = checker.feed(&text[..at]).is_ok()
                    && checker.feed(&text[at..]).is_ok()
                    && checker.finish().is_ok();
                assert_eq!(split, whole, "{text:?} split at {at}");
            }
        }
    }
}
