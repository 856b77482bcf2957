//! A TCP connection as the runner sees it: bytes that came, and how it ended.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::frame::Action;

/// What waiting for more bytes brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Arrival {
    Bytes,
    /// The server ended the connection in order.
    End,
    /// The connection was reset or failed.
    Broken(String),
    /// Nothing within the time.
    Silence,
}

/// A connection with the bytes that were read and not yet understood.
#[derive(Debug)]
pub(crate) struct Line {
    stream: TcpStream,
    pub(crate) unread: Vec<u8>,
}

impl Line {
    /// Opens a connection.
    ///
    /// # Errors
    /// When the server does not take it.
    pub(crate) fn open(server: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect_timeout(&server, CONNECT_TIMEOUT)?;
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(WRITE_TIMEOUT))?;
        Ok(Self {
            stream,
            unread: Vec::new(),
        })
    }

    /// Reads what comes next into `unread`.
    pub(crate) fn more(&mut self, deadline: Instant) -> Arrival {
        let mut buffer = [0; 64 * 1024];
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Arrival::Silence;
            }
            if let Err(error) = self.stream.set_read_timeout(Some(left)) {
                return Arrival::Broken(error.to_string());
            }
            match self.stream.read(&mut buffer) {
                Ok(0) => return Arrival::End,
                Ok(read) => {
                    self.unread.extend(&buffer[..read]);
                    return Arrival::Bytes;
                }
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock | ErrorKind::TimedOut => return Arrival::Silence,
                    ErrorKind::Interrupted => {}
                    _ => return Arrival::Broken(error.to_string()),
                },
            }
        }
    }

    /// Takes the first bytes of what was read.
    pub(crate) fn take(&mut self, length: usize) -> Vec<u8> {
        self.unread.drain(..length).collect()
    }

    /// Writes, and does not mind that the server may have ended the connection already.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        let _ended_already = self.stream.write_all(bytes);
    }

    /// Writes until the server takes no more for `patience`, or `limit` bytes are gone.
    ///
    /// Returns the number of bytes the server took.
    pub(crate) fn flood(&mut self, bytes: &[u8], limit: usize, patience: Duration) -> usize {
        let mut written = 0;
        if self.stream.set_write_timeout(Some(patience)).is_ok() {
            while written < limit {
                let from = written % bytes.len();
                match self.stream.write(&bytes[from..]) {
                    Ok(count) if count > 0 => written += count,
                    _ => break,
                }
            }
        }
        written
    }

    /// Writes from another thread while this one reads.
    ///
    /// # Errors
    /// When the system has no further descriptor.
    pub(crate) fn sender(&self) -> std::io::Result<Sender> {
        Ok(Sender {
            stream: self.stream.try_clone()?,
        })
    }

    /// Ends the connection in both directions at once, which also wakes a blocked sender.
    pub(crate) fn cut(&self) {
        let _ended_already = self.stream.shutdown(Shutdown::Both);
    }
}

/// The writing half of a [`Line`].
#[derive(Debug)]
pub(crate) struct Sender {
    stream: TcpStream,
}

impl Sender {
    /// Does the actions in order; neighbouring bytes go out in one write, or in pieces.
    ///
    /// Ends early when the connection is gone or `stop` is set.
    pub(crate) fn run(mut self, actions: &[Action], pieces: Pieces, stop: &AtomicBool) {
        for action in merged(actions) {
            let going_on = match action {
                Action::Wait(time) => wait(time, stop),
                Action::End => self.stream.shutdown(Shutdown::Write).is_ok(),
                Action::Send(bytes) => self.send_in(&bytes, pieces, stop),
            };
            if !going_on {
                return;
            }
        }
    }

    fn send_in(&mut self, bytes: &[u8], pieces: Pieces, stop: &AtomicBool) -> bool {
        let size = pieces.size.unwrap_or(bytes.len()).max(1);
        let mut first = true;
        bytes.chunks(size).all(|piece| {
            let waited = first || wait(pieces.pause, stop);
            first = false;
            waited && self.stream.write_all(piece).is_ok()
        })
    }
}

/// How bytes are cut up on their way.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Pieces {
    /// Bytes in a piece; all at once without it.
    pub(crate) size: Option<usize>,
    /// The time between two pieces.
    pub(crate) pause: Duration,
}

fn merged(actions: &[Action]) -> Vec<Action> {
    let mut merged: Vec<Action> = Vec::new();
    for action in actions {
        match (merged.last_mut(), action) {
            (Some(Action::Send(so_far)), Action::Send(bytes)) => so_far.extend(bytes),
            _ => merged.push(action.clone()),
        }
    }
    merged
}

/// Waits in short naps; false as soon as `stop` is set.
fn wait(time: Duration, stop: &AtomicBool) -> bool {
    let until = Instant::now() + time;
    loop {
        if stop.load(Ordering::Relaxed) {
            return false;
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return true;
        }
        std::thread::sleep(left.min(NAP));
    }
}

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const WRITE_TIMEOUT: Duration = Duration::from_secs(20);
const NAP: Duration = Duration::from_millis(50);
