//! One connection with its transport: what the driver polls and what the handles touch.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Buf;
use holdwire_proto::{
    self as proto, CloseCode, Config, Connection, Event, Flow, Handler, Message, Output, Role,
    SendError, Sender,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use crate::error::Error;
use crate::stats::Stats;
use crate::stream::Stream;
use crate::tools::{self, READ_BUFFER, Tools};

/// Messages are read ahead of a busy application up to this many bytes, so that the pings among
/// them are answered; then reading pauses.
const READ_AHEAD: usize = 64 * 1024;

/// Slices handed to one vectored write.
const SLICES: usize = 16;

/// A connection with its transport.
///
/// The driver alone polls the transport (a transport remembers one waker a direction), except
/// while [`State::is_lent`]; handles reach the state under a lock that is never held across an
/// await.
pub(crate) struct State {
    pub(crate) connection: Connection,
    pub(crate) config: Arc<Config>,
    stream: Option<Stream>,
    output: Output,
    inbox: Inbox,
    timer: Option<Pin<Box<Sleep>>>,
    pub(crate) stats: Stats,
    /// A lending receiver polls the transport's read side in place of the driver.
    pub(crate) is_lent: bool,
    /// Somebody else than the application's own polls drives the connection.
    pub(crate) is_driven: bool,
    /// The driver polls the handler too. A handler that fails drops its handles before it says
    /// so, and the close code depends on it: the driver abandons the connection.
    pub(crate) runs_handler: bool,
    needs_flush: bool,
    is_end_told: bool,
    /// Reading stopped for want of room, or the application made some: the transport may hold
    /// something that it will not announce again.
    wants_read: bool,
    /// The last stage that everybody who waits was woken for.
    stage: Stage,
    driver: Option<Waker>,
    receiver: Option<Waker>,
    waiting: Vec<Waker>,
}

/// How far a connection has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Open,
    /// No message will come any more; the transport is still there for our last bytes.
    Ended,
    Over,
}

/// What the application has not taken yet.
#[derive(Default)]
struct Inbox {
    messages: VecDeque<Message>,
    bytes: usize,
    reason: Box<str>,
    pongs: Vec<Pong>,
}

/// What a message costs while it waits; an empty one is not free.
fn cost(message: &Message) -> usize {
    message.len() + size_of::<Message>()
}

/// A ping that waits for its pong, or a pong that waits for its asker.
struct Pong {
    payload: [u8; 8],
    is_here: bool,
}

impl Inbox {
    fn is_full(&self) -> bool {
        self.bytes >= READ_AHEAD
    }

    fn push(&mut self, message: Message) {
        self.bytes += cost(&message);
        self.messages.push_back(message);
    }

    fn pop(&mut self) -> Option<Message> {
        let message = self.messages.pop_front()?;
        self.bytes -= cost(&message);
        if self.messages.is_empty() {
            // An idle connection holds no heap.
            self.messages = VecDeque::new();
        }
        Some(message)
    }

    /// How many pings have their pong and were not told yet.
    fn answered(&self) -> usize {
        self.pongs.iter().filter(|pong| pong.is_here).count()
    }
}

/// Collects messages for an application that receives them one by one.
struct Collector<'a> {
    inbox: &'a mut Inbox,
    stats: &'a mut Stats,
}

impl Handler for Collector<'_> {
    fn on_event(&mut self, event: Event<'_>, _: &mut Sender<'_>) -> Flow {
        note(&event, self.inbox, self.stats);
        if let Some(message) = event.into_message() {
            self.inbox.push(message);
        }
        if self.inbox.is_full() {
            Flow::Pause
        } else {
            Flow::Continue
        }
    }

    fn has_unseen(&self) -> bool {
        !self.inbox.messages.is_empty()
    }
}

/// Hands events to the application where they lie.
struct Lender<'a, H> {
    handler: &'a mut H,
    inbox: &'a mut Inbox,
    stats: &'a mut Stats,
}

