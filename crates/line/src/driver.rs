//! Who moves a connection: reads, writes, answers pings, keeps deadlines.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use holdwire_proto::CloseCode;

use crate::error::Closed;
use crate::handle::Shared;
use crate::state::Drive;
use crate::tools::Moment;

/// Moves one connection; ends when its transport is closed.
///
/// It is a future: await it, spawn it, or join it with the application's own. [`Driver::run`]
/// does the last without a second task. When it is dropped, the transport is closed at once.
#[must_use = "a connection moves only while its driver is polled"]
pub struct Driver {
    shared: Arc<Shared>,
}

impl Driver {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        shared.lock().set_drive(Drive::Driver);
        Self { shared }
    }

    pub(crate) fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.shared)
    }

    /// Says that [`Driver::run`] follows, before the handler is made: making it may already drop
    /// the last handle.
    pub(crate) fn will_run(&self) {
        self.shared.lock().set_drive(Drive::WithHandler);
    }

    /// Runs an application's handler and the connection in one task.
    ///
    /// The handler is polled first, so that everything it sends in answer to one read leaves in
    /// one write. When it returns, the connection is closed with 1000 unless a handle lives on
    /// elsewhere or the closing handshake has begun; when its [`Outcome`] is an error or it
    /// panics, with 1011. Pongs, closing handshakes and queued messages move on while the handler
    /// waits for something else.
    pub async fn run<F>(self, handler: F) -> Closed
    where
        F: Future,
        F::Output: Outcome,
    {
        Run::new(self, pin!(handler)).await
    }
}

/// A handler and its connection in one future, no larger than it has to be.
pub(crate) struct Run<F> {
    driver: Driver,
    handler: Option<F>,
    /// Before the first read: what a handler says on its own goes out even if the first bytes of
    /// the peer end the connection, and a handler that lends takes the very first event.
    is_new: bool,
}

impl<F> Run<F> {
    pub(crate) fn new(driver: Driver, handler: F) -> Self {
        driver.will_run();
        Self {
            driver,
            handler: Some(handler),
            is_new: true,
        }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.driver.shared
    }
}

impl<F> Future for Run<F>
where
    F: Future<Output: Outcome> + Unpin,
{
    type Output = Closed;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Closed> {
        let Self {
            driver,
            handler,
            is_new,
        } = self.get_mut();
        let shared = &driver.shared;
        let _moment = Moment::begin();
        loop {
            let mut state = shared.lock();
            state.begin_turn(cx);
            if !*is_new && state.poll_read(cx) {
                state.wake_other_receiver(cx);
            }
            drop(state);
            let running = handler.as_mut().map(Pin::new);
            if let Some(end) = running.and_then(|running| poll_handler(running, cx)) {
                // With it go its handles.
                *handler = None;
                if let Err(message) = end {
                    tracing::warn!(error = %message, "a handler failed; the peer is told 1011");
                    shared.lock().close(CloseCode::INTERNAL_ERROR, "");
                }
            }
            let mut state = shared.lock();
            if !shared.is_held() {
                state.abandon();
            }
            let is_over = state.poll_write(cx).is_ready();
            if is_over && handler.is_none() {
                drop(state);
                return Poll::Ready(shared.closed());
            }
            let is_first = std::mem::take(is_new);
            if !is_first && !state.driver_reads_again() {
                state.rest();
                return Poll::Pending;
            }
        }
    }
}

/// Polls a handler; its end is `Ok`, or `Err` with what went wrong.
fn poll_handler<F>(handler: Pin<&mut F>, cx: &mut Context<'_>) -> Option<Result<(), String>>
where
    F: Future,
    F::Output: Outcome,
{
    match catch_unwind(AssertUnwindSafe(|| handler.poll(cx))) {
        Ok(Poll::Pending) => None,
        Ok(Poll::Ready(outcome)) => Some(outcome.into_result()),
        Err(_) => Some(Err("it panicked".to_owned())),
    }
}

impl Future for Driver {
    type Output = Closed;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Closed> {
        let _moment = Moment::begin();
        let mut state = self.shared.lock();
        state.begin_turn(cx);
        if state.poll_read(cx) {
            state.wake_receiver();
        }
        match state.poll_write(cx) {
            Poll::Ready(()) => {
                drop(state);
                Poll::Ready(self.shared.closed())
            }
            Poll::Pending => {
                if state.driver_reads_again() {
                    cx.waker().wake_by_ref();
                }
                state.rest();
                Poll::Pending
            }
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        if !state.is_over() {
            state.tear_down();
        }
    }
}

impl std::fmt::Debug for Driver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Driver")
    }
}

/// What a handler may return: nothing, or a `Result` whose error is logged and closes the
/// connection with 1011.
pub trait Outcome {
    /// The error as text for the log.
    ///
    /// # Errors
    /// What the handler said went wrong.
    fn into_result(self) -> Result<(), String>;
}

impl Outcome for () {
    fn into_result(self) -> Result<(), String> {
        Ok(())
    }
}

impl<E: std::fmt::Display> Outcome for Result<(), E> {
    fn into_result(self) -> Result<(), String> {
        self.map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use crate::{Role, Setup, WebSocket};

    #[tokio::test]
    async fn greeting_goes_out_though_the_first_bytes_break_the_protocol() {
        let (mut peer, io) = tokio::io::duplex(1024);
        let reserved_bit = b"\xc1\x80\0\0\0\0";
        peer.write_all(reserved_bit).await.unwrap();
        let (mut socket, driver) = WebSocket::over(io, Role::Server, Setup::default());

        let greeting = async {
            socket.send("hello").await?;
            socket.recv().await.transpose().map(drop)
        };
        let reading = async {
            let mut first = [0; 8];
            peer.read_exact(&mut first).await.unwrap();
            drop(peer);
            first
        };
        let (_, first) = tokio::join!(driver.run(greeting), reading);

        assert_eq!(&first, b"\x81\x05hello\x88");
    }
}
