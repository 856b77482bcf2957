//! Masking (RFC 6455 §5.3): eight bytes at a time, which the compiler turns into vector code.

/// A masking key, turned so that its first byte belongs to the next byte of the payload.
///
/// A payload that arrives in pieces is unmasked piece by piece: [`Mask::apply`] remembers where it
/// stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mask(u32);

impl Mask {
    /// The mask at the first byte of a payload.
    #[must_use]
    pub fn new(key: [u8; 4]) -> Self {
        Self(u32::from_le_bytes(key))
    }

    /// Masks or unmasks `payload` in place and moves on by its length.
    #[inline]
    pub fn apply(&mut self, payload: &mut [u8]) {
        if self.0 == 0 {
            return;
        }
        let word = (u64::from(self.0) << 32) | u64::from(self.0);
        let (words, tail) = payload.as_chunks_mut::<8>();
        for bytes in words {
            *bytes = (u64::from_le_bytes(*bytes) ^ word).to_le_bytes();
        }
        for (byte, key) in tail.iter_mut().zip(word.to_le_bytes()) {
            *byte ^= key;
        }
        self.turn(tail.len());
    }

    /// Moves on by `length` bytes without touching any.
    fn turn(&mut self, length: usize) {
        self.0 = match length % 4 {
            0 => self.0,
            1 => self.0.rotate_right(8),
            2 => self.0.rotate_right(16),
            _ => self.0.rotate_right(24),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytewise(key: [u8; 4], payload: &[u8]) -> Vec<u8> {
        let masked = payload.iter().enumerate();
        masked.map(|(i, byte)| byte ^ key[i % 4]).collect()
    }

    #[test]
    fn the_hello_of_rfc_6455_section_5_7_is_masked() {
        let mut hello = *b"Hello";

        Mask::new([0x37, 0xfa, 0x21, 0x3d]).apply(&mut hello);

        assert_eq!(hello, [0x7f, 0x9f, 0x4d, 0x51, 0x58]);
    }

    #[test]
    fn pieces_of_any_length_equal_the_whole() {
        let key = [1, 2, 4, 0x80];
        let payload: Vec<u8> = (0..=255).collect();
        let expected = bytewise(key, &payload);

        for step in 1..40 {
            let mut pieces = payload.clone();
            let mut mask = Mask::new(key);
            for piece in pieces.chunks_mut(step) {
                mask.apply(piece);
            }
            assert_eq!(pieces, expected, "pieces of {step} bytes");
        }
    }
}
