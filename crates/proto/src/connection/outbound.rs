//! From messages to bytes: the sending half of a connection.

use std::fmt;

use bytes::Bytes;

use super::compression::{Agreed, DeflateScratch, Deflation};
use super::prepared::{Prepared, Variant};
use super::scratch::Sent;
use super::{Keys, Role, Transport};
use crate::close::{self, CloseCode};
use crate::config::{Config, Limits};
use crate::error::SendError;
use crate::frame::{Head, MAX_CONTROL_PAYLOAD, MAX_HEAD, Opcode};
use crate::mask::Mask;
use crate::message::Message;
use crate::output::Output;
use crate::time::{Deadline, Tick};

/// From this size on a payload that is ours to keep goes out without a copy.
const SHARE_FROM: usize = 4 * 1024;

/// What the sending half remembers.
pub(super) struct Outbound {
    pub(super) role: Role,
    pub(super) close_sent: bool,
    /// The peer ended the connection and has not been answered yet.
    pub(super) owes_end: bool,
    /// When the peer must have answered our Close frame, or have taken our last bytes.
    pub(super) close_deadline: Deadline,
    /// When the peer must have taken a byte.
    pub(super) write_deadline: Deadline,
    pub(super) transport: Transport,
    /// For both directions; it stands here because it fits in.
    pub(super) agreed: Agreed,
    deflation: Deflation,
}

/// Sends on a connection: the verbs that a handler and an application have.
///
/// Everything is appended to the driver's [`Output`]; nothing is written here.
///
/// Inside a handler, which cannot wait, [`SendError::Full`] does not occur: an answer is taken
/// whatever waits. It is the driver that reads no further while the queue is over its limit.
pub struct Sender<'a> {
    pub(super) outbound: &'a mut Outbound,
    pub(super) config: &'a Config,
    pub(super) output: &'a mut Output,
    pub(super) scratch: &'a mut SendScratch,
    /// An answer inside a handler is taken whatever waits.
    pub(super) is_reply: bool,
}

/// The sending side of a thread's [`Scratch`](super::Scratch).
pub(super) struct SendScratch {
    pub(super) keys: Keys,
    pub(super) deflate: DeflateScratch,
    pub(super) sent: Sent,
}

