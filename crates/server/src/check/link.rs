//! An open connection that is watched: every frame, every end, and when it came.
//!
//! It drives the protocol's [`Connection`] without the deadlines of an application, so that what is
//! seen is the server's doing and not ours: it sends what a probe sends, and the pongs and the Close
//! frame that the protocol asks for.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context as Waiting, Poll, ready};

use holdwire::proto::bytes::Buf as _;
use holdwire::proto::deflate::DeflateConfig;
use holdwire::proto::frame::MAX_HEAD;
use holdwire::proto::time::Clock;
use holdwire::proto::{
    Config, Connection, Context, Ended, Event, Flow, Limits, Output, Role, Scratch, SendError,
    Sender,
};
use holdwire::{CloseCode, Message, Stream, Violation};
use serde::Serialize;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, sleep_until};

use super::way::Opened;

/// An open connection.
pub(super) struct Link {
    stream: Stream,
    connection: Connection,
    config: Config,
    output: Output,
    scratch: Scratch,
    clock: Clock,
    buffer: Vec<u8>,
    seen: VecDeque<(Instant, Seen)>,
    is_writable: bool,
    is_unflushed: bool,
    is_ended: bool,
    /// When the last byte came or went.
    last_byte: Instant,
    /// The first text message, if it was of a size to be read by people.
    first_text: Option<String>,
}

/// What was seen of the server.
#[derive(Debug)]
pub(super) enum Seen {
    Message(Message),
    Ping,
    Pong(Vec<u8>),
    /// A Close frame with its code and reason.
    Close(Option<u16>, String),
    /// Nothing follows.
    End(End),
}

