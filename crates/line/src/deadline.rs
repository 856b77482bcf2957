//! Instants that lie ahead, however long a limit is.

use std::time::Duration;

use tokio::time::Instant;

/// When what begins now must be over; a limit without end ends in a generation.
pub(crate) fn deadline(limit: Duration) -> Instant {
    Instant::now() + bounded(limit)
}

/// A limit that can be added to an instant.
pub(crate) fn bounded(limit: Duration) -> Duration {
    const GENERATION: Duration = Duration::from_secs(30 * 365 * 24 * 3600);
    limit.min(GENERATION)
}
