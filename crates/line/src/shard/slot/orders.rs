//! What others ask of a connection, and messages of theirs that wait for room.

use holdwire_proto::{Config, Message, SendError};
use tokio::sync::oneshot;

use super::{Slot, Tools};
use crate::error::Error;
use crate::shard::mailbox::Order;
use crate::shard::socket::Socket;

/// A message from elsewhere, and who waits until it is queued.
pub(super) struct Waiting {
    pub(super) message: Message,
    pub(super) done: oneshot::Sender<Result<(), Error>>,
}

impl<S: Socket> Slot<S> {
    /// Does what was asked from elsewhere; a turn follows.
    pub(in crate::shard) fn obey(&mut self, order: Order, tools: &mut Tools, config: &Config) {
        match order {
            Order::Send(message, done) => {
                let waiting = Waiting { message, done };
                if self.is_anyone_waiting() {
                    self.rare().waiting.push(waiting);
                } else if let Some(waiting) = self.send(waiting, tools, config) {
                    self.rare().waiting.push(waiting);
                }
            }
            Order::Close(code, reason) => {
                self.with(tools, config, |connection, cx, _| {
                    connection.sender(cx).close(code, &reason);
                });
            }
            Order::Drain(code, reason) => {
                self.with(tools, config, |connection, cx, lender| {
                    let mut sender = connection.reply(cx);
                    lender.call(&mut sender, |session, sender| {
                        session.on_drain(code, &reason, sender);
                    });
                    sender.close(code, &reason);
                });
            }
            Order::Cut => self.connection.handle_eof(),
            Order::PlayDead(duration) => {
                let until = tools.now.after(duration);
                self.rare().dead_until = Some(until);
            }
            Order::Resume => self.flags.is_paused = false,
            Order::Wake => self.call(tools, config, |session, sender| session.on_wake(sender)),
            Order::WakeWhenSent => self.flags.is_to_wake = true,
            // The shard's own.
            Order::Join(_) | Order::Leave(_) => {}
        }
    }

    /// Queues messages from elsewhere that waited for room; true when it did.
    pub(super) fn send_waiting(&mut self, tools: &mut Tools, config: &Config) -> bool {
        if !self.is_anyone_waiting() {
            return false;
        }
        let mut waiting = std::mem::take(&mut self.rare().waiting).into_iter();
        let mut has_sent = false;
        while let Some(first) = waiting.next() {
            if let Some(back) = self.send(first, tools, config) {
                self.rare().waiting = std::iter::once(back).chain(waiting).collect();
                break;
            }
            has_sent = true;
        }
        has_sent
    }

    /// Queues a message and tells who waits for that; gives it back when there is no room.
    fn send(&mut self, waiting: Waiting, tools: &mut Tools, config: &Config) -> Option<Waiting> {
        let Waiting { message, done } = waiting;
        let sent = self.with(tools, config, |connection, cx, _| {
            connection.sender(cx).message(message.clone())
        });
        let result = match sent {
            Err(SendError::Full) => return Some(Waiting { message, done }),
            Ok(()) => Ok(()),
            Err(_) => Err(Error::Closed),
        };
        // Nobody need be waiting any more.
        let _ = done.send(result);
        None
    }

    pub(super) fn is_anyone_waiting(&self) -> bool {
        let rare = self.cold.as_ref().and_then(|cold| cold.rare.as_ref());
        rare.is_some_and(|rare| !rare.waiting.is_empty())
    }
}
