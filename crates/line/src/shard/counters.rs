//! The counters of a connection, small while they are small.

use crate::stats::Stats;

/// What went over one connection, as far as it fits into 32 bits each.
#[derive(Clone, Copy, Default)]
pub(super) struct Counters {
    counts: [u32; 6],
}

impl Counters {
    /// Adds what has happened; what does not fit any more goes to `large`, which is made then.
    pub(super) fn add(&mut self, step: &Stats, large: impl FnOnce(&Stats)) {
        let (received, sent) = (&step.received, &step.sent);
        let added = [
            received.messages,
            received.payload,
            received.bytes,
            sent.messages,
            sent.payload,
            sent.bytes,
        ];
        let mut sums = self.counts.map(u64::from);
        let mut bits = 0;
        for (sum, added) in sums.iter_mut().zip(added) {
            *sum = sum.saturating_add(added);
            bits |= *sum;
        }
        if bits > u64::from(u32::MAX) {
            return self.spill(step, large);
        }
        #[expect(clippy::cast_possible_truncation, reason = "looked at just now")]
        {
            self.counts = sums.map(|sum| sum as u32);
        }
    }

    /// Moves everything to `large`, together with what has happened.
    pub(super) fn spill(&mut self, step: &Stats, large: impl FnOnce(&Stats)) {
        let mut all = *step;
        std::mem::take(self).add_to(&mut all);
        large(&all);
    }

    /// Adds these counts to others.
    pub(super) fn add_to(self, stats: &mut Stats) {
        let [
            messages_in,
            payload_in,
            bytes_in,
            messages_out,
            payload_out,
            bytes_out,
        ] = self.counts.map(u64::from);
        stats.received.messages += messages_in;
        stats.received.payload += payload_in;
        stats.received.bytes += bytes_in;
        stats.sent.messages += messages_out;
        stats.sent.payload += payload_out;
        stats.sent.bytes += bytes_out;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_kept_elsewhere_and_nothing_is_lost() {
        let (mut counters, mut large) = (Counters::default(), Stats::default());
        let mut step = Stats::default();
        step.received.bytes = u64::from(u32::MAX) - 10;
        step.sent.messages = 3;

        for _ in 0..5 {
            counters.add(&step, |all| {
                large.received.bytes += all.received.bytes;
                large.sent.messages += all.sent.messages;
            });
        }

        counters.add_to(&mut large);
        assert_eq!(large.received.bytes, 5 * (u64::from(u32::MAX) - 10));
        assert_eq!(large.sent.messages, 15);
    }
}