impl Sender<'_> {
    /// Sends a text message (RFC 6455 §5.6).
    ///
    /// # Errors
    /// [`SendError::Closed`] after a Close frame, [`SendError::Full`] when the queue holds
    /// [`send_queue`](crate::Limits::send_queue) bytes.
    pub fn text(&mut self, text: &str) -> Result<(), SendError> {
        self.encode(Opcode::Text, text.as_bytes())
    }

    /// Sends a binary message (RFC 6455 §5.6).
    ///
    /// # Errors
    /// As [`Sender::text`].
    pub fn binary(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.encode(Opcode::Binary, payload)
    }

    /// Sends a message that the caller gives away; a server sends a long one without copying.
    ///
    /// # Errors
    /// As [`Sender::text`].
    pub fn message(&mut self, message: Message) -> Result<(), SendError> {
        let (opcode, payload) = match message {
            Message::Text(text) => (Opcode::Text, Bytes::from(text)),
            Message::Binary(payload) => (Opcode::Binary, payload),
        };
        let is_shareable = self.outbound.role == Role::Server && payload.len() >= SHARE_FROM;
        if !is_shareable || self.is_compressed(payload.len()) {
            return self.encode(opcode, &payload);
        }
        self.check(payload.len())?;
        let head = Head {
            fin: true,
            rsv1: false,
            opcode,
            mask: None,
            length: payload.len() as u64,
        };
        let mut bytes = [0; MAX_HEAD];
        let length = head.encode(&mut bytes);
        self.output.push(&bytes[..length]);
        self.scratch.sent.count(payload.len());
        self.output.push_shared(payload);
        Ok(())
    }

    /// Sends a message that was encoded before, in the encoding that this connection
    /// [takes](super::Connection::variant): a server copies nothing, and compresses nothing that
    /// was compressed for another connection.
    ///
    /// What compresses it is counted by [`take_deflated`](super::Scratch::take_deflated) once, on
    /// the thread that does it; [`take_sent`](super::Scratch::take_sent) counts every send.
    ///
    /// # Errors
    /// As [`Sender::text`].
    pub fn prepared(&mut self, message: &Prepared) -> Result<(), SendError> {
        if self.outbound.role == Role::Client {
            self.check(message.payload().len())?;
            let mask = self.key();
            append(
                self.output,
                message.opcode(),
                false,
                mask,
                message.payload(),
            );
        } else {
            self.check(message.frame().len())?;
            let variant = self.outbound.variant();
            let frame = message.encode(variant, self.config, &mut self.scratch.deflate);
            self.output.push_shared(frame.clone());
        }
        self.scratch.sent.count(message.payload().len());
        Ok(())
    }

    /// Sends a Ping of at most 125 bytes (RFC 6455 §5.5.2).
    ///
    /// # Errors
    /// [`SendError::ControlTooLong`], or as [`Sender::text`].
    pub fn ping(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.control(Opcode::Ping, payload)
    }

    /// Sends a Pong unasked (RFC 6455 §5.5.3); pings are answered by the connection itself.
    ///
    /// # Errors
    /// As [`Sender::ping`].
    pub fn pong(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.control(Opcode::Pong, payload)
    }

    /// Begins the closing handshake (RFC 6455 §7.1.2); a second call does nothing.
    ///
    /// The reason is cut to 123 bytes between two characters. Nothing can be sent afterwards, and
    /// data that the peer still sends is discarded.
    pub fn close(&mut self, code: CloseCode, reason: &str) {
        self.close_frame(Some(code), reason);
    }

    /// Whether a Close frame was sent, so that nothing more can be.
    #[must_use]
    pub fn is_closing(&self) -> bool {
        self.outbound.close_sent
    }

    /// Bytes that wait to be written.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.output.len()
    }

    /// Bytes in the queue from which on it is [full](crate::Limits::send_queue).
    #[must_use]
    pub fn limit(&self) -> usize {
        self.config.limits.send_queue
    }

    /// Bytes of a message that the peer may send in one frame: the smaller of
    /// [`max_message`](crate::Limits::max_message) and [`max_frame`](crate::Limits::max_frame).
    #[must_use]
    pub fn max_received(&self) -> usize {
        let limits = &self.config.limits;
        limits.max_message.min(limits.max_frame)
    }

    /// Appends a Close frame; false when one was sent before.
    pub(super) fn close_frame(&mut self, code: Option<CloseCode>, reason: &str) -> bool {
        if self.outbound.close_sent {
            return false;
        }
        self.outbound.close_sent = true;
        let mut body = [0; MAX_CONTROL_PAYLOAD];
        let mut length = 0;
        if let Some(code) = code {
            let reason = close::fitting_reason(reason).as_bytes();
            body[..2].copy_from_slice(&code.value().to_be_bytes());
            body[2..2 + reason.len()].copy_from_slice(reason);
            length = 2 + reason.len();
        }
        self.output.place_pong();
        let mask = self.key();
        append(self.output, Opcode::Close, false, mask, &body[..length]);
        true
    }

    /// Puts a Ping before everything that is queued but the frame that is half written; gives the
    /// bytes up to its end.
    pub(super) fn ping_first(&mut self, payload: &[u8]) -> usize {
        let mask = self.key();
        let mut frame = Output::default();
        append(&mut frame, Opcode::Ping, false, mask, payload);
        self.output.push_first(&frame)
    }

    /// Answers a ping, or the text message that stands for one.
    pub(super) fn answer(&mut self, opcode: Opcode, payload: &[u8]) {
        if self.outbound.close_sent {
            return;
        }
        let mask = self.key();
        if self.output.takes_pong() {
            append(self.output, opcode, false, mask, payload);
        } else {
            let mut frame = Output::default();
            append(&mut frame, opcode, false, mask, payload);
            self.output.replace_pong(frame);
        }
    }

    fn encode(&mut self, opcode: Opcode, payload: &[u8]) -> Result<(), SendError> {
        self.check(payload.len())?;
        self.scratch.sent.count(payload.len());
        let mask = self.key();
        if !self.is_compressed(payload.len()) {
            append(self.output, opcode, false, mask, payload);
            return Ok(());
        }
        let (outbound, scratch) = (&mut *self.outbound, &mut *self.scratch);
        let (agreed, role) = (outbound.agreed, outbound.role);
        let deflation = &mut outbound.deflation;
        match deflation.deflate(agreed, role, payload, self.config, &mut scratch.deflate) {
            Some(deflated) => append(self.output, opcode, true, mask, deflated),
            None => append(self.output, opcode, false, mask, payload),
        }
        scratch.deflate.trim();
        Ok(())
    }

    fn control(&mut self, opcode: Opcode, payload: &[u8]) -> Result<(), SendError> {
        if payload.len() > MAX_CONTROL_PAYLOAD {
            return Err(SendError::ControlTooLong);
        }
        self.check(payload.len())?;
        let mask = self.key();
        append(self.output, opcode, false, mask, payload);
        Ok(())
    }

    fn is_compressed(&self, length: usize) -> bool {
        let outbound = &self.outbound;
        outbound.agreed.wants(outbound.role, length, self.config)
    }

    fn check(&self, length: usize) -> Result<(), SendError> {
        if !self.outbound.is_open_for_data() {
            return Err(SendError::Closed);
        }
        if self.is_reply {
            return Ok(());
        }
        let waiting = self.output.len();
        let limit = self.config.limits.send_queue;
        if waiting > 0 && waiting + length + MAX_HEAD > limit {
            return Err(SendError::Full);
        }
        Ok(())
    }

    fn key(&mut self) -> Option<[u8; 4]> {
        (self.outbound.role == Role::Client).then(|| (self.scratch.keys)())
    }
}

