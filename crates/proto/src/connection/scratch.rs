//! What all connections of a thread share.

use std::fmt;

use super::compression::{DeflateScratch, InflateScratch};
use super::outbound::SendScratch;

/// Draws a fresh masking key for each frame of a client.
///
/// It must come from a cryptographically secure generator (RFC 6455 §5.3, §10.3): a key that
/// can be guessed lets a page write bytes of its choice into a naive proxy's cache.
pub type Keys = Box<dyn FnMut() -> [u8; 4] + Send>;

/// Buffers, codecs and masking keys that every connection of a thread uses in turn.
///
/// Nothing is allocated before it is needed. The codecs are the reason to share it: a deflate
/// state has 137 to 380 KiB, an inflate state about 48 KiB.
pub struct Scratch {
    pub(super) inflate: InflateScratch,
    pub(super) send: SendScratch,
    copy: Vec<u8>,
}

impl Scratch {
    /// A scratch whose client connections draw their masking keys from `keys`.
    #[must_use]
    pub fn new(keys: Keys) -> Self {
        Self {
            inflate: InflateScratch::new(),
            send: SendScratch {
                keys,
                deflate: DeflateScratch::new(),
            },
            copy: Vec::new(),
        }
    }

    /// Bytes of heap in the buffers, without the codecs: at most 64 KiB for each of three buffers,
    /// except during a call.
    #[must_use]
    pub fn held(&self) -> usize {
        self.copy.capacity() + self.inflate.held() + self.send.deflate.held()
    }

    pub(super) fn take_copy(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.copy)
    }

    pub(super) fn give_copy(&mut self, copy: Vec<u8>) {
        self.copy = trimmed(copy);
    }
}

impl fmt::Debug for Scratch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scratch").finish_non_exhaustive()
    }
}

/// A shared buffer keeps at most this many bytes between two uses.
const KEPT_CAPACITY: usize = 64 * 1024;

/// The buffer, empty, or a fresh one when it had grown large.
pub(super) fn trimmed(mut buffer: Vec<u8>) -> Vec<u8> {
    if buffer.capacity() > KEPT_CAPACITY {
        return Vec::new();
    }
    buffer.clear();
    buffer
}
