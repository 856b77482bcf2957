//! Messages as they come: which commands they have, and when the next one is taken.

use holdwire::proto::Flow;

use super::{Machine, State, UNDER_WAY, fail};
use crate::centrifuge::{Encoding, Saying};
use crate::position::MAX_OFFSET;
use crate::session::dialect::{Dialect, End};
use crate::session::driver::Driver;
use crate::wire::Command;

impl Machine {
    /// Takes a text message.
    pub(crate) fn handle_text(&mut self, text: &str, driver: &mut impl Driver) -> Flow {
        if self.state == State::Over {
            return Flow::Continue;
        }
        self.unanswered = 0;
        match self.dialect {
            Dialect::Holdwire => match serde_json::from_str::<Command>(text) {
                Ok(command) if (1..=MAX_OFFSET).contains(&command.id) => {
                    self.limited(command, driver);
                }
                Ok(_) => self.close(
                    End::NoCommand,
                    "a command has an id, from 1 to 2^53 - 1",
                    driver,
                ),
                Err(error) => {
                    self.close(End::NoCommand, &format!("no command: {error}"), driver);
                }
            },
            Dialect::Centrifuge(Encoding::Json) => {
                self.read(Encoding::Json, text.as_bytes(), driver);
            }
            Dialect::Centrifuge(Encoding::Protobuf) => {
                self.close(End::NoCommand, "commands are binary messages", driver);
            }
        }
        self.pace(driver)
    }

    /// Takes a binary message.
    pub(crate) fn handle_binary(&mut self, payload: &[u8], driver: &mut impl Driver) -> Flow {
        if self.state == State::Over {
            return Flow::Continue;
        }
        self.unanswered = 0;
        if self.dialect == Dialect::Centrifuge(Encoding::Protobuf) {
            self.read(Encoding::Protobuf, payload, driver);
        } else {
            self.close(End::NoCommand, "commands are text messages", driver);
        }
        self.pace(driver)
    }

    /// Follows the commands of a message, until one of them is under way that comes first.
    pub(super) fn read(
        &mut self,
        encoding: Encoding,
        mut message: &[u8],
        driver: &mut impl Driver,
    ) {
        while self.state != State::Over {
            if self.waits() {
                self.held = message.to_vec();
                return;
            }
            match encoding.next(&mut message) {
                Ok(Some(Saying::Command(command))) => self.limited(*command, driver),
                // Nobody waits for an answer.
                Ok(Some(Saying::Refused(0, _, why))) => self.close(End::NoCommand, why, driver),
                Ok(Some(Saying::Refused(id, fault, why))) => fail(id, fault, why, driver),
                Ok(Some(Saying::Pong)) => {}
                Ok(None) => return,
                Err(error) => {
                    self.close(End::NoCommand, &format!("no command: {error}"), driver);
                }
            }
        }
    }

    /// Reads on what was left.
    pub(super) fn read_on(&mut self, driver: &mut impl Driver) {
        if let Dialect::Centrifuge(encoding) = self.dialect {
            let held = std::mem::take(&mut self.held);
            self.read(encoding, &held, driver);
        }
    }

    /// Whether what is under way comes before anything else.
    pub(super) fn waits(&self) -> bool {
        self.state == State::Connecting || self.under_way >= UNDER_WAY || self.asked > 0
    }

    pub(super) fn flow(&mut self) -> Flow {
        self.is_paused = self.waits();
        if self.is_paused {
            Flow::Pause
        } else {
            Flow::Continue
        }
    }

    /// Whether the next message is taken now.
    pub(super) fn pace(&mut self, driver: &mut impl Driver) -> Flow {
        if std::mem::take(&mut self.is_crowding) || self.is_crowded(driver) {
            return Flow::Pause;
        }
        self.flow()
    }
}
