//! `--reconnect`: a conversation over a line that comes back.

use std::io::{self, IsTerminal};
use std::pin::pin;

use holdwire::line::{Cause, Event, Handle, Line, Loss, Outbox, Policy, Why};
use holdwire::{Client, CloseCode, Error, Message};
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

use crate::cli::{BinaryView, ConnectFlags};
use crate::config::Value as _;

use super::command::{Command, HELP};
use super::delivery::Deliveries;
use super::failure::with_causes;
use super::input::InputEnd;
use super::plan::{self, Plan, Progress};
use super::report::Report;
use super::talk::how_closed;
use super::words::Words;
use super::{CLOSED, FAREWELL, Failure, INTERRUPTED, deadline, reached, stdin};

/// What may wait to be sent, in bytes; lines are read no faster than that.
const OUTBOX: usize = 16 * 1024 * 1024;

/// Why the conversation is over.
enum End {
    /// The line will not come back.
    Stopped(Failure),
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
    /// Something else than the line failed.
    Failed(Failure),
}

/// Talks until the user has enough or the line cannot come back.
pub(super) async fn talk(
    client: Client,
    flags: &ConnectFlags,
    interrupt: &Notify,
) -> Result<(), Failure> {
    if flags.json && flags.binary == BinaryView::Raw {
        return Err(Failure::usage(
            "--binary raw: raw bytes are no lines of JSON; leave it out, or --json".to_owned(),
        ));
    }
    let lines = stdin::lines().map_err(Failure::system)?;
    let mut words = Words::new(flags);
    let policy = Policy {
        connect_timeout: flags.connect_timeout,
        max_attempts: flags.max_attempts,
        ..Policy::default()
    };
    let mut line = Line::to(flags.url.url())
        .client(client)
        .policy(policy)
        .outbox(Outbox::default().max_bytes(OUTBOX))
        .start();
    let deliveries = Deliveries::new(line.handle(), words);
    let mut conversation = Conversation {
        flags,
        report: Some(Report::new(flags, words)),
        plan: Plan::new(flags),
        deliveries: &deliveries,
    };
    let input = send_all(&deliveries, line.handle(), flags, words, lines);
    let end = conversation.run(&mut line, input, interrupt).await;

    words.end_prompt();
    let (code, reason) = match &end {
        End::Own(code, reason) => (*code, reason.as_str()),
        _ => (FAREWELL, ""),
    };
    line.stop_with(code, reason);
    tokio::select! {
        () = line.ended() => {}
        () = interrupt.notified() => {}
    }
    conversation.finish(&mut line).await;
    conversation.judge(end)?;
    deliveries.judge()
}

struct Conversation<'a> {
    flags: &'a ConnectFlags,
    /// `None` when nobody reads it any more.
    report: Option<Report<'a>>,
    plan: Plan,
    deliveries: &'a Deliveries,
}

