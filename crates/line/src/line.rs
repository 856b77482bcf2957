//! A connection that comes back: [`Line`] (feature `client`).
//!
//! ```text
//!   the application                 one task                                   the server
//!
//!   Line ── next ◄──── events ◄──┐  ┌───────────────────────────┐
//!     │                          ├──│ reconnect machine         │  at most one
//!     ├─► Handle ── send ► outbox ─►│ attempt, or connection    │ ◄──────────►
//!     │     stop, wake, state       └───────────────────────────┘
//!     └─► Receipt ── written, settled
//! ```
//!
//! [`Line::next`] tells what happens: connecting, up, messages, down, stopped. When the connection
//! is lost the line opens it again, by the rules of
//! [`proto::reconnect`](holdwire_proto::reconnect): exponential backoff with full jitter, the
//! server's advice, a table of close codes that says when coming back is of no use.
//!
//! **Never two connections.** The line's task owns one place that holds nothing, an attempt or a
//! connection. What is put there drops what was there, so the transport before is closed when
//! the next attempt begins; a connection that the server closed in good order is let go with its
//! closing handshake done, and only waits for the transport's end. No event of an old
//! transport can arrive late, for nobody polls it any more.
//!
//! **What becomes of a message.** [`Handle::send`] puts it into a bounded outbox and gives a
//! [`Receipt`]. It leaves when the line is open, in order, and never twice: once a byte of it may
//! have been written, it is not sent again, and if the connection is lost before the server is
//! proved to have it, the receipt says [`Outcome::Unknown`]. What the server sent while
//! the line was down is lost, unless the server sends it again.
//!
//! **Backpressure.** Messages are read up to 64 KiB ahead of the application; then reading pauses
//! until it takes some, and a line that is lost meanwhile waits for that before it connects again.
//! News are never dropped, but a turn that nobody saw and that brought no message (down,
//! connecting, up, down again) is told as its last loss alone.

mod builder;
mod event;
mod handle;
mod live;
mod loss;
mod outbox;
mod receipt;
mod target;
mod task;

use std::fmt;
use std::future::poll_fn;
use std::ops::Deref;

pub use builder::Builder;
pub use event::{Event, Why};
pub use handle::{Counters, Handle, State};
pub use holdwire_proto::Advice;
pub use holdwire_proto::reconnect::{Backoff, Decision, Policy};
pub use loss::{Cause, Loss};
pub use outbox::{Outbox, Overflow, SendError};
pub use receipt::{Dropped, Outcome, Receipt};
pub use target::{Attempt, Target, TargetError};

use self::target::Source;

/// A client's connection that comes back by itself.
///
/// It is the receiving end and also a [`Handle`], which can be cloned for other tasks. When the
/// last of them is dropped, the line stops.
///
/// # Examples
/// ```no_run
/// use holdwire::Line;
/// use holdwire::line::Event;
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let mut line = Line::to("wss://example.com/news").start();
/// let receipt = line.send("subscribe")?;
/// while let Some(event) = line.next().await {
///     match event {
///         Event::Message(message) => println!("{message:?}"),
///         Event::Down { loss, next_in } => println!("{loss}; again in {next_in:?}"),
///         _ => {}
///     }
/// }
/// println!("{}", receipt.settled().await);
/// # Ok(())
/// # }
/// ```
pub struct Line {
    handle: Handle,
}

impl Line {
    /// A line to this URL.
    ///
    /// What is wrong with the URL is found by the first attempt, which stops the line.
    pub fn to(url: impl Into<String>) -> Builder {
        Builder::new(Source::Fixed(url.into()))
    }

    /// A line to where `function` says, which is asked before each attempt.
    ///
    /// It returns a [`Target`] or a URL; its time counts towards the attempt's timeout. Its error
    /// is a failed attempt, or the end if it is made by [`TargetError::stop`]. After credentials
    /// were not accepted it is asked once more, and may bring fresh ones: see
    /// [`Attempt::is_unauthorized`].
    ///
    /// # Examples
    /// ```no_run
    /// use holdwire::line::{Attempt, Line, Target, TargetError};
    ///
    /// async fn fresh_token() -> Result<String, std::io::Error> {
    ///     tokio::task::spawn_blocking(|| std::fs::read_to_string("token")).await?
    /// }
    ///
    /// async fn target(_: Attempt) -> Result<Target, TargetError> {
    ///     let token = fresh_token().await?;
    ///     Ok(Target::new(format!("wss://example.com/?token={}", token.trim())))
    /// }
    ///
    /// # async fn run() {
    /// let line = Line::with(target).start();
    /// # }
    /// ```
    pub fn with<F, R, T>(function: F) -> Builder
    where
        F: FnMut(Attempt) -> R + Send + 'static,
        R: Future<Output = Result<T, TargetError>> + Send + 'static,
        T: Into<Target>,
    {
        Builder::new(Source::asked(function))
    }

    /// The next event; `None` after [`Event::Stopped`].
    ///
    /// # Cancel safety
    /// Cancel safe: an event is handed over or stays.
    pub async fn next(&mut self) -> Option<Event> {
        poll_fn(|cx| {
            let mut inner = self.handle.lock();
            let had_room = inner.events.has_room();
            let event = inner.events.poll_next(cx);
            if !had_room && inner.events.has_room() {
                inner.wake_task();
            }
            event
        })
        .await
    }

    /// A handle for another task.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }
}

impl Deref for Line {
    type Target = Handle;

    fn deref(&self) -> &Handle {
        &self.handle
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let mut inner = self.handle.lock();
        inner.events.deafen();
        inner.wake_task();
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Line");
        shown
            .field("state", &self.state())
            .field("counters", &self.counters())
            .finish_non_exhaustive()
    }
}
