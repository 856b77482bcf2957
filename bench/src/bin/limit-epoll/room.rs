//! `/broadcast`: every message goes to all other connections of that path.
//!
//! All messages of one turn of the loop are encoded once, one behind the other in one batch, and
//! each member gets the batch with one send at the end of the turn. Only for those who published
//! in the turn it is put together anew, without what is their own.

use std::ops::Range;

use holdwire_bench::wire::{MaskedHeader, unmask};

/// The members and what the turn has for them.
#[derive(Default)]
pub(crate) struct Room {
    pub(crate) members: Vec<usize>,
    batch: Vec<u8>,
    /// Who published which part of the batch.
    parts: Vec<(usize, Range<usize>)>,
}

impl Room {
    /// Forgets the member with this number, if it is one.
    pub(crate) fn leave(&mut self, index: usize) {
        if let Some(place) = self.members.iter().position(|member| *member == index) {
            self.members.swap_remove(place);
        }
    }

    /// Takes all whole frames in `input` into the batch, and returns how many bytes they had.
    pub(crate) fn publish(&mut self, from: usize, input: &mut [u8]) -> usize {
        let start = self.batch.len();
        let mut consumed = 0;
        while let Some(header) = MaskedHeader::read(&input[consumed..]) {
            let payload = consumed + header.length;
            let end = payload + header.payload;
            if end > input.len() {
                break;
            }
            unmask(&mut input[payload..end], header.key);
            let unmasked_header = consumed..payload - header.key.len();
            let at = self.batch.len();
            self.batch.extend_from_slice(&input[unmasked_header]);
            self.batch[at + 1] &= 0x7f;
            self.batch.extend_from_slice(&input[payload..end]);
            consumed = end;
        }
        if self.batch.len() > start {
            self.parts.push((from, start..self.batch.len()));
        }
        consumed
    }

    pub(crate) fn has_news(&self) -> bool {
        !self.batch.is_empty()
    }

    /// What the member with this number gets; `scratch` is where it may have to be put together.
    pub(crate) fn news_for<'a>(&'a self, member: usize, scratch: &'a mut Vec<u8>) -> &'a [u8] {
        if self.parts.iter().all(|(from, _)| *from != member) {
            return &self.batch;
        }
        scratch.clear();
        for (from, part) in &self.parts {
            if *from != member {
                scratch.extend_from_slice(&self.batch[part.clone()]);
            }
        }
        scratch
    }

    /// Ends the turn.
    pub(crate) fn clear(&mut self) {
        self.batch.clear();
        self.parts.clear();
    }
}

#[cfg(test)]
mod tests {
    use holdwire_bench::wire::{masked_message, unmasked_message};

    use super::*;

    #[test]
    fn turn_is_one_batch_without_what_is_ones_own() {
        let mut room = Room::default();
        let mut one = [masked_message(b"a"), masked_message(&[b'b'; 300])].concat();
        let mut other = masked_message(b"c");
        let whole = other.len();
        other.extend(&masked_message(b"incomplete")[..9]);

        assert_eq!(room.publish(1, &mut one), one.len());
        assert_eq!(room.publish(2, &mut other), whole);

        let [a, b, c] = [&b"a"[..], &[b'b'; 300], b"c"].map(unmasked_message);
        let mut scratch = Vec::new();
        assert_eq!(room.news_for(1, &mut scratch), c);
        assert_eq!(room.news_for(2, &mut scratch), [&a[..], &b].concat());
        assert_eq!(room.news_for(3, &mut scratch), [a, b, c].concat());
    }

    #[test]
    fn nothing_is_left_of_a_turn() {
        let mut room = Room::default();
        room.publish(1, &mut masked_message(b"a"));
        assert!(room.has_news());

        room.clear();

        assert!(!room.has_news());
        assert!(room.news_for(2, &mut Vec::new()).is_empty());
    }
}
