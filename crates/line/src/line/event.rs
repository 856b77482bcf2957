//! What a line tells its application, and what of it waits to be taken.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use holdwire_proto::Message;

use super::loss::Loss;

/// What happened on a [`Line`](super::Line).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// An attempt begins.
    Connecting {
        /// The count of attempts, from 1, since the last connection that was up for long enough.
        attempt: u32,
        /// The number of the attempt since the start, from 1.
        generation: u64,
    },
    /// The connection is open.
    Up {
        /// The number of the attempt that opened it.
        generation: u64,
        /// The subprotocol in use.
        subprotocol: Option<Arc<str>>,
    },
    /// A message came.
    Message(Message),
    /// The connection is lost, or the attempt failed; the line comes back by itself.
    Down {
        /// What happened; it knows its generation.
        loss: Arc<Loss>,
        /// How long the line waits before the next attempt, from when it was lost.
        next_in: Duration,
    },
    /// The line will not come back; nothing follows.
    Stopped {
        /// For which reason.
        why: Why,
        /// The loss that led to it; `None` when the line was asked to stop.
        loss: Option<Arc<Loss>>,
    },
}

/// Why a line stopped for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Why {
    /// The application asked for it.
    Asked,
    /// Coming back would have ended the same way: the [`Decision`](super::Decision) about the loss
    /// says so.
    Decision,
    /// The most attempts that the policy allows were made.
    Attempts,
    /// The line's task was ended: the runtime shut down, or a function of the application panicked.
    Aborted,
}

/// Messages are read ahead of the application up to this many bytes; then reading pauses.
const READ_AHEAD: usize = 64 * 1024;

/// What waits for the application.
///
/// The number of messages is bounded by [`READ_AHEAD`], and of news between two messages there
/// are at most four: see [`Events::push`].
#[derive(Default)]
pub(super) struct Events {
    queue: VecDeque<Event>,
    bytes: usize,
    receiver: Option<Waker>,
    has_ended: bool,
    /// Nobody will take them any more.
    is_deaf: bool,
}

impl Events {
    /// Whether another message may be read.
    pub(super) fn has_room(&self) -> bool {
        self.bytes < READ_AHEAD
    }

    /// Adds a message, or news.
    ///
    /// A `Down` takes the place of a turn that nobody has seen: of `Down, Connecting` and of
    /// `Down, Connecting, Up` before it, when no message stands between. So an application that
    /// comes late learns the newest loss, and misses turns that brought it nothing.
    pub(super) fn push(&mut self, event: Event) {
        if self.is_deaf || self.has_ended {
            return;
        }
        match &event {
            Event::Message(message) => self.bytes += cost(message),
            Event::Down { .. } => self.forget_turn(),
            Event::Stopped { .. } => self.has_ended = true,
            Event::Connecting { .. } | Event::Up { .. } => {}
        }
        self.queue.push_back(event);
        if let Some(receiver) = self.receiver.take() {
            receiver.wake();
        }
    }

    fn forget_turn(&mut self) {
        let mut newest = self.queue.iter().rev();
        let turn = match (newest.next(), newest.next(), newest.next()) {
            (Some(Event::Connecting { .. }), Some(Event::Down { .. }), _) => 2,
            (Some(Event::Up { .. }), Some(Event::Connecting { .. }), Some(Event::Down { .. })) => 3,
            _ => 0,
        };
        self.queue.truncate(self.queue.len() - turn);
    }

    /// The next event; `None` after the last one.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        if let Some(event) = self.queue.pop_front() {
            if let Event::Message(message) = &event {
                self.bytes -= cost(message);
            }
            return Poll::Ready(Some(event));
        }
        if self.has_ended {
            return Poll::Ready(None);
        }
        self.receiver = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Nobody listens any more: drops what waits and what comes.
    pub(super) fn deafen(&mut self) {
        *self = Self {
            is_deaf: true,
            ..Self::default()
        };
    }
}

/// What a message costs while it waits; an empty one is not free.
fn cost(message: &Message) -> usize {
    message.len() + size_of::<Event>()
}

#[cfg(test)]
mod tests {
    use super::super::loss::Cause;
    use super::*;

    fn connecting(attempt: u32) -> Event {
        let generation = attempt.into();
        Event::Connecting {
            attempt,
            generation,
        }
    }

    fn up(generation: u64) -> Event {
        Event::Up {
            generation,
            subprotocol: None,
        }
    }

    fn down(generation: u64) -> Event {
        let loss = Loss::new(generation, None, Cause::Timeout);
        Event::Down {
            loss: Arc::new(loss),
            next_in: Duration::ZERO,
        }
    }

    fn told(events: &Events) -> Vec<String> {
        let name = |event: &Event| match event {
            Event::Connecting { generation, .. } => format!("connecting {generation}"),
            Event::Up { generation, .. } => format!("up {generation}"),
            Event::Message(message) => message.as_text().unwrap_or_default().to_owned(),
            Event::Down { loss, .. } => format!("down {}", loss.generation),
            Event::Stopped { why, .. } => format!("stopped {why:?}"),
        };
        events.queue.iter().map(name).collect()
    }

    #[test]
    fn turns_that_nobody_saw_leave_the_newest_loss() {
        let mut events = Events::default();
        events.push(connecting(1));
        events.push(up(1));
        for generation in 1..1000_u32 {
            events.push(down(generation.into()));
            events.push(connecting(generation + 1));
            if generation % 3 == 0 {
                events.push(up(u64::from(generation) + 1));
            }
        }

        let expected = [
            "connecting 1",
            "up 1",
            "down 999",
            "connecting 1000",
            "up 1000",
        ];
        assert_eq!(told(&events), expected);
    }

    #[test]
    fn loss_between_messages_is_always_told() {
        let mut events = Events::default();
        for generation in 1..3_u32 {
            events.push(connecting(generation));
            events.push(up(generation.into()));
            events.push(Event::Message("message".into()));
            events.push(down(generation.into()));
        }

        let turn = |number| {
            let up = [format!("connecting {number}"), format!("up {number}")];
            up.into_iter()
                .chain(["message".to_owned(), format!("down {number}")])
        };
        assert_eq!(told(&events), turn(1).chain(turn(2)).collect::<Vec<_>>());
    }

    #[test]
    fn nothing_follows_the_end() {
        let mut events = Events::default();
        events.push(Event::Stopped {
            why: Why::Asked,
            loss: None,
        });

        events.push(connecting(1));

        assert_eq!(told(&events), ["stopped Asked"]);
    }
}
