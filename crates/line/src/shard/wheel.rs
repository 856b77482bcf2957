//! Deadlines of many connections: a wheel with one entry for each.

use std::time::Duration;

use holdwire_proto::time::Tick;

/// Milliseconds that share a bucket, as a power of two: a deadline is late by less than this.
const GRAIN: u32 = 3;

/// Buckets; a deadline that lies further away is looked at again when the wheel has turned once.
const BUCKETS: u32 = 4096;

/// Buckets that a tick can count before it wraps.
const NUMBERS: u32 = 1 << (32 - GRAIN);

/// No entry, or no bucket.
const NONE: u32 = u32::MAX;

/// The place of one entry in the wheel; it stands where the entry's owner keeps it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Link {
    next: u32,
    previous: u32,
    bucket: u32,
}

impl Link {
    /// In no bucket.
    pub(super) const UNLINKED: Self = Self {
        next: NONE,
        previous: NONE,
        bucket: NONE,
    };
}

/// Where the links are: one for each entry, found by the entry's number.
pub(super) trait Links {
    /// The link of this entry.
    fn link(&mut self, entry: u32) -> &mut Link;
}

/// Entries by the time at which they are due, in buckets of 8 ms.
///
/// To set, to move and to remove an entry costs the same however many there are; 33 s take 16 KiB.
pub(super) struct Wheel {
    /// The first entry of each bucket.
    first: Box<[u32]>,
    /// A bit for each bucket that has an entry.
    occupied: Box<[u64]>,
    /// The number of the first bucket that is not over.
    current: u32,
    entries: usize,
}

impl Wheel {
    /// An empty wheel whose first bucket is the one of `now`.
    pub(super) fn new(now: Tick) -> Self {
        Self {
            first: vec![NONE; BUCKETS as usize].into(),
            occupied: vec![0; (BUCKETS / 64) as usize].into(),
            current: now.millis() >> GRAIN,
            entries: 0,
        }
    }

    /// Makes the entry due at `at`, wherever it was before; at the earliest after `now`.
    ///
    /// It may become due earlier than that, if that lies beyond the wheel's horizon.
    pub(super) fn set(&mut self, links: &mut impl Links, entry: u32, at: Tick, now: Tick) {
        if self.entries == 0 {
            // Nobody may have turned it for longer than a tick can count.
            self.current = now.millis() >> GRAIN;
        }
        let bucket = self.bucket_of(at, now);
        let link = *links.link(entry);
        if link.bucket == bucket {
            return;
        }
        self.remove(links, entry);
        self.entries += 1;
        let head = &mut self.first[bucket as usize];
        let next = std::mem::replace(head, entry);
        if next != NONE {
            links.link(next).previous = entry;
        }
        *links.link(entry) = Link {
            next,
            previous: NONE,
            bucket,
        };
        self.occupied[(bucket / 64) as usize] |= 1 << (bucket % 64);
    }

    /// As [`Wheel::set`], but leaves an entry where it is due no later: deadlines mostly move away,
    /// and whoever looks at the entry too early asks again.
    pub(super) fn set_if_earlier(
        &mut self,
        links: &mut impl Links,
        entry: u32,
        at: Tick,
        now: Tick,
    ) {
        let link = *links.link(entry);
        if link.bucket != NONE {
            let bucket = self.bucket_of(at, now);
            if self.distance(link.bucket) <= self.distance(bucket) {
                return;
            }
        }
        self.set(links, entry, at, now);
    }

    /// Takes the entry out, if it is in.
    pub(super) fn remove(&mut self, links: &mut impl Links, entry: u32) {
        let link = std::mem::replace(links.link(entry), Link::UNLINKED);
        if link.bucket == NONE {
            return;
        }
        self.entries -= 1;
        if link.next != NONE {
            links.link(link.next).previous = link.previous;
        }
        if link.previous != NONE {
            links.link(link.previous).next = link.next;
            return;
        }
        self.first[link.bucket as usize] = link.next;
        if link.next == NONE {
            self.occupied[(link.bucket / 64) as usize] &= !(1 << (link.bucket % 64));
        }
    }

