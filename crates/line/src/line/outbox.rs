//! What waits to be sent: bounded, expiring, in order.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use holdwire_proto::Message;
use tokio::time::Instant;

use super::receipt::{Dropped, Outcome, Promise, Receipt, Unproved};
use crate::deadline::bounded;

/// How much may wait to be sent, and how long: the settings of a [`Line`](super::Line)'s outbox.
///
/// Messages wait here while the line is down, and while the connection's own queue is busy. The
/// defaults are 1,024 messages, 1 MiB of payload, no expiry, and [`Overflow::Reject`].
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use holdwire::line::{Outbox, Overflow};
///
/// let newest_prices = Outbox::default()
///     .max_messages(100)
///     .expiry(Duration::from_secs(10))
///     .overflow(Overflow::DropOldest);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outbox {
    max_messages: usize,
    max_bytes: usize,
    expiry: Option<Duration>,
    overflow: Overflow,
}

/// What happens to a message for which there is no room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Overflow {
    /// It is given back: [`SendError::Full`]. The default.
    #[default]
    Reject,
    /// The oldest that wait are dropped until it fits; their receipts say [`Dropped::Overflow`].
    DropOldest,
}

impl Outbox {
    /// The most messages that wait. At least one always may.
    #[must_use]
    pub fn max_messages(mut self, messages: usize) -> Self {
        self.max_messages = messages.max(1);
        self
    }

    /// The most bytes of payload that wait, which is also the largest message that can be sent.
    #[must_use]
    pub fn max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// How long a message may wait before it is dropped as [`Dropped::Expired`]; `None`, the
    /// default, is as long as the line lives.
    #[must_use]
    pub fn expiry(mut self, expiry: impl Into<Option<Duration>>) -> Self {
        self.expiry = expiry.into();
        self
    }

    /// What happens to a message for which there is no room.
    #[must_use]
    pub fn overflow(mut self, overflow: Overflow) -> Self {
        self.overflow = overflow;
        self
    }
}

impl Default for Outbox {
    fn default() -> Self {
        Self {
            max_messages: 1024,
            max_bytes: 1024 * 1024,
            expiry: None,
            overflow: Overflow::Reject,
        }
    }
}

/// Why a message was not taken; it comes back.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError {
    /// The outbox is full: try again when something was written or has expired.
    Full(Message),
    /// The message is larger than [`Outbox::max_bytes`], so it can never be sent.
    TooBig(Message),
    /// The line has stopped, so nothing can be sent any more.
    Stopped(Message),
    /// The connection that the message was for is not open any more.
    Gone(Message),
}

impl SendError {
    /// The message.
    #[must_use]
    pub fn into_message(self) -> Message {
        match self {
            Self::Full(message)
            | Self::TooBig(message)
            | Self::Stopped(message)
            | Self::Gone(message) => message,
        }
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full(_) => f.write_str("the outbox is full; wait until something was written"),
            Self::TooBig(_) => f.write_str("the message is larger than the whole outbox"),
            Self::Stopped(_) => f.write_str("the line has stopped; nothing can be sent any more"),
            Self::Gone(_) => f.write_str("the connection that it was for is not open any more"),
        }
    }
}

impl std::error::Error for SendError {}

/// The messages that wait, oldest first.
///
/// Those at the front that were handed to the connection stay until all their bytes were written,
/// so that a message of which not one byte was written when the connection is lost is simply still
/// there, in its place.
pub(super) struct Queue {
    settings: Outbox,
    /// What the present connection begins with, as far as it does not have it yet.
    greeting: VecDeque<Message>,
    entries: VecDeque<Entry>,
    /// How many at the front the connection has.
    handed: usize,
    /// Payload of the others.
    bytes: usize,
    /// How many were dropped, for whatever reason.
    dropped: u64,
}

struct Entry {
    message: Message,
    promise: Promise,
    expires: Option<Instant>,
    /// For one that the connection has: how many bytes this connection writes before it, or more.
    start: u64,
}

impl Queue {
    pub(super) fn new(settings: Outbox) -> Self {
        Self {
            settings,
            greeting: VecDeque::new(),
            entries: VecDeque::new(),
            handed: 0,
            bytes: 0,
            dropped: 0,
        }
    }