impl Conversation<'_> {
    async fn run(
        &mut self,
        line: &mut Line,
        input: impl Future<Output = InputEnd>,
        interrupt: &Notify,
    ) -> End {
        let late = deadline(plan::timeout(self.flags));
        let mut input = pin!(input);
        let mut is_sending = true;
        let mut quiet_from = None;
        loop {
            let quiet_until =
                quiet_from.and_then(|from: Instant| from.checked_add(self.flags.linger));
            tokio::select! {
                event = line.next() => {
                    self.deliveries.look();
                    match event {
                        Some(Event::Message(message)) => {
                            if let Some(end) = self.receive(&message) {
                                return end;
                            }
                            quiet_from = quiet_from.map(|_| Instant::now());
                        }
                        Some(event) => {
                            if let Some(end) = self.note(&event) {
                                return end;
                            }
                        }
                        None => return End::Done,
                    }
                }
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
        if let Some(report) = &mut self.report {
            match report.message(message) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => self.report = None,
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
            Progress::Open if self.report.is_none() && !self.plan.is_open() => Some(End::Done),
            Progress::Open => None,
        }
    }

    /// Says how the line does, and sees whether it is over.
    fn note(&self, event: &Event) -> Option<End> {
        if let Some(report) = &self.report {
            report.state(event);
        }
        match event {
            Event::Stopped { why, loss } => {
                let failure = self.failure(*why, loss.as_deref());
                Some(End::Stopped(failure))
            }
            _ => None,
        }
    }

    /// Says that the line has stopped, unless that was said.
    async fn finish(&self, line: &mut Line) {
        while let Some(event) = line.next().await {
            if let (Some(report), Event::Stopped { .. }) = (&self.report, &event) {
                report.state(&event);
            }
        }
    }

    /// Why the line will not come back, and what to do.
    fn failure(&self, why: Why, loss: Option<&Loss>) -> Failure {
        let place = self.flags.url.show();
        let Some(loss) = loss else {
            return Failure::failed(format!("{place}: the line ended; start it again"));
        };
        match &loss.cause {
            _ if why == Why::Attempts => Failure::failed(format!(
                "{place}: {}; see whether the server runs, or give --max-attempts more",
                with_causes(loss)
            )),
            Cause::Connect(error) => Failure::not_open(self.flags, error),
            Cause::Closed(closed) => {
                let how = how_closed("the server closed", closed);
                Failure::failed(format!("{how}; see the server's log"))
            }
            Cause::Protocol(violation) => Failure::lost(&Error::Protocol(*violation)),
            _ => Failure::failed(format!("{place}: {}; see the network", with_causes(loss))),
        }
    }

    /// Whether all went as asked.
    fn judge(&self, end: End) -> Result<(), Failure> {
        match end {
            End::Stopped(failure) | End::Failed(failure) => Err(failure),
            End::Missed => Err(self.plan.missed()),
            End::Late => {
                let time = plan::timeout(self.flags).unwrap_or_default();
                self.plan.fulfilled_within(time)
            }
            End::Interrupted => self.plan.fulfilled_before(INTERRUPTED),
            End::Own(..) | End::Done => self.plan.fulfilled_before(CLOSED),
        }
    }
}

/// Sends the flags' messages, then the lines of standard input, until they end and all is written.
async fn send_all(
    deliveries: &Deliveries,
    line: Handle,
    flags: &ConnectFlags,
    words: Words,
    mut lines: mpsc::Receiver<io::Result<String>>,
) -> InputEnd {
    for text in &flags.send {
        if let Err(failure) = deliveries.send(text.as_str()).await {
            return InputEnd::Failed(failure);
        }
        words.show_sent(text);
    }
    let is_typed = io::stdin().is_terminal();
    if is_typed {
        words.say(HELP);
    }
    while let Some(next) = lines.recv().await {
        let command = match next {
            Ok(text) if is_typed => Command::parse(text),
            Ok(text) => Command::Text(text),
            Err(error) => {
                return InputEnd::Failed(Failure::failed(format!(
                    "standard input cannot be sent: {error}; give lines of UTF-8 text"
                )));
            }
        };
        let sent = match command {
            Command::Close(code, reason) => return InputEnd::Close(code, reason),
            Command::Text(text) => deliveries.send(text).await,
            Command::Binary(bytes) => deliveries.send(bytes).await,
            Command::Help => {
                words.tell(HELP);
                continue;
            }
            Command::Wrong(remedy) => {
                words.tell(remedy);
                continue;
            }
            Command::Ping => {
                words.tell(&round_trip(&line));
                continue;
            }
        };
        if let Err(failure) = sent {
            return InputEnd::Failed(failure);
        }
        words.prompt();
    }
    deliveries.all_written().await;
    match is_typed {
        true => InputEnd::Close(FAREWELL, String::new()),
        false => InputEnd::Sent,
    }
}

fn round_trip(line: &Handle) -> String {
    match line.round_trip() {
        Some(time) => format!("the last pong after {:.3} ms", time.as_secs_f64() * 1000.0),
        None => "there was no pong yet".to_owned(),
    }
}
