//! What becomes of the messages that a line was given: nothing is lost without a word.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

use holdwire::Message;
use holdwire::line::{Handle, Outcome, Receipt, SendError};

use super::Failure;
use super::plan::excerpt;
use super::words::Words;

/// The messages of one line on their way.
pub(super) struct Deliveries {
    line: Handle,
    words: Words,
    under_way: RefCell<VecDeque<Delivery>>,
    failed: Cell<u64>,
}

struct Delivery {
    receipt: Receipt,
    message: Message,
}

/// As many messages are watched. A server that answers no ping proves none of them.
const MANY: usize = 4096;

impl Deliveries {
    pub(super) fn new(line: Handle, words: Words) -> Self {
        Self {
            line,
            words,
            under_way: RefCell::default(),
            failed: Cell::new(0),
        }
    }

    /// Sends a message, waiting for room in the outbox.
    pub(super) async fn send(&self, message: impl Into<Message>) -> Result<(), Failure> {
        let mut message = message.into();
        loop {
            self.look();
            match self.line.send(message.clone()) {
                Ok(receipt) => {
                    let mut under_way = self.under_way.borrow_mut();
                    under_way.push_back(Delivery { receipt, message });
                    return Ok(());
                }
                Err(SendError::Full(back)) => message = back,
                Err(SendError::TooBig(back)) => {
                    let bytes = back.len();
                    return Err(Failure::failed(format!(
                        "a line of {bytes} bytes is too long to be sent; give shorter ones"
                    )));
                }
                // The line tells why it has stopped.
                Err(_) => return Ok(()),
            }
            self.next_written().await;
        }
    }

    /// Waits until everything was written, or cannot be any more.
    pub(super) async fn all_written(&self) {
        while self.next_written().await {}
        self.look();
    }

    /// Waits for the first message that is not written; false if there is none.
    async fn next_written(&self) -> bool {
        for index in 0.. {
            let receipt = {
                let under_way = self.under_way.borrow();
                let Some(delivery) = under_way.get(index) else {
                    return false;
                };
                delivery.receipt.clone()
            };
            if !receipt.is_written() {
                // What comes instead is told when it is looked at.
                let _ = receipt.written().await;
                return true;
            }
        }
        false
    }

    /// Tells of messages that may not have arrived.
    pub(super) fn look(&self) {
        let mut under_way = self.under_way.borrow_mut();
        while under_way.len() > MANY {
            under_way.pop_front();
        }
        while let Some(outcome) = under_way.front().and_then(|first| first.receipt.outcome()) {
            let Some(Delivery { message, .. }) = under_way.pop_front() else {
                return;
            };
            let what = message
                .as_text()
                .map_or_else(|| format!("{} bytes", message.len()), excerpt);
            match outcome {
                Outcome::Written => continue,
                Outcome::Unknown => {
                    let line =
                        format!("lost or not, nobody knows: {what}, sent just before a drop");
                    self.words.say(&line);
                }
                other => self.words.say(&format!("not sent: {what}, {other}")),
            }
            self.failed.set(self.failed.get() + 1);
        }
    }

    /// Whether all that was sent has arrived, now that the line has ended.
    pub(super) fn judge(&self) -> Result<(), Failure> {
        self.look();
        match self.failed.get() {
            0 => Ok(()),
            count => Err(Failure::failed(format!(
                "of the messages that were sent, {count} may not have arrived; see what the \
                 server has, and send them again"
            ))),
        }
    }
}