    /// Messages that were not yet written.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }

    pub(super) fn push(&mut self, message: Message, now: Instant) -> Result<Receipt, SendError> {
        let length = message.len();
        if length > self.settings.max_bytes {
            return Err(SendError::TooBig(message));
        }
        while !self.has_room(length) {
            match self.settings.overflow {
                Overflow::Reject => return Err(SendError::Full(message)),
                Overflow::DropOldest => self.drop_next(Dropped::Overflow),
            }
        }
        let (promise, receipt) = Promise::new();
        let expires = self.settings.expiry.map(|expiry| now + bounded(expiry));
        self.bytes += length;
        self.entries.push_back(Entry {
            message,
            promise,
            expires,
            start: 0,
        });
        Ok(receipt)
    }

    fn has_room(&self, length: usize) -> bool {
        let waiting = self.entries.len() - self.handed;
        waiting < self.settings.max_messages && self.bytes + length <= self.settings.max_bytes
    }

    /// A connection begins, with these messages before all that wait.
    pub(super) fn greet(&mut self, greeting: Vec<Message>) {
        self.greeting = greeting.into();
    }

    /// A message for the present connection only, before all that wait.
    pub(super) fn push_greeting(&mut self, message: Message) {
        self.greeting.push_back(message);
    }

    /// The next message to hand to the connection.
    pub(super) fn next(&self) -> Option<&Message> {
        let waiting = || Some(&self.entries.get(self.handed)?.message);
        self.greeting.front().or_else(waiting)
    }

    /// The connection took the next message and writes at most `start` bytes before it.
    pub(super) fn hand_over(&mut self, start: u64) {
        if self.greeting.pop_front().is_some() {
            return;
        }
        if let Some(entry) = self.entries.get_mut(self.handed) {
            entry.start = start;
            self.handed += 1;
            self.bytes -= entry.message.len();
        }
    }

    /// Whether the connection has messages that are not written.
    pub(super) fn has_handed(&self) -> bool {
        self.handed > 0
    }

    /// All that the connection has was written; says how many messages that were.
    pub(super) fn write(&mut self, unproved: &mut Unproved) -> usize {
        let count = std::mem::take(&mut self.handed);
        for entry in self.entries.drain(..count) {
            unproved.write(entry.promise);
        }
        count
    }

    /// The connection goes on alone with what it has.
    pub(super) fn entrust(&mut self, unproved: &mut Unproved) {
        self.greeting.clear();
        let count = std::mem::take(&mut self.handed);
        for entry in self.entries.drain(..count) {
            unproved.keep(entry.promise);
        }
    }

    /// The connection is gone after it wrote `written` bytes: what it had begun to write is
    /// unknown for ever, the rest waits for the next one.
    pub(super) fn give_back(&mut self, written: u64) {
        self.greeting.clear();
        let handed = std::mem::take(&mut self.handed);
        let begun = self.entries.iter().take(handed);
        let begun = begun.take_while(|entry| entry.start < written).count();
        for entry in self.entries.drain(..begun) {
            entry.promise.settle(Outcome::Unknown);
        }
        let rest = self.entries.iter().take(handed - begun);
        self.bytes += rest.map(|entry| entry.message.len()).sum::<usize>();
    }

    /// When the next one expires; those of the connection do not any more.
    pub(super) fn next_expiry(&self) -> Option<Instant> {
        self.entries.get(self.handed)?.expires
    }

    /// Drops what waited too long.
    pub(super) fn expire(&mut self, now: Instant) {
        while self.next_expiry().is_some_and(|expires| expires <= now) {
            self.drop_next(Dropped::Expired);
        }
    }

    /// Drops what the connection does not have.
    pub(super) fn drop_waiting(&mut self) {
        while self.entries.len() > self.handed {
            self.drop_next(Dropped::Stopped);
        }
    }

