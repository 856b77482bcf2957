//! The connections of a shard by number: places that are used again.

use super::slot::Slot;
use super::wheel::{Link, Links};

/// Places that are allocated together.
const CHUNK: u32 = 64;

/// Which connection of a shard: its place, and its number among all that the shard has had.
///
/// Whoever names a connection that is gone finds nothing, though its place may have a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Id {
    pub(crate) index: u32,
    pub(crate) generation: u32,
}

/// The connections of a shard.
#[derive(Default)]
pub(super) struct Slab {
    chunks: Vec<Box<[Option<Slot>]>>,
    free: Vec<u32>,
    length: usize,
    /// The generation of the next connection.
    generation: u32,
}

impl Slab {
    /// How many connections there are.
    pub(super) fn len(&self) -> usize {
        self.length
    }

    /// The name of the connection that is put in next.
    pub(super) fn next_id(&mut self) -> Id {
        if self.free.is_empty() {
            self.grow();
        }
        Id {
            index: self.free.last().copied().unwrap_or_default(),
            generation: self.generation,
        }
    }

    /// Puts a connection in, under the name that [`Slab::next_id`] gave.
    pub(super) fn insert(&mut self, slot: Slot) {
        let id = self.next_id();
        if let Some(place) = self.place(id.index) {
            *place = Some(slot);
            self.free.pop();
            self.length += 1;
            self.generation = self.generation.wrapping_add(1);
        }
    }

    /// Takes a connection out; its place is free at once.
    pub(super) fn remove(&mut self, index: u32) -> Option<Slot> {
        let slot = self.place(index)?.take()?;
        self.free.push(index);
        self.length -= 1;
        Some(slot)
    }

    /// The connection of this name, unless it is gone.
    pub(super) fn find(&mut self, id: Id) -> Option<&mut Slot> {
        self.get(id.index)
            .filter(|slot| slot.generation == id.generation)
    }

    /// The connection at this place.
    #[inline]
    pub(super) fn get(&mut self, index: u32) -> Option<&mut Slot> {
        self.place(index)?.as_mut()
    }

    /// The names of all connections, by their places.
    pub(super) fn ids(&self) -> impl Iterator<Item = Id> {
        let places = self.chunks.iter().flat_map(|chunk| chunk.iter());
        (0_u32..).zip(places).filter_map(|(index, place)| {
            place.as_ref().map(|slot| Id {
                index,
                generation: slot.generation,
            })
        })
    }

    /// Gives back the memory of the last places, as far as nobody uses them; one chunk stays.
    pub(super) fn shrink(&mut self) {
        let before = self.chunks.len();
        while self.chunks.len() > 1
            && let Some(last) = self.chunks.last()
            && last.iter().all(Option::is_none)
        {
            self.chunks.pop();
        }
        if self.chunks.len() < before {
            let end = self.chunks.len();
            self.free.retain(|&index| ((index / CHUNK) as usize) < end);
            self.free.shrink_to(2 * self.free.len());
        }
    }

    fn grow(&mut self) {
        let chunks = u32::try_from(self.chunks.len()).unwrap_or(u32::MAX);
        let start = chunks.saturating_mul(CHUNK);
        self.chunks.push((0..CHUNK).map(|_| None).collect());
        // The lowest place is used first, so that the last ones can be given back.
        let fresh = (0..CHUNK).rev();
        self.free.extend(fresh.map(|number| start + number));
    }

    #[inline]
    fn place(&mut self, index: u32) -> Option<&mut Option<Slot>> {
        let chunk = self.chunks.get_mut((index / CHUNK) as usize)?;
        chunk.get_mut((index % CHUNK) as usize)
    }
}

impl Links for Slab {
    fn link(&mut self, entry: u32) -> &mut Link {
        let slot = self.get(entry);
        &mut slot
            .expect("a connection leaves the wheel before it goes")
            .timer
    }
}

#[cfg(test)]
mod tests;