    /// Takes out an entry that is due; `None` when no other is.
    pub(super) fn pop(&mut self, links: &mut impl Links, now: Tick) -> Option<u32> {
        let passed = (now.millis() >> GRAIN).wrapping_sub(self.current) % NUMBERS;
        if passed >= NUMBERS / 2 {
            // The clock has gone back: nothing is due before it has caught up.
            return None;
        }
        match self.next_occupied() {
            Some(distance) if distance <= passed => {
                self.current = (self.current + distance) % NUMBERS;
                let entry = self.first[(self.current % BUCKETS) as usize];
                self.remove(links, entry);
                Some(entry)
            }
            _ => {
                self.current = (self.current + passed) % NUMBERS;
                None
            }
        }
    }

    /// How long after `now` the first entry is due; `None` without one.
    pub(super) fn next(&self, now: Tick) -> Option<Duration> {
        let distance = self.next_occupied()?;
        let due = Tick::from_millis(u64::from((self.current + distance) % NUMBERS) << GRAIN);
        Some(due.since(now))
    }

    /// The bucket for a deadline: the first that begins no earlier, so that nothing is done too
    /// early.
    fn bucket_of(&self, at: Tick, now: Tick) -> u32 {
        let up = |tick: Tick| tick.millis().wrapping_add((1 << GRAIN) - 1) >> GRAIN;
        let soonest = (now.millis() >> GRAIN).wrapping_add(1) % NUMBERS;
        // What lies behind the wheel, for whatever reason, is due as soon as possible.
        let distance = |number: u32| {
            let distance = number.wrapping_sub(self.current) % NUMBERS;
            if distance < NUMBERS / 2 { distance } else { 0 }
        };
        let distance = distance(up(at)).max(distance(soonest));
        (self.current + distance.min(BUCKETS - 1)) % BUCKETS
    }

    /// How many buckets lie before this one.
    fn distance(&self, bucket: u32) -> u32 {
        bucket.wrapping_sub(self.current) % BUCKETS
    }

