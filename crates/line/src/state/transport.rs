//! The transport's two directions and the deadlines: what a driver polls.

use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use bytes::{Buf, BufMut};
use holdwire_proto::time::Tick;
use holdwire_proto::{self as proto, Connection, Event, Flow, Handler, Output, Scratch};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

use super::inbox::{Collector, Intake, Lender};
use super::{Lease, Stage, State};
use crate::stream::Stream;
use crate::tools::{self, Moment, READ_BUFFER, Tools};

/// From so many bytes on that are still to come of a frame, they are received behind its beginning.
const DIRECT_FROM: usize = 16 * 1024;

/// Slices handed to one vectored write.
const SLICES: usize = 16;

impl State {
    /// Reads into the inbox; true when the application has news.
    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>) -> bool {
        if self.is_lent() {
            return false;
        }
        let before = (self.inbox.len(), self.connection.ended());
        let pongs = self.answered();
        tools::with(|tools| {
            self.poll_transport(cx, tools, |connection, cx, came, intake| {
                came.receive(connection, cx, &mut Collector(intake));
            });
        });
        if self.answered() > pongs {
            self.wake_waiting();
        }
        before != (self.inbox.len(), self.connection.ended())
    }

    /// As [`State::poll_read`], but every event goes to `handler` where it lies; true when it paused.
    ///
    /// What it sends is never refused for want of room, for it cannot wait; instead nothing more
    /// is handed to it while the queue is over its limit. The driver writes it.
    pub(crate) fn poll_lend(&mut self, cx: &mut Context<'_>, handler: &mut impl Handler) -> bool {
        let _moment = Moment::begin();
        if !self.is_driven() {
            self.begin_turn(cx);
        }
        let pongs = self.answered();
        let has_paused = tools::with(|tools| self.lend(cx, tools, handler));
        if self.answered() > pongs {
            self.wake_waiting();
        }
        if self.has_room() {
            self.lease = Lease::Fresh;
        } else {
            // What may lie unread shows nothing of the peer.
            self.lease = Lease::Stale;
            self.wants_read = true;
        }
        if !self.is_driven() {
            let _ = self.poll_write(cx);
            self.rest();
        } else if self.rests && self.wants_driver() {
            self.wake_driver();
        }
        has_paused
    }

    /// Hands events to `handler` until there are none, it pauses or the queue is over its limit.
    fn lend(
        &mut self,
        cx: &mut Context<'_>,
        tools: &mut Tools,
        handler: &mut impl Handler,
    ) -> bool {
        let queue_limit = self.config.limits.send_queue;
        let mut has_paused = false;
        // What was read ahead before the lease began.
        while self.has_room()
            && !has_paused
            && let Some(message) = self.inbox.pop()
        {
            let flow = self.with(tools, |connection, cx| {
                handler.on_event(Event::from(&message), &mut connection.reply(cx))
            });
            has_paused = flow == Flow::Pause;
            self.inbox.give_back(tools);
        }
        while self.has_room() && !has_paused {
            let mut lend = |connection: &mut Connection,
                            cx: &mut proto::Context<'_>,
                            came: Came<'_>,
                            intake: &mut Intake<'_>| {
                let mut lender = Lender {
                    handler: &mut *handler,
                    intake,
                    queue_limit,
                    has_paused: &mut has_paused,
                };
                if connection.is_paused() {
                    connection.resume(cx, &mut lender);
                } else {
                    came.receive(connection, cx, &mut lender);
                }
            };
            if self.connection.is_paused() {
                self.with_intake(tools, |connection, cx, intake| {
                    lend(connection, cx, Came::Here(&mut []), intake);
                });
                // Then the transport: nobody may have asked it for more since the pause.
                continue;
            }
            self.poll_transport(cx, tools, lend);
            if !self.connection.is_paused() {
                break;
            }
        }
        has_paused
    }

    /// Whether a lending receiver leaves something to the driver: bytes, the end, a deadline that
    /// the timer does not know.
    fn wants_driver(&self) -> bool {
        let due = self.connection.poll_timeout();
        self.has_output()
            || self.connection.ended().is_some()
            || due.is_some_and(|tick| self.timer.is_later_than(tick))
    }

    /// Reads until the transport has nothing more or nobody wants more.
    fn poll_transport(
        &mut self,
        cx: &mut Context<'_>,
        tools: &mut Tools,
        mut receive: impl FnMut(&mut Connection, &mut proto::Context<'_>, Came<'_>, &mut Intake<'_>),
    ) {
        self.wants_read = false;
        let was_ended = self.connection.ended().is_some();
        if self.connection.wants_resume() {
            self.with_intake(tools, |connection, cx, intake| {
                receive(connection, cx, Came::Here(&mut []), intake);
            });
        }
        if self.dead_until().is_some() {
            return;
        }
        while !self.connection.is_paused() && !self.connection.is_over() {
            let Some(stream) = &mut self.stream else {
                break;
            };
            let mut is_dry = false;
            let mut input = std::mem::take(&mut tools.buffer);
            let (is_direct, read) = poll_read_once(stream, &mut self.connection, &mut input, cx);
            match read {
                Poll::Ready(Ok(0)) => self.connection.handle_eof(),
                Poll::Ready(Ok(count)) => {
                    self.received.bytes += count as u64;
                    let came = if is_direct {
                        Came::Direct(count)
                    } else {
                        Came::Here(&mut input[..count])
                    };
                    self.with_intake(tools, |connection, cx, intake| {
                        receive(connection, cx, came, intake);
                    });
                }
                Poll::Ready(Err(error)) => self.connection.handle_io_error(error.kind()),
                Poll::Pending => is_dry = true,
            }
            tools.buffer = input;
            if is_dry {
                break;
            }
            if !was_ended && self.connection.ended().is_some() {
                // A peer that goes on sending is told first, and then listened to.
                self.wants_read = true;
                break;
            }
        }
    }

    /// Writes what waits, half-closes or closes the transport, and acts on deadlines.
    ///
    /// `Ready` when the transport is gone.
    pub(crate) fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut now = tools::now();
        if self.plays_dead(now, cx) {
            return Poll::Pending;
        }
        let before = (self.queued(), self.needs_flush);
        self.write(now, cx);
        while self.poll_deadline(now, cx) {
            now = tools::read_clock();
            self.write(now, cx);
        }
        if self.connection.is_over() {
            self.drop_transport();
        }
        let stage = self.current_stage();
        let is_further = std::mem::replace(&mut self.stage, stage) != stage;
        if is_further || (self.queued(), self.needs_flush) < before {
            self.wake_waiting();
        }
        if is_further || (self.is_lent() && self.reads_again()) {
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

    fn write(&mut self, now: Tick, cx: &mut Context<'_>) {
        let Some(stream) = &mut self.stream else {
            return;
        };
        let (written, result) = match self.output.take() {
            Some(mut output) => tools::with(|tools| {
                let result = write_all(stream, &mut output, &mut tools.scratch, cx);
                let place = if output.is_empty() {
                    &mut tools.output
                } else {
                    &mut self.output
                };
                *place = Some(output);
                result
            }),
            None => (0, Ok(())),
        };
        self.sent.bytes += written as u64;
        self.needs_flush |= written > 0 && stream.needs_flush();
        let result = result.and_then(|()| {
            if self.needs_flush {
                match Pin::new(&mut *stream).poll_flush(cx) {
                    Poll::Pending => return Ok(()),
                    Poll::Ready(flushed) => flushed.map_err(|error| error.kind())?,
                }
                self.needs_flush = false;
            }
            if self.output.is_none() && self.connection.wants_half_close() {
                match Pin::new(stream).poll_shutdown(cx) {
                    Poll::Pending => return Ok(()),
                    Poll::Ready(shut) => shut.map_err(|error| error.kind())?,
                }
                self.connection.handle_half_closed(now);
            }
            Ok(())
        });
        // What the transport took and has not passed on waits too.
        let waiting = self.queued().max(usize::from(self.needs_flush));
        // The peer's time does not begin before a handler that took its own has returned.
        let now = if waiting > 0 {
            tools::read_clock()
        } else {
            now
        };
        self.connection
            .handle_written(written, waiting, now, &self.config);
        if let Err(kind) = result {
            self.connection.handle_io_error(kind);
        }
    }

    /// Acts on a deadline that has passed, or arms the timer for the next one; true when it acted.
    fn poll_deadline(&mut self, now: Tick, cx: &mut Context<'_>) -> bool {
        match self.connection.poll_timeout() {
            None => {
                self.timer.give_back();
                false
            }
            Some(tick) if now.is_before(tick) => {
                self.timer.arm(tick, now, cx);
                false
            }
            Some(_) => {
                if self.lease == Lease::Fresh {
                    self.lease = Lease::Stale;
                } else if self.is_lent() {
                    // What came lies unread with a receiver that has not been polled.
                    self.connection.defer_heartbeat(now, &self.config);
                    self.wake_receiver();
                }
                tools::with(|tools| self.with(tools, Connection::handle_timeout));
                true
            }
        }
    }

    /// Whether the transport is left alone for now, as if the line were cut.
    fn plays_dead(&mut self, now: Tick, cx: &mut Context<'_>) -> bool {
        let Some(until) = self.dead_until() else {
            return false;
        };
        if now.is_before(until) && !self.connection.is_over() {
            self.timer.arm(until, now, cx);
            return true;
        }
        if let Some(rare) = &mut self.rare {
            rare.dead_until = None;
        }
        self.tidy();
        self.wants_read = true;
        false
    }

    fn dead_until(&self) -> Option<Tick> {
        self.rare.as_ref().and_then(|rare| rare.dead_until)
    }
}

/// What came, and where it lies.
enum Came<'a> {
    /// In the thread's buffer.
    Here(&'a mut [u8]),
    /// So many bytes, behind the beginning of a long message.
    Direct(usize),
}

impl Came<'_> {
    fn receive(
        self,
        connection: &mut Connection,
        cx: &mut proto::Context<'_>,
        handler: &mut impl Handler,
    ) {
        match self {
            Self::Here(input) => connection.receive(input, cx, handler),
            Self::Direct(count) => connection.receive_direct(count, cx, handler),
        }
    }
}