impl<H: Handler> Handler for Lender<'_, H> {
    fn on_event(&mut self, event: Event<'_>, sender: &mut Sender<'_>) -> Flow {
        note(&event, self.inbox, self.stats);
        self.handler.on_event(event, sender)
    }
}

/// What every event leaves behind, whoever takes it.
fn note(event: &Event<'_>, inbox: &mut Inbox, stats: &mut Stats) {
    match event {
        Event::Text(text) => stats.received.count(text.len()),
        Event::Binary(payload) => stats.received.count(payload.len()),
        Event::Pong(payload) => {
            let asked = inbox.pongs.iter_mut().find(|pong| pong.payload == *payload);
            if let Some(pong) = asked {
                pong.is_here = true;
            }
        }
        Event::Close(closing) => inbox.reason = closing.reason.into(),
        Event::Ping(_) => {}
    }
}

impl State {
    pub(crate) fn new(connection: Connection, stream: Stream, config: Arc<Config>) -> Self {
        Self {
            connection,
            config,
            stream: Some(stream),
            output: Output::default(),
            inbox: Inbox::default(),
            timer: None,
            stats: Stats::default(),
            is_lent: false,
            is_driven: false,
            runs_handler: false,
            needs_flush: false,
            is_end_told: false,
            wants_read: false,
            stage: Stage::Open,
            driver: None,
            receiver: None,
            waiting: Vec::new(),
        }
    }

