//! Publications without an outcome: numbered, repeated in order, never twice in the log.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::{Duration, Instant};

use crate::channel::ChannelName;
use crate::publication::Payload;

/// Publications of one channel without a reply.
const UNDER_WAY: usize = crate::engine::UNDER_WAY;

/// A publication's name between a machine and its driver, in the order of the user's wishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Serial(pub(crate) u64);

/// A publication without an outcome.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) serial: Serial,
    pub(super) channel: ChannelName,
    pub(super) payload: Payload,
    /// The publisher's count in the channel; 0 until it is sent.
    pub(super) number: u64,
    /// The command that is to be answered.
    id: Option<u64>,
    first_sent: Option<Instant>,
}

/// All of them, in the order of the user's wishes.
#[derive(Debug, Default)]
pub(super) struct Publishing {
    items: VecDeque<Item>,
    bytes: usize,
    serials: u64,
    /// The last number given in each channel.
    last: HashMap<ChannelName, u64>,
    /// Channels that cannot be published in before this time.
    later: HashMap<ChannelName, Instant>,
}

impl Publishing {
    pub(super) fn push(&mut self, channel: ChannelName, payload: Payload) -> Serial {
        self.serials += 1;
        self.bytes += payload.len();
        let serial = Serial(self.serials);
        self.items.push_back(Item {
            serial,
            channel,
            payload,
            number: 0,
            id: None,
            first_sent: None,
        });
        serial
    }

    /// How many there are, and their bytes.
    pub(super) fn waiting(&self) -> (usize, usize) {
        (self.items.len(), self.bytes)
    }

    /// When a channel may be published in again.
    pub(super) fn until(&self) -> Option<Instant> {
        self.later.values().min().copied()
    }

    /// The next one to be sent, which has a number; those of a channel keep their order.
    pub(super) fn next(&mut self, now: Instant) -> Option<&Item> {
        self.later.retain(|_, until| *until > now);
        let mut under_way: HashMap<&ChannelName, usize> = HashMap::new();
        let mut full: HashSet<&ChannelName> = self.later.keys().collect();
        let mut found = None;
        for (at, item) in self.items.iter().enumerate() {
            if full.contains(&item.channel) {
                continue;
            }
            if item.id.is_none() {
                found = Some(at);
                break;
            }
            let count = under_way.entry(&item.channel).or_default();
            *count += 1;
            if *count == UNDER_WAY {
                full.insert(&item.channel);
            }
        }
        let item = &mut self.items[found?];
        if item.number == 0 {
            let last = self.last.entry(item.channel.clone()).or_default();
            *last += 1;
            item.number = *last;
        }
        Some(item)
    }

    /// It was sent as this command.
    pub(super) fn sent(&mut self, serial: Serial, id: u64, now: Instant) {
        if let Some(item) = self.find(serial) {
            item.id = Some(id);
            item.first_sent.get_or_insert(now);
        }
    }

    /// Whether this command is the last that it was sent as.
    pub(super) fn is_current(&mut self, serial: Serial, id: u64) -> bool {
        self.find(serial).is_some_and(|item| item.id == Some(id))
    }

    /// It cannot be sent. True when it never was: then its number is that of the next one.
    pub(super) fn withdraw(&mut self, serial: Serial) -> bool {
        let Some(item) = self.find(serial) else {
            return false;
        };
        let (channel, number) = (item.channel.clone(), item.number);
        let is_new = item.first_sent.is_none();
        if is_new && self.last.get(&channel) == Some(&number) {
            self.last.insert(channel, number - 1);
        }
        self.remove(serial);
        is_new
    }

    /// It has an outcome.
    pub(super) fn remove(&mut self, serial: Serial) {
        let found = self.items.binary_search_by_key(&serial, |item| item.serial);
        if let Ok(at) = found
            && let Some(item) = self.items.remove(at)
        {
            self.bytes -= item.payload.len();
        }
    }

    /// The line is lost: all are to be sent again.
    pub(super) fn give_back_all(&mut self) {
        self.later.clear();
        for item in &mut self.items {
            item.id = None;
        }
    }

    /// The server cannot take it now: its channel is to be tried again later.
    pub(super) fn put_off(&mut self, serial: Serial, until: Instant) {
        let Some(channel) = self.find(serial).map(|item| item.channel.clone()) else {
            return;
        };
        for item in self.of(&channel) {
            item.id = None;
        }
        self.later.insert(channel, until);
    }

    /// The server wants this number next in the channel: those that it cannot have are numbered
    /// anew, and all are sent again. False when this publication leaves none out.
    pub(super) fn renumber(&mut self, serial: Serial, expected: u64) -> bool {
        let leaves_out = |item: &&mut Item| (1..=item.number).contains(&expected);
        let Some(item) = self.find(serial).filter(leaves_out) else {
            return false;
        };
        let channel = item.channel.clone();
        let mut next = expected;
        for item in self.of(&channel) {
            item.id = None;
            if item.number >= expected {
                item.number = next;
                next += 1;
            }
        }
        self.last.insert(channel, next - 1);
        true
    }

    /// Forgets those that were first sent so long ago that nobody knows what has become of them.
    pub(super) fn forget(&mut self, now: Instant, span: Duration) -> Vec<Serial> {
        let is_old = |item: &Item| {
            item.first_sent
                .is_some_and(|at| span.is_zero() || now.saturating_duration_since(at) > span)
        };
        let old: Vec<Serial> = self
            .items
            .iter()
            .filter(|item| is_old(item))
            .map(|item| item.serial)
            .collect();
        for serial in &old {
            self.remove(*serial);
        }
        old
    }

    fn find(&mut self, serial: Serial) -> Option<&mut Item> {
        let found = self.items.binary_search_by_key(&serial, |item| item.serial);
        self.items.get_mut(found.ok()?)
    }

    /// Those of a channel that have a number.
    fn of<'a>(&'a mut self, channel: &'a ChannelName) -> impl Iterator<Item = &'a mut Item> {
        let is_its = move |item: &&mut Item| item.channel == *channel && item.number > 0;
        self.items.iter_mut().filter(is_its)
    }
}
