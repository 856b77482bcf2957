//! The task of a client: between its machine and its line.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use holdwire::line::{Event as LineEvent, Line, TargetError};
use tokio::task::{Id, JoinSet};
use tokio::time::Instant;

use super::handle::{Inner, Shared, Status};
use super::machine::{AGAIN, News, TokenAsk};
use crate::channel::ChannelName;

/// How often the positions are compared with the server's, while there are any.
const PING: Duration = Duration::from_secs(25);

/// A line, the generation of its connection, and what is due.
pub(super) struct Task {
    line: Line,
    shared: Arc<Shared>,
    /// The number of the attempt that opened the connection.
    generation: Option<u64>,
    ping: Instant,
    /// When to connect again after the server could not let the client in.
    again: Option<Instant>,
    /// The functions that get tokens, and for which channel.
    granting: JoinSet<Result<String, TargetError>>,
    granted_to: HashMap<Id, (ChannelName, TokenAsk)>,
}

/// What the task waits for.
enum Input {
    Line(Option<LineEvent>),
    Wake,
    Time,
    Token(Id, Result<String, String>),
}

impl Task {
    pub(super) fn new(line: Line, shared: Arc<Shared>) -> Self {
        Self {
            line,
            shared,
            generation: None,
            ping: Instant::now() + PING,
            again: None,
            granting: JoinSet::new(),
            granted_to: HashMap::new(),
        }
    }

    /// Runs until the client is stopped or its line will not come back.
    pub(super) async fn run(mut self) {
        let reason = loop {
            if let Some(reason) = self.pass_on() {
                break reason;
            }
            match self.wait().await {
                Input::Wake => {}
                Input::Time => self.handle_time(),
                Input::Token(id, token) => self.handle_token(id, token),
                Input::Line(Some(event)) => {
                    if let Some(reason) = self.handle_line(event) {
                        break reason;
                    }
                }
                Input::Line(None) => break "the line has ended".to_owned(),
            }
        };
        self.shared.lock().stop();
        self.line.stop();
        self.line.ended().await;
        self.shared.status.send_replace(Status::Stopped { reason });
    }

    async fn wait(&mut self) -> Input {
        let shared = Arc::clone(&self.shared);
        let (deadline, has_room) = {
            let inner = shared.lock();
            let of_machine = inner.machine.poll_timeout().map(Instant::from_std);
            let ping = inner.machine.has_live().then_some(self.ping);
            let deadline = [of_machine, ping, self.again].into_iter().flatten().min();
            (
                deadline,
                inner.queues.values().all(|queue| !queue.is_full()),
            )
        };
        let timeout = async {
            match deadline {
                Some(deadline) => tokio::time::sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = shared.wake.notified() => Input::Wake,
            Some(result) = self.granting.join_next_with_id() => match result {
                Ok((id, token)) => Input::Token(id, token.map_err(|error| error.reason())),
                Err(error) => Input::Token(error.id(), Err("its function has panicked".to_owned())),
            },
            event = self.line.next(), if has_room => Input::Line(event),
            () = timeout => Input::Time,
        }
    }

    /// Hands out what the machine has; says why when the client is to stop.
    fn pass_on(&mut self) -> Option<String> {
        let mut inner = self.shared.lock();
        let mut refused = None;
        while let Some(news) = inner.machine.poll_news() {
            match news {
                News::Channel(channel, event) => tell(&mut inner, &channel, event),
                News::Token(channel, ask) => {
                    let queue = inner.queues.get(&channel);
                    if let Some(source) = queue.and_then(|queue| queue.source.clone()) {
                        let name = channel.clone();
                        // The user's function runs in the task of its own, without the lock.
                        let task = self.granting.spawn(async move { source(name).await });
                        self.granted_to.insert(task.id(), (channel, ask));
                    }
                }
                News::Published(serial, outcome) => inner.settle(serial, outcome),
                News::Answered(ask, answer) => inner.answer(ask, answer),
                News::Connected { client, resumed } => {
                    let status = Status::Connected { client, resumed };
                    self.shared.status.send_replace(status);
                }
                News::Refused(error) => refused = Some(error),
            }
        }
        let is_stopping = inner.is_stopping;
        if let Some(generation) = self.generation {
            while let Some(text) = inner.machine.poll_output() {
                // When that connection is gone, the machine hears of it next.
                let _ = self.line.send_on(generation, text);
            }
        }
        drop(inner);
        match refused {
            Some(error) if error.temporary => {
                self.again = Some(Instant::now() + AGAIN);
                None
            }
            Some(error) => Some(format!("{} ({})", error.message, error.code)),
            None => is_stopping.then(|| "asked".to_owned()),
        }
    }

    fn handle_time(&mut self) {
        let now = Instant::now();
        let mut inner = self.shared.lock();
        inner.machine.handle_timeout(now.into_std());
        if self.ping <= now {
            self.ping = now + PING;
            inner.machine.ping();
        }
        if self.again.is_some_and(|again| again <= now) {
            self.again = None;
            inner.machine.handle_up(now.into_std());
        }
    }

    fn handle_token(&mut self, id: Id, token: Result<String, String>) {
        if let Some((channel, ask)) = self.granted_to.remove(&id) {
            let now = Instant::now().into_std();
            self.shared.lock().machine.token(&channel, ask, token, now);
        }
    }

    fn handle_line(&mut self, event: LineEvent) -> Option<String> {
        let now = Instant::now();
        let mut inner = self.shared.lock();
        match event {
            LineEvent::Up { generation, .. } => {
                self.generation = Some(generation);
                self.ping = now + PING;
                inner.machine.handle_up(now.into_std());
            }
            LineEvent::Message(message) => {
                if let Some(text) = message.as_text() {
                    inner.machine.handle_message(text, now.into_std());
                }
            }
            LineEvent::Down { loss, .. } => {
                self.generation = None;
                self.again = None;
                inner.machine.handle_down();
                let reason = loss.to_string();
                self.shared.status.send_replace(Status::Down { reason });
            }
            LineEvent::Stopped { why, loss } => {
                let loss = loss.map(|loss| loss.to_string());
                return Some(loss.unwrap_or_else(|| format!("{why:?}")));
            }
            _ => {}
        }
        None
    }
}

fn tell(inner: &mut Inner, channel: &crate::channel::ChannelName, event: super::sub::Event) {
    let has_ended = matches!(event, super::sub::Event::Ended { .. });
    if let Some(queue) = inner.queues.get(channel) {
        queue.push(event);
    }
    if has_ended {
        inner.queues.remove(channel);
    }
}
