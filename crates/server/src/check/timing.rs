//! How long things took, and what many of them say together.

use std::fmt;
use std::time::Duration;

use serde::{Serialize, Serializer};

/// A duration that is written in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Millis(pub(super) Duration);

impl Serialize for Millis {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64((self.0.as_secs_f64() * 1_000_000.0).round() / 1000.0)
    }
}

/// As people read it: three digits that count, and the unit that fits.
impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_secs_f64() * 1000.0;
        let text = match millis {
            short if short < 9.995 => format!("{short:.2} ms"),
            short if short < 99.95 => format!("{short:.1} ms"),
            short if short < 999.5 => format!("{short:.0} ms"),
            long if long < 99_950.0 => format!("{:.1} s", long / 1000.0),
            long => format!("{:.0} s", long / 1000.0),
        };
        f.pad(&text)
    }
}

/// What many durations say together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct Spread {
    pub(super) min: Millis,
    pub(super) median: Millis,
    pub(super) p95: Millis,
    pub(super) max: Millis,
}

impl Spread {
    /// Of at least one duration.
    pub(super) fn of(times: &[Millis]) -> Option<Self> {
        let mut sorted = times.to_vec();
        sorted.sort_unstable();
        // The smallest that at least this share does not pass.
        let at = |percent: usize| sorted[(sorted.len() * percent).div_ceil(100).max(1) - 1];
        Some(Self {
            min: *sorted.first()?,
            median: at(50),
            p95: at(95),
            max: *sorted.last()?,
        })
    }
}

/// How many durations lie between two bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct Bucket {
    /// The durations are at least this.
    pub(super) from: Millis,
    /// And below this, but in the last bucket.
    pub(super) to: Millis,
    pub(super) count: usize,
}

/// Durations in at most so many buckets, each wider than the one before by the same factor: a
/// single long one does not push all others into the first.
pub(super) fn histogram(times: &[Millis], most: u8) -> Vec<Bucket> {
    let (Some(min), Some(max)) = (times.iter().min(), times.iter().max()) else {
        return Vec::new();
    };
    let (least, most) = (min.0.max(FINEST).as_secs_f64(), f64::from(most));
    let factor = (max.0.as_secs_f64() / least).max(1.0).powf(1.0 / most);
    let factor = factor.max(MIN_FACTOR);
    let bound = |exponent: i32| Millis(Duration::from_secs_f64(least * factor.powi(exponent)));
    let mut buckets = Vec::new();
    let (mut exponent, mut from) = (0, *min);
    // A rounding error must not make a bucket of its own.
    while from <= *max && f64::from(exponent) < most {
        let to = bound(exponent + 1);
        let is_last = to > *max || f64::from(exponent + 1) >= most;
        let is_in = |time: &&Millis| **time >= from && (is_last || **time < to);
        let count = times.iter().filter(is_in).count();
        buckets.push(Bucket { from, to, count });
        (exponent, from) = (exponent + 1, to);
    }
    buckets
}

/// Finer differences say nothing.
const FINEST: Duration = Duration::from_micros(1);

/// A bucket ends at least so much above its beginning.
const MIN_FACTOR: f64 = 1.1;

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(times: &[u64]) -> Vec<Millis> {
        times
            .iter()
            .map(|&time| Millis(Duration::from_millis(time)))
            .collect()
    }

    #[test]
    fn spread_names_durations_that_were_there() {
        let times: Vec<u64> = (1..=100).rev().collect();

        let spread = Spread::of(&millis(&times)).unwrap();

        let [min, median, p95, max] = [1, 50, 95, 100].map(|time| millis(&[time])[0]);
        assert_eq!(
            spread,
            Spread {
                min,
                median,
                p95,
                max
            }
        );
        assert_eq!(Spread::of(&millis(&[7])).unwrap().p95, millis(&[7])[0]);
        assert_eq!(Spread::of(&[]), None);
    }

    #[test]
    fn every_duration_is_in_one_bucket() {
        for times in [
            vec![5],
            vec![1, 1, 1],
            vec![1, 2, 3, 4, 100],
            vec![0, 60],
            vec![7; 9],
        ] {
            let buckets = histogram(&millis(&times), 6);

            let counts: Vec<usize> = buckets.iter().map(|bucket| bucket.count).collect();
            assert_eq!(counts.iter().sum::<usize>(), times.len(), "{times:?}");
            assert!(buckets.len() <= 6 && counts[0] > 0, "{times:?}");
        }
        let counts: Vec<usize> = histogram(&millis(&[1, 2, 3, 4, 100]), 6)
            .iter()
            .map(|bucket| bucket.count)
            .collect();
        assert_eq!(counts, [2, 2, 0, 0, 0, 1]);
    }

    #[test]
    fn durations_have_three_digits_that_count() {
        for (micros, shown) in [
            (40, "0.04 ms"),
            (9_994, "9.99 ms"),
            (12_345, "12.3 ms"),
            (123_456, "123 ms"),
            (2_040_000, "2.0 s"),
            (120_000_000, "120 s"),
        ] {
            assert_eq!(Millis(Duration::from_micros(micros)).to_string(), shown);
        }
    }
}
