//! One connection with its transport: what the driver polls and what the handles touch.

mod inbox;
mod rare;
mod timer;
mod transport;

use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use holdwire_proto::{
    self as proto, CloseCode, Compression, Config, Connection, Message, Output, Role, Scratch,
    SendError, Sender,
};

pub(crate) use self::inbox::Queue;
use self::inbox::{Collector, Inbox, Intake};
use self::rare::Rare;
use self::timer::Timer;

use crate::error::Error;
use crate::stats::{Stats, Traffic};
use crate::stream::Stream;
use crate::tools::{self, Moment, Tools};

/// A connection with its transport.
///
/// The driver alone polls the transport (a transport remembers one waker a direction), except that
/// a lending receiver reads in its place; handles reach the state under a lock that is never held
/// across an await.
pub(crate) struct State {
    pub(crate) connection: Connection,
    pub(crate) config: Arc<Config>,
    stream: Option<Stream>,
    /// What waits to be written; the thread's while it is empty.
    output: Option<Box<Output>>,
    inbox: Inbox,
    timer: Timer,
    received: Traffic,
    sent: Traffic,
    rare: Option<Box<Rare>>,
    /// The task that drove the connection last.
    driver: Option<Waker>,
    receiver: Option<Waker>,
    drive: Drive,
    /// The driver has looked at everything and is to be woken for what comes.
    rests: bool,
    lease: Lease,
    needs_flush: bool,
    is_end_told: bool,
    /// Reading stopped for want of room, or the application made some: the transport may hold
    /// something that it will not announce again.
    wants_read: bool,
    /// The last stage that everybody who waits was woken for.
    stage: Stage,
}

/// Who moves a connection.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Drive {
    /// Whoever waits for something.
    Undriven,
    Driver,
    /// A driver that polls the handler too. A handler that fails drops its handles before it says
    /// so, and the close code depends on it: the driver abandons the connection.
    WithHandler,
}

/// Whether a lending receiver polls the transport's read side in place of the driver.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lease {
    None,
    /// What came since the last deadline may lie unread.
    Stale,
    /// All there was has been read since a deadline was last due.
    Fresh,
}

/// How far a connection has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Open,
    /// No message will come any more; the transport is still there for our last bytes.
    Ended,
    Over,
}

impl State {
    pub(crate) fn new(connection: Connection, stream: Stream, config: Arc<Config>) -> Self {
        let mut state = Self {
            connection,
            config,
            stream: Some(stream),
            output: None,
            inbox: Inbox::default(),
            timer: Timer::default(),
            received: Traffic::default(),
            sent: Traffic::default(),
            rare: None,
            driver: None,
            receiver: None,
            drive: Drive::Undriven,
            rests: false,
            lease: Lease::None,
            needs_flush: false,
            is_end_told: false,
            wants_read: false,
            stage: Stage::Open,
        };
        tools::with(|tools| state.with(tools, Connection::handle_opened));
        state
    }

