//! What comes too fast.

use super::{Machine, fail};
use crate::channel::ChannelName;
use crate::engine::{Key, Publish as Publication};
use crate::publication::Payload;
use crate::session::dialect::End;
use crate::session::driver::Driver;
use crate::session::policy::Denied;
use crate::session::{FAR_TOO_FAST, Pass};
use crate::wire::{Command, Fault};

/// What is told then.
const TOO_FAST: &str = "too many commands in a second";

impl Machine {
    /// Follows a command, unless too many of them come.
    pub(super) fn limited(&mut self, command: Command, driver: &mut impl Driver) {
        match driver.spend(command.publish.is_some()) {
            Pass::Go => self.command(command, driver),
            // What ends something, or shows that somebody is there, does not wait.
            Pass::Wait if command.is_light() => self.command(command, driver),
            Pass::Wait => {
                let id = command.id;
                if !self.put_off(command, driver) && id > 0 {
                    fail(id, Fault::TooFast, TOO_FAST, driver);
                }
            }
            Pass::Stop => self.close(End::TooFast, FAR_TOO_FAST, driver),
        }
    }

    /// A publication is to come again before those after it. True when that is told after what
    /// becomes of those before it: a client that is told at once would send them all again.
    fn put_off(&mut self, command: Command, driver: &mut impl Driver) -> bool {
        let Some(publish) = command.publish else {
            return false;
        };
        let key = self.publisher.zip(publish.n);
        let key = key.map(|(publisher, n)| Key::Sequence(publisher, n));
        let Ok(channel) = publish.channel.parse::<ChannelName>() else {
            return false;
        };
        let payload = Payload::from("");
        let publication = Publication { payload, key };
        self.hold(channel.clone(), &publication);
        let is_told = driver.refuse(
            command.id,
            &channel,
            publication,
            Denied::too_fast(TOO_FAST),
        );
        self.under_way += usize::from(is_told);
        is_told
    }
}