    fn drop_next(&mut self, why: Dropped) {
        if let Some(entry) = self.entries.remove(self.handed) {
            self.bytes -= entry.message.len();
            self.dropped += 1;
            entry.promise.settle(Outcome::Dropped(why));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Instant {
        Instant::now()
    }

    fn queue(settings: Outbox, messages: &[&str]) -> (Queue, Vec<Receipt>) {
        let mut queue = Queue::new(settings);
        let receipts = messages
            .iter()
            .map(|message| queue.push((*message).into(), now()).unwrap())
            .collect();
        (queue, receipts)
    }

    fn texts(queue: &Queue) -> Vec<&str> {
        let texts = queue.entries.iter().map(|entry| entry.message.as_text());
        texts.map(Option::unwrap).collect()
    }

    #[test]
    fn message_without_room_comes_back() {
        let (mut by_count, _) = queue(Outbox::default().max_messages(2), &["a", "b"]);
        let (mut by_bytes, _) = queue(Outbox::default().max_bytes(4), &["abc"]);

        let full = SendError::Full("cd".into());
        assert_eq!(by_count.push("cd".into(), now()).unwrap_err(), full);
        assert_eq!(by_bytes.push("cd".into(), now()).unwrap_err(), full);
        assert!(by_bytes.push("d".into(), now()).is_ok());
    }

    #[test]
    fn message_that_can_never_fit_comes_back_and_displaces_nothing() {
        let settings = Outbox::default()
            .max_bytes(4)
            .overflow(Overflow::DropOldest);
        let (mut queue, _) = queue(settings, &["ab"]);

        let error = queue.push("abcde".into(), now()).unwrap_err();

        assert_eq!(error, SendError::TooBig("abcde".into()));
        assert_eq!(texts(&queue), ["ab"]);
    }

    #[test]
    fn oldest_that_waits_makes_room_and_its_receipt_says_so() {
        let settings = Outbox::default()
            .max_bytes(4)
            .overflow(Overflow::DropOldest);
        let (mut queue, receipts) = queue(settings, &["handed", "a", "b"].map(|text| &text[..1]));
        queue.hand_over(0);

        queue.push("cdef".into(), now()).unwrap();

        assert_eq!(texts(&queue), ["h", "cdef"]);
        let overflow = Some(Outcome::Dropped(Dropped::Overflow));
        assert_eq!(receipts[1].outcome(), overflow);
        assert_eq!((receipts[2].outcome(), queue.dropped()), (overflow, 2));
    }

    #[test]
    fn what_was_begun_is_unknown_and_the_rest_waits_in_order() {
        let (mut queue, receipts) = queue(Outbox::default(), &["a", "b", "c", "d"]);
        for start in [0, 7, 14] {
            queue.hand_over(start);
        }

        queue.give_back(8);

        assert_eq!(texts(&queue), ["c", "d"]);
        assert_eq!(receipts[0].outcome(), Some(Outcome::Unknown));
        assert_eq!(receipts[1].outcome(), Some(Outcome::Unknown));
        assert_eq!(receipts[2].outcome(), None);
        assert_eq!((queue.bytes, queue.handed), (2, 0));
    }

    #[test]
    fn greeting_comes_first_and_ends_with_its_connection() {
        let (mut queue, _receipts) = queue(Outbox::default(), &["a"]);
        let greet = |queue: &mut Queue| queue.greet(vec!["log in".into(), "subscribe".into()]);
        let next = |queue: &mut Queue| {
            let next = queue.next().and_then(Message::as_text).map(str::to_owned);
            queue.hand_over(0);
            next.unwrap_or_default()
        };
        greet(&mut queue);
        assert_eq!(next(&mut queue), "log in");

        queue.give_back(0);
        greet(&mut queue);

        let told = [(); 4].map(|()| next(&mut queue));
        assert_eq!(told, ["log in", "subscribe", "a", ""]);
    }

    #[test]
    fn what_waited_too_long_is_dropped_but_not_what_the_connection_has() {
        let settings = Outbox::default().expiry(Duration::from_secs(1));
        let (mut queue, receipts) = queue(settings, &["a", "b"]);
        queue.hand_over(0);

        queue.expire(now() + Duration::from_secs(2));

        assert_eq!(texts(&queue), ["a"]);
        let expired = Outcome::Dropped(Dropped::Expired);
        assert_eq!(receipts[1].outcome(), Some(expired));
        assert_eq!(queue.next_expiry(), None);
    }
}
