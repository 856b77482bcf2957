//! From bytes to messages: the receiving half of a connection.
//!
//! A frame that lies whole in the input is unmasked in place and lent. Anything else is collected:
//! at most 13 bytes of a head inline, payload in [`Parts`], which exist only while a message,
//! a control frame or unread input is unfinished.

use std::borrow::Cow;

use super::compression::Inflation;
use super::input::Input;
use super::spares::{LARGE, Spares};
use crate::config::Limits;
use crate::error::Violation;
use crate::frame::{Expected, Head, MAX_CONTROL_PAYLOAD, MAX_HEAD, Opcode};
use crate::mask::Mask;
use crate::time::Deadline;
use crate::utf8::{self, Utf8Checker};

/// Something complete that the peer sent.
pub(super) enum Received<'a> {
    Text(Cow<'a, str>),
    Binary(Cow<'a, [u8]>),
    Ping(&'a [u8]),
    Pong(&'a [u8]),
    Close(&'a [u8]),
}

/// Room behind the end of a long message: a receive that ends the message leaves some of it.
pub(super) const SLACK: usize = 4 * 1024;

pub(super) struct Inbound {
    /// The beginning of a head that has not come whole.
    head: [u8; MAX_HEAD - 1],
    head_length: u8,
    /// The handler wants no input now; what comes is kept.
    pub(super) is_paused: bool,
    /// The frame whose payload is being received.
    pub(super) frame: Option<Frame>,
    /// The message that the frame belongs to, or that waits for its next fragment.
    pub(super) message: Option<Message>,
    pub(super) parts: Option<Box<Parts>>,
    /// When what is unfinished must be finished.
    pub(super) deadline: Deadline,
}

#[derive(Clone, Copy)]
pub(super) struct Frame {
    pub(super) opcode: Opcode,
    fin: bool,
    pub(super) mask: Mask,
    pub(super) left: u64,
}

#[derive(Clone, Copy)]
pub(super) struct Message {
    pub(super) text: bool,
    pub(super) compressed: bool,
    fragments: u32,
    pub(super) utf8: Utf8Checker,
}

/// Payload that waits for its rest.
#[derive(Default)]
pub(super) struct Parts {
    pub(super) message: Vec<u8>,
    control: Vec<u8>,
    /// Input that the handler did not want yet; what lies before `unread_at` is done.
    pub(super) unread: Vec<u8>,
    unread_at: usize,
}

impl Inbound {
    pub(super) fn new() -> Self {
        Self {
            head: [0; MAX_HEAD - 1],
            head_length: 0,
            is_paused: false,
            frame: None,
            message: None,
            parts: None,
            deadline: Deadline::NONE,
        }
    }

    /// Whether a frame or message has begun and not ended.
    pub(super) fn is_unfinished(&self) -> bool {
        self.head_length > 0 || self.frame.is_some() || self.message.is_some()
    }

    /// Whether a frame has come to its end and has not been handed on, though no input is left.
    pub(super) fn is_ripe(&self) -> bool {
        self.frame.is_some_and(|frame| frame.left == 0)
    }

    /// Forgets everything unfinished and gives the memory back.
    pub(super) fn reset(&mut self) {
        *self = Self::new();
    }

    /// Bytes of heap that are held for the peer.
    pub(super) fn held(&self) -> usize {
        self.parts.as_ref().map_or(0, |parts| {
            parts.message.capacity() + parts.control.capacity() + parts.unread.capacity()
        })
    }

    /// Keeps input for later, behind what is kept already.
    pub(super) fn keep(&mut self, input: &[u8]) {
        if !input.is_empty() {
            self.parts
                .get_or_insert_default()
                .unread
                .extend_from_slice(input);
        }
    }

    /// The input that was kept, and where its unread rest begins.
    pub(super) fn take_kept(&mut self) -> (Vec<u8>, usize) {
        let Some(parts) = &mut self.parts else {
            return (Vec::new(), 0);
        };
        let kept = (
            std::mem::take(&mut parts.unread),
            std::mem::take(&mut parts.unread_at),
        );
        self.release();
        kept
    }

    /// Puts back what [`Inbound::take_kept`] gave, of which `at` bytes are done.
    pub(super) fn put_back(&mut self, unread: Vec<u8>, at: usize) {
        if at < unread.len() {
            let parts = self.parts.get_or_insert_default();
            (parts.unread, parts.unread_at) = (unread, at);
        }
    }

    /// Takes from `input` until something is complete; `None` when it has to wait for more.
    #[inline]
    pub(super) fn next<'a>(
        &'a mut self,
        input: &'a mut impl Input,
        masked: bool,
        limits: &Limits,
        inflation: &'a mut Inflation<'_>,
        spares: &mut Spares,
    ) -> Result<Option<Received<'a>>, Violation> {
        loop {
            let frame = match self.frame {
                Some(frame) => frame,
                None => match self.read_head(input, masked, inflation.is_negotiated())? {
                    Some(head) => self.begin(head, limits)?,
                    None => return Ok(None),
                },
            };
            let here = frame.left.min(input.rest().len() as u64);
            let is_last = here == frame.left;
            let here = usize::try_from(here).unwrap_or(usize::MAX);
            if frame.opcode.is_control() {
                return self.control(input, here, is_last);
            }
            if is_last
                && frame.fin
                && self
                    .parts
                    .as_ref()
                    .is_none_or(|parts| parts.message.is_empty())
            {
                return self.whole(input, here, limits, inflation).map(Some);
            }
            let message_ends = is_last && frame.fin;
            self.collect(input, here, is_last, limits, spares)?;
            if message_ends {
                return self.assembled(limits, inflation).map(Some);
            }
            if !is_last {
                return Ok(None);
            }
        }
    }

    /// Reads a head from the input, or from what was kept of it and the input.
    #[inline]
    fn read_head(
        &mut self,
        input: &mut impl Input,
        masked: bool,
        compression: bool,
    ) -> Result<Option<Head>, Violation> {
        let expected = Expected {
            masked,
            compression,
            in_message: self.message.is_some(),
        };
        let kept = usize::from(self.head_length);
        if kept == 0
            && let Some((head, length)) = Head::parse(input.rest(), expected)?
        {
            input.skip(length);
            return Ok(Some(head));
        }
        let mut bytes = [0; MAX_HEAD];
        bytes[..kept].copy_from_slice(&self.head[..kept]);
        let fresh = input.rest().len().min(MAX_HEAD - kept);
        bytes[kept..kept + fresh].copy_from_slice(&input.rest()[..fresh]);
        match Head::parse(&bytes[..kept + fresh], expected)? {
            Some((head, length)) => {
                self.head_length = 0;
                input.skip(length - kept);
                Ok(Some(head))
            }
            None => {
                self.head[..kept + fresh].copy_from_slice(&bytes[..kept + fresh]);
                // A head of 13 bytes or less: `parse` needs at most 14.
                self.head_length = u8::try_from(kept + fresh).unwrap_or(u8::MAX);
                input.skip(fresh);
                Ok(None)
            }
        }
    }

    /// Starts a frame, if the limits allow it.
    #[inline]
    fn begin(&mut self, head: Head, limits: &Limits) -> Result<Frame, Violation> {
        if !head.opcode.is_control() {
            let message = self.message.get_or_insert_with(|| Message {
                text: head.opcode == Opcode::Text,
                compressed: head.rsv1,
                fragments: 0,
                utf8: Utf8Checker::default(),
            });
            message.fragments += 1;
            if message.fragments > limits.max_fragments {
                return Err(Violation::TooManyFragments);
            }
            let slack = |limit: usize| {
                if message.compressed {
                    wire_limit(limit)
                } else {
                    limit as u64
                }
            };
            if head.length > slack(limits.max_frame) {
                return Err(Violation::FrameTooBig);
            }
            let collected = self.parts.as_ref().map_or(0, |parts| parts.message.len());
            if head.length + collected as u64 > slack(limits.max_message) {
                return Err(Violation::MessageTooBig);
            }
        }
        let mask = Mask::new(head.mask.unwrap_or_default());
        let frame = Frame {
            opcode: head.opcode,
            fin: head.fin,
            mask,
            left: head.length,
        };
        Ok(*self.frame.insert(frame))
    }

    /// Takes the payload of a control frame, whole from the input or collected.
    fn control<'a>(
        &'a mut self,
        input: &'a mut impl Input,
        here: usize,
        is_last: bool,
    ) -> Result<Option<Received<'a>>, Violation> {
        let Some(frame) = &mut self.frame else {
            return Ok(None);
        };
        let opcode = frame.opcode;
        let bytes = input.take(here, &mut frame.mask);
        frame.left -= here as u64;
        let is_collected = self
            .parts
            .as_ref()
            .is_some_and(|parts| !parts.control.is_empty());
        let payload = if is_last && !is_collected {
            bytes
        } else {
            let parts = self.parts.get_or_insert_default();
            parts
                .control
                .reserve_exact(MAX_CONTROL_PAYLOAD - parts.control.len());
            parts.control.extend_from_slice(bytes);
            if !is_last {
                return Ok(None);
            }
            &parts.control
        };
        self.frame = None;
        if self.message.is_none() {
            self.deadline = Deadline::NONE;
        }
        Ok(Some(match opcode {
            Opcode::Ping => Received::Ping(payload),
            Opcode::Pong => Received::Pong(payload),
            _ => Received::Close(payload),
        }))
    }

    /// Ends a control frame whose payload was lent.
    pub(super) fn release(&mut self) {
        if let Some(parts) = &mut self.parts {
            if self.frame.is_none() {
                parts.control = Vec::new();
            }
            if parts.message.is_empty() && parts.control.is_empty() && parts.unread.is_empty() {
                self.parts = None;
            }
        }
    }

    /// Lends a message that lies whole in the input.
    #[inline]
    fn whole<'a>(
        &'a mut self,
        input: &'a mut impl Input,
        here: usize,
        limits: &Limits,
        inflation: &'a mut Inflation<'_>,
    ) -> Result<Received<'a>, Violation> {
        let (Some(mut frame), Some(message)) = (self.frame.take(), self.message.take()) else {
            return Err(Violation::UnexpectedContinuation);
        };
        self.deadline = Deadline::NONE;
        let mut payload = input.take(here, &mut frame.mask);
        if message.compressed {
            payload = inflation.inflate(payload, limits)?;
        }
        if !message.text {
            return Ok(Received::Binary(Cow::Borrowed(payload)));
        }
        // An earlier fragment of no bytes leaves nothing in the checker.
        let text = utf8::check(payload).map_err(|_| Violation::InvalidUtf8)?;
        Ok(Received::Text(Cow::Borrowed(text)))
    }

    /// Adds payload to the message.
    fn collect(
        &mut self,
        input: &mut impl Input,
        here: usize,
        is_last: bool,
        limits: &Limits,
        spares: &mut Spares,
    ) -> Result<(), Violation> {
        let (Some(frame), Some(message)) = (&mut self.frame, &mut self.message) else {
            return Err(Violation::UnexpectedContinuation);
        };
        let payload = input.take(here, &mut frame.mask);
        if message.text && !message.compressed {
            message
                .utf8
                .feed(payload)
                .map_err(|_| Violation::InvalidUtf8)?;
        }
        if !payload.is_empty() {
            let parts = self.parts.get_or_insert_default();
            if parts.message.capacity() == 0
                && frame.left >= LARGE as u64
                && let Some(spare) = spares.take(frame.left)
            {
                parts.message = spare;
            }
            grow(&mut parts.message, payload.len(), *frame, limits);
            parts.message.extend_from_slice(payload);
        }
        frame.left -= here as u64;
        if is_last {
            self.frame = None;
        }
        Ok(())
    }

    /// Hands over a message that came in parts.
    fn assembled<'a>(
        &'a mut self,
        limits: &Limits,
        inflation: &'a mut Inflation<'_>,
    ) -> Result<Received<'a>, Violation> {
        let Some(message) = self.message.take() else {
            return Err(Violation::UnexpectedContinuation);
        };
        self.deadline = Deadline::NONE;
        let payload = self
            .parts
            .as_mut()
            .map_or_else(Vec::new, |parts| std::mem::take(&mut parts.message));
        self.release();
        if message.compressed {
            let payload = inflation.inflate(&payload, limits)?;
            if !message.text {
                return Ok(Received::Binary(Cow::Borrowed(payload)));
            }
            let text = utf8::check(payload).map_err(|_| Violation::InvalidUtf8)?;
            return Ok(Received::Text(Cow::Borrowed(text)));
        }
        if !message.text {
            return Ok(Received::Binary(Cow::Owned(payload)));
        }
        message.utf8.finish().map_err(|_| Violation::InvalidUtf8)?;
        let text = String::from_utf8(payload).map_err(|_| Violation::InvalidUtf8)?;
        Ok(Received::Text(Cow::Owned(text)))
    }
}

/// The longest compressed form of a message of `limit` bytes: deflate adds at most five bytes to
/// each stored block, and a careless encoder may use small ones.
fn wire_limit(limit: usize) -> u64 {
    let limit = limit as u64;
    limit.saturating_add(limit / 1024).saturating_add(64)
}

/// Makes room for `count` bytes that are here, and for as many again as have come: never for a
/// length that was merely declared, nor beyond where the message must end.
fn grow(message: &mut Vec<u8>, count: usize, frame: Frame, limits: &Limits) {
    let needed = message.len() + count;
    if needed > message.capacity() {
        let end = if frame.fin {
            (message.len() as u64).saturating_add(frame.left)
        } else {
            wire_limit(limits.max_message)
        };
        let slack = if end < LARGE as u64 { 0 } else { SLACK as u64 };
        let end = end.saturating_add(slack);
        let end = usize::try_from(end).unwrap_or(usize::MAX);
        let target = (needed * 2).min(end).max(needed);
        message.reserve_exact(target - message.len());
    }
}
