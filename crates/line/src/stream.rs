//! The transport under a connection: a TCP socket, or anything that reads and writes.

use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Anything that carries bytes both ways.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Io for T {}

/// The transport of a connection.
///
/// A TCP socket is kept as it is; anything else (TLS, a Unix socket, an upgraded HTTP
/// connection, an in-memory pipe) is boxed.
pub struct Stream(Kind);

enum Kind {
    Tcp(TcpStream),
    Other(Box<dyn Io>),
}

impl Stream {
    /// Wraps any transport. A [`TcpStream`] costs less by its `From`.
    pub fn new(io: impl Io) -> Self {
        Self(Kind::Other(Box::new(io)))
    }

    /// The TCP socket, unless it is something else.
    #[cfg(feature = "shard")]
    pub(crate) fn into_tcp(self) -> Result<TcpStream, Self> {
        match self.0 {
            Kind::Tcp(tcp) => Ok(tcp),
            other => Err(Self(other)),
        }
    }

    /// Whether written bytes need a flush before they are on their way.
    pub(crate) fn needs_flush(&self) -> bool {
        matches!(self.0, Kind::Other(_))
    }

    fn io(&mut self) -> Pin<&mut dyn Io> {
        match &mut self.0 {
            Kind::Tcp(tcp) => Pin::new(tcp),
            Kind::Other(other) => Pin::new(other.as_mut()),
        }
    }
}

impl From<TcpStream> for Stream {
    fn from(tcp: TcpStream) -> Self {
        Self(Kind::Tcp(tcp))
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Tcp(tcp) => tcp.fmt(f),
            Kind::Other(_) => f.write_str("Stream"),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.get_mut().io().poll_read(cx, buffer)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().io().poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().io().poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        match &self.0 {
            Kind::Tcp(tcp) => tcp.is_write_vectored(),
            Kind::Other(other) => other.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().io().poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().io().poll_shutdown(cx)
    }
}
