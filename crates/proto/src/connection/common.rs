//! The common case of receiving, in a loop of its own: uncompressed messages of one frame that lie
//! whole in the input.
//!
//! It decides nothing that [`Inbound`](super::inbound::Inbound) would decide otherwise: what it
//! does not know it leaves where it lies.

use std::borrow::Cow;

use super::input::Input;
use super::{Connection, Context, Event, Flow, Handler, Role, Sender};
use crate::error::{Ended, Violation};
use crate::frame::{CommonHead, Opcode};
use crate::mask::Mask;
use crate::utf8;

impl Connection {
    /// Hands on messages as long as they are of the common kind and somebody wants them.
    #[inline]
    pub(super) fn run_common(
        &mut self,
        input: &mut impl Input,
        cx: &mut Context<'_>,
        handler: &mut impl Handler,
    ) {
        let masked = self.outbound.role == Role::Server;
        let limits = &cx.config.limits;
        let longest = if limits.max_fragments > 0 {
            limits.max_frame.min(limits.max_message)
        } else {
            0
        };
        while !self.inbound.is_unfinished() && !self.outbound.close_sent {
            let Some(head) = CommonHead::parse(input.rest(), masked) else {
                return;
            };
            if head.length > longest || head.size + head.length > input.rest().len() {
                return;
            }
            input.skip(head.size);
            let payload = input.take(head.length, &mut Mask::new(head.mask));
            let mut sender = Sender {
                outbound: &mut self.outbound,
                config: cx.config,
                output: cx.output,
                scratch: &mut cx.scratch.send,
                is_reply: true,
            };
            let event = if head.is_text {
                let Ok(text) = utf8::check(payload) else {
                    let violation = Ended::Violation(Violation::InvalidUtf8);
                    return self.owe(violation, cx, handler);
                };
                let word = cx.config.heartbeat_word.as_ref();
                if let Some(answer) = word.and_then(|word| word.answer(text)) {
                    sender.answer(Opcode::Text, answer.as_bytes());
                    continue;
                }
                Event::Text(Cow::Borrowed(text))
            } else {
                Event::Binary(Cow::Borrowed(payload))
            };
            if handler.on_event(event, &mut sender) == Flow::Pause && !sender.is_closing() {
                self.inbound.is_paused = true;
                return;
            }
        }
    }
}