    /// The distance of the first bucket that has an entry.
    fn next_occupied(&self) -> Option<u32> {
        let start = self.current % BUCKETS;
        let words = BUCKETS / 64;
        // The word of the start is looked at twice: its upper part first, its lower part last.
        for step in 0..=words {
            let index = (start / 64 + step) % words;
            let mut word = self.occupied[index as usize];
            if step == 0 {
                word &= u64::MAX << (start % 64);
            }
            if word != 0 {
                return Some(self.distance(index * 64 + word.trailing_zeros()));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    impl Links for Vec<Link> {
        fn link(&mut self, entry: u32) -> &mut Link {
            &mut self[entry as usize]
        }
    }

    fn at(millis: u64) -> Tick {
        Tick::from_millis(millis)
    }

    fn pop_all(wheel: &mut Wheel, links: &mut Vec<Link>, now: Tick) -> Vec<u32> {
        let mut due: Vec<u32> = std::iter::from_fn(|| wheel.pop(links, now)).collect();
        due.sort_unstable();
        due
    }

    #[test]
    fn an_entry_is_due_at_its_time_and_less_than_a_grain_later() {
        for start in [0, 5, 4_000_000_000, u64::from(u32::MAX) - 100] {
            for delay in [0, 1, 8, 9, 1000, 20_000, 32_000] {
                let (mut wheel, mut links) = (Wheel::new(at(start)), vec![Link::UNLINKED]);
                wheel.set(&mut links, 0, at(start + delay), at(start));

                let wait = u64::try_from(wheel.next(at(start)).unwrap().as_millis()).unwrap();

                assert!(
                    wait >= delay.max(1) && wait < delay + 17,
                    "{start} {delay} {wait}"
                );
                assert_eq!(wheel.pop(&mut links, at(start + wait - 1)), None);
                assert_eq!(wheel.pop(&mut links, at(start + wait)), Some(0));
                assert_eq!(wheel.next(at(start + wait)), None);
            }
        }
    }

    #[test]
    fn beyond_the_horizon_an_entry_comes_early_and_can_be_set_again() {
        let (mut wheel, mut links) = (Wheel::new(at(0)), vec![Link::UNLINKED]);
        let (deadline, mut now, mut looks) = (at(3_600_000), at(0), 0);
        wheel.set(&mut links, 0, deadline, now);

        while now.is_before(deadline) {
            now = now.after(wheel.next(now).unwrap());
            assert_eq!(wheel.pop(&mut links, now), Some(0));
            looks += 1;
            wheel.set(&mut links, 0, deadline, now);
        }

        assert_eq!(looks, 3_600_000_u32.div_ceil((BUCKETS - 1) << GRAIN));
    }

    #[test]
    fn an_entry_moves_forward_only_when_it_must() {
        let (mut wheel, mut links) = (Wheel::new(at(0)), vec![Link::UNLINKED]);

        wheel.set_if_earlier(&mut links, 0, at(1000), at(0));
        wheel.set_if_earlier(&mut links, 0, at(5000), at(0));
        assert_eq!(wheel.next(at(0)), Some(Duration::from_millis(1000)));
        wheel.set_if_earlier(&mut links, 0, at(400), at(0));
        assert_eq!(wheel.next(at(0)), Some(Duration::from_millis(400)));
    }

    #[test]
    fn a_wheel_that_was_not_turned_for_long_gives_all_that_is_due() {
        let (mut wheel, mut links) = (Wheel::new(at(0)), vec![Link::UNLINKED; 100]);
        for entry in 0..100 {
            wheel.set(&mut links, entry, at(u64::from(entry) * 300), at(0));
        }

        let due = pop_all(&mut wheel, &mut links, at(86_400_000));

        assert_eq!(due, (0..100).collect::<Vec<u32>>());
    }

    #[test]
    fn a_wheel_that_was_empty_for_a_month_keeps_time() {
        let (mut wheel, mut links) = (Wheel::new(at(0)), vec![Link::UNLINKED]);
        let now = at(30 * 86_400_000);
        assert_eq!(wheel.pop(&mut links, now), None);

        wheel.set(&mut links, 0, now.after(Duration::from_secs(1)), now);

        assert_eq!(wheel.next(now), Some(Duration::from_secs(1)));
    }

    #[test]
    fn a_clock_that_goes_back_delays_and_loses_nothing() {
        let (mut wheel, mut links) = (Wheel::new(at(10_000)), vec![Link::UNLINKED; 2]);
        wheel.set(&mut links, 0, at(10_100), at(10_000));

        assert_eq!(wheel.pop(&mut links, at(9_000)), None);
        wheel.set(&mut links, 1, at(9_500), at(9_000));

        assert_eq!(pop_all(&mut wheel, &mut links, at(10_200)), [0, 1]);
    }

    #[test]
    fn it_agrees_with_a_sorted_map() {
        let mut random = 0x9e37_79b9_7f4a_7c15_u64;
        let mut draw = |limit: u64| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random % limit
        };
        for start in [0, u64::from(u32::MAX) - 50_000] {
            let mut now = start;
            let (mut wheel, mut links) = (Wheel::new(at(now)), vec![Link::UNLINKED; 64]);
            let mut model: BTreeMap<u32, u64> = BTreeMap::new();
            for _ in 0..20_000 {
                let entry = u32::try_from(draw(64)).unwrap();
                match draw(4) {
                    0 | 1 => {
                        let due = now + draw(30_000);
                        wheel.set(&mut links, entry, at(due), at(now));
                        model.insert(entry, due.max(now + 1));
                    }
                    2 => {
                        wheel.remove(&mut links, entry);
                        model.remove(&entry);
                    }
                    _ => {
                        now += draw(500);
                        let due = pop_all(&mut wheel, &mut links, at(now));
                        for entry in &due {
                            let time = model.remove(entry).expect("set");
                            assert!(time <= now, "{entry} came before its time");
                        }
                        let late = model.iter().find(|(_, time)| **time + 16 <= now);
                        assert_eq!(late, None, "at {now}");
                    }
                }
            }
        }
    }
}
