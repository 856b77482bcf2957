//! Where received bytes lie: in a buffer that may be changed, or in one that may not.

use crate::mask::Mask;

/// Received bytes, taken from the front.
pub(super) trait Input {
    /// What has not been taken yet.
    fn rest(&self) -> &[u8];

    /// Moves on by `count` bytes.
    fn skip(&mut self, count: usize);

    /// Takes `count` bytes of payload, unmasked.
    fn take(&mut self, count: usize, mask: &mut Mask) -> &[u8];
}

/// Bytes that are unmasked where they lie.
pub(super) struct InPlace<'a> {
    bytes: &'a mut [u8],
    at: usize,
}

impl<'a> InPlace<'a> {
    pub(super) fn new(bytes: &'a mut [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// How many bytes have been taken.
    pub(super) fn taken(&self) -> usize {
        self.at
    }
}

impl Input for InPlace<'_> {
    #[inline]
    fn rest(&self) -> &[u8] {
        &self.bytes[self.at..]
    }

    #[inline]
    fn skip(&mut self, count: usize) {
        self.at += count;
    }

    #[inline]
    fn take(&mut self, count: usize, mask: &mut Mask) -> &[u8] {
        let payload = &mut self.bytes[self.at..self.at + count];
        self.at += count;
        mask.apply(payload);
        payload
    }
}

/// Bytes that are unmasked while they are copied.
pub(super) struct Copying<'a> {
    bytes: &'a [u8],
    copy: &'a mut Vec<u8>,
}

impl<'a> Copying<'a> {
    pub(super) fn new(bytes: &'a [u8], copy: &'a mut Vec<u8>) -> Self {
        Self { bytes, copy }
    }
}

impl Input for Copying<'_> {
    fn rest(&self) -> &[u8] {
        self.bytes
    }

    fn skip(&mut self, count: usize) {
        self.bytes = &self.bytes[count..];
    }

    fn take(&mut self, count: usize, mask: &mut Mask) -> &[u8] {
        self.copy.clear();
        self.copy.extend_from_slice(&self.bytes[..count]);
        self.skip(count);
        mask.apply(self.copy);
        self.copy
    }
}
