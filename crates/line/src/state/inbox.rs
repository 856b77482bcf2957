//! What came and waits for the application, and the two ways in which it comes.

use std::collections::VecDeque;

use holdwire_proto::{Event, Flow, Handler, Message, Sender};

use super::rare::Rare;
use crate::stats::Traffic;
use crate::tools::Tools;

/// Messages are read ahead of a busy application up to this many bytes, so that the pings among
/// them are answered; then reading pauses.
const READ_AHEAD: usize = 64 * 1024;

/// An empty queue with more room than this many messages is given back to the allocator.
const KEPT_MESSAGES: usize = 1024;

/// What the application has not taken yet; the thread's queue while there is nothing.
#[derive(Default)]
pub(super) struct Inbox(Option<Box<Queue>>);

/// Messages in order.
#[derive(Default)]
pub(crate) struct Queue {
    messages: VecDeque<Message>,
    bytes: usize,
}

/// What a message costs while it waits; an empty one is not free.
fn cost(message: &Message) -> usize {
    message.len() + size_of::<Message>()
}

impl Inbox {
    pub(super) fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |queue| queue.messages.len())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn is_full(&self) -> bool {
        self.0
            .as_ref()
            .is_some_and(|queue| queue.bytes >= READ_AHEAD)
    }

    fn push(&mut self, message: Message, spare: &mut Option<Box<Queue>>) {
        let queue = self
            .0
            .get_or_insert_with(|| spare.take().unwrap_or_default());
        queue.bytes += cost(&message);
        queue.messages.push_back(message);
    }

    /// Takes the first message; who takes the last one calls [`Inbox::give_back`].
    pub(super) fn pop(&mut self) -> Option<Message> {
        let queue = self.0.as_mut()?;
        let message = queue.messages.pop_front()?;
        queue.bytes -= cost(&message);
        Some(message)
    }

    /// Leaves an empty queue to the thread: an idle connection holds no heap.
    pub(super) fn give_back(&mut self, tools: &mut Tools) {
        let empty = self.0.take_if(|queue| queue.messages.is_empty());
        if let Some(queue) = empty
            && queue.messages.capacity() <= KEPT_MESSAGES
        {
            tools.queue = Some(queue);
        }
    }

    /// Drops the messages that nobody will take.
    pub(super) fn clear(&mut self) {
        self.0 = None;
    }
}

/// Where everything goes that comes from the peer.
pub(super) struct Intake<'a> {
    pub(super) inbox: &'a mut Inbox,
    pub(super) spare: &'a mut Option<Box<Queue>>,
    pub(super) received: &'a mut Traffic,
    pub(super) rare: &'a mut Option<Box<Rare>>,
}

impl Intake<'_> {
    /// What every event leaves behind, whoever takes it.
    fn note(&mut self, event: &Event<'_>) {
        match event {
            Event::Text(text) => self.received.count(text.len()),
            Event::Binary(payload) => self.received.count(payload.len()),
            Event::Pong(payload) => {
                if let Some(rare) = self.rare {
                    rare.pings.answer(payload);
                }
            }
            Event::Close(closing) if !closing.reason.is_empty() => {
                self.rare.get_or_insert_default().reason = closing.reason.into();
            }
            Event::Close(_) | Event::Ping(_) => {}
        }
    }
}

/// Collects messages for an application that receives them one by one.
pub(super) struct Collector<'a, 'b>(pub(super) &'a mut Intake<'b>);

impl Handler for Collector<'_, '_> {
    fn on_event(&mut self, event: Event<'_>, _: &mut Sender<'_>) -> Flow {
        let intake = &mut *self.0;
        intake.note(&event);
        if let Some(message) = event.into_message() {
            intake.inbox.push(message, intake.spare);
        }
        if intake.inbox.is_full() {
            Flow::Pause
        } else {
            Flow::Continue
        }
    }

    fn has_unseen(&self) -> bool {
        !self.0.inbox.is_empty()
    }
}

/// Hands events to the application where they lie, as long as the queue has room for answers.
pub(super) struct Lender<'a, 'b, H> {
    pub(super) handler: &'a mut H,
    pub(super) intake: &'a mut Intake<'b>,
    /// Bytes in the queue above which the peer has to read first.
    pub(super) queue_limit: usize,
    /// Set when it was the application that paused.
    pub(super) has_paused: &'a mut bool,
}

impl<H: Handler> Handler for Lender<'_, '_, H> {
    fn on_event(&mut self, event: Event<'_>, sender: &mut Sender<'_>) -> Flow {
        self.intake.note(&event);
        let flow = self.handler.on_event(event, sender);
        *self.has_paused = flow == Flow::Pause;
        if sender.queued() > self.queue_limit {
            return Flow::Pause;
        }
        flow
    }
}