/// Reads once, behind the beginning of a long message or else into `input`: whether the former, and
/// what came of it.
#[inline]
fn poll_read_once(
    stream: &mut Stream,
    connection: &mut Connection,
    input: &mut Box<[u8]>,
    cx: &mut Context<'_>,
) -> (bool, Poll<io::Result<usize>>) {
    if let Some(message) = connection.direct(DIRECT_FROM) {
        return (true, poll_read_behind(stream, message, cx));
    }
    if input.is_empty() {
        *input = vec![0; READ_BUFFER].into();
    }
    let mut buffer = ReadBuf::new(input);
    let read = Pin::new(stream).poll_read(cx, &mut buffer);
    (false, read.map_ok(|()| buffer.filled().len()))
}

/// Reads once behind the content; there is room.
#[cold]
fn poll_read_behind(
    stream: &mut Stream,
    message: &mut Vec<u8>,
    cx: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    // No more than is read elsewhere, so that others have their turns as soon.
    let mut behind = message.limit(READ_BUFFER);
    // It keeps nothing from one poll to the next.
    pin!(stream.read_buf(&mut behind)).poll(cx)
}

/// Writes until nothing waits or the transport takes no more; says how much it took.
fn write_all(
    stream: &mut Stream,
    output: &mut Output,
    scratch: &mut Scratch,
    cx: &mut Context<'_>,
) -> (usize, Result<(), io::ErrorKind>) {
    let mut written = 0;
    while output.has_remaining() {
        match poll_write_once(stream, output, cx) {
            Poll::Pending => break,
            Poll::Ready(Ok(0)) => return (written, Err(io::ErrorKind::WriteZero)),
            Poll::Ready(Err(error)) => return (written, Err(error.kind())),
            Poll::Ready(Ok(count)) => {
                output.advance_reclaiming(count, scratch);
                written += count;
            }
        }
    }
    (written, Ok(()))
}

fn poll_write_once(
    stream: &mut Stream,
    output: &Output,
    cx: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    let first = output.chunk();
    if first.len() == output.remaining() {
        return Pin::new(stream).poll_write(cx, first);
    }
    let mut slices = [IoSlice::new(&[]); SLICES];
    let count = output.chunks_vectored(&mut slices);
    Pin::new(stream).poll_write_vectored(cx, &slices[..count])
}