/// How a transport ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum End {
    /// The other side said that it sends no more.
    Fin,
    /// The other side reset the connection.
    Reset,
    /// The system gave the connection up.
    Failed(#[serde(serialize_with = "kind")] io::ErrorKind),
    /// A rule of the protocol was broken.
    Violation(#[serde(serialize_with = "reason")] Violation),
}

fn kind<S: serde::Serializer>(kind: &io::ErrorKind, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(kind)
}

fn reason<S: serde::Serializer>(broken: &Violation, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(broken.reason())
}

/// A first text message longer than this is nobody's greeting.
const MAX_FIRST_TEXT: usize = 256 * 1024;

const READ_BUFFER: usize = 64 * 1024;

impl Link {
    /// Takes over a connection; messages up to `max_message` bytes are received.
    pub(super) fn new(opened: Opened, max_message: usize) -> Self {
        let limits = Limits {
            max_message,
            max_frame: max_message.saturating_add(MAX_HEAD),
            // A ping goes behind a message of any size.
            send_queue: usize::MAX / 2,
            ..Limits::default()
        };
        let config = Config::default()
            .limits(limits)
            .deflate(DeflateConfig::default());
        let connection = Connection::new(Role::Client);
        let now = Instant::now();
        let mut link = Self {
            stream: opened.stream,
            connection: match opened.deflate {
                Some(params) => connection.with_deflate(params),
                None => connection,
            },
            config,
            output: Output::default(),
            scratch: Scratch::new(Box::new(rand::random)),
            clock: Clock::new(now.into_std()),
            buffer: vec![0; READ_BUFFER],
            seen: VecDeque::new(),
            is_writable: true,
            is_unflushed: false,
            is_ended: false,
            last_byte: now,
            first_text: None,
        };
        let mut received = opened.received;
        if !received.is_empty() {
            link.receive(&mut received);
        }
        link
    }

    /// When the last byte came or went.
    pub(super) fn last_byte(&self) -> Instant {
        self.last_byte
    }

    /// The first text message that came so far.
    pub(super) fn first_text(&self) -> Option<&str> {
        self.first_text.as_deref()
    }

    pub(super) fn ping(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.send(|sender| sender.ping(payload))
    }

    pub(super) fn message(&mut self, message: Message) -> Result<(), SendError> {
        self.send(|sender| sender.message(message))
    }

    pub(super) fn close(&mut self, code: CloseCode) {
        // The only error there is says that the connection is closing already.
        let _ = self.send(|sender| {
            sender.close(code, "");
            Ok(())
        });
    }

    fn send(
        &mut self,
        act: impl FnOnce(&mut Sender<'_>) -> Result<(), SendError>,
    ) -> Result<(), SendError> {
        let mut cx = Context {
            now: self.clock.tick(Instant::now().into_std()),
            config: &self.config,
            output: &mut self.output,
            scratch: &mut self.scratch,
        };
        act(&mut self.connection.sender(&mut cx))
    }

    /// What is seen next; `None` when nothing was until then.
    ///
    /// What waits is written meanwhile. After the end there is nothing more to see.
    pub(super) async fn next(&mut self, until: Instant) -> Option<(Instant, Seen)> {
        let mut late = pin!(sleep_until(until));
        loop {
            if let Some(seen) = self.seen.pop_front() {
                return Some(seen);
            }
            if self.is_ended {
                return None;
            }
            let is_late = poll_fn(|cx| {
                self.poll_write(cx);
                if self.poll_read(cx).is_ready() {
                    return Poll::Ready(false);
                }
                late.as_mut().poll(cx).map(|()| true)
            })
            .await;
            if is_late {
                return None;
            }
        }
    }

    /// Writes what waits, as far as it goes. A transport that takes nothing more may still have
    /// something to read: why.
    fn poll_write(&mut self, cx: &mut Waiting<'_>) {
        while self.is_writable && !self.output.is_empty() {
            let written = Pin::new(&mut self.stream).poll_write(cx, self.output.chunk());
            match written {
                Poll::Ready(Ok(count)) if count > 0 => {
                    self.output.advance(count);
                    let now = Instant::now();
                    (self.last_byte, self.is_unflushed) = (now, true);
                    let (waiting, tick) = (self.output.len(), self.clock.tick(now.into_std()));
                    self.connection
                        .handle_written(count, waiting, tick, &self.config);
                }
                Poll::Ready(_) => self.is_writable = false,
                Poll::Pending => break,
            }
        }
        if !self.is_writable {
            self.output.clear();
        } else if self.is_unflushed {
            match Pin::new(&mut self.stream).poll_flush(cx) {
                Poll::Ready(Ok(())) => self.is_unflushed = false,
                Poll::Ready(Err(_)) => self.is_writable = false,
                Poll::Pending => {}
            }
        }
    }

    fn poll_read(&mut self, cx: &mut Waiting<'_>) -> Poll<()> {
        let mut buffer = std::mem::take(&mut self.buffer);
        let mut room = ReadBuf::new(&mut buffer);
        let read = Pin::new(&mut self.stream).poll_read(cx, &mut room);
        let count = room.filled().len();
        if let Poll::Ready(Ok(())) = read
            && count > 0
        {
            self.receive(&mut buffer[..count]);
        }
        self.buffer = buffer;
        let end = match ready!(read) {
            Ok(()) if count > 0 => return Poll::Ready(()),
            // TLS says so when the other side did not take its leave.
            Ok(()) => End::Fin,
            Err(error) => match error.kind() {
                io::ErrorKind::UnexpectedEof => End::Fin,
                io::ErrorKind::ConnectionReset => End::Reset,
                kind => End::Failed(kind),
            },
        };
        self.end(end);
        Poll::Ready(())
    }

    fn receive(&mut self, bytes: &mut [u8]) {
        let now = Instant::now();
        self.last_byte = now;
        let mut cx = Context {
            now: self.clock.tick(now.into_std()),
            config: &self.config,
            output: &mut self.output,
            scratch: &mut self.scratch,
        };
        let (seen, first_text) = (&mut self.seen, &mut self.first_text);
        self.connection.receive(
            bytes,
            &mut cx,
            &mut |event: Event<'_>, _: &mut Sender<'_>| {
                seen.push_back((
                    now,
                    match event {
                        Event::Ping(_) => Seen::Ping,
                        Event::Pong(payload) => Seen::Pong(payload.to_vec()),
                        Event::Close(closing) => Seen::Close(
                            closing.code.map(CloseCode::value),
                            closing.reason.to_owned(),
                        ),
                        event => match event.into_message() {
                            Some(message) => {
                                if let Message::Text(text) = &message
                                    && text.len() <= MAX_FIRST_TEXT
                                {
                                    first_text.get_or_insert_with(|| text.as_str().to_owned());
                                }
                                Seen::Message(message)
                            }
                            None => return Flow::Continue,
                        },
                    },
                ));
                Flow::Continue
            },
        );
        if let Some(Ended::Violation(violation)) = self.connection.ended() {
            self.end(End::Violation(violation));
        }
    }

    fn end(&mut self, end: End) {
        if !self.is_ended {
            self.is_ended = true;
            self.seen.push_back((Instant::now(), Seen::End(end)));
        }
    }
}
