//! What a backend orders.

use holdwire::CloseCode;

use super::{Machine, State};
use crate::channel::ChannelName;
use crate::position::Position;
use crate::session::driver::Driver;
use crate::wire::Start;

impl Machine {
    /// The client has a channel, after a position when there is one; it is told by a push.
    pub(crate) fn handle_gift(
        &mut self,
        channel: &ChannelName,
        since: Option<Position>,
        driver: &mut impl Driver,
    ) {
        let is_there = self.subs.iter().any(|sub| sub.name == *channel);
        if self.state != State::Connected || is_there {
            return;
        }
        let start = Start {
            epoch: since.map(|position| position.epoch.to_string()),
            offset: since.map(|position| position.offset),
            ..Start::default()
        };
        self.begin(None, channel.as_str(), &start, None, driver);
    }

    /// The client does not have a channel any more; it is told by a push.
    pub(crate) fn handle_taking(
        &mut self,
        channel: &ChannelName,
        code: u16,
        reason: &str,
        driver: &mut impl Driver,
    ) {
        if let Some(at) = self.subs.iter().position(|sub| sub.name == *channel) {
            self.expel(at, code, reason, driver);
        }
    }

    /// The connection ends in the words of a backend.
    pub(crate) fn handle_disconnect(
        &mut self,
        code: CloseCode,
        reason: &str,
        driver: &mut impl Driver,
    ) {
        if self.state != State::Over {
            self.end(self.dialect.ordered(code), reason, driver);
        }
    }
}
