//! What every peer's echo server stands in, so that they differ in the library only.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::task::{Poll, ready};

use futures_util::{Sink, Stream};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;

use crate::options::listen_address;

/// Listens where the command line says and serves each connection in a task of its own, on one
/// thread, with `TCP_NODELAY`. How a connection ended is nobody's business here.
///
/// # Errors
/// The command line or the port is not usable.
pub fn serve<C, F>(connection: C) -> io::Result<()>
where
    C: Fn(TcpStream) -> F,
    F: Future<Output = ()> + 'static,
    F: Send,
{
    let address = listen_address()?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(address).await?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            tokio::spawn(connection(stream));
        }
    })
}

/// Echoes every message for which `is_data` holds: first all that are ready, then one flush.
///
/// This is what `forward` does on the two halves of a split WebSocket, without the lock between
/// them: the cheapest that a library with `Stream` and `Sink` can be used.
///
/// # Errors
/// Whatever ended the connection.
pub async fn echo<S, M, E>(mut websocket: S, is_data: fn(&M) -> bool) -> Result<(), E>
where
    S: Stream<Item = Result<M, E>> + Sink<M, Error = E> + Unpin,
{
    let mut held = None;
    poll_fn(|cx| {
        loop {
            if held.is_some() {
                ready!(Pin::new(&mut websocket).poll_ready(cx))?;
                if let Some(message) = held.take() {
                    Pin::new(&mut websocket).start_send(message)?;
                }
            }
            match Pin::new(&mut websocket).poll_next(cx) {
                Poll::Ready(Some(message)) => held = Some(message?).filter(is_data),
                Poll::Ready(None) => return Pin::new(&mut websocket).poll_flush(cx),
                Poll::Pending => {
                    ready!(Pin::new(&mut websocket).poll_flush(cx))?;
                    return Poll::Pending;
                }
            }
        }
    })
    .await
}