    /// Runs `act` with the connection and what it needs lent.
    fn with<T>(
        &mut self,
        tools: &mut Tools,
        act: impl FnOnce(&mut Connection, &mut proto::Context<'_>) -> T,
    ) -> T {
        self.with_inbox(tools, |connection, cx, _, _| act(connection, cx))
    }

    /// As [`State::with`], with the inbox and the counters for a handler.
    fn with_inbox<T>(
        &mut self,
        tools: &mut Tools,
        act: impl FnOnce(&mut Connection, &mut proto::Context<'_>, &mut Inbox, &mut Stats) -> T,
    ) -> T {
        if self.output.is_empty() {
            // The thread's buffer, given back as soon as all is written.
            self.output = Output::with_buffer(std::mem::take(&mut tools.spare));
        }
        let mut cx = proto::Context {
            now: tools::now(),
            config: &self.config,
            output: &mut self.output,
            scratch: &mut tools.scratch,
        };
        act(
            &mut self.connection,
            &mut cx,
            &mut self.inbox,
            &mut self.stats,
        )
    }

    /// Takes bytes of frames that were read together with the opening handshake.
    pub(crate) fn receive_early(&mut self, input: &[u8]) {
        if input.is_empty() {
            return;
        }
        self.stats.received.bytes += input.len() as u64;
        tools::with(|tools| {
            self.with_inbox(tools, |connection, cx, inbox, stats| {
                connection.receive_shared(input, cx, &mut Collector { inbox, stats });
            });
        });
    }

    /// Uses the sending verbs and tells the driver that there is something to write.
    fn send_with<T>(&mut self, act: impl FnOnce(&mut Sender<'_>) -> T) -> T {
        let result =
            tools::with(|tools| self.with(tools, |connection, cx| act(&mut connection.sender(cx))));
        self.wake_driver();
        result
    }

    /// Encodes a message, or gives it back because the queue is full.
    pub(crate) fn send(&mut self, message: Message) -> Result<(), Error> {
        let length = message.len();
        let kept = message.clone();
        match self.send_with(|sender| sender.message(message)) {
            Ok(()) => {
                self.stats.sent.count(length);
                Ok(())
            }
            Err(SendError::Full) => Err(Error::Full(kept)),
            Err(_) => Err(self.closed_error()),
        }
    }

    /// As [`State::send`], for a caller who has waited for room and cannot wait again: the queue
    /// may grow over its limit by this message.
    #[cfg(feature = "stream")]
    pub(crate) fn send_after_room(&mut self, message: Message) -> Result<(), Error> {
        let length = message.len();
        let roomy = self.roomy();
        let sent = tools::with(|tools| {
            self.with(tools, |connection, cx| {
                let mut cx = with_config(cx, &roomy);
                connection.sender(&mut cx).message(message)
            })
        });
        self.wake_driver();
        sent.map_err(|_| self.closed_error())?;
        self.stats.sent.count(length);
        Ok(())
    }

    /// The configuration without a limit on what waits to be written.
    fn roomy(&self) -> Config {
        let mut limits = self.config.limits.clone();
        limits.send_queue = usize::MAX;
        Config::clone(&self.config).limits(limits)
    }

    pub(crate) fn send_prepared(&mut self, message: &proto::Prepared) -> Result<(), SendError> {
        self.send_with(|sender| sender.prepared(message))?;
        self.stats.sent.count(message.payload().len());
        Ok(())
    }

    /// Sends a ping that [`State::has_pong`] will find again; false while the queue is full.
    pub(crate) fn ping(&mut self, payload: [u8; 8]) -> Result<bool, Error> {
        match self.send_with(|sender| sender.ping(&payload)) {
            Ok(()) => {
                self.inbox.pongs.push(Pong {
                    payload,
                    is_here: false,
                });
                Ok(true)
            }
            Err(SendError::Full) => Ok(false),
            Err(_) => Err(self.closed_error()),
        }
    }

    /// Whether the pong has come.
    pub(crate) fn has_pong(&self, payload: [u8; 8]) -> bool {
        self.inbox
            .pongs
            .iter()
            .any(|pong| pong.payload == payload && pong.is_here)
    }

    /// Forgets a ping.
    pub(crate) fn forget_ping(&mut self, payload: [u8; 8]) {
        self.inbox.pongs.retain(|pong| pong.payload != payload);
        if self.inbox.pongs.is_empty() {
            self.inbox.pongs = Vec::new();
        }
    }

    /// Begins the closing handshake; a second call does nothing and wakes nobody.
    pub(crate) fn close(&mut self, code: CloseCode, reason: &str) {
        if !self.connection.is_closing() {
            self.send_with(|sender| sender.close(code, reason));
        }
    }

    /// The last handle is gone: the connection is closed, by whoever knows why.
    pub(crate) fn handle_last_dropped(&mut self) {
        if self.runs_handler {
            self.wake_driver();
        } else {
            self.abandon();
        }
    }

    /// Nobody holds the connection any more: closes it and drops what nobody will read.
    pub(crate) fn abandon(&mut self) {
        let code = match self.connection.role() {
            Role::Server => CloseCode::NORMAL,
            Role::Client => CloseCode::GOING_AWAY,
        };
        self.close(code, "");
        self.inbox.messages = VecDeque::new();
        self.inbox.bytes = 0;
    }

    /// Closes the transport at once.
    pub(crate) fn cut(&mut self) {
        self.connection.handle_eof();
        self.wake_driver();
    }

    /// Nobody drives the connection any more: closes the transport and tells everybody.
    pub(crate) fn tear_down(&mut self) {
        self.connection.handle_eof();
        self.drop_transport();
        self.stage = Stage::Over;
        self.wake_waiting();
        self.wake_receiver();
    }

    fn drop_transport(&mut self) {
        self.stream = None;
        self.timer = None;
        self.output = Output::default();
        self.needs_flush = false;
    }

    /// Whether the transport has to be read again, although it will not wake anybody: reading
    /// had stopped for a reason that is gone.
    pub(crate) fn reads_again(&self) -> bool {
        self.wants_read && self.has_room() && !self.is_over() && !self.connection.is_paused()
    }

    /// Whether reading again is up to the driver, not to a lending receiver.
    pub(crate) fn driver_reads_again(&self) -> bool {
        !self.is_lent && self.reads_again()
    }

    /// A peer that sends and does not read waits until we have written.
    fn has_room(&self) -> bool {
        self.output.len() <= self.config.limits.send_queue
    }

    /// The error that ended the connection, told once.
    pub(crate) fn take_error(&mut self) -> Option<Error> {
        let is_told = std::mem::replace(&mut self.is_end_told, true);
        let ended = self.connection.ended().filter(|_| !is_told)?;
        Error::of(ended)
    }

    pub(crate) fn stats(&self) -> Stats {
        Stats {
            queued: self.queued(),
            ..self.stats
        }
    }

    /// The error of an operation that came too late.
    pub(crate) fn closed_error(&self) -> Error {
        self.connection
            .ended()
            .and_then(Error::of)
            .unwrap_or(Error::Closed)
    }

    pub(crate) fn reason(&self) -> &str {
        &self.inbox.reason
    }

    /// Bytes that wait to be written.
    pub(crate) fn queued(&self) -> usize {
        self.output.len()
    }

    /// The next message, or that none will come.
    pub(crate) fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        if self.inbox.messages.is_empty() && self.connection.is_paused() {
            let pongs = self.inbox.answered();
            tools::with(|tools| {
                self.with_inbox(tools, |connection, cx, inbox, stats| {
                    connection.resume(cx, &mut Collector { inbox, stats });
                });
            });
            if self.inbox.answered() > pongs {
                self.wake_waiting();
            }
            self.wants_read = true;
            self.wake_driver();
        }
        if let Some(message) = self.inbox.pop() {
            return Poll::Ready(Some(message));
        }
        if self.connection.ended().is_some() {
            return Poll::Ready(None);
        }
        self.set_receiver(cx);
        Poll::Pending
    }

    /// Moves a connection that has no driver: whoever waits is the driver meanwhile.
    pub(crate) fn poll_undriven(&mut self, cx: &mut Context<'_>) {
        self.clear_driver();
        if self.poll_read(cx) {
            self.wake_other_receiver(cx);
        }
        let _ = self.poll_write(cx);
        if self.reads_again() {
            cx.waker().wake_by_ref();
        }
        self.set_driver(cx);
    }

    /// Waits for room in the queue.
    pub(crate) fn poll_room(&mut self, cx: &mut Context<'_>) {
        self.wait(cx);
        if !self.is_driven {
            let _ = self.poll_write(cx);
        }
    }

    /// Waits for a change of state: room in the queue, a pong, the end.
    pub(crate) fn wait(&mut self, cx: &mut Context<'_>) {
        if !self.waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
            self.waiting.push(cx.waker().clone());
        }
    }

    /// The driver is being polled and will look at everything before it rests.
    pub(crate) fn clear_driver(&mut self) {
        self.driver = None;
    }

    pub(crate) fn clear_receiver(&mut self) {
        self.receiver = None;
    }

    pub(crate) fn set_receiver(&mut self, cx: &Context<'_>) {
        set(&mut self.receiver, cx);
    }

    pub(crate) fn set_driver(&mut self, cx: &mut Context<'_>) {
        set(&mut self.driver, cx);
    }

    /// Wakes the receiver, unless it lives in the task that is being polled and comes next.
    pub(crate) fn wake_other_receiver(&mut self, cx: &Context<'_>) {
        if let Some(receiver) = self.receiver.take()
            && !receiver.will_wake(cx.waker())
        {
            receiver.wake();
        }
    }

    pub(crate) fn wake_driver(&mut self) {
        if let Some(driver) = self.driver.take() {
            driver.wake();
        }
    }

    /// Whether the transport is gone.
    pub(crate) fn is_over(&self) -> bool {
        self.stream.is_none()
    }

    /// Whether something is to be written.
    pub(crate) fn has_output(&self) -> bool {
        !self.output.is_empty() || self.needs_flush
    }

    /// Reads into the inbox; true when the application has news.
    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>) -> bool {
        if self.is_lent {
            return false;
        }
        let before = (self.inbox.messages.len(), self.connection.ended());
        let pongs = self.inbox.answered();
        tools::with(|tools| {
            self.poll_transport(cx, tools, |connection, cx, input, inbox, stats| {
                connection.receive(input, cx, &mut Collector { inbox, stats });
            });
        });
        if self.inbox.answered() > pongs {
            self.wake_waiting();
        }
        before != (self.inbox.messages.len(), self.connection.ended())
    }