    /// Runs `act` with the connection and what it needs lent.
    fn with<T>(
        &mut self,
        tools: &mut Tools,
        act: impl FnOnce(&mut Connection, &mut proto::Context<'_>) -> T,
    ) -> T {
        self.with_intake(tools, |connection, cx, _| act(connection, cx))
    }

    /// As [`State::with`], with the place for what comes.
    fn with_intake<T>(
        &mut self,
        tools: &mut Tools,
        act: impl FnOnce(&mut Connection, &mut proto::Context<'_>, &mut Intake<'_>) -> T,
    ) -> T {
        // The thread's, given back as soon as all is written.
        let spare = || tools.output.take().unwrap_or_default();
        let mut cx = proto::Context {
            now: tools::now(),
            config: &self.config,
            output: self.output.get_or_insert_with(spare),
            scratch: &mut tools.scratch,
        };
        let mut intake = Intake {
            inbox: &mut self.inbox,
            spare: &mut tools.queue,
            received: &mut self.received,
            rare: &mut self.rare,
        };
        let result = act(&mut self.connection, &mut cx, &mut intake);
        self.count(&mut tools.scratch);
        result
    }

    /// Adds what a call did to the counters.
    fn count(&mut self, scratch: &mut Scratch) {
        let sent = scratch.take_sent();
        self.sent.messages += sent.messages;
        self.sent.payload += sent.payload;
        let (inflated, deflated) = (scratch.take_inflated(), scratch.take_deflated());
        if inflated.plain | inflated.compressed | deflated.plain | deflated.compressed > 0 {
            self.count_compression(inflated, deflated);
        }
    }

    #[cold]
    fn count_compression(&mut self, inflated: Compression, deflated: Compression) {
        let rare = self.rare.get_or_insert_default();
        rare.inflated += inflated;
        rare.deflated += deflated;
    }

    /// Takes bytes of frames that were read together with the opening handshake.
    pub(crate) fn receive_early(&mut self, input: &[u8]) {
        if input.is_empty() {
            return;
        }
        self.received.bytes += input.len() as u64;
        tools::with(|tools| {
            self.with_intake(tools, |connection, cx, intake| {
                connection.receive_shared(input, cx, &mut Collector(intake));
            });
        });
    }

    /// Uses the sending verbs and tells the driver that there is something to write.
    fn send_with<T>(&mut self, act: impl FnOnce(&mut Sender<'_>) -> T) -> T {
        // What was refused is nothing to write: who tries again with each turn must not cause it.
        let before = if self.rests { self.queued() } else { 0 };
        let result =
            tools::with(|tools| self.with(tools, |connection, cx| act(&mut connection.sender(cx))));
        if self.rests && self.queued() > before {
            self.wake_driver();
        }
        result
    }

    /// Uses the verbs as a handler has them, whose answers are taken whatever waits.
    #[cfg(feature = "shard")]
    pub(crate) fn reply_with(&mut self, act: impl FnOnce(&mut Sender<'_>)) {
        tools::with(|tools| self.with(tools, |connection, cx| act(&mut connection.reply(cx))));
        self.wake_driver();
    }

    /// Encodes a message, unless the queue is full.
    pub(crate) fn send(&mut self, message: &Message) -> Result<(), SendError> {
        self.send_with(|sender| match message {
            Message::Text(text) if text.len() < SHARE_FROM => sender.text(text),
            Message::Binary(payload) if payload.len() < SHARE_FROM => sender.binary(payload),
            long => sender.message(long.clone()),
        })
    }

    /// As [`State::send`], for a caller who has waited for room and cannot wait again: the queue
    /// may grow over its limit by this message.
    #[cfg(feature = "stream")]
    pub(crate) fn send_after_room(&mut self, message: Message) -> Result<(), Error> {
        let sent = tools::with(|tools| {
            self.with(tools, |connection, cx| {
                connection.reply(cx).message(message)
            })
        });
        self.wake_driver();
        sent.map_err(|_| self.closed_error())?;
        Ok(())
    }

    pub(crate) fn send_prepared(&mut self, message: &proto::Prepared) -> Result<(), SendError> {
        self.send_with(|sender| sender.prepared(message))?;
        Ok(())
    }

    /// Sends a ping that [`State::has_pong`] will find again; false while the queue is full.
    pub(crate) fn ping(&mut self, payload: [u8; 8]) -> Result<bool, Error> {
        match self.send_with(|sender| sender.ping(&payload)) {
            Ok(()) => {
                self.rare.get_or_insert_default().pings.expect(payload);
                Ok(true)
            }
            Err(SendError::Full) => Ok(false),
            Err(_) => Err(self.closed_error()),
        }
    }

    /// Whether the pong has come.
    pub(crate) fn has_pong(&self, payload: [u8; 8]) -> bool {
        let rare = self.rare.as_ref();
        rare.is_some_and(|rare| rare.pings.is_answered(payload))
    }

    /// Forgets a ping.
    pub(crate) fn forget_ping(&mut self, payload: [u8; 8]) {
        if let Some(rare) = &mut self.rare {
            rare.pings.forget(payload);
        }
        self.tidy();
    }

    /// How many pings have their pong and were not told yet.
    fn answered(&self) -> usize {
        self.rare.as_ref().map_or(0, |rare| rare.pings.answered())
    }

    /// Gives back what nothing is in any more.
    fn tidy(&mut self) {
        self.rare.take_if(|rare| rare.is_empty());
    }

    /// Begins the closing handshake; a second call does nothing and wakes nobody.
    pub(crate) fn close(&mut self, code: CloseCode, reason: &str) {
        if !self.connection.is_closing() {
            self.send_with(|sender| sender.close(code, reason));
        }
    }

    /// The last handle is gone: the connection is closed, by whoever knows why.
    pub(crate) fn handle_last_dropped(&mut self) {
        if self.drive == Drive::WithHandler {
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
        self.inbox.clear();
    }

    /// Closes the transport at once; whatever waits is not written, nor is a last Close frame.
    pub(crate) fn cut(&mut self) {
        self.connection.handle_eof();
        self.drop_transport();
        self.wake_driver();
    }

    /// Leaves the transport alone for so long.
    pub(crate) fn play_dead(&mut self, duration: Duration) {
        let until = tools::now().after(duration);
        self.rare.get_or_insert_default().dead_until = Some(until);
        self.wake_driver();
    }

    /// Nobody drives the connection any more: closes the transport and tells everybody.
    pub(crate) fn tear_down(&mut self) {
        self.connection.handle_eof();
        self.drop_transport();
        self.stage = Stage::Over;
        self.wake_waiting();
        self.wake_receiver();
        self.driver = None;
    }

    fn drop_transport(&mut self) {
        self.stream = None;
        self.timer = Timer::default();
        self.output = None;
        self.needs_flush = false;
    }

    /// Whether the transport has to be read again, although it will not wake anybody: reading
    /// had stopped for a reason that is gone.
    pub(crate) fn reads_again(&self) -> bool {
        let is_able = if self.is_lent() {
            // Paused only because its answers filled the queue, and goes on by itself.
            self.has_room()
        } else {
            !self.connection.is_paused()
        };
        let wants = self.wants_read || self.connection.wants_resume();
        wants && is_able && !self.is_over()
    }

    /// Whether reading again is up to the driver, not to a lending receiver.
    pub(crate) fn driver_reads_again(&self) -> bool {
        !self.is_lent() && self.reads_again()
    }

    /// A peer that sends and does not read waits until we have written.
    fn has_room(&self) -> bool {
        self.queued() <= self.config.limits.send_queue
    }

    /// The error that ended the connection, told once.
    pub(crate) fn take_error(&mut self) -> Option<Error> {
        let is_told = std::mem::replace(&mut self.is_end_told, true);
        let ended = self.connection.ended().filter(|_| !is_told)?;
        Error::of(ended)
    }

    pub(crate) fn stats(&self) -> Stats {
        let rare = self.rare.as_ref();
        let (inflated, deflated) = rare
            .map(|rare| (rare.inflated, rare.deflated))
            .unwrap_or_default();
        Stats {
            received: self.received,
            sent: self.sent,
            queued: self.queued(),
            round_trip: self.connection.round_trip(),
            inflated,
            deflated,
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
        self.rare.as_ref().map_or("", |rare| &rare.reason)
    }

    /// Bytes that wait to be written.
    pub(crate) fn queued(&self) -> usize {
        self.output.as_ref().map_or(0, |output| output.len())
    }

    /// Bytes that are written before the next message.
    #[cfg(feature = "client")]
    pub(crate) fn ahead(&self) -> usize {
        self.output.as_ref().map_or(0, |output| output.ahead())
    }

    /// The next message, if it has come.
    #[inline]
    pub(crate) fn take_message(&mut self) -> Option<Message> {
        let message = self.inbox.pop()?;
        if self.inbox.is_empty() {
            tools::with(|tools| self.inbox.give_back(tools));
        }
        Some(message)
    }

    /// The next message, or that none will come.
    pub(crate) fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        let mut message = self.take_message();
        if message.is_none() && self.connection.is_paused() {
            let pongs = self.answered();
            tools::with(|tools| {
                self.with_intake(tools, |connection, cx, intake| {
                    connection.resume(cx, &mut Collector(intake));
                });
            });
            if self.answered() > pongs {
                self.wake_waiting();
            }
            self.wants_read = true;
            self.wake_driver();
            message = self.take_message();
        }
        if message.is_some() {
            return Poll::Ready(message);
        }
        if self.connection.ended().is_some() {
            return Poll::Ready(None);
        }
        self.set_receiver(cx);
        Poll::Pending
    }

    /// The lease is over: the driver reads again, also what came while nobody polled the lease.
    pub(crate) fn end_lease(&mut self) {
        if self.is_lent() {
            self.lease = Lease::None;
            self.wants_read = true;
            self.wake_driver();
        }
    }

    /// Moves a connection that has no driver: whoever waits is the driver meanwhile, until
    /// [`State::pass_on`].
    pub(crate) fn poll_undriven(&mut self, cx: &mut Context<'_>) {
        let _moment = Moment::begin();
        self.begin_turn(cx);
        if self.poll_read(cx) {
            self.wake_receiver();
        }
        let _ = self.poll_write(cx);
        if self.reads_again() {
            cx.waker().wake_by_ref();
        }
        self.rest();
    }

    /// Waits for room in the queue.
    pub(crate) fn poll_room(&mut self, cx: &mut Context<'_>) {
        self.wait(cx);
        if !self.is_driven() {
            self.poll_undriven(cx);
        }
    }

    /// Whoever moved a connection without a driver is done: the others who wait move it.
    ///
    /// The transport remembers the task that polled last, so that one is not woken.
    pub(crate) fn pass_on(&mut self) {
        if self.is_driven() {
            return;
        }
        let last = self.driver.as_ref().filter(|_| self.rests);
        let is_remembered = |waker: &Waker| last.is_some_and(|last| last.will_wake(waker));
        if let Some(receiver) = self.receiver.take_if(|waker| !is_remembered(waker)) {
            receiver.wake();
        }
        if let Some(rare) = &mut self.rare {
            let others = rare.waiting.extract_if(.., |waker| !is_remembered(waker));
            others.for_each(Waker::wake);
        }
        self.tidy();
    }

    /// Waits for a change of state: room in the queue, a pong, the end.
    pub(crate) fn wait(&mut self, cx: &Context<'_>) {
        self.rare.get_or_insert_default().wait(cx);
    }

    /// From now on `drive` moves the connection.
    pub(crate) fn set_drive(&mut self, drive: Drive) {
        self.drive = drive;
    }

    /// Whether somebody else than the application's own polls drives the connection.
    pub(crate) fn is_driven(&self) -> bool {
        self.drive != Drive::Undriven
    }

    /// A lending receiver reads from now on, until [`State::end_lease`].
    pub(crate) fn begin_lease(&mut self) {
        if !self.is_lent() {
            self.lease = Lease::Stale;
        }
    }

    fn is_lent(&self) -> bool {
        self.lease != Lease::None
    }

    /// The task of `cx` drives the connection, and will look at everything before it rests.
    pub(crate) fn begin_turn(&mut self, cx: &Context<'_>) {
        self.rests = false;
        let mut last = self.driver.iter();
        if !last.any(|last| last.will_wake(cx.waker())) {
            self.driver = Some(cx.waker().clone());
            self.timer.forget_task();
        }
    }

    /// The driver has looked at everything.
    pub(crate) fn rest(&mut self) {
        self.rests = true;
    }

    pub(crate) fn wake_driver(&mut self) {
        if std::mem::take(&mut self.rests)
            && let Some(driver) = &self.driver
        {
            driver.wake_by_ref();
        }
    }

    pub(crate) fn set_receiver(&mut self, cx: &Context<'_>) {
        match &mut self.receiver {
            Some(receiver) => receiver.clone_from(cx.waker()),
            None => self.receiver = Some(cx.waker().clone()),
        }
    }

    pub(crate) fn clear_receiver(&mut self) {
        self.receiver = None;
    }

    /// Wakes the receiver, unless it lives in the task that is being polled and comes next.
    pub(crate) fn wake_other_receiver(&mut self, cx: &Context<'_>) {
        let is_other = |receiver: &mut Waker| !receiver.will_wake(cx.waker());
        if let Some(receiver) = self.receiver.take_if(is_other) {
            receiver.wake();
        }
    }

    pub(crate) fn wake_receiver(&mut self) {
        if let Some(receiver) = self.receiver.take() {
            receiver.wake();
        }
    }

    fn wake_waiting(&mut self) {
        if let Some(rare) = &mut self.rare {
            let waiting = std::mem::take(&mut rare.waiting);
            waiting.into_iter().for_each(Waker::wake);
            self.tidy();
        }
    }

    /// Whether the transport is gone.
    pub(crate) fn is_over(&self) -> bool {
        self.stream.is_none()
    }

    /// Whether something is to be written.
    pub(crate) fn has_output(&self) -> bool {
        self.queued() > 0 || self.needs_flush
    }
}

/// A message shorter than this is copied when it is sent anyway, so that it need not be shared to
/// be given back.
const SHARE_FROM: usize = 4 * 1024;
