//! What the tests share: a transport that is watched and held back, frames by hand, pairs.
#![allow(dead_code, reason = "no test file uses all of it")]
#![allow(clippy::unwrap_used, reason = "it is part of tests")]

pub mod raw;

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Wake, Waker};

use holdwire::{Config, Driver, Role, Setup, WebSocket};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A transport whose other end is the test: it counts calls and takes as much as it is told to.
pub struct Transport(Arc<Mutex<Wire>>);

/// The test's end of a [`Transport`].
#[derive(Clone)]
pub struct Peer(Arc<Mutex<Wire>>);

#[derive(Default)]
pub struct Wire {
    pub to_us: Vec<u8>,
    pub is_ended: bool,
    pub read_error: Option<io::ErrorKind>,
    pub write_error: Option<io::ErrorKind>,
    /// Bytes that went out.
    pub written: Vec<u8>,
    /// Bytes that may still be written before the transport blocks.
    pub room: usize,
    pub holds_flush: bool,
    pub is_shut: bool,
    pub reads: usize,
    pub writes: usize,
    pub dropped: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// A transport with endless room.
pub fn transport() -> (Transport, Peer) {
    let wire = Arc::new(Mutex::new(Wire {
        room: usize::MAX,
        ..Wire::default()
    }));
    (Transport(Arc::clone(&wire)), Peer(wire))
}

impl Peer {
    pub fn wire(&self) -> MutexGuard<'_, Wire> {
        self.0.lock().unwrap()
    }

    /// Sends bytes to the connection.
    pub fn send(&self, bytes: &[u8]) {
        let mut wire = self.wire();
        wire.to_us.extend_from_slice(bytes);
        wake(&mut wire.reader);
    }

    /// Ends the stream towards the connection.
    pub fn end(&self) {
        let mut wire = self.wire();
        wire.is_ended = true;
        wake(&mut wire.reader);
    }

    /// Fails the next reads.
    pub fn fail(&self, kind: io::ErrorKind) {
        let mut wire = self.wire();
        wire.read_error = Some(kind);
        wake(&mut wire.reader);
    }

    /// Lets so many more bytes be written.
    pub fn set_room(&self, room: usize) {
        let mut wire = self.wire();
        wire.room = room;
        wake(&mut wire.writer);
    }

    /// Lets flushes end.
    pub fn release_flush(&self) {
        let mut wire = self.wire();
        wire.holds_flush = false;
        wake(&mut wire.writer);
    }

    /// Takes what was written.
    pub fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.wire().written)
    }
}

fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}

impl Drop for Transport {
    fn drop(&mut self) {
        self.0.lock().unwrap().dropped = true;
    }
}

impl AsyncRead for Transport {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut wire = self.0.lock().unwrap();
        wire.reads += 1;
        let count = wire.to_us.len().min(buffer.remaining());
        if count > 0 {
            buffer.put_slice(&wire.to_us[..count]);
            wire.to_us.drain(..count);
            return Poll::Ready(Ok(()));
        }
        if let Some(kind) = wire.read_error {
            return Poll::Ready(Err(kind.into()));
        }
        if wire.is_ended {
            return Poll::Ready(Ok(()));
        }
        wire.reader = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl AsyncWrite for Transport {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut wire = self.0.lock().unwrap();
        wire.writes += 1;
        if let Some(kind) = wire.write_error {
            return Poll::Ready(Err(kind.into()));
        }
        let count = bytes.len().min(wire.room);
        if count == 0 {
            wire.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        wire.room -= count;
        wire.written.extend_from_slice(&bytes[..count]);
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut wire = self.0.lock().unwrap();
        if wire.holds_flush {
            wire.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.lock().unwrap().is_shut = true;
        Poll::Ready(Ok(()))
    }
}

/// A frame with FIN set and, for a server to read, masked by zeros.
pub fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x80 | opcode];
    match payload.len() {
        length @ 0..=125 => frame.push(0x80 | u8::try_from(length).unwrap()),
        length @ 126..=0xFFFF => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&u16::try_from(length).unwrap().to_be_bytes());
        }
        length => {
            frame.push(0x80 | 127);
            frame.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(payload);
    frame
}

