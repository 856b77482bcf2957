//! Moments as compact numbers: the core never reads a clock, it is told the time.

use std::time::{Duration, Instant};

/// A moment in whole milliseconds since the driver's start.
///
/// Four bytes instead of sixteen, because a connection stores several. It wraps after 49 days;
/// comparisons stay right as long as two moments lie less than 24 days apart, which every
/// deadline of [`Limits`](crate::Limits) does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tick(u32);

impl Tick {
    /// The moment `millis` milliseconds after the driver's start, modulo 2³².
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        let [_, _, _, _, low @ ..] = millis.to_be_bytes();
        Self(u32::from_be_bytes(low))
    }

    /// The moment `delay` later; a delay beyond [`Tick::MAX_DELAY`] is cut to it.
    #[must_use]
    pub fn after(self, delay: Duration) -> Self {
        let millis = delay.min(Self::MAX_DELAY).as_millis();
        Self(
            self.0
                .wrapping_add(u32::try_from(millis).unwrap_or(u32::MAX / 2)),
        )
    }

    /// Milliseconds since the driver's start, modulo 2³².
    #[must_use]
    pub const fn millis(self) -> u32 {
        self.0
    }

    /// How long after `earlier` this is; zero when it is not after it.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        if self.is_before(earlier) {
            return Duration::ZERO;
        }
        Duration::from_millis(u64::from(self.0.wrapping_sub(earlier.0)))
    }

    /// Whether this lies before `other`.
    #[must_use]
    pub fn is_before(self, other: Self) -> bool {
        self.0.wrapping_sub(other.0) > u32::MAX / 2
    }

    /// The longest delay that a tick can count: 24 days.
    pub const MAX_DELAY: Duration = Duration::from_secs(24 * 24 * 60 * 60);
}

/// An optional [`Tick`] in four bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Deadline(u32);

impl Deadline {
    pub(crate) const NONE: Self = Self(0);

    pub(crate) fn at(tick: Tick) -> Self {
        // Zero means "none", so that one millisecond in 49 days is late by one.
        Self(tick.0.max(1))
    }

    pub(crate) fn get(self) -> Option<Tick> {
        (self.0 != 0).then_some(Tick(self.0))
    }

    pub(crate) fn is_set(self) -> bool {
        self.0 != 0
    }

    pub(crate) fn has_passed(self, now: Tick) -> bool {
        self.get().is_some_and(|tick| !now.is_before(tick))
    }
}

/// The earliest of several deadlines.
pub(crate) fn earliest(deadlines: impl IntoIterator<Item = Deadline>) -> Option<Tick> {
    let ticks = deadlines.into_iter().filter_map(Deadline::get);
    ticks.reduce(|a, b| if b.is_before(a) { b } else { a })
}

/// Turns a driver's instants into [`Tick`]s and back.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    /// A clock whose tick zero is `start`.
    #[must_use]
    pub fn new(start: Instant) -> Self {
        Self { start }
    }

    /// The tick of `instant`, which may lie before the start: virtual clocks differ.
    #[must_use]
    pub fn tick(&self, instant: Instant) -> Tick {
        let whole = |nanos: u128| u64::try_from(nanos / 1_000_000).unwrap_or(u64::MAX);
        match instant.checked_duration_since(self.start) {
            Some(after) => Tick::from_millis(whole(after.as_nanos())),
            None => {
                let before = self.start.duration_since(instant).as_nanos();
                Tick::from_millis(whole(before + 999_999).wrapping_neg())
            }
        }
    }

    /// The instant of `tick`, seen from `now`; a tick that has passed gives `now`.
    #[must_use]
    pub fn instant(&self, tick: Tick, now: Instant) -> Instant {
        now + tick.since(self.tick(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_compare_across_the_wrap() {
        let before = Tick::from_millis(u64::from(u32::MAX) - 10);
        let after = before.after(Duration::from_millis(100));

        assert!(before.is_before(after));
        assert_eq!(after.since(before), Duration::from_millis(100));
        assert_eq!(before.since(after), Duration::ZERO);
    }

    #[test]
    fn the_earliest_deadline_ignores_unset_ones() {
        let now = Tick::from_millis(5);
        let late = Deadline::at(now.after(Duration::from_secs(9)));
        let soon = Deadline::at(now.after(Duration::from_secs(2)));

        let first = earliest([Deadline::NONE, late, soon]);

        assert_eq!(first, Some(now.after(Duration::from_secs(2))));
    }

    #[test]
    fn a_clock_maps_ticks_back_to_instants() {
        let start = Instant::now();
        let clock = Clock::new(start);
        let now = start + Duration::from_secs(7);

        let in_three = clock.tick(now).after(Duration::from_secs(3));

        assert_eq!(clock.instant(in_three, now), now + Duration::from_secs(3));
    }

    #[test]
    fn a_clock_goes_on_where_a_virtual_one_was_behind_its_start() {
        let now = Instant::now();
        let clock = Clock::new(now + Duration::from_secs(3600));
        let later = now + Duration::from_micros(3_000_100);

        let passed = clock.tick(later).since(clock.tick(now));

        assert_eq!(passed, Duration::from_secs(3));
        let in_three = clock.tick(now).after(Duration::from_secs(3));
        assert_eq!(clock.instant(in_three, now), now + Duration::from_secs(3));
    }
}
