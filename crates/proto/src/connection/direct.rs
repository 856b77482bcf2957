//! Receiving a long message where it is being assembled, without a buffer between.

use super::inbound::{Inbound, SLACK};
use super::input::InPlace;
use super::{Connection, Context, Handler};
use crate::error::{Ended, Violation};

/// More room than this behind the end of a frame would fill with what belongs elsewhere.
const MOST_BEHIND: usize = 64 * 1024;

impl Connection {
    /// Where a driver may append received bytes itself, instead of handing them to
    /// [`Connection::receive`]: the buffer of the message that is being received, with room behind
    /// what has come of it. [`Connection::receive_direct`] follows at once.
    ///
    /// `None` unless at least `at_least` bytes are left of a frame with data whose beginning has
    /// come. The room is at most as long as the message already is, and ends at most 4 KiB behind
    /// the frame, except when the buffer had more: so that a receive which ends the frame is seen to
    /// be short of its room, and needs no second one to find that nothing more is there.
    #[inline]
    pub fn direct(&mut self, at_least: usize) -> Option<&mut Vec<u8>> {
        // Most input begins with a frame, and its driver asks before each receive.
        if self.inbound.frame.is_none() || self.ended.is_some() || self.outbound.close_sent {
            return None;
        }
        self.inbound.room(at_least)
    }

    /// Takes the last `count` bytes that were appended to what [`Connection::direct`] gave, as
    /// [`Connection::receive`] takes its input; those behind the end of the frame are copied.
    pub fn receive_direct(
        &mut self,
        count: usize,
        cx: &mut Context<'_>,
        handler: &mut impl Handler,
    ) {
        if count == 0 {
            return;
        }
        self.heartbeat.seen(cx.now, cx.config.heartbeat);
        let mut behind = match self.inbound.land(count) {
            Ok(behind) => behind,
            Err((violation, behind)) => {
                self.owe(Ended::Violation(violation), cx, handler);
                behind
            }
        };
        self.run(&mut InPlace::new(&mut behind), cx, handler);
    }
}

impl Inbound {
    /// The message of which at least `at_least` bytes are to come in this frame, with room.
    fn room(&mut self, at_least: usize) -> Option<&mut Vec<u8>> {
        let frame = self.frame.filter(|frame| !frame.opcode.is_control())?;
        let parts = self.parts.as_mut()?;
        let message = &mut parts.message;
        if self.is_paused || message.is_empty() || !parts.unread.is_empty() {
            return None;
        }
        let left = usize::try_from(frame.left).unwrap_or(usize::MAX);
        let room = message.capacity() - message.len();
        if left < at_least.max(1) || room > left.saturating_add(MOST_BEHIND) {
            return None;
        }
        let wanted = left.saturating_add(SLACK).min(message.len());
        if room < wanted.min(at_least.max(1)) {
            message.reserve_exact(wanted);
        }
        Some(message)
    }

    /// Takes `count` bytes that lie at the end of the message; gives those that are behind the
    /// frame, even when it refuses the others.
    fn land(&mut self, count: usize) -> Result<Vec<u8>, (Violation, Vec<u8>)> {
        let (Some(frame), Some(message), Some(parts)) =
            (&mut self.frame, &mut self.message, &mut self.parts)
        else {
            return Ok(Vec::new());
        };
        let at = parts.message.len().saturating_sub(count);
        let left = usize::try_from(frame.left).unwrap_or(usize::MAX);
        let here = left.min(parts.message.len() - at);
        let mut behind = Vec::new();
        if at + here < parts.message.len() {
            behind = parts.message.split_off(at + here);
        }
        let payload = &mut parts.message[at..];
        frame.mask.apply(payload);
        frame.left -= payload.len() as u64;
        if message.text && !message.compressed && message.utf8.feed(payload).is_err() {
            return Err((Violation::InvalidUtf8, behind));
        }
        Ok(behind)
    }
}
