//! What the connections of a thread share: the read buffer, the codecs, the masking keys, the memory
//! that long messages have left, and the time of day while one of them is being moved.

use std::cell::Cell;
use std::sync::OnceLock;

use holdwire_proto::time::{Clock, Tick};
use holdwire_proto::{Output, Scratch};
use tokio::time::Instant;

use crate::state::Queue;

/// Bytes read at once, whatever the number of connections.
pub(crate) const READ_BUFFER: usize = 128 * 1024;

/// One for each thread that drives connections.
pub(crate) struct Tools {
    /// Made when something is first read into it.
    pub(crate) buffer: Box<[u8]>,
    pub(crate) scratch: Scratch,
    /// An empty output that nobody uses, with its buffer.
    pub(crate) output: Option<Box<Output>>,
    /// An empty queue that nobody uses, with its room.
    pub(crate) queue: Option<Box<Queue>>,
}

thread_local! {
    static TOOLS: Cell<Option<Box<Tools>>> = const { Cell::new(None) };
    static NOW: Cell<Option<Tick>> = const { Cell::new(None) };
}

/// Lends the thread's tools. A call inside a call gets fresh ones, so a handler may do anything.
#[inline]
pub(crate) fn with<T>(act: impl FnOnce(&mut Tools) -> T) -> T {
    let mut tools = TOOLS.take().unwrap_or_else(fresh);
    let result = act(&mut tools);
    TOOLS.set(Some(tools));
    result
}

#[cold]
fn fresh() -> Box<Tools> {
    Box::new(Tools {
        buffer: Box::default(),
        // The thread's generator is cryptographically secure (RFC 6455 §10.3).
        scratch: Scratch::new(Box::new(rand::random)),
        output: None,
        queue: None,
    })
}

/// The clock of all connections of the process.
pub(crate) fn clock() -> Clock {
    static CLOCK: OnceLock<Clock> = OnceLock::new();
    *CLOCK.get_or_init(|| Clock::new(Instant::now().into_std()))
}

/// The present as a tick: that of the [`Moment`] under way, if there is one.
pub(crate) fn now() -> Tick {
    NOW.get().unwrap_or_else(read_clock)
}

/// The present as a tick, for what begins after a handler that may have taken its time.
pub(crate) fn read_clock() -> Tick {
    clock().tick(Instant::now().into_std())
}

/// One turn of a connection, for which the clock is read once: asking it costs as much as sixty
/// bytes of payload.
pub(crate) struct Moment {
    before: Option<Tick>,
}

impl Moment {
    pub(crate) fn begin() -> Self {
        let before = NOW.replace(Some(now()));
        Self { before }
    }
}

impl Drop for Moment {
    fn drop(&mut self) {
        NOW.set(self.before);
    }
}