    /// As [`State::poll_read`], but every event goes to `handler` where it lies.
    ///
    /// What it sends is never refused for want of room, for it cannot wait; instead nothing more
    /// is read while the queue is over its limit.
    pub(crate) fn poll_lend(&mut self, cx: &mut Context<'_>, handler: &mut impl Handler) {
        let roomy = self.roomy();
        let pongs = self.inbox.answered();
        tools::with(|tools| {
            // What was read ahead before the lease began.
            while let Some(message) = self.inbox.pop() {
                let event = Event::from(&message);
                let flow = self.with(tools, |connection, cx| {
                    let mut cx = with_config(cx, &roomy);
                    handler.on_event(event, &mut connection.sender(&mut cx))
                });
                if flow == Flow::Pause {
                    return;
                }
            }
            if self.connection.is_paused() {
                self.with_inbox(tools, |connection, cx, inbox, stats| {
                    let mut lender = Lender {
                        handler,
                        inbox,
                        stats,
                    };
                    connection.resume(&mut with_config(cx, &roomy), &mut lender);
                });
            }
            self.poll_transport(cx, tools, |connection, cx, input, inbox, stats| {
                let mut lender = Lender {
                    handler,
                    inbox,
                    stats,
                };
                connection.receive(input, &mut with_config(cx, &roomy), &mut lender);
            });
        });
        if self.inbox.answered() > pongs {
            self.wake_waiting();
        }
    }

