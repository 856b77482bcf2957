//! Publications that somebody else decides about, and those that wait for them.

use std::collections::VecDeque;

use super::{Machine, State};
use crate::channel::ChannelName;
use crate::engine::{Key, Publish};
use crate::session::answer;
use crate::session::driver::Driver;
use crate::session::policy::Denied;

/// Channels in which numbers are waited for; of more the oldest are forgotten.
const MOST: usize = 128;

/// Bytes of a payload that waits while others are read.
const SMALL: usize = 16 * 1024;

/// What waits for earlier publications.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    /// Numbers that were refused for the time being. A channel that knows nothing of the publisher
    /// would take the next one for its first, and this one, when it is repeated, for an old one.
    numbers: VecDeque<(ChannelName, u64)>,
    /// Commands with so much that nothing more is read until they are decided.
    large: Vec<u64>,
    /// Where something was published while nobody could be told to wait.
    crowded: Option<ChannelName>,
}

impl Machine {
    /// The number that must come before this publication, which would be in the log next.
    pub(super) fn hole(&mut self, channel: &ChannelName, publish: &Publish) -> Option<u64> {
        let held = self.waiting.as_mut()?;
        let number = number(publish)?;
        let at = held.numbers.iter().position(|(own, _)| own == channel)?;
        let (_, expected) = held.numbers[at];
        if number == expected {
            held.numbers.remove(at);
        }
        (number > expected).then_some(expected)
    }

    /// A publication was refused, and its client sends it again.
    pub(super) fn hold(&mut self, channel: ChannelName, publish: &Publish) {
        let Some(number) = number(publish) else {
            return;
        };
        let held = self.waiting.get_or_insert_default();
        if let Some((_, own)) = held.numbers.iter_mut().find(|(own, _)| *own == channel) {
            *own = number.min(*own);
            return;
        }
        if held.numbers.len() == MOST {
            held.numbers.pop_front();
        }
        held.numbers.push_back((channel, number));
    }

    /// The application is asked about a publication of so many bytes.
    pub(super) fn wait(&mut self, id: u64, bytes: usize) {
        if bytes > SMALL {
            self.asked += 1;
            self.waiting.get_or_insert_default().large.push(id);
        }
    }

    /// The application has decided about a publication.
    pub(super) fn asked(
        &mut self,
        id: u64,
        channel: ChannelName,
        publish: Publish,
        result: Result<(), Denied>,
        driver: &mut impl Driver,
    ) {
        let large = self.waiting.as_mut().map(|held| &mut held.large);
        if let Some(large) = large
            && let Some(at) = large.iter().position(|own| *own == id)
        {
            large.swap_remove(at);
            self.asked -= 1;
        }
        if let Some(expected) = self.hole(&channel, &publish) {
            return self.reply(answer::hole(id, expected), driver);
        }
        match result {
            Ok(()) => {
                if let Some(result) = driver.publish(id, &channel, publish) {
                    self.reply(answer::placed(id, &result), driver);
                    self.waiting.get_or_insert_default().crowded = Some(channel);
                }
            }
            Err(denied) => {
                if denied.is_temporary() {
                    self.hold(channel, &publish);
                }
                self.under_way -= 1;
                self.deny(id, &denied, driver);
            }
        }
    }

    /// Whether subscribers are behind with what was published since the last message.
    pub(super) fn is_crowded(&mut self, driver: &mut impl Driver) -> bool {
        let held = self.waiting.as_mut();
        let channel = held.and_then(|held| held.crowded.take());
        channel.is_some_and(|channel| driver.is_crowded(&channel))
    }

    /// The client is not let in.
    pub(super) fn keep_out(&mut self, id: u64, denied: &Denied, driver: &mut impl Driver) {
        self.state = match self.dialect.is_foreign() {
            true => State::Refused,
            false => State::New,
        };
        self.deny(id, denied, driver);
    }

    /// Says that the application says no, or ends the connection when it wants that.
    pub(super) fn deny(&mut self, id: u64, denied: &Denied, driver: &mut impl Driver) {
        match denied.close() {
            Some(code) => self.end(self.dialect.ordered(code), &denied.message, driver),
            None => driver.send(&answer::denied(id, denied)),
        }
    }
}

/// The publisher's number.
fn number(publish: &Publish) -> Option<u64> {
    match publish.key {
        Some(Key::Sequence(_, number)) => Some(number),
        _ => None,
    }
}
