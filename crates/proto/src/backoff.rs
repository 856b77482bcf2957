//! How long to wait before the next attempt: exponential backoff with full jitter.

use std::time::Duration;

/// Draws the delay before an attempt.
///
/// The ceiling doubles with each attempt that failed, up to a cap; the delay is drawn evenly
/// between zero and the ceiling, anew each time and also at the cap. So clients that were lost in
/// one instant do not come back in one instant. Everything is in whole milliseconds, so that other
/// languages draw the same.
///
/// # Examples
/// ```
/// use holdwire_proto::reconnect::Backoff;
/// use std::time::Duration;
///
/// let backoff = Backoff::default();
/// assert_eq!(backoff.ceiling(0), Duration::from_millis(500));
/// assert_eq!(backoff.ceiling(3), Duration::from_secs(4));
/// assert_eq!(backoff.ceiling(30), Duration::from_secs(20));
/// // The random number is the caller's: half of the range gives half of the ceiling.
/// assert_eq!(backoff.delay(3, 1 << 31), Duration::from_secs(2));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// In milliseconds.
    first: u64,
    /// In milliseconds.
    cap: u64,
}

impl Backoff {
    /// Ceilings from `first`, doubled each time, up to `cap`; both are cut to whole milliseconds.
    #[must_use]
    pub fn new(first: Duration, cap: Duration) -> Self {
        Self {
            first: millis(first),
            cap: millis(cap),
        }
    }

    /// The first ceiling. Default 500 ms.
    #[must_use]
    pub fn first(&self) -> Duration {
        Duration::from_millis(self.first)
    }

    /// What no ceiling exceeds. Default 20 s.
    #[must_use]
    pub fn cap(&self) -> Duration {
        Duration::from_millis(self.cap)
    }

    /// The longest delay that may be drawn after `losses` earlier ones.
    #[must_use]
    pub fn ceiling(&self, losses: u32) -> Duration {
        let factor = 1_u64.checked_shl(losses).unwrap_or(u64::MAX);
        Duration::from_millis(self.first.saturating_mul(factor).min(self.cap))
    }

    /// A delay after `losses` earlier ones: evenly from zero to the ceiling, the ceiling excluded.
    #[must_use]
    pub fn delay(&self, losses: u32, random: u32) -> Duration {
        share(self.ceiling(losses), random)
    }

    /// A delay for a server that asked to come back later: half of the cap and a share of the
    /// other half.
    #[must_use]
    pub fn later(&self, random: u32) -> Duration {
        let half = Duration::from_millis(self.cap / 2);
        half + share(half, random)
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self::new(Duration::from_millis(500), Duration::from_secs(20))
    }
}

/// `span * random / 2³²`, in whole milliseconds.
fn share(span: Duration, random: u32) -> Duration {
    let product = u128::from(millis(span)) * u128::from(random);
    Duration::from_millis(u64::try_from(product >> 32).unwrap_or(u64::MAX))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_durations_neither_wrap_nor_panic() {
        let backoff = Backoff::new(Duration::MAX, Duration::MAX);

        assert_eq!(backoff.ceiling(u32::MAX), backoff.cap());
        assert!(backoff.delay(u32::MAX, u32::MAX) < backoff.cap());
        assert!(backoff.later(u32::MAX) < backoff.cap());
    }
}
