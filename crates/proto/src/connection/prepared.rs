//! Messages that are encoded once for many connections.

use bytes::Bytes;

use crate::frame::{Head, MAX_HEAD, Opcode};

/// A message encoded once and sent to many: a server's frame goes out without a copy.
///
/// # Examples
/// ```
/// let news = holdwire_proto::Prepared::text("five minutes left");
/// assert_eq!(news.payload(), b"five minutes left");
/// ```
#[derive(Clone, Debug)]
pub struct Prepared {
    frame: Bytes,
    head: usize,
    opcode: Opcode,
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
        let head = Head {
            fin: true,
            rsv1: false,
            opcode,
            mask: None,
            length: payload.len() as u64,
        };
        let mut bytes = [0; MAX_HEAD];
        let length = head.encode(&mut bytes);
        let frame = [&bytes[..length], payload].concat();
        Self {
            frame: frame.into(),
            head: length,
            opcode,
        }
    }

    /// The payload.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.frame[self.head..]
    }

    pub(super) fn frame(&self) -> &Bytes {
        &self.frame
    }

    pub(super) fn opcode(&self) -> Opcode {
        self.opcode
    }
}
