//! One subscription of a connection.

use std::ops::Range;

use holdwire::shard::Join;

use super::answer;
use super::driver::Driver;
use crate::channel::ChannelName;
use crate::cursor::{Cursor, Hears, Listener, Next};
use crate::format::Place;
use crate::log::Retention;
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
    /// It cannot be told of a gap: what it misses first voids its position, later it comes anew.
    is_foreign: bool,
    /// Its position was void.
    is_lost: bool,
    /// Seconds for which its token holds.
    ttl: Option<u64>,
    /// It was told that there is more, and is to be told when that has come.
    is_behind: bool,
}

impl Sub {
    pub(super) fn new(
        key: Key,
        name: ChannelName,
        since: Option<Position>,
        asked: Option<u64>,
        ttl: Option<u64>,
        is_foreign: bool,
    ) -> Self {
        Self {
            key,
            name,
            cursor: Cursor::new(since),
            asked,
            is_resting: false,
            is_back: since.is_some(),
            is_foreign,
            is_lost: false,
            ttl,
            is_behind: false,
        }
    }

    /// The most publications that are read for it at once.
    pub(super) fn page(&self, driver: &impl Driver) -> usize {
        driver
            .namespace(&self.name)
            .map_or(1, |namespace| namespace.page.max(1))
    }

    /// The position that it came with.
    pub(super) fn since(&self) -> Option<Position> {
        match self.cursor.next() {
            Next::Read(position) => Some(position),
            _ => None,
        }
    }

    /// Has it begin where it was when that can be, else with the newest; without a word, but for
    /// what this gives.
    ///
    /// Where nothing is kept, what comes until it has joined is of no concern to it.
    pub(super) fn place(
        &mut self,
        reading: &Reading,
        is_recoverable: bool,
        driver: &mut impl Driver,
    ) -> Subscribed {
        let epoch = reading.position.epoch;
        let (since, newest) = (self.since(), epoch.at(reading.newest));
        if let Some(gap) = &reading.gap {
            driver.missed(gap.reason);
        }
        let at = match since.filter(|_| reading.gap.is_none()) {
            Some(position) => epoch.at(position.offset),
            None => newest,
        };
        self.cursor = match is_recoverable {
            true => Cursor::told(at),
            false => Cursor::silent(),
        };
        Subscribed {
            epoch: epoch.to_string(),
            offset: at.offset,
            recovered: since.map(|_| reading.gap.is_none()),
            is_recoverable,
            ..Subscribed::default()
        }
    }

    /// Sends what was read.
    pub(super) fn read(&mut self, reading: &Reading, driver: &mut impl Driver) -> Next {
        if let Some(gap) = reading
            .gap
            .filter(|_| self.is_foreign && self.cursor.is_untold())
        {
            driver.missed(gap.reason);
            self.is_lost = true;
            self.cursor = Cursor::new(None);
            return self.cursor.next();
        }
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
        if join == Join::Stay && std::mem::take(&mut self.is_behind) && !self.is_foreign {
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
            recovered: self.is_back.then_some(!self.is_lost),
            is_foreign: self.is_foreign,
            ttl: self.ttl,
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
    recovered: Option<bool>,
    is_foreign: bool,
    ttl: Option<u64>,
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
            recovered: self.recovered.map(|recovered| recovered && gap.is_none()),
            gap: gap.map(answer::missing),
            more,
            expires: self.ttl.is_some(),
            ttl: self.ttl,
            is_recoverable: is_recoverable(self.driver, self.name),
        };
        let reply = match self.asked.take() {
            Some(id) => Reply {
                id,
                subscribe: Some(subscribed),
                ..Reply::default()
            },
            None => push(Push {
                channel: self.name.as_str().to_owned(),
                subscribe: Some(subscribed),
                ..Push::default()
            }),
        };
        self.driver.send(&reply);
        Hears::On
    }

    fn gap(&mut self, gap: &Gap) -> Hears {
        self.driver.missed(gap.reason);
        if self.is_foreign {
            return Hears::Over;
        }
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

/// Whether a channel keeps what was published, so that one may come back to it.
pub(super) fn is_recoverable(driver: &impl Driver, channel: &ChannelName) -> bool {
    let namespace = driver.namespace(channel);
    namespace.is_some_and(|namespace| namespace.retention != Retention::NONE)
}

fn push(push: Push) -> Reply {
    Reply {
        push: Some(push),
        ..Reply::default()
    }
}
