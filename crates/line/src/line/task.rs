//! The task of a line: it does what the reconnect machine says.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use holdwire_proto::Message;
use holdwire_proto::reconnect::{self, Action, Decision, Reconnect};
use tokio::time::{Instant, Sleep};

use super::event::{Event, Why};
use super::handle::{Shared, State};
use super::live::Live;
use super::loss::{Cause, Loss};
use super::target::{Attempt, Source, Target, may_follow};
use crate::client::{Client, ConnectError, Opened};
use crate::error::Closed;

/// What the builder was told.
pub(super) struct Settings {
    pub(super) source: Source,
    pub(super) client: Client,
    pub(super) on_loss: Option<Override>,
    pub(super) on_up: Option<Greeting>,
    pub(super) follows_advice: bool,
}

pub(super) type Override = Box<dyn FnMut(&Loss) -> Option<Decision> + Send>;
pub(super) type Greeting = Box<dyn FnMut(u64) -> Vec<Message> + Send>;

/// Owns the machine and the one transport there is.
pub(super) struct Task {
    shared: Arc<Shared>,
    machine: Reconnect,
    settings: Settings,
    transport: Transport,
    timer: Option<Pin<Box<Sleep>>>,
    last: Option<Arc<Loss>>,
    /// Whether the latest attempt goes to a URL that the server advised.
    is_advised: bool,
}

/// At most one: a new attempt takes the place of what there was, which is dropped by that.
enum Transport {
    None,
    Attempt(Pin<Box<dyn Future<Output = Result<Opened, Failed>> + Send>>),
    Open(Box<Live>),
}

/// An attempt that failed.
struct Failed {
    cause: Cause,
    /// The application said that trying again is of no use.
    is_final: bool,
}

/// What the task waits for.
enum Input {
    Stop,
    Wake,
    Timeout,
    Attempted(Result<Opened, Failed>),
    Closed(Closed),
}

impl Task {
    pub(super) fn new(shared: Arc<Shared>, machine: Reconnect, settings: Settings) -> Self {
        Self {
            shared,
            machine,
            settings,
            transport: Transport::None,
            timer: None,
            last: None,
            is_advised: false,
        }
    }

