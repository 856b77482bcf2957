//! The transport's two directions and the deadlines: what a driver polls.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Buf;
use holdwire_proto::time::Tick;
use holdwire_proto::{self as proto, Connection, Event, Flow, Handler, Output};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::inbox::{Collector, Inbox, Lender};
use super::{Stage, State};
use crate::stats::Traffic;
use crate::stream::Stream;
use crate::tools::{self, READ_BUFFER, Tools};

/// Slices handed to one vectored write.
const SLICES: usize = 16;

impl State {
    /// Reads into the inbox; true when the application has news.
    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>) -> bool {
        if self.is_lent {
            return false;
        }
        let before = (self.inbox.len(), self.connection.ended());
        let pongs = self.inbox.answered();
        tools::with(|tools| {
            self.poll_transport(cx, tools, |connection, cx, input, inbox, traffic| {
                connection.receive(input, cx, &mut Collector { inbox, traffic });
            });
        });
        if self.inbox.answered() > pongs {
            self.wake_waiting();
        }
        before != (self.inbox.len(), self.connection.ended())
    }

    /// As [`State::poll_read`], but every event goes to `handler` where it lies; true when it paused.
    ///
    /// What it sends is never refused for want of room, for it cannot wait; instead nothing more
    /// is handed to it while the queue is over its limit.
    pub(crate) fn poll_lend(&mut self, cx: &mut Context<'_>, handler: &mut impl Handler) -> bool {
        let pongs = self.inbox.answered();
        let queue_limit = self.config.limits.send_queue;
        let mut has_paused = false;
        tools::with(|tools| {
            // What was read ahead before the lease began.
            while self.has_room()
                && !has_paused
                && let Some(message) = self.inbox.pop()
            {
                let flow = self.with(tools, |connection, cx| {
                    handler.on_event(Event::from(&message), &mut connection.reply(cx))
                });
                has_paused = flow == Flow::Pause;
            }
            while self.has_room() && !has_paused {
                let mut lend = |connection: &mut Connection,
                                cx: &mut proto::Context<'_>,
                                input: &mut [u8],
                                inbox: &mut Inbox,
                                traffic: &mut Traffic| {
                    let mut lender = Lender {
                        handler: &mut *handler,
                        inbox,
                        traffic,
                        queue_limit,
                        has_paused: &mut has_paused,
                    };
                    if connection.is_paused() {
                        connection.resume(cx, &mut lender);
                    } else {
                        connection.receive(input, cx, &mut lender);
                    }
                };
                if self.connection.is_paused() {
                    self.with_inbox(tools, |connection, cx, inbox, traffic| {
                        lend(connection, cx, &mut [], inbox, traffic);
                    });
                } else {
                    self.poll_transport(cx, tools, lend);
                }
                if !self.connection.is_paused() {
                    break;
                }
            }
        });
        // What may lie unread shows nothing of the peer.
        self.is_lease_fresh = self.has_room();
        self.wants_read |= !self.has_room();
        if self.inbox.answered() > pongs {
            self.wake_waiting();
        }
        has_paused
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
            &mut Traffic,
        ),
    ) {
        self.wants_read = false;
        let was_ended = self.connection.ended().is_some();
        if self.connection.wants_resume() {
            self.with_inbox(tools, |connection, cx, inbox, traffic| {
                receive(connection, cx, &mut [], inbox, traffic);
            });
        }
        if self.dead_until.is_some() {
            return;
        }
        while !self.connection.is_paused() && !self.connection.is_over() {
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
                    self.received.bytes += count as u64;
                    self.with_inbox(tools, |connection, cx, inbox, traffic| {
                        receive(connection, cx, &mut input[..count], inbox, traffic);
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
        let now = tools::now();
        if self.plays_dead(now, cx) {
            return Poll::Pending;
        }
        let before = (self.queued(), self.needs_flush);
        self.write(now, cx);
        while self.poll_deadline(now, cx) {
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

    fn write(&mut self, now: Tick, cx: &mut Context<'_>) {
        let Some(stream) = &mut self.stream else {
            return;
        };
        let (written, result) = match &mut self.output {
            Some(output) => write_all(stream, output, cx),
            None => (0, Ok(())),
        };
        if let Some(empty) = self.output.take_if(|output| output.is_empty()) {
            tools::with(|tools| tools.spare = Some(empty));
        }
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
                if self.is_lent && !std::mem::take(&mut self.is_lease_fresh) {
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
        let Some(until) = self.dead_until else {
            return false;
        };
        if now.is_before(until) && !self.connection.is_over() {
            self.timer.arm(until, now, cx);
            return true;
        }
        self.dead_until = None;
        self.wants_read = true;
        false
    }
}

/// Writes until nothing waits or the transport takes no more; says how much it took.
fn write_all(
    stream: &mut Stream,
    output: &mut Output,
    cx: &mut Context<'_>,
) -> (usize, Result<(), io::ErrorKind>) {
    let mut written = 0;
    while output.has_remaining() {
        match poll_write_once(stream, output, cx) {
            Poll::Pending => break,
            Poll::Ready(Ok(0)) => return (written, Err(io::ErrorKind::WriteZero)),
            Poll::Ready(Err(error)) => return (written, Err(error.kind())),
            Poll::Ready(Ok(count)) => {
                output.advance(count);
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
    let mut slices = [IoSlice::new(&[]); SLICES];
    match output.chunks_vectored(&mut slices) {
        0 | 1 => Pin::new(stream).poll_write(cx, output.chunk()),
        count => Pin::new(stream).poll_write_vectored(cx, &slices[..count]),
    }
}