    /// Reads until the transport has nothing more or nobody wants more.
    fn poll_transport(
        &mut self,
        cx: &mut Context<'_>,
        tools: &mut Tools,
        mut receive: impl FnMut(
            &mut Connection,
            &mut proto::Context<'_>,
            &mut [u8],
            &mut Inbox,
            &mut Stats,
        ),
    ) {
        self.wants_read = false;
        if self.connection.wants_resume() {
            self.with_inbox(tools, |connection, cx, inbox, stats| {
                receive(connection, cx, &mut [], inbox, stats);
            });
        }
        while !self.connection.is_paused() && !self.connection.is_over() {
            if !self.has_room() {
                self.wants_read = true;
                break;
            }
            let Some(stream) = &mut self.stream else {
                break;
            };
            let mut is_dry = false;
            let mut input = std::mem::take(&mut tools.buffer);
            if input.is_empty() {
                input = vec![0; READ_BUFFER].into();
            }
            let mut buffer = ReadBuf::new(&mut input);
            let read = Pin::new(stream).poll_read(cx, &mut buffer);
            let count = buffer.filled().len();
            match read {
                Poll::Ready(Ok(())) if count > 0 => {
                    self.stats.received.bytes += count as u64;
                    self.with_inbox(tools, |connection, cx, inbox, stats| {
                        receive(connection, cx, &mut input[..count], inbox, stats);
                    });
                }
                Poll::Ready(Ok(())) => self.connection.handle_eof(),
                Poll::Ready(Err(error)) => self.connection.handle_io_error(error.kind()),
                Poll::Pending => is_dry = true,
            }
            tools.buffer = input;
            if is_dry {
                break;
            }
        }
    }

