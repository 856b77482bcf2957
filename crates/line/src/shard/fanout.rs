//! Handing publications to the subscribers of one shard: from memory that they share, with one
//! write to each.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use holdwire_proto::{Config, Scratch, Variant};

use super::mailbox::Mailbox;
use super::remote::Remote;
use super::slab::Id;
use super::topic::{Publication, Topic};
use crate::stats::Traffic;

/// Bytes of publications that are put together into one write.
const BATCH: usize = 64 * 1024;

/// Publications that are put together: each of their publishers gets a batch without its own.
const PUBLICATIONS: usize = 256;

/// The topics that connections of this shard have joined.
#[derive(Default)]
pub(super) struct Fanout {
    topics: Vec<Option<Local>>,
    /// Numbers that no topic has.
    free: Vec<u32>,
    numbers: HashMap<usize, u32>,
    /// Subscribers from whom something was kept that they do not know of yet.
    pub(super) skipping: usize,
}

/// What a shard knows of a topic.
pub(super) struct Local {
    pub(super) topic: Topic,
    /// The places of the connections.
    pub(super) subscribers: Vec<u32>,
    /// Who reads too slowly, and the publications that were left out.
    pub(super) skipped: HashMap<u32, Range<u64>>,
}

/// Publications that go out together, encoded in one way.
#[derive(Clone)]
pub(super) struct Batch {
    /// All of them, encoded.
    pub(super) frames: Bytes,
    pub(super) counts: Traffic,
    /// Their numbers.
    pub(super) range: Range<u64>,
}

/// The same publications for all subscribers, encoded as each of them takes it.
#[derive(Default)]
pub(super) struct Batches([Option<Batch>; Variant::COUNT]);

impl Batches {
    /// The batch for connections of this variant, made when the first one needs it.
    pub(super) fn get(
        &mut self,
        publications: &[Publication],
        variant: Variant,
        config: &Config,
        scratch: &mut Scratch,
    ) -> Option<&Batch> {
        let batch = &mut self.0[variant.index()];
        if batch.is_none() {
            *batch = Batch::of(publications.iter(), variant, config, scratch);
        }
        batch.as_ref()
    }
}

impl Batch {
    /// Puts publications together; `None` when there are none.
    pub(super) fn of<'a>(
        publications: impl Iterator<Item = &'a Publication> + Clone,
        variant: Variant,
        config: &Config,
        scratch: &mut Scratch,
    ) -> Option<Self> {
        let first = publications.clone().next()?;
        let mut counts = Traffic::default();
        let (mut length, mut end) = (0, first.number);
        for publication in publications.clone() {
            counts.count(publication.message.payload().len());
            length += publication.message.encoded(variant, config, scratch).len();
            end = publication.end();
        }
        let frames = if counts.messages == 1 {
            first.message.encoded(variant, config, scratch).clone()
        } else {
            let mut frames = BytesMut::with_capacity(length);
            for publication in publications {
                frames.extend_from_slice(publication.message.encoded(variant, config, scratch));
            }
            frames.freeze()
        };
        Some(Self {
            frames,
            counts,
            range: first.number..end,
        })
    }
}

/// The publications in pieces that are sent together.
pub(super) fn pieces(publications: &[Publication]) -> impl Iterator<Item = &[Publication]> {
    let mut rest = publications;
    std::iter::from_fn(move || {
        let mut length = 0;
        let fits = |publication: &&Publication| {
            length += publication.message.payload().len();
            length <= BATCH
        };
        let count = rest.iter().take(PUBLICATIONS).take_while(fits).count();
        let (piece, left) = rest.split_at(count.max(1).min(rest.len()));
        rest = left;
        (!piece.is_empty()).then_some(piece)
    })
}

impl Publication {
    /// The number of the publication that follows it.
    pub(super) fn end(&self) -> u64 {
        self.number + u64::from(!self.is_aside)
    }

    /// Whether it comes from this connection of the shard, which does not get it.
    pub(super) fn is_from(&self, mailbox: &Mailbox, id: Id) -> bool {
        self.publisher(mailbox) == Some(id)
    }

    /// The one that does not get it, if it is on this shard; it may be gone.
    pub(super) fn publisher(&self, mailbox: &Mailbox) -> Option<Id> {
        let Remote { mailbox: own, id } = self.except.as_ref()?;
        (own.number == mailbox.number).then_some(*id)
    }
}

impl Fanout {
    /// The shard's number of a topic that somebody here has joined.
    pub(super) fn number(&self, topic: &Topic) -> Option<u32> {
        self.numbers.get(&topic.address()).copied()
    }

    pub(super) fn get(&mut self, number: u32) -> Option<&mut Local> {
        self.topics.get_mut(number as usize)?.as_mut()
    }

    /// Adds a subscriber; gives the topic's number, the subscriber's place, and the number of the
    /// first publication that it will get.
    pub(super) fn join(
        &mut self,
        topic: &Topic,
        index: u32,
        mailbox: &Arc<Mailbox>,
    ) -> (u32, u32, u64) {
        let next = topic.attach(mailbox);
        let number = match self.number(topic) {
            Some(number) => number,
            None => self.add(topic),
        };
        let mut place = 0;
        if let Some(local) = self.get(number) {
            place = u32::try_from(local.subscribers.len()).unwrap_or(u32::MAX);
            local.subscribers.push(index);
        }
        (number, place, next)
    }

    /// Takes a subscriber out; gives the connection that has its place now.
    pub(super) fn leave(&mut self, number: u32, place: u32, mailbox: &Mailbox) -> Option<u32> {
        let local = self.topics.get_mut(number as usize)?.as_mut()?;
        let index = local.subscribers.swap_remove(place as usize);
        if local.skipped.remove(&index).is_some() {
            self.skipping -= 1;
        }
        let moved = local.subscribers.get(place as usize).copied();
        if local.subscribers.is_empty() {
            local.topic.detach(mailbox);
            self.numbers.remove(&local.topic.address());
            self.topics[number as usize] = None;
            self.free.push(number);
        } else if local.subscribers.len() * 4 < local.subscribers.capacity() {
            local.subscribers.shrink_to(local.subscribers.len() * 2);
        }
        moved
    }

    fn add(&mut self, topic: &Topic) -> u32 {
        let number = self.free.pop().unwrap_or_else(|| {
            self.topics.push(None);
            u32::try_from(self.topics.len() - 1).unwrap_or(u32::MAX)
        });
        self.topics[number as usize] = Some(Local {
            topic: topic.clone(),
            subscribers: Vec::new(),
            skipped: HashMap::new(),
        });
        self.numbers.insert(topic.address(), number);
        number
    }
}

#[cfg(test)]
mod tests;
