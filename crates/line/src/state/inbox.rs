//! What came and waits for the application, and the two ways in which it comes.

use std::collections::VecDeque;

use holdwire_proto::{Event, Flow, Handler, Message, Sender};

use crate::stats::Traffic;

/// Messages are read ahead of a busy application up to this many bytes, so that the pings among
/// them are answered; then reading pauses.
const READ_AHEAD: usize = 64 * 1024;

/// What the application has not taken yet.
#[derive(Default)]
pub(super) struct Inbox {
    messages: VecDeque<Message>,
    bytes: usize,
    rare: Option<Box<Rare>>,
}

/// What most connections never have.
#[derive(Default)]
struct Rare {
    /// The reason in the peer's Close frame.
    reason: Box<str>,
    pongs: Vec<Pong>,
}

/// A ping that waits for its pong, or a pong that waits for its asker.
struct Pong {
    payload: [u8; 8],
    is_here: bool,
}

/// What a message costs while it waits; an empty one is not free.
fn cost(message: &Message) -> usize {
    message.len() + size_of::<Message>()
}

impl Inbox {
    pub(super) fn len(&self) -> usize {
        self.messages.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    fn is_full(&self) -> bool {
        self.bytes >= READ_AHEAD
    }

    fn push(&mut self, message: Message) {
        self.bytes += cost(&message);
        self.messages.push_back(message);
    }

    pub(super) fn pop(&mut self) -> Option<Message> {
        let message = self.messages.pop_front()?;
        self.bytes -= cost(&message);
        if self.messages.is_empty() {
            // An idle connection holds no heap.
            self.messages = VecDeque::new();
        }
        Some(message)
    }

    /// Drops the messages that nobody will take.
    pub(super) fn clear(&mut self) {
        self.messages = VecDeque::new();
        self.bytes = 0;
    }

    /// The reason in the peer's Close frame; empty when there was none.
    pub(super) fn reason(&self) -> &str {
        self.rare.as_ref().map_or("", |rare| &rare.reason)
    }

    /// Remembers a ping until it is forgotten.
    pub(super) fn expect_pong(&mut self, payload: [u8; 8]) {
        let pong = Pong {
            payload,
            is_here: false,
        };
        self.rare.get_or_insert_default().pongs.push(pong);
    }

    pub(super) fn has_pong(&self, payload: [u8; 8]) -> bool {
        let mut pongs = self.pongs();
        pongs.any(|pong| pong.payload == payload && pong.is_here)
    }

    pub(super) fn forget_ping(&mut self, payload: [u8; 8]) {
        if let Some(rare) = &mut self.rare {
            rare.pongs.retain(|pong| pong.payload != payload);
            if rare.pongs.is_empty() && rare.reason.is_empty() {
                self.rare = None;
            }
        }
    }

    /// How many pings have their pong and were not told yet.
    pub(super) fn answered(&self) -> usize {
        self.pongs().filter(|pong| pong.is_here).count()
    }

    fn pongs(&self) -> impl Iterator<Item = &Pong> {
        self.rare.iter().flat_map(|rare| &rare.pongs)
    }

    /// What every event leaves behind, whoever takes it.
    fn note(&mut self, event: &Event<'_>, received: &mut Traffic) {
        match event {
            Event::Text(text) => received.count(text.len()),
            Event::Binary(payload) => received.count(payload.len()),
            Event::Pong(payload) => {
                let pongs = self.rare.iter_mut().flat_map(|rare| &mut rare.pongs);
                for pong in pongs.filter(|pong| pong.payload == *payload) {
                    pong.is_here = true;
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
pub(super) struct Collector<'a> {
    pub(super) inbox: &'a mut Inbox,
    pub(super) traffic: &'a mut Traffic,
}

impl Handler for Collector<'_> {
    fn on_event(&mut self, event: Event<'_>, _: &mut Sender<'_>) -> Flow {
        self.inbox.note(&event, self.traffic);
        if let Some(message) = event.into_message() {
            self.inbox.push(message);
        }
        if self.inbox.is_full() {
            Flow::Pause
        } else {
            Flow::Continue
        }
    }

    fn has_unseen(&self) -> bool {
        !self.inbox.is_empty()
    }
}

/// Hands events to the application where they lie, as long as the queue has room for answers.
pub(super) struct Lender<'a, H> {
    pub(super) handler: &'a mut H,
    pub(super) inbox: &'a mut Inbox,
    pub(super) traffic: &'a mut Traffic,
    /// Bytes in the queue above which the peer has to read first.
    pub(super) queue_limit: usize,
    /// Set when it was the application that paused.
    pub(super) has_paused: &'a mut bool,
}

impl<H: Handler> Handler for Lender<'_, H> {
    fn on_event(&mut self, event: Event<'_>, sender: &mut Sender<'_>) -> Flow {
        self.inbox.note(&event, self.traffic);
        let flow = self.handler.on_event(event, sender);
        *self.has_paused = flow == Flow::Pause;
        if sender.queued() > self.queue_limit {
            return Flow::Pause;
        }
        flow
    }
}
