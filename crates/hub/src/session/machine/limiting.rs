//! What comes too fast.

use super::{Machine, fail};
use crate::engine::{Key, Publish as Publication};
use crate::publication::Payload;
use crate::session::dialect::End;
use crate::session::driver::Driver;
use crate::session::{FAR_TOO_FAST, Pass};
use crate::wire::{Command, Fault};

impl Machine {
    /// Follows a command, unless too many of them come.
    pub(super) fn limited(&mut self, command: Command, driver: &mut impl Driver) {
        match driver.spend(command.publish.is_some()) {
            Pass::Go => self.command(command, driver),
            // What ends something, or shows that somebody is there, does not wait.
            Pass::Wait if command.is_light() => self.command(command, driver),
            Pass::Wait => {
                let id = command.id;
                self.put_off(command);
                if id > 0 {
                    fail(id, Fault::TooFast, "too many commands in a second", driver);
                }
            }
            Pass::Stop => self.close(End::TooFast, FAR_TOO_FAST, driver),
        }
    }

    /// A publication is to come again before those after it.
    fn put_off(&mut self, command: Command) {
        let Some(publish) = command.publish else {
            return;
        };
        let key = self.publisher.zip(publish.n);
        let key = key.map(|(publisher, n)| Key::Sequence(publisher, n));
        if let Ok(channel) = publish.channel.parse() {
            let payload = Payload::from("");
            self.hold(channel, &Publication { payload, key });
        }
    }
}
