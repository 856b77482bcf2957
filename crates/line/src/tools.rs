//! What the connections of a thread share: the read buffer, the codecs, the masking keys.

use std::cell::Cell;
use std::sync::OnceLock;

use holdwire_proto::time::{Clock, Tick};
use holdwire_proto::{Output, Scratch};
use tokio::time::Instant;

/// Bytes read at once, whatever the number of connections.
pub(crate) const READ_BUFFER: usize = 128 * 1024;

/// One for each thread that drives connections.
pub(crate) struct Tools {
    /// Made when something is first read into it.
    pub(crate) buffer: Box<[u8]>,
    pub(crate) scratch: Scratch,
    /// An empty output that nobody uses, with its buffer.
    pub(crate) spare: Option<Box<Output>>,
}

thread_local! {
    static TOOLS: Cell<Option<Box<Tools>>> = const { Cell::new(None) };
}

/// Lends the thread's tools. A call inside a call gets fresh ones, so a handler may do anything.
pub(crate) fn with<T>(act: impl FnOnce(&mut Tools) -> T) -> T {
    let mut tools = TOOLS.take().unwrap_or_else(|| {
        Box::new(Tools {
            buffer: Box::default(),
            // The thread's generator is cryptographically secure (RFC 6455 §10.3).
            scratch: Scratch::new(Box::new(rand::random)),
            spare: None,
        })
    });
    let result = act(&mut tools);
    TOOLS.set(Some(tools));
    result
}

/// The clock of all connections of the process.
pub(crate) fn clock() -> Clock {
    static CLOCK: OnceLock<Clock> = OnceLock::new();
    *CLOCK.get_or_init(|| Clock::new(Instant::now().into_std()))
}

/// The present as a tick.
pub(crate) fn now() -> Tick {
    clock().tick(Instant::now().into_std())
}