/// Appends one whole frame.
#[inline]
fn append(output: &mut Output, opcode: Opcode, rsv1: bool, mask: Option<[u8; 4]>, payload: &[u8]) {
    let head = Head {
        fin: true,
        rsv1,
        opcode,
        mask,
        length: payload.len() as u64,
    };
    let buffer = output.buffer();
    buffer.reserve(MAX_HEAD + payload.len());
    match head.short() {
        Some(head) => buffer.extend_from_slice(&head),
        None => {
            let mut bytes = [0; MAX_HEAD];
            let length = head.encode(&mut bytes);
            buffer.extend_from_slice(&bytes[..length]);
        }
    }
    buffer.extend_from_slice(payload);
    if let Some(key) = mask {
        let at = buffer.len() - payload.len();
        Mask::new(key).apply(&mut buffer[at..]);
    }
}

impl fmt::Debug for Sender<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender")
            .field("queued", &self.queued())
            .finish_non_exhaustive()
    }
}

impl Outbound {
    pub(super) fn new(role: Role) -> Self {
        Self {
            role,
            close_sent: false,
            owes_end: false,
            close_deadline: Deadline::NONE,
            write_deadline: Deadline::NONE,
            transport: Transport::Open,
            agreed: Agreed::NOTHING,
            deflation: Deflation::new(),
        }
    }

    /// Which encoding of a prepared message goes out.
    pub(super) fn variant(&self) -> Variant {
        self.agreed.variant(self.role)
    }

    #[inline]
    pub(super) fn is_open_for_data(&self) -> bool {
        !self.close_sent && self.transport != Transport::Closed
    }

    /// Notes that `progress` bytes were written and `waiting` were not.
    pub(super) fn wrote(&mut self, progress: usize, waiting: usize, limits: &Limits, now: Tick) {
        if waiting == 0 {
            self.write_deadline = Deadline::NONE;
            // The peer's time begins when our Close frame is on its way, not when it is queued.
            if self.close_sent && !self.close_deadline.is_set() {
                self.close_deadline = Deadline::at(now.after(limits.close_timeout));
            }
        } else if progress > 0 || !self.write_deadline.is_set() {
            self.write_deadline = Deadline::at(now.after(limits.write_stall));
        }
    }
}
