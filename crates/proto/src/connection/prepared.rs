//! Messages that are encoded once for many connections.

use std::sync::Arc;

use bytes::Bytes;

use super::compression::{DeflateScratch, DeflatedFrames};
use super::{Connection, Scratch};
use crate::config::Config;
use crate::frame::{Head, MAX_HEAD, Opcode};

/// A message encoded once and sent to many: a server's frame goes out without a copy, and is
/// compressed at most once, whatever the number of connections and threads.
///
/// A clone shares everything, what was compressed later too.
///
/// A server's connection takes the compressed frame if its opening handshake agreed on
/// permessage-deflate without context takeover for the server. Everybody else is sent the message
/// as it is: a client, which masks every frame of its own, and a server's connection with context
/// takeover, whose context an uncompressed frame leaves alone (RFC 7692 §7.2.3.2).
///
/// The frame is compressed when the first connection needs it, with the level and the threshold
/// that are configured there. It stays uncompressed if it lies below the threshold or would not
/// become smaller. A payload that fits in a connection's window is shared with all larger windows;
/// of a longer one there is a frame for each window size that was agreed on.
///
/// # Examples
/// ```
/// let news = holdwire_proto::Prepared::text("five minutes left");
/// assert_eq!(news.payload(), b"five minutes left");
/// ```
#[derive(Clone, Debug)]
pub struct Prepared {
    shared: Arc<Encodings>,
}

#[derive(Debug)]
struct Encodings {
    frame: Bytes,
    head: usize,
    opcode: Opcode,
    /// None of a message that is never compressed.
    deflated: Option<DeflatedFrames>,
}

impl Prepared {
    /// A whole text message.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self::new(Opcode::Text, text.as_bytes())
    }

    /// A whole binary message.
    #[must_use]
    pub fn binary(payload: &[u8]) -> Self {
        Self::new(Opcode::Binary, payload)
    }

    fn new(opcode: Opcode, payload: &[u8]) -> Self {
        let frame = frame(opcode, false, payload);
        Self {
            shared: Arc::new(Encodings {
                head: frame.len() - payload.len(),
                frame,
                opcode,
                deflated: Some(DeflatedFrames::new()),
            }),
        }
    }

    /// The same, never compressed: for what is random, encrypted, or compressed already.
    ///
    /// # Examples
    /// ```
    /// use holdwire_proto::Prepared;
    ///
    /// let picture = Prepared::binary(&[0x89, b'P', b'N', b'G']).uncompressed();
    /// assert_eq!(picture.payload(), b"\x89PNG");
    /// ```
    #[must_use]
    pub fn uncompressed(self) -> Self {
        let Encodings {
            frame,
            head,
            opcode,
            ..
        } = &*self.shared;
        Self {
            shared: Arc::new(Encodings {
                frame: frame.clone(),
                head: *head,
                opcode: *opcode,
                deflated: None,
            }),
        }
    }

    /// The payload.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.shared.frame[self.shared.head..]
    }

    /// The whole frame as the connections of a server write it that take `variant`.
    ///
    /// For a driver that writes to many connections from one place. The first call for a variant
    /// may compress, with the codec in `scratch`, which counts it; a call for the same meanwhile,
    /// on another thread, waits for that.
    ///
    /// # Examples
    /// ```
    /// use holdwire_proto::{Config, Prepared, Scratch, Variant};
    ///
    /// let mut scratch = Scratch::new(Box::new(|| [0; 4])); // a server's: it masks nothing
    /// let news = Prepared::text("news");
    /// let frame = news.encoded(Variant::PLAIN, &Config::default(), &mut scratch);
    /// assert_eq!(frame, &b"\x81\x04news"[..]);
    /// ```
    #[must_use]
    pub fn encoded(&self, variant: Variant, config: &Config, scratch: &mut Scratch) -> &Bytes {
        self.encode(variant, config, &mut scratch.send.deflate)
    }

    pub(super) fn encode(
        &self,
        variant: Variant,
        config: &Config,
        scratch: &mut DeflateScratch,
    ) -> &Bytes {
        let Encodings {
            frame,
            opcode,
            deflated,
            ..
        } = &*self.shared;
        deflated
            .as_ref()
            .and_then(|all| all.get(variant, *opcode, self.payload(), config, scratch))
            .unwrap_or(frame)
    }

    /// The uncompressed frame.
    pub(super) fn frame(&self) -> &Bytes {
        &self.shared.frame
    }

    pub(super) fn opcode(&self) -> Opcode {
        self.shared.opcode
    }
}

/// One whole frame of a server.
pub(super) fn frame(opcode: Opcode, rsv1: bool, payload: &[u8]) -> Bytes {
    let head = Head {
        fin: true,
        rsv1,
        opcode,
        mask: None,
        length: payload.len() as u64,
    };
    let mut bytes = [0; MAX_HEAD];
    let length = head.encode(&mut bytes);
    [&bytes[..length], payload].concat().into()
}

/// Which encoding of a [`Prepared`] message a connection takes; the same for its whole life.
///
/// Connections of one variant can be written the same bytes, so a driver keeps at most
/// [`Variant::COUNT`] batches of a sequence of messages: the uncompressed one, and one for each
/// window that a server compresses with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Variant {
    /// Nothing else than 0 and 9 to 15.
    window_bits: u8,
}

impl Variant {
    /// Uncompressed.
    pub const PLAIN: Self = Self { window_bits: 0 };

    /// How many there are.
    pub const COUNT: usize = 8;

    /// A number below [`Variant::COUNT`], a different one for each; 0 is [`Variant::PLAIN`].
    #[must_use]
    pub fn index(self) -> usize {
        usize::from(self.window_bits.saturating_sub(8))
    }

    /// Compressed, if it pays, for a peer whose window has 2^9 to 2^15 bytes.
    #[cfg(feature = "deflate")]
    pub(super) fn deflated(window_bits: crate::deflate::WindowBits) -> Self {
        Self {
            window_bits: window_bits.get(),
        }
    }

    /// The base-2 logarithm of the peer's window; `None` for [`Variant::PLAIN`].
    #[cfg(feature = "deflate")]
    pub(super) fn window_bits(self) -> Option<crate::deflate::WindowBits> {
        crate::deflate::WindowBits::new(self.window_bits)
    }
}

/// What a driver asks that writes the same messages to many connections.
impl Connection {
    /// Which encoding of a [`Prepared`] message this connection takes, as [`Sender::prepared`]
    /// sends it; it never changes.
    ///
    /// It says nothing of a client's frames, each of which has a mask of its own.
    ///
    /// [`Sender::prepared`]: super::Sender::prepared
    #[must_use]
    pub fn variant(&self) -> Variant {
        self.outbound.variant()
    }

    /// Whether messages may still be sent: no Close frame was, and the transport is open.
    ///
    /// When this is false, a [`Sender`](super::Sender) answers [`SendError::Closed`].
    ///
    /// [`SendError::Closed`]: crate::SendError::Closed
    #[must_use]
    pub fn is_open_for_data(&self) -> bool {
        self.outbound.is_open_for_data()
    }
}
