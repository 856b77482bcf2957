//! How evenly things happened: the busiest second against the mean.

use std::fmt;
use std::time::{Duration, Instant};

/// Moments, as numbers to compare.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Spread {
    count: usize,
    /// From the first to the last.
    span: Duration,
    /// The most in any second, wherever it begins.
    peak: usize,
}

const SECOND: Duration = Duration::from_secs(1);

impl Spread {
    pub(super) fn of(moments: impl IntoIterator<Item = Instant>) -> Self {
        let mut moments: Vec<Instant> = moments.into_iter().collect();
        moments.sort();
        let mut first = 0;
        let mut peak = 0;
        for (index, moment) in moments.iter().enumerate() {
            while moment.duration_since(moments[first]) >= SECOND {
                first += 1;
            }
            peak = peak.max(index + 1 - first);
        }
        let ends = moments.first().zip(moments.last());
        Self {
            count: moments.len(),
            span: ends.map_or(Duration::ZERO, |(first, last)| last.duration_since(*first)),
            peak,
        }
    }

    /// The most in any second.
    pub(super) fn peak(self) -> usize {
        self.peak
    }

    /// How many a second, on the average of the whole time.
    fn mean(self) -> f64 {
        self.count as f64 / self.span.max(SECOND).as_secs_f64()
    }

    /// The busiest second as a multiple of the mean; 1 when all was even.
    pub(super) fn peak_to_mean(self) -> f64 {
        self.peak as f64 / self.mean()
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} in {:.1} s, {:.0} a second, {} in the busiest ({:.1} times the mean)",
            self.count,
            self.span.as_secs_f64(),
            self.mean(),
            self.peak,
            self.peak_to_mean()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spread(millis: impl IntoIterator<Item = u64>) -> Spread {
        let start = Instant::now();
        let moments = millis
            .into_iter()
            .map(|at| start + Duration::from_millis(at));
        Spread::of(moments.collect::<Vec<_>>())
    }

    #[test]
    fn what_is_even_has_its_peak_near_the_mean() {
        let even = spread((0..1000).map(|index| index * 8));

        assert_eq!(even.peak, 125);
        assert!((0.9..1.1).contains(&even.peak_to_mean()), "{even}");
    }

    #[test]
    fn a_storm_is_seen_wherever_its_second_begins() {
        let storm = (0..500).map(|index| 3700 + index);
        let storm = spread((0..100).map(|index| index * 100).chain(storm));

        assert!(storm.peak >= 500, "{storm}");
        assert!(storm.peak_to_mean() > 8.0, "{storm}");
    }

    #[test]
    fn all_at_once_is_a_mean_of_all_a_second() {
        assert_eq!(spread([5; 40]).peak_to_mean(), 1.0);
        assert_eq!(spread([]).peak, 0);
    }
}