/// A masked text message.
pub fn text(text: &str) -> Vec<u8> {
    frame(0x1, text.as_bytes())
}

/// A masked Close frame with a code and a reason.
pub fn close(code: u16, reason: &str) -> Vec<u8> {
    let mut payload = code.to_be_bytes().to_vec();
    payload.extend_from_slice(reason.as_bytes());
    frame(0x8, &payload)
}

/// An unmasked frame of at most 125 bytes, as a server sends it.
pub fn unmasked(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x80 | opcode, u8::try_from(payload.len()).unwrap()];
    frame.extend_from_slice(payload);
    frame
}

/// The unmasked frames in `bytes`: opcode and payload.
pub fn frames(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut frames = Vec::new();
    while let [first, second, rest @ ..] = bytes {
        let (length, rest) = match second {
            126 => {
                let (length, rest) = rest.split_first_chunk().expect("a length");
                (usize::from(u16::from_be_bytes(*length)), rest)
            }
            127 => {
                let (length, rest) = rest.split_first_chunk().expect("a length");
                (usize::try_from(u64::from_be_bytes(*length)).unwrap(), rest)
            }
            length => (usize::from(*length), rest),
        };
        let (payload, rest) = rest.split_at(length);
        frames.push((first & 0x0F, payload.to_vec()));
        bytes = rest;
    }
    assert!(bytes.is_empty(), "half a frame: {bytes:?}");
    frames
}

/// A setup with this configuration.
pub fn setup(config: Config) -> Setup {
    let mut setup = Setup::default();
    setup.config = Arc::new(config);
    setup
}

/// A server's connection over a transport of the test.
pub fn server(config: Config) -> (WebSocket, Driver, Peer) {
    let (transport, peer) = transport();
    let (socket, driver) = WebSocket::over(transport, Role::Server, setup(config));
    (socket, driver, peer)
}

/// Client and server, joined by a pipe of `bytes` and both driven.
pub fn pair(bytes: usize) -> (WebSocket, WebSocket) {
    pair_with(bytes, Config::default())
}

/// As [`pair`], both ends with this configuration.
pub fn pair_with(bytes: usize, config: Config) -> (WebSocket, WebSocket) {
    let (here, there) = tokio::io::duplex(bytes);
    let (client, driver) = WebSocket::over(here, Role::Client, setup(config.clone()));
    tokio::spawn(driver);
    let (server, driver) = WebSocket::over(there, Role::Server, setup(config));
    tokio::spawn(driver);
    (client, server)
}

/// Polls one future by hand and counts its wake-ups.
pub struct Task<F> {
    future: Pin<Box<F>>,
    wakes: Arc<Wakes>,
    pub polls: usize,
}

#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl<F: Future> Task<F> {
    pub fn new(future: F) -> Self {
        Self {
            future: Box::pin(future),
            wakes: Arc::default(),
            polls: 0,
        }
    }

    /// Polls once, woken or not.
    pub fn poll(&mut self) -> Poll<F::Output> {
        self.wakes.0.store(0, Ordering::SeqCst);
        self.polls += 1;
        let waker = Waker::from(Arc::clone(&self.wakes));
        self.future.as_mut().poll(&mut Context::from_waker(&waker))
    }

    pub fn is_woken(&self) -> bool {
        self.wakes.0.load(Ordering::SeqCst) > 0
    }

    /// Polls, and then as long as it is woken; as an executor does.
    pub fn run(&mut self) -> Poll<F::Output> {
        for _ in 0..1000 {
            let polled = self.poll();
            if polled.is_ready() || !self.is_woken() {
                return polled;
            }
        }
        panic!("it wakes itself for ever");
    }

    /// As [`Task::run`], but polls only if it was woken.
    pub fn run_if_woken(&mut self) -> Poll<F::Output> {
        if self.is_woken() {
            self.run()
        } else {
            Poll::Pending
        }
    }
}
