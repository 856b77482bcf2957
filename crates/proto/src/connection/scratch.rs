//! What all connections of a thread share.

use std::fmt;
use std::ops::AddAssign;

use bytes::Bytes;

use super::compression::{DeflateScratch, InflateScratch};
use super::outbound::SendScratch;
use super::spares::Spares;

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
    pub(super) spares: Spares,
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
                sent: Sent::default(),
            },
            spares: Spares::default(),
            copy: Vec::new(),
        }
    }

    /// Bytes of heap in the buffers, without the codecs: at most 64 KiB for each of three buffers,
    /// except during a call, and 4 MiB for long messages if the driver calls
    /// [`Scratch::reclaim`].
    #[must_use]
    pub fn held(&self) -> usize {
        let buffers = self.copy.capacity() + self.inflate.held() + self.send.deflate.held();
        buffers + self.spares.held()
    }

    /// Keeps the memory of bytes that are done with for long messages that come, if nobody else
    /// has a part in them and it is of 64 KiB to 2 MiB: at most 4 MiB altogether.
    pub fn reclaim(&mut self, bytes: Bytes) {
        if let Ok(bytes) = bytes.try_into_mut() {
            self.spares.put(bytes.into());
        }
    }

    /// What was inflated since this was last called.
    ///
    /// A driver that counts for each connection calls it, and [`Scratch::take_deflated`], after
    /// each call of the connection.
    pub fn take_inflated(&mut self) -> Compression {
        std::mem::take(&mut self.inflate.counted)
    }

    /// What was deflated since this was last called; messages sent as they are do not count.
    pub fn take_deflated(&mut self) -> Compression {
        std::mem::take(&mut self.send.deflate.counted)
    }

    /// The messages that were queued since this was last called, by whatever verb.
    pub fn take_sent(&mut self) -> Sent {
        std::mem::take(&mut self.send.sent)
    }

    pub(super) fn take_copy(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.copy)
    }

    pub(super) fn give_copy(&mut self, copy: Vec<u8>) {
        self.copy = trimmed(copy);
    }
}

/// Messages that were queued.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sent {
    /// How many.
    pub messages: u64,
    /// Bytes of their payloads, uncompressed.
    pub payload: u64,
}

impl Sent {
    pub(super) fn count(&mut self, payload: usize) {
        self.messages += 1;
        self.payload += payload as u64;
    }
}

impl fmt::Debug for Scratch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scratch").finish_non_exhaustive()
    }
}

/// Payload bytes of the messages that were compressed (RFC 7692 §6), and of no others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Compression {
    /// Before compression.
    pub plain: u64,
    /// After it, without the heads of frames.
    pub compressed: u64,
}

impl Compression {
    #[cfg(feature = "deflate")]
    pub(super) fn count(&mut self, plain: usize, compressed: usize) {
        self.plain += plain as u64;
        self.compressed += compressed as u64;
    }

    /// Compressed bytes for each byte before: below 1 where compression pays; `None` before the
    /// first compressed message.
    #[must_use]
    pub fn ratio(&self) -> Option<f64> {
        #[expect(clippy::cast_precision_loss, reason = "a ratio for people")]
        (self.plain > 0).then(|| self.compressed as f64 / self.plain as f64)
    }
}

impl AddAssign for Compression {
    fn add_assign(&mut self, more: Self) {
        self.plain += more.plain;
        self.compressed += more.compressed;
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
