//! A conversation: what is sent, what is shown, and when it is over.

use std::io;
use std::pin::pin;
use std::time::Duration;

use holdwire::{CloseCode, Closed, Ended, Error, Message, Opened, Receiver, Sender};
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

use crate::cli::ConnectFlags;
use crate::config::Value as _;

use super::input::{InputEnd, send_all};
use super::output::Output;
use super::plan::{self, Plan, Progress, excerpt};
use super::words::Words;
use super::{CLOSED, FAREWELL, Failure, INTERRUPTED, deadline, reached, stdin};

/// Why a conversation is over.
enum End {
    /// The server closed.
    Peer,
    /// The connection ended without a closing handshake.
    Lost(Error),
    /// The user closes.
    Own(CloseCode, String),
    /// All came that was waited for, or the input and the answers to it ended.
    Done,
    /// --count messages came without the one that --expect names.
    Missed,
    /// --timeout passed.
    Late,
    /// Ctrl-C.
    Interrupted,
    /// Something else than the connection failed.
    Failed(Failure),
}

/// Talks until one side ends it.
pub(super) async fn talk(
    opened: Opened,
    flags: &ConnectFlags,
    interrupt: &Notify,
) -> Result<(), Failure> {
    let words = Words::new(flags);
    words.say(&about(&opened, flags));
    let lines = stdin::lines().map_err(Failure::system)?;
    let (sender, receiver) = opened.spawn().split();
    let mut conversation = Conversation {
        flags,
        words,
        output: Some(Output::new(flags, words)),
        plan: Plan::new(flags),
        timeout: plan::timeout(flags),
    };
    let end = conversation.run(&sender, receiver, lines, interrupt).await;
    conversation.close(&sender, end, interrupt).await
}

/// How long a server that has closed may take to end the transport, as it should (RFC 6455 §7.1.1).
const LAST_BYTES: Duration = Duration::from_secs(1);

fn about(opened: &Opened, flags: &ConnectFlags) -> String {
    let mut line = format!("connected to {}", flags.url.show());
    if let Some(name) = opened.socket.subprotocol() {
        line = format!("{line}, subprotocol {name}");
    }
    if opened.deflate.is_some() {
        line.push_str(", permessage-deflate");
    }
    line
}

struct Conversation<'a> {
    flags: &'a ConnectFlags,
    words: Words,
    /// `None` when nobody reads it any more.
    output: Option<Output>,
    plan: Plan,
    timeout: Option<Duration>,
}

impl Conversation<'_> {
    async fn run(
        &mut self,
        sender: &Sender,
        mut receiver: Receiver,
        lines: mpsc::Receiver<io::Result<String>>,
        interrupt: &Notify,
    ) -> End {
        let late = deadline(self.timeout);
        let mut input = pin!(send_all(sender, self.flags, self.words, lines));
        let mut is_sending = true;
        let mut quiet_from = None;
        loop {
            let quiet_until =
                quiet_from.and_then(|from: Instant| from.checked_add(self.flags.linger));
            tokio::select! {
                message = receiver.recv() => match message {
                    Some(Ok(message)) => {
                        if let Some(end) = self.receive(&message) {
                            return end;
                        }
                        quiet_from = quiet_from.map(|_| Instant::now());
                    }
                    Some(Err(error)) => return End::Lost(error),
                    None => return End::Peer,
                },
                end = &mut input, if is_sending => {
                    is_sending = false;
                    match end {
                        InputEnd::Close(code, reason) => return End::Own(code, reason),
                        InputEnd::Failed(failure) => return End::Failed(failure),
                        InputEnd::Sent if self.plan.is_open() || self.flags.no_close => {}
                        InputEnd::Sent => quiet_from = Some(Instant::now()),
                    }
                }
                () = reached(late) => return End::Late,
                () = reached(quiet_until) => return End::Done,
                () = interrupt.notified() => return End::Interrupted,
            }
        }
    }

    /// Shows a message and sees whether it was the last that is waited for.
    fn receive(&mut self, message: &Message) -> Option<End> {
        if let Some(output) = &mut self.output {
            match output.show(message) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => self.output = None,
                Err(error) => {
                    return Some(End::Failed(Failure::failed(format!(
                        "a message cannot be written: {error}; see whether there is room"
                    ))));
                }
            }
        }
        match self.plan.take(message) {
            Progress::Done => Some(End::Done),
            Progress::Missed => Some(End::Missed),
            // Nobody reads and nothing is waited for.
            Progress::Open if self.output.is_none() && !self.plan.is_open() => Some(End::Done),
            Progress::Open => None,
        }
    }

    /// Closes, which waits for the last bytes of a connection that is closed already, and judges.
    /// An impatient user ends the wait.
    async fn close(mut self, sender: &Sender, end: End, interrupt: &Notify) -> Result<(), Failure> {
        self.words.end_prompt();
        let (code, reason) = match &end {
            End::Own(code, reason) => (*code, reason.as_str()),
            _ => (FAREWELL, ""),
        };
        let patience = match &end {
            End::Peer | End::Lost(_) => Some(LAST_BYTES),
            _ => None,
        };
        tokio::select! {
            _ = sender.close(code, reason) => {}
            () = reached(deadline(patience)) => {}
            () = interrupt.notified() => {}
        }
        match (end, sender.closed()) {
            (End::Peer, Some(closed)) => self.judge(&closed),
            (End::Lost(error), _) => Err(Failure::lost(&error)),
            (end, closed) => {
                if let Some(closed) = closed {
                    self.words.say(&match closed.is_clean() {
                        true => how_closed("closed", &closed),
                        false => format!("closed, but {closed}"),
                    });
                }
                self.judge_own(end)
            }
        }
    }

    /// The server closed: whether that was time, and how it did.
    fn judge(&self, closed: &Closed) -> Result<(), Failure> {
        let Ended::Clean(code) = closed.ended else {
            return Err(Failure::unclean(closed));
        };
        let how = how_closed("the server closed", closed);
        self.plan.fulfilled_before(&how)?;
        let usual = [CloseCode::NORMAL, CloseCode::GOING_AWAY];
        if code.is_none_or(|code| usual.contains(&code)) {
            self.words.say(&how);
            Ok(())
        } else {
            Err(Failure::failed(format!("{how}; see the server's log")))
        }
    }

    /// We closed: whether all came that was waited for.
    fn judge_own(&self, end: End) -> Result<(), Failure> {
        match end {
            End::Missed => Err(self.plan.missed()),
            End::Late => self.plan.fulfilled_within(self.timeout.unwrap_or_default()),
            End::Failed(failure) => Err(failure),
            End::Interrupted => self.plan.fulfilled_before(INTERRUPTED),
            _ => self.plan.fulfilled_before(CLOSED),
        }
    }
}

pub(super) fn how_closed(event: &str, closed: &Closed) -> String {
    let code = match closed.ended {
        Ended::Clean(Some(code)) => format!("with code {code}"),
        _ => "without a code".to_owned(),
    };
    if closed.reason.is_empty() {
        format!("{event} {code}")
    } else {
        format!("{event} {code}: {}", excerpt(&closed.reason))
    }
}
