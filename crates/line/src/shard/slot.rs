//! One connection on a shard: its socket, its protocol, its session, and what of its bytes waits.

mod orders;
mod outcome;

use std::io::{self, ErrorKind};

use bytes::{Buf as _, Bytes};
use holdwire_proto::time::Tick;
use holdwire_proto::{Config, Connection, Context, Ended, Output, Scratch};

use self::orders::Waiting;
pub(super) use self::outcome::{Delivery, Turn};
use super::counters::Counters;
use super::lender::Lender;
use super::mailbox::Order;
use super::session::Session;
use super::socket::{Socket, Tcp, uninterrupted, write_all, write_once};
use super::wheel::Link;
use crate::error::Closed;
use crate::stats::{Stats, Traffic};

/// From so many bytes on that are still to come of a frame, they are received behind its beginning.
const DIRECT_FROM: usize = 16 * 1024;

/// What all connections of a shard use in turn.
pub(super) struct Tools {
    /// What is read, whoever it is from.
    pub(super) input: Box<[u8]>,
    /// What one connection writes; empty between two.
    pub(super) output: Output,
    pub(super) scratch: Scratch,
    /// The time of this turn.
    pub(super) now: Tick,
    /// What went over one connection in its turn, and not counted yet.
    pub(super) step: Stats,
    /// What went over all connections in this turn.
    pub(super) moved: Stats,
}

/// One connection; an idle one owns no heap but its session's.
pub(super) struct Slot<S = Tcp> {
    pub(super) connection: Connection,
    pub(super) session: Box<dyn Session>,
    cold: Option<Box<Cold>>,
    pub(super) socket: S,
    pub(super) generation: u32,
    pub(super) timer: Link,
    counters: Counters,
    /// When it was opened, in units of 1/64 s since the shard began.
    pub(super) opened: u32,
    /// Which of the shard's configurations is its own.
    pub(super) config: u16,
    pub(super) flags: Flags,
}

/// What few connections have at a time.
#[derive(Default)]
struct Cold {
    /// The topics that it has joined: the shard's number of each, and its place among the
    /// subscribers.
    topics: Vec<Membership>,
    /// What the socket did not take.
    output: Option<Box<Output>>,
    rare: Option<Box<Rare>>,
}

/// What a connection hardly ever has.
#[derive(Default)]
struct Rare {
    /// Messages from elsewhere that wait for room.
    waiting: Vec<Waiting>,
    /// What the counters could not hold.
    large: Stats,
    /// The reason in the peer's Close frame.
    reason: Box<str>,
    /// Until then the socket is left alone, as if the line were cut.
    dead_until: Option<Tick>,
}

impl Rare {
    fn is_empty(&self) -> bool {
        self.waiting.is_empty()
            && self.large == Stats::default()
            && self.reason.is_empty()
            && self.dead_until.is_none()
    }
}

/// One topic that a connection has joined.
#[derive(Clone, Copy)]
pub(super) struct Membership {
    pub(super) topic: u32,
    pub(super) place: u32,
}

#[derive(Clone, Copy, Default)]
pub(super) struct Flags {
    /// Its session wants nothing until it is resumed.
    pub(super) is_paused: bool,
    /// Its session failed and is called no more.
    pub(super) has_failed: bool,
    /// The socket may hold something that no event will announce.
    is_unread: bool,
    /// The socket takes no more until an event says so.
    is_blocked: bool,
    /// The peer has closed its side, so that the socket is to be read to its end.
    is_half_closed: bool,
    /// Something that it published itself is being handed out.
    pub(super) is_publisher: bool,
    /// Its session is woken when nothing waits to be written.
    is_to_wake: bool,
}

/// What the poller has said about a socket.
#[derive(Clone, Copy, Default)]
pub(super) struct Ready {
    pub(super) readable: bool,
    pub(super) writable: bool,
    /// The peer has closed its side.
    pub(super) half_closed: bool,
    /// Something has befallen it.
    pub(super) has_failed: bool,
}

impl<S: Socket> Slot<S> {
    pub(super) fn new(
        connection: Connection,
        session: Box<dyn Session>,
        socket: S,
        generation: u32,
    ) -> Self {
        Self {
            connection,
            session,
            cold: None,
            socket,
            generation,
            timer: Link::UNLINKED,
            counters: Counters::default(),
            opened: 0,
            config: 0,
            flags: Flags::default(),
        }
    }

