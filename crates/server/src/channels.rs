//! `holdwire sub` and `holdwire pub`: channels in the terminal.

mod publishing;
mod reach;
mod reading;
mod record;

use std::time::Duration;

use crate::cli::{PubFlags, SubFlags};
use crate::connect::Failure;

/// Reads channels until it is told to end.
///
/// # Errors
/// Why it did not go as asked.
pub fn subscribe(flags: &SubFlags) -> Result<(), Failure> {
    within(reading::read(flags))
}

/// Publishes what it is told.
///
/// # Errors
/// Why it did not go as asked.
pub fn publish(flags: &PubFlags) -> Result<(), Failure> {
    within(publishing::publish(flags))
}

fn within(run: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    // A terminal client may wait for its standard output: another thread holds the line meanwhile.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(Failure::system)?;
    let result = runtime.block_on(run);
    // A look-up of a name may still be under way.
    runtime.shutdown_timeout(Duration::ZERO);
    result
}
