//! A socket that does not block, and how it is written.

use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::Shutdown;

use bytes::Buf as _;
use holdwire_proto::{Output, Scratch};
use mio::net::TcpStream;

/// Slices handed to one vectored write.
const SLICES: usize = 16;

/// What a connection reads and writes, without blocking: a TCP socket, or a wire of a test.
pub(super) trait Socket: Read + Write {
    /// Reads once into the room that `buffer` has behind its content; says how much was appended.
    fn read_behind(&mut self, buffer: &mut Vec<u8>) -> io::Result<usize> {
        let length = buffer.len();
        buffer.resize(buffer.capacity(), 0);
        let read = self.read(&mut buffer[length..]);
        buffer.truncate(length + read.as_ref().map_or(0, |count| *count));
        read
    }

    /// What has befallen the socket, once; a receive would tell, but not everybody receives now.
    fn failure(&self) -> Option<ErrorKind> {
        None
    }

    /// Tells the peer that nothing follows.
    fn end(&mut self) -> io::Result<()>;
}

/// A TCP socket.
///
/// On Unix its reads and writes are bare system calls: those of the C library ask first whether the
/// thread was cancelled, which costs a tenth of all that we do for a small message.
pub(super) struct Tcp(pub(super) TcpStream);

#[cfg(unix)]
impl Read for Tcp {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (count, _) = rustix::net::recv(&self.0, buffer, rustix::net::RecvFlags::empty())?;
        Ok(count)
    }
}

#[cfg(unix)]
impl Write for Tcp {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::net::send(&self.0, bytes, NO_SIGNAL)?)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A peer that is gone is an error, and no signal to the process.
#[cfg(all(unix, not(target_vendor = "apple")))]
const NO_SIGNAL: rustix::net::SendFlags = rustix::net::SendFlags::NOSIGNAL;
/// Here the socket itself is told so when it is made.
#[cfg(target_vendor = "apple")]
const NO_SIGNAL: rustix::net::SendFlags = rustix::net::SendFlags::empty();

#[cfg(not(unix))]
impl Read for Tcp {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

#[cfg(not(unix))]
impl Write for Tcp {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Socket for Tcp {
    fn failure(&self) -> Option<ErrorKind> {
        let error = self.0.take_error().ok().flatten();
        error.map(|error| error.kind())
    }

    #[cfg(unix)]
    fn read_behind(&mut self, buffer: &mut Vec<u8>) -> io::Result<usize> {
        let room = rustix::buffer::spare_capacity(buffer);
        let (count, _) = rustix::net::recv(&self.0, room, rustix::net::RecvFlags::empty())?;
        Ok(count)
    }

    fn end(&mut self) -> io::Result<()> {
        self.0.shutdown(Shutdown::Write)
    }
}

/// Writes all that waits, or as much as the socket takes; says how much it took.
pub(super) fn write_all(
    socket: &mut impl Socket,
    output: &mut Output,
    scratch: &mut Scratch,
) -> (usize, Result<(), ErrorKind>) {
    let mut written = 0;
    loop {
        let (offered, taken) = write_slices(socket, output);
        if offered == 0 {
            return (written, Ok(()));
        }
        match taken {
            Ok(taken) => {
                output.advance_reclaiming(taken, scratch);
                written += taken;
                if taken < offered {
                    return (written, Ok(()));
                }
            }
            Err(kind) => return (written, Err(kind)),
        }
    }
}

/// Writes once what comes first; says how much there was.
#[inline]
fn write_slices(socket: &mut impl Socket, output: &Output) -> (usize, Result<usize, ErrorKind>) {
    let first = output.chunk();
    if first.len() == output.len() {
        return (first.len(), write_once(socket, first));
    }
    let mut slices = [IoSlice::new(&[]); SLICES];
    match output.chunks_vectored(&mut slices) {
        0 => (0, Ok(0)),
        count => {
            let slices = &slices[..count];
            let offered = slices.iter().map(|slice| slice.len()).sum();
            (offered, taken(|| socket.write_vectored(slices)))
        }
    }
}

/// Writes once; zero bytes when the socket takes nothing now.
#[inline]
pub(super) fn write_once(socket: &mut impl Socket, bytes: &[u8]) -> Result<usize, ErrorKind> {
    if bytes.is_empty() {
        return Ok(0);
    }
    taken(|| socket.write(bytes))
}

#[inline]
fn taken(mut write: impl FnMut() -> io::Result<usize>) -> Result<usize, ErrorKind> {
    loop {
        match write() {
            Ok(count) => return Ok(count),
            Err(error) => match error.kind() {
                ErrorKind::Interrupted => {}
                ErrorKind::WouldBlock => return Ok(0),
                kind => return Err(kind),
            },
        }
    }
}

/// Reads again when a signal came between.
pub(super) fn uninterrupted(mut read: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match read() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            read => return read,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn what_is_read_behind_the_content_fills_the_room_at_most() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let mut socket = Tcp(TcpStream::from_std(listener.accept().unwrap().0));
        client.write_all(&[7; 1000]).unwrap();
        drop(client);
        let mut buffer = Vec::with_capacity(100);
        buffer.push(1);
        let room = buffer.capacity() - 1;

        let first = socket.read_behind(&mut buffer).unwrap();
        assert!((1..=room).contains(&first));
        assert_eq!(buffer.len(), 1 + first);
        assert_eq!((buffer[0], buffer[first]), (1, 7));
        let mut all = first;
        loop {
            buffer.truncate(1);
            match socket.read_behind(&mut buffer).unwrap() {
                0 => break,
                count => all += count,
            }
        }

        assert_eq!((all, buffer), (1000, vec![1]));
    }
}