    /// Runs until the line has stopped and its last connection is closed.
    pub(super) async fn run(mut self) {
        self.machine.start(now());
        self.act();
        while self.machine.state() != reconnect::State::Stopped {
            let input = poll_fn(|cx| self.poll(cx)).await;
            self.handle(input);
            self.act();
        }
        // A line that was asked to stop while it was open.
        if let Transport::Open(live) = std::mem::replace(&mut self.transport, Transport::None) {
            let stopping = self.shared.lock().stopping.clone();
            if let Some((code, reason)) = stopping {
                live.close(code, &reason, &self.shared).await;
            }
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Input> {
        {
            let mut inner = self.shared.lock();
            inner.set_task(cx);
            if inner.stopping.is_some() {
                return Poll::Ready(Input::Stop);
            }
            if std::mem::take(&mut inner.is_woken) {
                return Poll::Ready(Input::Wake);
            }
            inner.outbox.expire(Instant::now());
        }
        let input = match &mut self.transport {
            Transport::None => Poll::Pending,
            Transport::Attempt(attempt) => attempt.as_mut().poll(cx).map(Input::Attempted),
            Transport::Open(live) => live.poll(cx, &self.shared).map(Input::Closed),
        };
        if input.is_ready() {
            return input;
        }
        self.poll_timer(cx).map(|()| Input::Timeout)
    }

    /// `Ready` when the machine's deadline has passed; what expires meanwhile is dropped.
    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let now = Instant::now();
            let of_machine = self.deadline();
            if of_machine.is_some_and(|deadline| deadline <= now) {
                return Poll::Ready(());
            }
            let of_outbox = {
                let mut inner = self.shared.lock();
                inner.outbox.expire(now);
                inner.outbox.next_expiry()
            };
            let Some(next) = of_machine.into_iter().chain(of_outbox).min() else {
                self.timer = None;
                return Poll::Pending;
            };
            let sleep = || Box::pin(tokio::time::sleep_until(next));
            let timer = self.timer.get_or_insert_with(sleep);
            if timer.deadline() != next {
                timer.as_mut().reset(next);
            }
            if timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
    }

    /// When the machine is to be asked again. No attempt begins while messages of the connections
    /// before wait to be taken: else each could leave more of them.
    fn deadline(&self) -> Option<Instant> {
        let is_waiting = self.machine.state() == reconnect::State::Waiting;
        if is_waiting && !self.shared.lock().events.has_room() {
            return None;
        }
        self.machine.poll_timeout().map(Instant::from_std)
    }

    fn handle(&mut self, input: Input) {
        match input {
            Input::Stop => self.machine.stop(),
            Input::Wake => {
                self.machine.handle_wake(now());
                self.note_waiting();
            }
            Input::Timeout => {
                let now = now();
                if self.machine.has_timed_out(now) {
                    let loss = Loss::new(self.machine.generation(), None, Cause::Timeout);
                    self.lose(loss, false);
                } else {
                    self.machine.handle_timeout(now, rand::random());
                }
            }
            Input::Attempted(Ok(opened)) => {
                self.transport = Transport::Open(Box::new(Live::new(opened)));
                let generation = self.machine.generation();
                // What was for the last connection only is gone with it, in any case.
                let on_up = self.settings.on_up.as_mut();
                let greeting = on_up.map(|greeting| greeting(generation));
                let mut inner = self.shared.lock();
                inner.outbox.greet(greeting.unwrap_or_default());
                drop(inner);
                self.machine.handle_opened(now(), generation);
            }
            Input::Attempted(Err(Failed { cause, is_final })) => {
                let loss = Loss::new(self.machine.generation(), None, cause);
                self.lose(loss, is_final);
            }
            Input::Closed(closed) => {
                let transport = std::mem::replace(&mut self.transport, Transport::None);
                if let Transport::Open(live) = transport {
                    let uptime = live.uptime();
                    let cause = live.let_go(closed, &mut self.shared.lock());
                    let loss = Loss::new(self.machine.generation(), Some(uptime), cause);
                    self.lose(loss, false);
                }
            }
        }
    }

    fn lose(&mut self, loss: Loss, is_final: bool) {
        self.transport = Transport::None;
        let decision = if is_final {
            Decision::Stop
        } else {
            let overridden = self.settings.on_loss.as_mut().and_then(|f| f(&loss));
            // An attempt that fails elsewhere says nothing about the line's own URL.
            let by_table = match self.is_advised && loss.uptime.is_none() {
                true => Decision::Retry,
                false => loss.decision(self.settings.source.kind()),
            };
            overridden.unwrap_or(by_table)
        };
        let told = reconnect::Loss {
            advice: loss.advice.as_ref().and_then(|advice| advice.retry_after),
            abandon: false,
        };
        let generation = loss.generation;
        self.last = Some(Arc::new(loss));
        self.machine
            .handle_lost(now(), generation, told, decision, rand::random());
    }

    fn act(&mut self) {
        while let Some(action) = self.machine.poll_action() {
            match action {
                Action::Connect {
                    generation,
                    attempt,
                } => self.connect(generation, attempt),
                Action::Up { generation } => self.report_up(generation),
                Action::Abandon { .. } => self.transport = Transport::None,
                // It is the last one: `run` closes it.
                Action::Close { .. } => {}
                Action::Down { next_in, .. } => self.report_down(next_in),
                Action::Stopped { why } => self.report_stopped(why),
            }
        }
    }

    fn connect(&mut self, generation: u64, number: u32) {
        let last = self.last.clone();
        let attempt = Attempt {
            number,
            generation,
            last,
        };
        self.report_connecting(&attempt);
        let client = self.settings.client.clone();
        self.transport = Transport::Attempt(match &mut self.settings.source {
            Source::Fixed(own) => {
                let advised = attempt.advised_url();
                let advised = advised.filter(|url| may_follow(url, own));
                let advised = advised.filter(|_| self.settings.follows_advice);
                self.is_advised = advised.is_some();
                let target = Target::from(advised.unwrap_or(own));
                Box::pin(async move { open(target, client).await.map_err(Failed::from) })
            }
            Source::Asked(function) => {
                let answer = function(attempt);
                Box::pin(async move {
                    let target = answer.await.map_err(|error| Failed {
                        is_final: error.is_final,
                        cause: Cause::Target(error.error),
                    })?;
                    Ok(open(target, client).await?)
                })
            }
        });
    }

    fn report_connecting(&self, attempt: &Attempt) {
        let mut inner = self.shared.lock();
        inner.counters.attempts += 1;
        inner.state = State::Connecting {
            attempt: attempt.number,
        };
        inner.events.push(Event::Connecting {
            attempt: attempt.number,
            generation: attempt.generation,
        });
    }

    fn report_up(&self, generation: u64) {
        let subprotocol = match &self.transport {
            Transport::Open(live) => live.subprotocol(),
            Transport::None | Transport::Attempt(_) => None,
        };
        let mut inner = self.shared.lock();
        inner.counters.connections += 1;
        inner.state = State::Open { generation };
        inner.events.push(Event::Up {
            generation,
            subprotocol,
        });
    }

    fn report_down(&self, next_in: Duration) {
        self.note_waiting();
        if let Some(loss) = self.last.clone() {
            let mut inner = self.shared.lock();
            inner.events.push(Event::Down { loss, next_in });
        }
    }

    fn note_waiting(&self) {
        if let (reconnect::State::Waiting, Some(until)) =
            (self.machine.state(), self.machine.poll_timeout())
        {
            self.shared.lock().state = State::Waiting { until };
        }
    }

    fn report_stopped(&self, why: reconnect::Why) {
        let (why, loss) = match why {
            reconnect::Why::Asked => (Why::Asked, None),
            reconnect::Why::Decision => (Why::Decision, self.last.clone()),
            reconnect::Why::Attempts => (Why::Attempts, self.last.clone()),
        };
        let mut inner = self.shared.lock();
        inner.state = State::Stopped;
        inner.outbox.drop_waiting();
        inner.events.push(Event::Stopped { why, loss });
    }
}

async fn open(target: Target, client: Client) -> Result<Opened, ConnectError> {
    let client = target.client.unwrap_or(client);
    match target.io {
        Some(io) => client.open_over(io, target.url).await,
        None => client.open(target.url).await,
    }
}

impl From<ConnectError> for Failed {
    fn from(error: ConnectError) -> Self {
        Self {
            cause: Cause::Connect(error),
            is_final: false,
        }
    }
}

/// However the task ends, everybody hears of it.
impl Drop for Task {
    fn drop(&mut self) {
        self.transport = Transport::None;
        let mut inner = self.shared.lock();
        inner.state = State::Stopped;
        inner.outbox.give_back(u64::MAX);
        inner.outbox.drop_waiting();
        // Only the first such event counts.
        inner.events.push(Event::Stopped {
            why: Why::Aborted,
            loss: None,
        });
        drop(inner);
        self.shared.end();
    }
}

/// The runtime's time, which tests can hold still.
fn now() -> std::time::Instant {
    Instant::now().into_std()
}
