//! Hands events to a session, and stands between its failures and everybody else.

use std::panic::{AssertUnwindSafe, catch_unwind};

use holdwire_proto::{CloseCode, Event, Flow, Handler, Sender};

use super::session::Session;
use super::slot::Flags;
use crate::stats::Traffic;

/// A session for the time of one call of its connection.
pub(super) struct Lender<'a> {
    session: &'a mut dyn Session,
    flags: &'a mut Flags,
    /// Bytes in the queue above which the peer has to read first.
    limit: usize,
    received: Traffic,
    reason: Option<Box<str>>,
}

impl<'a> Lender<'a> {
    pub(super) fn new(session: &'a mut dyn Session, flags: &'a mut Flags, limit: usize) -> Self {
        Self {
            session,
            flags,
            limit,
            received: Traffic::default(),
            reason: None,
        }
    }

    /// Calls the session, unless it has failed before.
    pub(super) fn call(
        &mut self,
        sender: &mut Sender<'_>,
        act: impl FnOnce(&mut dyn Session, &mut Sender<'_>),
    ) {
        self.guarded(sender, |session, sender| {
            act(session, sender);
            Flow::Continue
        });
    }

    /// What was received, and the reason in the peer's Close frame.
    pub(super) fn end(self) -> (Traffic, Option<Box<str>>) {
        (self.received, self.reason)
    }

    #[inline]
    fn guarded(
        &mut self,
        sender: &mut Sender<'_>,
        act: impl FnOnce(&mut dyn Session, &mut Sender<'_>) -> Flow,
    ) -> Flow {
        if self.flags.has_failed {
            return Flow::Continue;
        }
        let session = &mut *self.session;
        let act = AssertUnwindSafe(|| act(session, sender));
        catch_unwind(act).unwrap_or_else(|_| {
            tracing::warn!("a session panicked; the peer is told 1011");
            self.flags.has_failed = true;
            sender.close(CloseCode::INTERNAL_ERROR, "");
            Flow::Continue
        })
    }
}

impl Handler for Lender<'_> {
    fn on_event(&mut self, event: Event<'_>, sender: &mut Sender<'_>) -> Flow {
        match &event {
            Event::Text(text) => self.received.count(text.len()),
            Event::Binary(payload) => self.received.count(payload.len()),
            Event::Close(closing) if !closing.reason.is_empty() => {
                self.reason = Some(closing.reason.into());
            }
            _ => {}
        }
        let flow = self.guarded(sender, |session, sender| session.on_event(event, sender));
        if flow == Flow::Pause {
            self.flags.is_paused = true;
        } else if sender.queued() > self.limit {
            return Flow::Pause;
        }
        flow
    }
}
