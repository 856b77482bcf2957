//! How many handshakes a second, and what those are told that come beyond.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::deadline::bounded;

/// How many opening handshakes a server takes in a second, over all addresses.
///
/// It is for the moment when everybody comes back at once: those beyond it are told when to try
/// again, each later than the one before, so that they come at a rate that the server takes.
/// Every handshake counts that obeys the endpoint's rules, whether it is accepted in the end or
/// not. It is no defence against one client that takes the places of all: limit connections of an
/// address for that, or requests in the proxy in front.
///
/// # Examples
/// ```
/// use holdwire::{HandshakeRate, ServerLimits};
///
/// let limits = ServerLimits {
///     handshake_rate: Some(HandshakeRate::per_second(500).burst(2_000)),
///     ..Default::default()
/// };
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HandshakeRate {
    interval: Duration,
    burst: u32,
}

/// Nobody is told to wait much longer than this: the line of those who wait may well be shorter
/// than it looks, since some of them give up.
const MAX_WAIT: Duration = Duration::from_secs(60);

impl HandshakeRate {
    /// So many in this time, at least one; after a pause all of them may come at once.
    #[must_use]
    pub fn new(count: u32, time: Duration) -> Self {
        let count = count.max(1);
        Self {
            interval: bounded(time) / count,
            burst: count,
        }
    }

    /// So many a second, at least one; after a pause all of them may come at once.
    #[must_use]
    pub fn per_second(count: u32) -> Self {
        Self::new(count, Duration::from_secs(1))
    }

    /// After a pause so many may come at once, at least one.
    #[must_use]
    pub fn burst(mut self, count: u32) -> Self {
        self.burst = count.max(1);
        self
    }
}

/// Where a server stands with its rate.
#[derive(Default)]
pub(super) struct Handshakes(Mutex<Places>);

/// Both as moments: no timer has to count anything down.
#[derive(Clone, Copy, Default)]
struct Places {
    /// When all that were let in would have been due, one an interval.
    taken_until: Option<Instant>,
    /// The same for those who were told to come later.
    promised_until: Option<Instant>,
}

impl Handshakes {
    /// Takes a place for a handshake, or says how long to wait; `random` is from 0 to 1.
    ///
    /// The wait is as long as those take who were told the same before, and up to twice that.
    pub(super) fn take(
        &self,
        rate: HandshakeRate,
        now: Instant,
        random: f64,
    ) -> Result<(), Duration> {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = places.taken_until.map_or(now, |until| until.max(now));
        if taken.duration_since(now) <= rate.interval.saturating_mul(rate.burst - 1) {
            places.taken_until = Some(taken + rate.interval);
            return Ok(());
        }
        let promised = places.promised_until.map_or(now, |until| until.max(now));
        let promised = (promised + rate.interval).min(now + MAX_WAIT);
        places.promised_until = Some(promised);
        let wait = promised.duration_since(now);
        Err(wait + wait.mul_f64(random))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_one_an_interval() {
        let (handshakes, now) = (Handshakes::default(), Instant::now());
        let rate = HandshakeRate::per_second(10).burst(3);
        let at = |millis| handshakes.take(rate, now + Duration::from_millis(millis), 0.0);

        for _ in 0..3 {
            assert_eq!(at(0), Ok(()));
        }
        assert!(at(0).is_err() && at(99).is_err());
        assert_eq!(at(100), Ok(()));
        assert!(at(150).is_err());
        assert_eq!(at(200), Ok(()));

        for _ in 0..3 {
            assert_eq!(at(10_000), Ok(()), "a pause gives the burst back");
        }
        assert!(at(10_000).is_err());
    }

    #[test]
    fn those_beyond_it_are_told_to_come_one_after_the_other() {
        let (handshakes, now) = (Handshakes::default(), Instant::now());
        let rate = HandshakeRate::per_second(100).burst(1);
        assert_eq!(handshakes.take(rate, now, 0.5), Ok(()));

        let waits: Vec<Duration> = (0..200)
            .map(|_| handshakes.take(rate, now, 0.0).expect_err("beyond"))
            .collect();

        assert_eq!(waits[0], Duration::from_millis(10));
        assert_eq!(waits[199], Duration::from_secs(2));
        assert!(waits.windows(2).all(|two| two[1] - two[0] == rate.interval));
        let jittered = handshakes.take(rate, now, 1.0).expect_err("beyond");
        assert_eq!(jittered, Duration::from_millis(2010 * 2));
    }

    #[test]
    fn nobody_waits_much_longer_than_a_minute() {
        let (handshakes, now) = (Handshakes::default(), Instant::now());
        let rate = HandshakeRate::per_second(1).burst(1);

        for _ in 0..1000 {
            let wait = handshakes.take(rate, now, 1.0).err().unwrap_or_default();
            assert!(wait <= MAX_WAIT * 2, "{wait:?}");
        }
    }

    #[test]
    fn no_rate_is_too_high_or_too_low_to_count_with() {
        let now = Instant::now();

        for (count, time) in [
            (0, Duration::MAX),
            (1, Duration::ZERO),
            (u32::MAX, Duration::MAX),
        ] {
            let rate = HandshakeRate::new(count, time).burst(count);
            let handshakes = Handshakes::default();
            assert_eq!(handshakes.take(rate, now, 1.0), Ok(()));
            let _ = handshakes.take(rate, now, 1.0);
        }
    }
}
