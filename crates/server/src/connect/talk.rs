//! A conversation: what is sent, what is shown, and when it is over.

use std::io::{self, IsTerminal};
use std::pin::pin;
use std::time::Duration;

use holdwire::{CloseCode, Closed, Ended, Message, Opened, Receiver, Sender};
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

use crate::cli::ConnectFlags;
use crate::config::Value as _;

use super::command::{Command, HELP};
use super::output::Output;
use super::plan::{Plan, Progress, excerpt};
use super::words::Words;
use super::{FAREWELL, Failure, deadline, reached, stdin};

/// Why a conversation is over.
enum End {
    /// The connection ended without us.
    Peer,
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
        timeout: flags
            .timeout
            .or((!flags.expect.is_empty()).then_some(EXPECT_TIMEOUT)),
    };
    let end = conversation.run(&sender, receiver, lines, interrupt).await;
    conversation.close(&sender, end).await
}

/// How long --expect waits unless it was told.
const EXPECT_TIMEOUT: Duration = Duration::from_secs(5);

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
        let input = Input {
            sender,
            flags: self.flags,
            words: self.words,
            is_typed: io::stdin().is_terminal(),
        };
        let mut input = pin!(input.send_all(lines));
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
                    Some(Err(error)) => return End::Failed(Failure::lost(&error)),
                    None => return End::Peer,
                },
                end = &mut input, if is_sending => {
                    is_sending = false;
                    match end {
                        Some(end) => return end,
                        None if self.plan.is_open() || self.flags.no_close => {}
                        None => quiet_from = Some(Instant::now()),
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

    /// Closes if need be, and judges.
    async fn close(&self, sender: &Sender, end: End) -> Result<(), Failure> {
        let missing = || self.plan.missing();
        let result = match end {
            End::Peer => return self.judge(sender.closed()),
            End::Own(code, reason) => {
                let closed = sender.close(code, &reason).await;
                self.say_closed(&closed);
                return self.asked_for("the connection was closed");
            }
            End::Done => Ok(()),
            End::Missed => Err(Failure::failed(format!(
                "{} was not there ({}); see what the server sends",
                missing(),
                self.plan.seen()
            ))),
            End::Late if self.plan.is_open() => Err(Failure::failed(format!(
                "{} did not come within {} ({}); see what the server sends, or give --timeout more",
                missing(),
                self.timeout.unwrap_or_default().show(),
                self.plan.seen()
            ))),
            End::Late => Ok(()),
            End::Interrupted => self.asked_for("the program was interrupted"),
            End::Failed(failure) => Err(failure),
        };
        let closed = sender.close(FAREWELL, "").await;
        self.say_closed(&closed);
        result
    }

    /// The server closed, with or without our consent.
    fn judge(&self, closed: Option<Closed>) -> Result<(), Failure> {
        let Some(closed) = closed else {
            return self.asked_for("the connection ended");
        };
        if !closed.is_clean() {
            return Err(Failure::unclean(&closed));
        }
        let how = how_closed("the server closed", &closed);
        self.asked_for(&how)?;
        let is_usual = match closed.ended {
            Ended::Clean(code) => {
                code.is_none_or(|code| [CloseCode::NORMAL, CloseCode::GOING_AWAY].contains(&code))
            }
            _ => false,
        };
        if is_usual {
            self.words.say(&how);
            Ok(())
        } else {
            Err(Failure::failed(format!("{how}; see the server's log")))
        }
    }

    /// Whether all came that was waited for; else what came in between.
    fn asked_for(&self, event: &str) -> Result<(), Failure> {
        if self.plan.is_open() {
            Err(Failure::failed(format!(
                "{event} before {} came ({}); see what the server sends",
                self.plan.missing(),
                self.plan.seen()
            )))
        } else {
            Ok(())
        }
    }

    fn say_closed(&self, closed: &Closed) {
        self.words.say(&match closed.is_clean() {
            true => how_closed("closed", closed),
            false => format!("closed, but {closed}"),
        });
    }
}

fn how_closed(event: &str, closed: &Closed) -> String {
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

/// What goes out: the flags' messages, then the lines of standard input.
struct Input<'a> {
    sender: &'a Sender,
    flags: &'a ConnectFlags,
    words: Words,
    is_typed: bool,
}

impl Input<'_> {
    /// Sends until the input ends; how that ends the conversation, if it does at once.
    async fn send_all(&self, mut lines: mpsc::Receiver<io::Result<String>>) -> Option<End> {
        // An error of sending is one of the connection, which the receiving side tells.
        if self.flags.ping {
            ping(self.sender.clone(), self.words).await;
        }
        for text in &self.flags.send {
            self.sender.send(text.as_str()).await.ok()?;
        }
        if self.is_typed {
            self.words.say(HELP);
        }
        while let Some(line) = lines.recv().await {
            match line {
                Ok(line) if self.is_typed => {
                    if let Some(end) = self.obey(Command::parse(line)).await {
                        return Some(end);
                    }
                }
                Ok(line) => self.sender.send(line).await.ok()?,
                Err(error) => {
                    return Some(End::Failed(Failure::failed(format!(
                        "standard input cannot be sent: {error}; give lines of UTF-8 text"
                    ))));
                }
            }
        }
        let _ = self.sender.flush().await;
        self.is_typed.then(|| End::Own(FAREWELL, String::new()))
    }

    async fn obey(&self, command: Command) -> Option<End> {
        let sent = match command {
            Command::Text(text) => self.sender.send(text).await,
            Command::Binary(bytes) => self.sender.send(bytes).await,
            Command::Ping => {
                tokio::spawn(ping(self.sender.clone(), self.words));
                Ok(())
            }
            Command::Close(code, reason) => return Some(End::Own(code, reason)),
            Command::Help => {
                self.words.tell(HELP);
                return None;
            }
            Command::Wrong(remedy) => {
                self.words.tell(remedy);
                return None;
            }
        };
        if sent.is_ok() {
            self.words.prompt();
        }
        None
    }
}

/// Tells how long a pong takes.
async fn ping(sender: Sender, words: Words) {
    if let Ok(time) = sender.ping().await {
        words.tell(&format!("pong after {:.3} ms", time.as_secs_f64() * 1000.0));
    }
}
