//! permessage-deflate (RFC 7692): smaller messages for a price in memory and time.
//!
//! Negotiation turns a [`DeflateConfig`] and the peer's header into [`DeflateParams`];
//! [`Inflater`] and [`Deflater`] then turn one whole message's payload into another. Without
//! context takeover one pair of them serves every connection of a thread; with it each connection
//! needs its own: 46.5 KiB to receive and 147 to 273 KiB to send, allocated with the first
//! compressed message.
//!
//! What it does not do: it compresses no secret apart from what an attacker chose. A channel that
//! mixes both in one message tells the length of the secret's repetitions (as CRIME and BREACH
//! did), so leave it uncompressed.

mod deflater;
mod inflater;
mod negotiate;

pub use deflater::Deflater;
pub use inflater::{InflateError, InflateLimits, Inflater};
pub use negotiate::{DeflateError, accept_offer, offer, verify};

/// What this endpoint is ready for; the same type serves both roles, in the words of RFC 7692 §7.1.
///
/// The default keeps no context in either direction, so that compression costs no memory per
/// connection.
///
/// # Examples
/// ```
/// use holdwire_proto::deflate::{DeflateConfig, offer};
///
/// assert_eq!(
///     offer(&DeflateConfig::with_context_takeover()),
///     "permessage-deflate; client_max_window_bits"
/// );
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeflateConfig {
    /// The server forgets its history after each message. A client that sets it fails the
    /// handshake with a server that keeps it. Default: true.
    pub server_no_context_takeover: bool,
    /// The client forgets its history after each message. A server that sets it imposes it, which
    /// every client must obey. Default: true.
    pub client_no_context_takeover: bool,
    /// The largest window that the server may use. Default: 15.
    pub server_max_window_bits: WindowBits,
    /// The largest window that the client may use. A server can ask for it only if the client
    /// offered to be asked; else it imposes `client_no_context_takeover` instead. Default: 15.
    pub client_max_window_bits: WindowBits,
    /// 1 (fastest) to 9 (smallest); other values count as the nearest of these. Default: 6.
    pub level: u8,
    /// Messages of fewer bytes are sent uncompressed. Default: `None`, which stands for 256
    /// without context takeover and 32 with it, where short messages gain most.
    pub threshold: Option<usize>,
    /// How many times its compressed size a received message may inflate to, once it is longer
    /// than [`InflateLimits::RATIO_FREE`]. Deflate itself ends at about 1,030. Default: 200.
    pub max_inflate_ratio: u32,
}

impl DeflateConfig {
    /// The default, but with a context kept in both directions: best ratio, most memory.
    pub fn with_context_takeover() -> Self {
        Self {
            server_no_context_takeover: false,
            client_no_context_takeover: false,
            ..Self::default()
        }
    }

    /// The payload length in bytes from which a message is worth compressing in `context`.
    pub fn threshold_for(&self, context: Context) -> usize {
        let default = if context.takeover {
            THRESHOLD_WITH_TAKEOVER
        } else {
            THRESHOLD_WITHOUT_TAKEOVER
        };
        self.threshold.unwrap_or(default)
    }
}

impl Default for DeflateConfig {
    fn default() -> Self {
        Self {
            server_no_context_takeover: true,
            client_no_context_takeover: true,
            server_max_window_bits: WindowBits::MAX,
            client_max_window_bits: WindowBits::MAX,
            level: 6,
            threshold: None,
            max_inflate_ratio: 200,
        }
    }
}

/// The base-2 logarithm of an LZ77 window that we can compress with: 9 to 15.
///
/// RFC 7692 also knows 8, which a peer may use towards us; zlib cannot produce it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct WindowBits(u8);

impl WindowBits {
    /// A window of 512 bytes.
    pub const MIN: Self = Self(9);
    /// A window of 32 KiB, which is also what a peer uses that was told nothing.
    pub const MAX: Self = Self(15);

    /// `None` outside 9 to 15.
    pub fn new(bits: u8) -> Option<Self> {
        (Self::MIN.0..=Self::MAX.0)
            .contains(&bits)
            .then_some(Self(bits))
    }

    /// The logarithm as a number.
    pub const fn get(self) -> u8 {
        self.0
    }
}

/// What both endpoints agreed on (RFC 7692 §7.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeflateParams {
    server_no_context_takeover: bool,
    client_no_context_takeover: bool,
    server_max_window_bits: u8,
    client_max_window_bits: u8,
}

impl DeflateParams {
    /// How the server compresses and the client inflates.
    pub fn server_to_client(self) -> Context {
        Context {
            max_window_bits: self.server_max_window_bits,
            takeover: !self.server_no_context_takeover,
        }
    }

    /// How the client compresses and the server inflates.
    pub fn client_to_server(self) -> Context {
        Context {
            max_window_bits: self.client_max_window_bits,
            takeover: !self.client_no_context_takeover,
        }
    }
}

/// One direction of a compressed connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Context {
    max_window_bits: u8,
    takeover: bool,
}

impl Context {
    /// A direction that was not negotiated, for instance of a compressor shared by connections.
    pub fn new(max_window_bits: WindowBits, takeover: bool) -> Self {
        Self {
            max_window_bits: max_window_bits.get(),
            takeover,
        }
    }

    /// The agreed window, 8 to 15.
    pub fn max_window_bits(self) -> u8 {
        self.max_window_bits
    }

    /// Whether the history of earlier messages is kept; then the connection needs its own
    /// [`Inflater`] or [`Deflater`] for this direction, else it may share one.
    pub fn takeover(self) -> bool {
        self.takeover
    }
}

/// The end of every compressed message, which its sender strips (RFC 7692 §7.2.1).
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// How many bytes are inflated or deflated at a time.
const STEP: usize = 16 * 1024;

/// Without history a message below about 150 bytes hardly shrinks at all.
const THRESHOLD_WITHOUT_TAKEOVER: usize = 256;
const THRESHOLD_WITH_TAKEOVER: usize = 32;

/// Makes room after `filled` bytes of `output`: at least one byte more, about `wanted`, never more
/// than `ceiling` in all, which must be above `filled`.
///
/// Capacity doubles as a vector's does, but stops at the ceiling, so the limit of a message is
/// also the limit of its memory.
fn grow(output: &mut Vec<u8>, filled: usize, wanted: usize, ceiling: usize) {
    let length = filled.saturating_add(wanted.max(1)).min(ceiling);
    if length > output.capacity() {
        let capacity = output.capacity().saturating_mul(2).max(length).min(ceiling);
        output.reserve_exact(capacity.saturating_sub(output.len()));
    }
    output.resize(length, 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agreed_parameters_take_four_bytes_even_when_optional() {
        assert_eq!(size_of::<Option<DeflateParams>>(), 4);
    }

    #[test]
    fn growth_stops_at_the_ceiling() {
        let mut output = vec![0; 100];

        grow(&mut output, 100, STEP, 120);

        assert_eq!((output.len(), output.capacity()), (120, 120));
    }
}
