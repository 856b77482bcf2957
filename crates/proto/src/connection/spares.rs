//! Large buffers that a thread keeps from one long message to the next.
//!
//! The allocator gives the memory of a large buffer back to the system as soon as it is freed, and
//! the next one is paid for page by page: for a message of 1 MiB that is a third of all its cost.

/// Smaller buffers cost nothing to allocate.
pub(super) const LARGE: usize = 64 * 1024;

/// Larger buffers are given back.
const LARGEST: usize = 2 * 1024 * 1024;

/// Bytes that are kept, all buffers together.
const MOST: usize = 4 * 1024 * 1024;

/// Empty buffers with room, the oldest first.
#[derive(Default)]
pub(super) struct Spares {
    buffers: Vec<Vec<u8>>,
}

impl Spares {
    /// Bytes of heap that are kept.
    pub(super) fn held(&self) -> usize {
        self.buffers.iter().map(Vec::capacity).sum()
    }

    /// Keeps a buffer whose content is done with, if it is worth it, instead of the oldest.
    pub(super) fn put(&mut self, mut buffer: Vec<u8>) {
        if (LARGE..=LARGEST).contains(&buffer.capacity()) {
            buffer.clear();
            self.buffers.push(buffer);
            while self.held() > MOST {
                self.buffers.remove(0);
            }
        }
    }

    /// Takes the smallest buffer that holds `length` bytes, unless all would be more than half
    /// empty.
    pub(super) fn take(&mut self, length: u64) -> Option<Vec<u8>> {
        let fits = |buffer: &Vec<u8>| {
            let capacity = buffer.capacity() as u64;
            (length..=length.saturating_mul(2)).contains(&capacity)
        };
        let buffers = self.buffers.iter().enumerate();
        let (index, _) = buffers
            .filter(|(_, buffer)| fits(buffer))
            .min_by_key(|(_, buffer)| buffer.capacity())?;
        Some(self.buffers.swap_remove(index))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_spare_that_holds_the_message_is_taken() {
        let mut spares = Spares::default();
        for capacity in [300_000, 200_000, 100_000] {
            spares.put(Vec::with_capacity(capacity));
        }

        let capacity = spares.take(150_000).map(|buffer| buffer.capacity());

        assert_eq!(capacity, Some(200_000));
        assert_eq!(spares.held(), 400_000);
    }

    #[test]
    fn a_spare_that_is_too_small_or_far_too_large_stays() {
        let mut spares = Spares::default();
        spares.put(Vec::with_capacity(300_000));

        assert_eq!(spares.take(300_001), None);
        assert_eq!(spares.take(149_999), None);
        assert_eq!(spares.take(u64::MAX), None);
        assert_eq!(spares.held(), 300_000);
    }

    #[test]
    fn small_and_huge_buffers_are_given_back_and_old_ones_make_room() {
        let mut spares = Spares::default();
        spares.put(Vec::with_capacity(LARGE - 1));
        spares.put(Vec::with_capacity(LARGEST + 1));
        assert_eq!(spares.held(), 0);

        for capacity in [LARGE, LARGEST, LARGEST, LARGE] {
            spares.put(Vec::with_capacity(capacity));
            assert!(spares.held() <= MOST, "{} bytes", spares.held());
        }

        assert_eq!(spares.held(), LARGEST + LARGE);
    }
}
