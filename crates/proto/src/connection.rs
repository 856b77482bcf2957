//! A connection after the opening handshake: bytes and time in, messages and bytes out.

mod common;
#[cfg(feature = "deflate")]
mod compression;
#[cfg(not(feature = "deflate"))]
#[path = "connection/no_compression.rs"]
mod compression;
mod direct;
mod handler;
mod inbound;
mod input;
mod outbound;
mod prepared;
mod scratch;
mod spares;

use std::fmt;
use std::time::Duration;

#[cfg(feature = "deflate")]
use self::compression::Agreed;
use self::compression::{Inflation, InflationContext};
pub use self::handler::{Event, Flow, Handler};
use self::inbound::{Inbound, Received};
use self::input::{Copying, InPlace, Input};
use self::outbound::Outbound;
pub use self::outbound::Sender;
pub use self::prepared::{Prepared, Variant};
pub use self::scratch::{Compression, Keys, Scratch, Sent};
use crate::close::{self, CloseCode};
use crate::config::{Config, LINGER_BYTES, LINGER_TIME};
#[cfg(feature = "deflate")]
use crate::deflate::DeflateParams;
use crate::error::{Ended, Violation};
use crate::frame::Opcode;
use crate::heartbeat::{Beat, Heartbeat};
use crate::output::Output;
use crate::time::{self, Deadline, Tick};

/// Which end of the connection this is; it decides who masks (RFC 6455 §5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Sends masked frames, receives unmasked ones.
    Client,
    /// Sends unmasked frames, receives masked ones.
    Server,
}

/// What the driver lends to a connection for one call.
#[derive(Debug)]
pub struct Context<'a> {
    /// The present.
    pub now: Tick,
    /// Limits and deadlines, shared by all connections of a listener.
    pub config: &'a Config,
    /// Where frames to be written are appended.
    pub output: &'a mut Output,
    /// Buffers, codecs and masking keys, shared by all connections of a thread.
    pub scratch: &'a mut Scratch,
}

/// One WebSocket connection, either end, after the opening handshake.
///
/// It owns no socket, clock, thread or buffer. While idle it owns no heap and is 112 bytes.
/// [The crate's page](crate) shows the loop that drives it.
pub struct Connection {
    inbound: Inbound,
    outbound: Outbound,
    heartbeat: Heartbeat,
    inflation: InflationContext,
    ended: Option<Ended>,
    discarded: u32,
}

/// What one step over the input came to.
enum Step {
    /// Something was handed on.
    Done,
    /// The input has nothing whole.
    Dry,
    /// The peer's Close frame.
    Closed(Option<CloseCode>),
}

/// What is left of the transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Transport {
    Open,
    /// We have told the peer that nothing follows; it may still be reading.
    HalfClosed,
    Closed,
}

impl Connection {
    /// A connection whose opening handshake has just been completed.
    #[must_use]
    pub fn new(role: Role) -> Self {
        Self {
            inbound: Inbound::new(),
            outbound: Outbound::new(role),
            heartbeat: Heartbeat::new(),
            inflation: InflationContext::new(),
            ended: None,
            discarded: 0,
        }
    }

    /// Compresses and inflates as the opening handshake agreed (RFC 7692).
    #[cfg(feature = "deflate")]
    #[must_use]
    pub fn with_deflate(mut self, params: DeflateParams) -> Self {
        self.outbound.agreed = Agreed(Some(params));
        self
    }

    /// Which end this is.
    #[must_use]
    pub fn role(&self) -> Role {
        self.outbound.role
    }

    /// How the connection ended; `None` while messages may still come.
    ///
    /// There may be bytes to write afterwards: see [`Connection::is_over`].
    #[must_use]
    pub fn ended(&self) -> Option<Ended> {
        self.ended.filter(|_| !self.outbound.owes_end)
    }

    /// Whether a Close frame was sent, so that nothing more can be.
    #[must_use]
    pub fn is_closing(&self) -> bool {
        self.outbound.close_sent
    }