    /// Writes what waits, half-closes or closes the transport, and acts on deadlines.
    ///
    /// `Ready` when the transport is gone.
    pub(crate) fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let before = (self.queued(), self.needs_flush);
        self.write(cx);
        while self.poll_deadline(cx) {
            self.write(cx);
        }
        if self.connection.is_over() {
            self.drop_transport();
        }
        let stage = self.current_stage();
        let is_further = std::mem::replace(&mut self.stage, stage) != stage;
        if is_further || (self.queued(), self.needs_flush) < before {
            self.wake_waiting();
        }
        if is_further || (self.is_lent && self.reads_again()) {
            self.wake_receiver();
        }
        if stage == Stage::Over {
            return Poll::Ready(());
        }
        Poll::Pending
    }

    fn current_stage(&self) -> Stage {
        if self.is_over() {
            Stage::Over
        } else if self.connection.ended().is_some() {
            Stage::Ended
        } else {
            Stage::Open
        }
    }

    fn write(&mut self, cx: &mut Context<'_>) {
        let Some(stream) = &mut self.stream else {
            return;
        };
        let now = tools::now();
        let mut written = 0;
        let result = loop {
            if !self.output.has_remaining() {
                break Ok(());
            }
            match poll_write_once(stream, &self.output, cx) {
                Poll::Pending => break Ok(()),
                Poll::Ready(Ok(0)) => break Err(io::ErrorKind::WriteZero),
                Poll::Ready(Err(error)) => break Err(error.kind()),
                Poll::Ready(Ok(count)) => {
                    self.output.advance(count);
                    written += count;
                }
            }
        };
        self.stats.sent.bytes += written as u64;
        self.needs_flush |= written > 0 && stream.needs_flush();
        let result = result.and_then(|()| {
            if self.needs_flush {
                match Pin::new(&mut *stream).poll_flush(cx) {
                    Poll::Pending => return Ok(()),
                    Poll::Ready(flushed) => flushed.map_err(|error| error.kind())?,
                }
                self.needs_flush = false;
            }
            let is_written = self.output.is_empty();
            if is_written && self.connection.wants_half_close() {
                match Pin::new(stream).poll_shutdown(cx) {
                    Poll::Pending => return Ok(()),
                    Poll::Ready(shut) => shut.map_err(|error| error.kind())?,
                }
                self.connection.handle_half_closed(now);
            }
            Ok(())
        });
        let waiting = self.output.len();
        self.connection
            .handle_written(written, waiting, now, &self.config);
        if let Err(kind) = result {
            self.connection.handle_io_error(kind);
        }
        if self.output.is_empty() {
            let output = std::mem::take(&mut self.output);
            tools::with(|tools| tools.spare = output.into_buffer());
        }
    }

    /// Arms the timer for the next deadline; true when one has passed and was acted on.
    fn poll_deadline(&mut self, cx: &mut Context<'_>) -> bool {
        let mut acted = false;
        while let Some(tick) = self.connection.poll_timeout() {
            let now = Instant::now();
            let at = tools::clock().instant(tick, now.into_std());
            let at = Instant::from_std(at);
            if at <= now {
                tools::with(|tools| self.with(tools, Connection::handle_timeout));
                acted = true;
                continue;
            }
            let timer = self
                .timer
                .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at)));
            // A deadline that moved away is looked at again when the timer fires.
            if timer.is_elapsed() || timer.deadline() > at {
                timer.as_mut().reset(at);
            }
            if timer.as_mut().poll(cx).is_pending() {
                return acted;
            }
        }
        self.timer = None;
        acted
    }

    pub(crate) fn wake_receiver(&mut self) {
        if let Some(receiver) = self.receiver.take() {
            receiver.wake();
        }
    }

    fn wake_waiting(&mut self) {
        for waker in std::mem::take(&mut self.waiting) {
            waker.wake();
        }
    }
}

/// The same loan under other limits.
fn with_config<'a>(cx: &'a mut proto::Context<'_>, config: &'a Config) -> proto::Context<'a> {
    proto::Context {
        now: cx.now,
        config,
        output: &mut *cx.output,
        scratch: &mut *cx.scratch,
    }
}

fn poll_write_once(
    stream: &mut Stream,
    output: &Output,
    cx: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    let mut slices = [IoSlice::new(&[]); SLICES];
    match output.chunks_vectored(&mut slices) {
        0 | 1 => Pin::new(stream).poll_write(cx, output.chunk()),
        count => Pin::new(stream).poll_write_vectored(cx, &slices[..count]),
    }
}

fn set(slot: &mut Option<Waker>, cx: &Context<'_>) {
    match slot {
        Some(waker) => waker.clone_from(cx.waker()),
        None => *slot = Some(cx.waker().clone()),
    }
}