    /// Runs `act` with the connection and what it needs lent, and counts what it did.
    fn with<T>(
        &mut self,
        tools: &mut Tools,
        config: &Config,
        act: impl FnOnce(&mut Connection, &mut Context<'_>, &mut Lender<'_>) -> T,
    ) -> T {
        let own = self
            .cold
            .as_mut()
            .and_then(|cold| cold.output.as_deref_mut());
        let mut cx = Context {
            now: tools.now,
            config,
            output: own.unwrap_or(&mut tools.output),
            scratch: &mut tools.scratch,
        };
        let limit = config.limits.send_queue;
        let mut lender = Lender::new(&mut *self.session, &mut self.flags, limit);
        let result = act(&mut self.connection, &mut cx, &mut lender);
        let (received, reason) = lender.end();
        if let Some(reason) = reason {
            self.rare().reason = reason;
        }
        let sent = tools.scratch.take_sent();
        let step = &mut tools.step;
        step.received += &received;
        step.sent.messages += sent.messages;
        step.sent.payload += sent.payload;
        step.inflated += tools.scratch.take_inflated();
        step.deflated += tools.scratch.take_deflated();
        result
    }

    /// Counts what happened in this turn.
    fn count(&mut self, tools: &mut Tools) {
        let step = &std::mem::take(&mut tools.step);
        tools.moved += step;
        let compressed = step.inflated.plain | step.deflated.plain > 0;
        let (counters, cold) = (&mut self.counters, &mut self.cold);
        let large = |all: &Stats| {
            cold.get_or_insert_default()
                .rare
                .get_or_insert_default()
                .large += all
        };
        if compressed {
            counters.spill(step, large);
        } else {
            counters.add(step, large);
        }
    }

    /// The connection is there: the session begins, and then what came with the handshake.
    pub(super) fn open(
        &mut self,
        mut received: Vec<u8>,
        order: Option<Order>,
        tools: &mut Tools,
        config: &Config,
    ) {
        self.with(tools, config, |connection, cx, lender| {
            connection.handle_opened(cx);
            lender.call(&mut connection.reply(cx), |session, sender| {
                session.on_open(sender)
            });
        });
        if let Some(order) = order {
            self.obey(order, tools, config);
        }
        if !received.is_empty() {
            self.with(tools, config, |connection, cx, lender| {
                connection.receive(&mut received, cx, lender);
            });
            tools.step.received.bytes += received.len() as u64;
        }
    }

    /// The poller has spoken.
    pub(super) fn on_ready(&mut self, ready: Ready, tools: &mut Tools, config: &Config) -> Turn {
        self.flags.is_half_closed |= ready.half_closed;
        if ready.writable {
            self.flags.is_blocked = false;
        }
        let has_more = ready.readable && self.read(tools, config);
        // Whoever does not read would not learn of it otherwise, and the poller says it once.
        if ready.has_failed
            && self.flags.is_unread
            && let Some(kind) = self.socket.failure()
        {
            self.connection.handle_io_error(kind);
        }
        self.finish(has_more, tools, config)
    }

    /// Goes on where it had to stop, whatever the reason was.
    pub(super) fn go_on(&mut self, tools: &mut Tools, config: &Config) -> Turn {
        let has_more = self.flags.is_unread && self.read(tools, config);
        self.finish(has_more, tools, config)
    }

