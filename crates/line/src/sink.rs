//! `Stream` and `Sink` for combinators (feature `stream`).

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use futures_sink::Sink;
use holdwire_proto::{CloseCode, Message};

use crate::{Error, WebSocket};

impl Stream for WebSocket {
    type Item = Result<Message, Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.handle.poll_recv(cx)
    }
}

impl Sink<Message> for WebSocket {
    type Error = Error;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let mut state = self.handle.lock();
        if state.queued() < state.config.limits.send_queue || state.is_over() {
            return Poll::Ready(Ok(()));
        }
        state.poll_room(cx);
        Poll::Pending
    }

    /// Queues the message; after `poll_ready` it is never refused for want of room.
    fn start_send(self: Pin<&mut Self>, message: Message) -> Result<(), Error> {
        self.handle.lock().send_after_room(message)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.handle.poll_flush(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.handle.lock().close(CloseCode::NORMAL, "");
        self.handle.poll_over(cx).map(Ok)
    }
}
