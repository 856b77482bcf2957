//! One subscription of a connection.

use std::ops::Range;

use holdwire::shard::Join;

use super::answer;
use super::driver::Driver;
use crate::channel::ChannelName;
use crate::cursor::{Cursor, Hears, Listener, Next};
use crate::format::Place;
use crate::position::{Epoch, Position};
use crate::publication::Publication;
use crate::reading::{Gap, Reading, Since};
use crate::wire::{Live, Push, Reply, Subscribed};

/// A subscription's name between a machine and its driver; none comes twice in a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key(pub(crate) u32);

/// A channel that a connection reads.
#[derive(Debug)]
pub(super) struct Sub {
    pub(super) key: Key,
    pub(super) name: ChannelName,
    pub(super) cursor: Cursor,
    /// The command that is answered when it has begun; there is none, or it was answered.
    pub(super) asked: Option<u64>,
    /// It goes on when everything has been written.
    pub(super) is_resting: bool,
    /// It came with a position.
    is_back: bool,
    /// It was told that there is more, and is to be told when that has come.
    is_behind: bool,
}

impl Sub {
    pub(super) fn new(
        key: Key,
        name: ChannelName,
        since: Option<Position>,
        asked: Option<u64>,
    ) -> Self {
        Self {
            key,
            name,
            cursor: Cursor::new(since),
            asked,
            is_resting: false,
            is_back: since.is_some(),
            is_behind: false,
        }
    }

    /// The most publications that are read for it at once.
    pub(super) fn page(&self, driver: &impl Driver) -> usize {
        driver
            .namespace(&self.name)
            .map_or(1, |namespace| namespace.page.max(1))
    }

    /// Sends what was read.
    pub(super) fn read(&mut self, reading: &Reading, driver: &mut impl Driver) -> Next {
        let (cursor, mut teller) = self.parts(driver);
        cursor.read(reading, &mut teller)
    }

    /// What the cursor wants, other than to read.
    pub(super) fn want(&mut self, next: Next, driver: &mut impl Driver) {
        match next {
            Next::Rest => {
                self.is_resting = true;
                driver.rest();
            }
            Next::Join => driver.join(self.key),
            Next::Read(_) | Next::Nothing => {}
        }
    }

    pub(super) fn join(&mut self, epoch: Epoch, next: u64, driver: &mut impl Driver) -> Join {
        let page = self.page(driver);
        let name = self.name.clone();
        let read = match self.cursor.next() {
            // Only what is there at once can close the last hole.
            Next::Read(position) => driver.read_now(&name, Since::Position(position), page),
            _ => None,
        };
        let (cursor, mut teller) = self.parts(driver);
        let join = cursor.join(epoch, next, |_| read, &mut teller);
        if join == Join::Stay && std::mem::take(&mut self.is_behind) {
            let live = Live { offset: next - 1 };
            driver.send(&push(Push {
                channel: name.as_str().to_owned(),
                live: Some(live),
                ..Push::default()
            }));
        }
        if join == Join::Leave && !self.cursor.is_over() {
            self.want(Next::Rest, driver);
        }
        join
    }

    pub(super) fn skip(&mut self, skipped: &Range<u64>, driver: &mut impl Driver) {
        if let Some(gap) = self.cursor.skipped(skipped) {
            let (_, mut teller) = self.parts(driver);
            teller.gap(&gap);
        }
    }

    fn parts<'a, D: Driver>(&'a mut self, driver: &'a mut D) -> (&'a mut Cursor, Teller<'a, D>) {
        let teller = Teller {
            driver,
            name: &self.name,
            asked: &mut self.asked,
            is_back: self.is_back,
            is_behind: &mut self.is_behind,
            is_first: true,
        };
        (&mut self.cursor, teller)
    }
}

/// Tells a client what a cursor reads.
struct Teller<'a, D> {
    driver: &'a mut D,
    name: &'a ChannelName,
    asked: &'a mut Option<u64>,
    is_back: bool,
    is_behind: &'a mut bool,
    /// Nothing was replayed in this turn.
    is_first: bool,
}

impl<D: Driver> Listener for Teller<'_, D> {
    fn begin(&mut self, at: Position, gap: Option<&Gap>, more: bool) -> Hears {
        if let Some(gap) = gap {
            self.driver.missed(gap.reason);
        }
        *self.is_behind = more;
        let subscribed = Subscribed {
            epoch: at.epoch.to_string(),
            offset: at.offset,
            recovered: self.is_back.then_some(gap.is_none()),
            gap: gap.map(answer::missing),
            more,
        };
        let text = match self.asked.take() {
            Some(id) => answer::text(&Reply {
                id,
                subscribe: Some(subscribed),
                ..Reply::default()
            }),
            None => push(Push {
                channel: self.name.as_str().to_owned(),
                subscribe: Some(subscribed),
                ..Push::default()
            }),
        };
        self.driver.send(&text);
        Hears::On
    }

    fn gap(&mut self, gap: &Gap) -> Hears {
        self.driver.missed(gap.reason);
        self.driver.send(&push(Push {
            channel: self.name.as_str().to_owned(),
            gap: Some(answer::missing(gap)),
            ..Push::default()
        }));
        Hears::On
    }

    /// Pushes do not name their epoch: it is to come back, and be told.
    fn fork(&mut self) -> Hears {
        Hears::Over
    }

    fn replay(&mut self, epoch: Epoch, publication: &Publication) -> Hears {
        let is_first = std::mem::take(&mut self.is_first);
        if !self.driver.has_room(publication.payload.len(), is_first) {
            return Hears::Full;
        }
        self.driver.replay(&Place {
            channel: self.name,
            epoch,
            publication,
        });
        Hears::On
    }
}

fn push(push: Push) -> String {
    answer::text(&Reply {
        push: Some(push),
        ..Reply::default()
    })
}