    /// Calls the session outside of an event.
    pub(super) fn call(
        &mut self,
        tools: &mut Tools,
        config: &Config,
        act: impl FnOnce(&mut dyn Session, &mut holdwire_proto::Sender<'_>),
    ) {
        self.with(tools, config, |connection, cx, lender| {
            if connection.ended().is_none() {
                lender.call(&mut connection.reply(cx), act);
            }
        });
    }

    /// Hands over encoded frames that many get: at once, or behind what waits.
    pub(super) fn deliver(
        &mut self,
        frames: &Bytes,
        counts: &Traffic,
        tools: &mut Tools,
        config: &Config,
    ) -> Delivery {
        if !self.connection.is_open_for_data() {
            return Delivery::Done;
        }
        let waiting = self.queued();
        if waiting > 0 && waiting + frames.len() > config.limits.send_queue {
            return Delivery::TooSlow;
        }
        tools.step.sent = *counts;
        if waiting == 0 && !self.flags.is_blocked && self.dead_until().is_none() {
            match write_once(&mut self.socket, frames) {
                Ok(count) if count == frames.len() => {
                    tools.step.sent.bytes = count as u64;
                    self.count(tools);
                    return Delivery::Done;
                }
                Ok(count) => {
                    tools.step.sent.bytes = count as u64;
                    self.flags.is_blocked = true;
                    let mut output = Output::default();
                    output.push_shared(frames.clone());
                    output.advance(count);
                    self.connection
                        .handle_written(count, output.len(), tools.now, config);
                    self.cold().output = Some(Box::new(output));
                }
                Err(kind) => self.connection.handle_io_error(kind),
            }
        } else {
            let output = self.cold().output.get_or_insert_default();
            output.push_shared(frames.clone());
        }
        self.count(tools);
        Delivery::Waits
    }

    /// Bytes that wait to be written.
    pub(super) fn queued(&self) -> usize {
        let output = self.cold.as_ref().and_then(|cold| cold.output.as_ref());
        output.map_or(0, |output| output.len())
    }

    /// The topics that it has joined.
    pub(super) fn topics(&mut self) -> &mut Vec<Membership> {
        &mut self.cold().topics
    }

    /// Whether it has joined none.
    pub(super) fn has_no_topics(&self) -> bool {
        self.cold.as_ref().is_none_or(|cold| cold.topics.is_empty())
    }

    /// Gives back the memory of what it no longer has.
    pub(super) fn shrink(&mut self) {
        self.cold.take_if(|cold| {
            cold.rare.take_if(|rare| rare.is_empty());
            cold.topics.is_empty() && cold.output.is_none() && cold.rare.is_none()
        });
    }

    /// How it ended, and what went over it.
    pub(super) fn end(&mut self) -> (Closed, Stats) {
        let rare = self
            .cold
            .take()
            .and_then(|cold| cold.rare)
            .unwrap_or_default();
        let mut stats = rare.large;
        self.counters.add_to(&mut stats);
        stats.round_trip = self.connection.round_trip();
        let closed = Closed {
            ended: self.connection.ended().unwrap_or(Ended::Lost),
            reason: rare.reason,
        };
        (closed, stats)
    }

    /// Reads once; whether there may be more.
    fn read(&mut self, tools: &mut Tools, config: &Config) -> bool {
        self.flags.is_unread = !self.takes_input(config);
        if self.flags.is_unread {
            return false;
        }
        let mut input = std::mem::take(&mut tools.input);
        let (is_direct, room, read) = self.read_once(&mut input);
        let mut has_more = false;
        match read {
            Ok(0) => self.connection.handle_eof(),
            Ok(count) => {
                self.with(tools, config, |connection, cx, lender| {
                    if is_direct {
                        connection.receive_direct(count, cx, lender);
                    } else {
                        connection.receive(&mut input[..count], cx, lender);
                    }
                });
                tools.step.received.bytes += count as u64;
                // The end of the peer's side is told once, perhaps together with its last bytes.
                has_more = count == room || self.flags.is_half_closed;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => self.connection.handle_io_error(error.kind()),
        }
        tools.input = input;
        has_more
    }

    /// Reads once, behind the beginning of a long message or else into `input`: whether the former,
    /// how much room there was, and what came of it.
    fn read_once(&mut self, input: &mut [u8]) -> (bool, usize, io::Result<usize>) {
        let Some(buffer) = self.connection.direct(DIRECT_FROM) else {
            let read = uninterrupted(|| self.socket.read(input));
            return (false, input.len(), read);
        };
        let room = buffer.capacity() - buffer.len();
        let read = uninterrupted(|| self.socket.read_behind(buffer));
        (true, room, read)
    }

    /// Whether the peer is listened to: not while its own answers wait, nor while the session does
    /// not want it.
    fn takes_input(&self, config: &Config) -> bool {
        let connection = &self.connection;
        !connection.is_paused()
            && !connection.is_over()
            && self.queued() <= config.limits.send_queue
            && self.dead_until().is_none()
    }

    /// Ends a turn: writes, goes on with what waited for room, acts on deadlines, counts.
    pub(super) fn finish(&mut self, has_more: bool, tools: &mut Tools, config: &Config) -> Turn {
        let turn = self.settle(has_more, tools, config);
        self.count(tools);
        turn
    }

    fn settle(&mut self, has_more: bool, tools: &mut Tools, config: &Config) -> Turn {
        if let Some(until) = self.dead_until() {
            if tools.now.is_before(until) && !self.connection.is_over() {
                self.keep_output(tools);
                self.flags.is_unread |= has_more;
                return Turn::Wait(Some(until));
            }
            self.rare().dead_until = None;
            self.flags.is_unread = true;
        }
        self.flags.is_unread |= has_more;
        loop {
            self.write(tools, config);
            if self.send_waiting(tools, config) {
                continue;
            }
            if self.flags.is_to_wake && self.queued() == 0 {
                self.flags.is_to_wake = false;
                self.call(tools, config, |session, sender| session.on_wake(sender));
                continue;
            }
            if self.may_resume(config) {
                self.with(tools, config, |connection, cx, lender| {
                    connection.resume(cx, lender)
                });
                continue;
            }
            let due = self.connection.poll_timeout();
            if due.is_some_and(|due| !tools.now.is_before(due)) {
                if self.flags.is_unread {
                    // An answer to the heartbeat may lie there.
                    self.connection.defer_heartbeat(tools.now, config);
                }
                self.with(tools, config, |connection, cx, _| {
                    connection.handle_timeout(cx)
                });
                continue;
            }
            self.trim();
            return if self.connection.is_over() {
                Turn::Over
            } else if self.flags.is_unread && self.takes_input(config) {
                Turn::Again(due)
            } else {
                Turn::Wait(due)
            };
        }
    }

    /// Whether input that was kept is to be handed on now.
    fn may_resume(&self, config: &Config) -> bool {
        let connection = &self.connection;
        let is_wanted = connection.is_paused()
            && !self.flags.is_paused
            && self.queued() <= config.limits.send_queue;
        is_wanted || connection.wants_resume()
    }

    /// Writes what waits as far as the socket takes it, and ends our side when that is due.
    fn write(&mut self, tools: &mut Tools, config: &Config) {
        let own = self
            .cold
            .as_mut()
            .and_then(|cold| cold.output.as_deref_mut());
        let is_own = own.is_some();
        let output = own.unwrap_or(&mut tools.output);
        if !output.is_empty() && !self.flags.is_blocked {
            let (written, result) = write_all(&mut self.socket, output, &mut tools.scratch);
            let waiting = output.len();
            self.connection
                .handle_written(written, waiting, tools.now, config);
            self.flags.is_blocked = waiting > 0;
            if let Err(kind) = result {
                self.connection.handle_io_error(kind);
            }
            tools.step.sent.bytes += written as u64;
        }
        if is_own {
            if let Some(cold) = &mut self.cold {
                cold.output.take_if(|output| output.is_empty());
            }
        } else {
            self.keep_output(tools);
        }
        if self.queued() == 0 && self.connection.wants_half_close() {
            match self.socket.end() {
                Ok(()) => self.connection.handle_half_closed(tools.now),
                Err(error) => self.connection.handle_io_error(error.kind()),
            }
        }
    }

    /// Moves what was not written out of the shard's output.
    fn keep_output(&mut self, tools: &mut Tools) {
        if !tools.output.is_empty() {
            let output = std::mem::take(&mut tools.output);
            self.cold().output = Some(Box::new(output));
        }
    }

    fn dead_until(&self) -> Option<Tick> {
        self.cold.as_ref()?.rare.as_ref()?.dead_until
    }

    fn trim(&mut self) {
        if self.cold.is_some() {
            self.shrink();
        }
    }

    fn cold(&mut self) -> &mut Cold {
        self.cold.get_or_insert_default()
    }

    fn rare(&mut self) -> &mut Rare {
        self.cold().rare.get_or_insert_default()
    }
}

#[cfg(test)]
mod tests;