    /// Whether the transport is to be closed now, whatever output still waits.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.outbound.transport == Transport::Closed
    }

    /// Whether a handler paused, so that the driver must not read the transport.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.inbound.is_paused && !self.is_closing()
    }

    /// Whether [`Connection::resume`] is to be called at once: a Close frame was sent while input
    /// was kept, and the peer's own may be in it.
    ///
    /// The application is handed no more messages, so it need not be ready for any.
    #[must_use]
    pub fn wants_resume(&self) -> bool {
        self.inbound.is_paused && self.is_closing()
    }

    /// Whether the transport's write side is to be shut down once the output is written, so that
    /// the peer reads our last bytes before the transport goes (RFC 6455 §7.1.1).
    #[must_use]
    pub fn wants_half_close(&self) -> bool {
        let waits_for_server =
            self.role() == Role::Client && matches!(self.ended(), Some(Ended::Clean(_)));
        self.ended().is_some() && self.outbound.transport == Transport::Open && !waits_for_server
    }

    /// Bytes of heap that are held for what the peer has not finished or we have not read.
    #[must_use]
    pub fn held(&self) -> usize {
        self.inbound.held()
    }

    /// The time between the last ping of the heartbeat that was answered and its pong, in whole
    /// milliseconds; `None` before the first.
    #[must_use]
    pub fn round_trip(&self) -> Option<Duration> {
        self.heartbeat.round_trip()
    }

    /// The opening handshake has just been completed: the heartbeat's first silence begins.
    pub fn handle_opened(&mut self, cx: &mut Context<'_>) {
        if let Some(config) = cx.config.heartbeat {
            let random = (cx.scratch.send.keys)();
            self.heartbeat.start(cx.now, config, random);
        }
    }

    /// Takes received bytes, all of them, unmasks them where they lie and hands on what is whole.
    ///
    /// When the handler pauses, the rest is copied and kept for [`Connection::resume`].
    pub fn receive(&mut self, input: &mut [u8], cx: &mut Context<'_>, handler: &mut impl Handler) {
        self.handle_life(input, cx);
        if self.inbound.is_paused {
            return self.keep(input, cx, handler);
        }
        let mut input = InPlace::new(input);
        self.run(&mut input, cx, handler);
    }

    /// Takes received bytes that must not be changed: as [`Connection::receive`], but payloads
    /// are unmasked while they are copied.
    pub fn receive_shared(
        &mut self,
        input: &[u8],
        cx: &mut Context<'_>,
        handler: &mut impl Handler,
    ) {
        self.handle_life(input, cx);
        if self.inbound.is_paused {
            return self.keep(input, cx, handler);
        }
        let mut copy = cx.scratch.take_copy();
        let mut input = Copying::new(input, &mut copy);
        self.run(&mut input, cx, handler);
        cx.scratch.give_copy(copy);
    }

    /// Hands on what was kept when the handler paused, until it is done or the handler pauses
    /// again.
    pub fn resume(&mut self, cx: &mut Context<'_>, handler: &mut impl Handler) {
        self.inbound.is_paused = false;
        self.heartbeat.resumed(cx.now, cx.config.heartbeat);
        self.settle(cx);
        let (mut unread, at) = self.inbound.take_kept();
        let mut input = InPlace::new(&mut unread[at..]);
        self.run_unkept(&mut input, cx, handler);
        let taken = at + input.taken();
        if self.inbound.is_paused {
            self.inbound.put_back(unread, taken);
        }
    }

    /// The transport ended: the peer closed its side.
    pub fn handle_eof(&mut self) {
        self.ended.get_or_insert(Ended::Lost);
        self.finish();
    }

    /// The transport failed: nothing can be read or written any more.
    pub fn handle_io_error(&mut self, kind: std::io::ErrorKind) {
        self.ended.get_or_insert(Ended::Io(kind));
        self.finish();
    }

    /// The driver has not read the transport, so that an answer to the heartbeat may lie there: the
    /// verdict waits once more for at most the heartbeat's timeout and 5 s.
    pub fn defer_heartbeat(&mut self, now: Tick, config: &Config) {
        self.heartbeat.defer(now, config.heartbeat);
    }

    /// Says that `progress` bytes of this connection's output were written and `waiting` were not.
    pub fn handle_written(&mut self, progress: usize, waiting: usize, now: Tick, config: &Config) {
        self.outbound.wrote(progress, waiting, &config.limits, now);
        self.heartbeat.wrote(progress, now, config.heartbeat);
    }

    /// The transport's write side was shut down.
    pub fn handle_half_closed(&mut self, now: Tick) {
        if self.outbound.transport == Transport::Open {
            self.outbound.transport = Transport::HalfClosed;
            self.outbound.close_deadline = Deadline::at(now.after(LINGER_TIME));
        }
    }

    /// Acts on every deadline that has passed.
    pub fn handle_timeout(&mut self, cx: &mut Context<'_>) {
        if self.outbound.owes_end && self.outbound.close_deadline.has_passed(cx.now) {
            self.settle(cx);
        } else if self.outbound.write_deadline.has_passed(cx.now) {
            self.ended.get_or_insert(Ended::WriteStalled);
            self.finish();
        } else if self.outbound.close_deadline.has_passed(cx.now) {
            self.ended.get_or_insert(Ended::CloseTimeout);
            self.finish();
        } else if self.inbound.deadline.has_passed(cx.now) {
            self.end(Ended::Violation(Violation::MessageTimeout));
            self.settle(cx);
        } else if self.heartbeat_deadline().has_passed(cx.now) {
            self.beat(cx);
        }
    }

    /// When [`Connection::handle_timeout`] wants to be called; `None` when nothing is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Tick> {
        if self.is_over() {
            return None;
        }
        let outbound = &self.outbound;
        time::earliest([
            self.inbound.deadline,
            outbound.close_deadline,
            outbound.write_deadline,
            self.heartbeat_deadline(),
        ])
    }

    /// The verbs: sends and closes outside a handler.
    pub fn sender<'a>(&'a mut self, cx: &'a mut Context<'_>) -> Sender<'a> {
        Sender {
            outbound: &mut self.outbound,
            config: cx.config,
            output: cx.output,
            scratch: &mut cx.scratch.send,
            is_reply: false,
        }
    }

    /// The verbs as a handler has them, whose answers are taken whatever waits: for a driver that
    /// hands on an event which it took earlier.
    pub fn reply<'a>(&'a mut self, cx: &'a mut Context<'_>) -> Sender<'a> {
        Sender {
            is_reply: true,
            ..self.sender(cx)
        }
    }

    /// Any byte from the peer shows that it lives.
    #[inline]
    fn handle_life(&mut self, input: &[u8], cx: &Context<'_>) {
        if !input.is_empty() {
            self.heartbeat.seen(cx.now, cx.config.heartbeat);
        }
    }

    /// When the heartbeat looks again: not while we do not read ourselves, and no more once the
    /// closing handshake, which has deadlines of its own, has begun.
    fn heartbeat_deadline(&self) -> Deadline {
        if self.inbound.is_paused || self.is_closing() || self.ended.is_some() {
            return Deadline::NONE;
        }
        self.heartbeat.deadline()
    }

    /// Acts on the heartbeat's deadline.
    fn beat(&mut self, cx: &mut Context<'_>) {
        let Some(config) = cx.config.heartbeat else {
            return;
        };
        let random = (cx.scratch.send.keys)();
        match self.heartbeat.handle_timeout(cx.now, config, random) {
            Beat::Rest => {}
            Beat::Ping(payload) => {
                let left = self.sender(cx).ping_first(&payload);
                self.heartbeat.queued(left);
            }
            Beat::Dead => {
                self.ended = Some(Ended::HeartbeatTimeout);
                self.finish();
            }
        }
    }

    /// Puts input behind what is kept; goes on with both when a Close frame was sent meanwhile.
    fn keep(&mut self, input: &[u8], cx: &mut Context<'_>, handler: &mut impl Handler) {
        self.inbound.keep(input);
        if self.is_closing() {
            self.resume(cx, handler);
        }
    }

    /// Runs over fresh input and keeps what the handler did not want.
    fn run(&mut self, input: &mut impl Input, cx: &mut Context<'_>, handler: &mut impl Handler) {
        self.run_unkept(input, cx, handler);
        if self.inbound.is_paused {
            self.inbound.keep(input.rest());
        }
    }

    fn run_unkept(
        &mut self,
        input: &mut impl Input,
        cx: &mut Context<'_>,
        handler: &mut impl Handler,
    ) {
        while !self.inbound.is_paused {
            if self.ended.is_some() {
                return self.discard(input.rest().len(), cx.config);
            }
            self.run_common(input, cx, handler);
            if self.inbound.is_paused || self.ended.is_some() {
                continue;
            }
            if input.rest().is_empty() && !self.inbound.is_ripe() {
                break;
            }
            let step = self.step(input, cx, handler);
            cx.scratch.inflate.trim();
            match step {
                Ok(Step::Done) => {}
                Ok(Step::Dry) => break,
                Ok(Step::Closed(code)) => self.owe(Ended::Clean(code), cx, handler),
                Err(violation) => {
                    self.owe(Ended::Violation(violation), cx, handler);
                }
            }
        }
        // What we do not read ourselves cannot be late.
        if self.inbound.is_paused || !self.inbound.is_unfinished() {
            self.inbound.deadline = Deadline::NONE;
        } else if !self.inbound.deadline.is_set() {
            self.inbound.deadline = Deadline::at(cx.now.after(cx.config.limits.message_timeout));
        }
    }

    /// Acts on the end of the connection, or lets it wait for the application.
    fn owe(&mut self, ended: Ended, cx: &mut Context<'_>, handler: &impl Handler) {
        self.end(ended);
        if handler.has_unseen() && !self.is_closing() {
            self.inbound.is_paused = true;
            let deadline = cx.now.after(cx.config.limits.close_timeout / 2);
            self.outbound.close_deadline = Deadline::at(deadline);
        } else {
            self.settle(cx);
        }
    }

    /// Notes an end that the peer has not been answered yet.
    fn end(&mut self, ended: Ended) {
        self.inbound.reset();
        self.ended = Some(ended);
        self.outbound.owes_end = true;
    }

    /// Answers an end that waited: the peer's Close frame, or a violation.
    fn settle(&mut self, cx: &mut Context<'_>) {
        if !self.outbound.owes_end {
            return;
        }
        self.outbound.owes_end = false;
        self.inbound.is_paused = false;
        match self.ended {
            Some(Ended::Clean(code)) => self.sender(cx).close_frame(code, ""),
            Some(Ended::Violation(violation)) => {
                let code = Some(violation.close_code());
                self.sender(cx).close_frame(code, violation.reason())
            }
            _ => false,
        };
        // The next deadline begins when our last bytes are written.
        self.outbound.close_deadline = Deadline::NONE;
    }

    /// Takes one message or control frame.
    #[inline]
    fn step(
        &mut self,
        input: &mut impl Input,
        cx: &mut Context<'_>,
        handler: &mut impl Handler,
    ) -> Result<Step, Violation> {
        let masked = self.outbound.role == Role::Server;
        let (scratch, config) = (&mut *cx.scratch, cx.config);
        let mut inflation = Inflation::new(
            self.outbound.agreed,
            &mut self.inflation,
            &mut scratch.inflate,
            config,
            self.outbound.role,
        );
        let (limits, spares) = (&config.limits, &mut scratch.spares);
        let next = self
            .inbound
            .next(input, masked, limits, &mut inflation, spares)?;
        let Some(received) = next else {
            return Ok(Step::Dry);
        };
        let mut sender = Sender {
            outbound: &mut self.outbound,
            config,
            output: cx.output,
            scratch: &mut scratch.send,
            is_reply: true,
        };
        let is_control = matches!(received, Received::Ping(_) | Received::Pong(_));
        let event = match received {
            Received::Text(text) => {
                let word = config.heartbeat_word.as_ref();
                if let Some(answer) = word.and_then(|word| word.answer(&text)) {
                    sender.answer(Opcode::Text, answer.as_bytes());
                    return Ok(Step::Done);
                }
                Event::Text(text)
            }
            Received::Binary(payload) => Event::Binary(payload),
            Received::Ping(payload) => {
                sender.answer(Opcode::Pong, payload);
                Event::Ping(payload)
            }
            Received::Pong(payload) if self.heartbeat.takes_pong(payload, cx.now) => {
                self.inbound.release();
                return Ok(Step::Done);
            }
            Received::Pong(payload) => Event::Pong(payload),
            Received::Close(payload) => {
                let closing = close::parse(payload)?;
                handler.on_event(Event::Close(closing), &mut sender);
                return Ok(Step::Closed(closing.code));
            }
        };
        // After our own Close frame nothing is handed on (RFC 6455 §1.4).
        if !sender.is_closing() && handler.on_event(event, &mut sender) == Flow::Pause {
            self.inbound.is_paused = !sender.is_closing();
        }
        if is_control {
            self.inbound.release();
        }
        Ok(Step::Done)
    }

    /// Counts bytes that come after our last ones; too many of them end the wait for the peer.
    ///
    /// Before, a peer that is in the middle of a message too big must be able to read why.
    fn discard(&mut self, count: usize, config: &Config) {
        if self.outbound.transport == Transport::HalfClosed {
            let count = u32::try_from(count).unwrap_or(u32::MAX);
            self.discarded = self.discarded.saturating_add(count);
            let limit = config.limits.max_message.saturating_add(LINGER_BYTES);
            if self.discarded as usize > limit {
                self.finish();
            }
        }
    }

    fn finish(&mut self) {
        self.outbound.owes_end = false;
        self.outbound.transport = Transport::Closed;
        self.inbound.reset();
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("role", &self.role())
            .field("ended", &self.ended())
            .field("transport", &self.outbound.transport)
            .field("is_closing", &self.is_closing())
            .field("is_paused", &self.is_paused())
            .finish_non_exhaustive()
    }
}
