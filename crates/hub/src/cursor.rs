//! A subscriber's place in a log: it begins somewhere, reads what is there page by page, and is
//! live when nothing is left to be read.

use std::ops::Range;

use holdwire::shard::Join;

use crate::position::{Epoch, Position};
use crate::publication::Publication;
use crate::reading::{Gap, Reading, Reason};

/// Where a subscriber is, and what it has been told.
#[derive(Debug)]
pub(crate) struct Cursor {
    place: Place,
    /// It has not been told where it begins.
    is_untold: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// It begins with what is published after it has joined.
    New,
    /// It has everything up to here, and is to be sent what follows.
    At(Position),
    /// It gets what is published, in this epoch.
    Live(Epoch),
    /// It gets nothing any more.
    Over,
}

/// What a cursor wants next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// To read what follows this position.
    Read(Position),
    /// To get what is published.
    Join,
    /// To go on when everything that was sent has been written.
    Rest,
    /// Nothing.
    Nothing,
}

/// Who is told what a cursor reads.
pub(crate) trait Listener {
    /// Where it begins, before anything else and once: after what is missing, if something is.
    /// `more`: there are publications that have not been sent.
    fn begin(&mut self, at: Position, gap: Option<&Gap>, more: bool) -> Hears;

    /// Something is missing.
    fn gap(&mut self, gap: &Gap) -> Hears;

    /// The log has forked after what the listener has, so nothing is missing: what comes now is of
    /// another epoch.
    fn fork(&mut self) -> Hears;

    /// A publication that was read.
    fn replay(&mut self, epoch: Epoch, publication: &Publication) -> Hears;
}

/// Whether a listener goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hears {
    /// It has taken what it was told.
    On,
    /// It has no room for this publication now.
    Full,
    /// It has ended.
    Over,
}

impl Cursor {
    /// After this position, or with what is published from now on.
    pub(crate) fn new(since: Option<Position>) -> Self {
        Self {
            place: since.map_or(Place::New, Place::At),
            is_untold: true,
        }
    }

    /// Whose listener was told that it begins here.
    pub(crate) fn told(position: Position) -> Self {
        Self {
            place: Place::At(position),
            is_untold: false,
        }
    }

    /// Whose listener does not care where it begins, with what is published from now on.
    pub(crate) fn silent() -> Self {
        Self {
            place: Place::New,
            is_untold: false,
        }
    }

    /// Whether its listener was not told yet where it begins.
    pub(crate) fn is_untold(&self) -> bool {
        self.is_untold
    }

    /// What it wants when it begins, or when it has rested.
    pub(crate) fn next(&self) -> Next {
        match self.place {
            Place::New => Next::Join,
            Place::At(position) => Next::Read(position),
            Place::Live(_) | Place::Over => Next::Nothing,
        }
    }

    /// The epoch in which it is live.
    pub(crate) fn live(&self) -> Option<Epoch> {
        match self.place {
            Place::Live(epoch) => Some(epoch),
            _ => None,
        }
    }

    /// Whether it is to get nothing any more.
    pub(crate) fn is_over(&self) -> bool {
        self.place == Place::Over
    }

    /// It gets nothing any more.
    pub(crate) fn end(&mut self) {
        self.place = Place::Over;
    }

    /// Takes a page, and says what it wants then.
    pub(crate) fn read(&mut self, reading: &Reading, listener: &mut impl Listener) -> Next {
        self.show(reading, u64::MAX, listener);
        match self.place {
            Place::At(position) if position.offset < reading.newest => Next::Rest,
            Place::At(_) => Next::Join,
            _ => Next::Nothing,
        }
    }

    /// It has joined, and gets the publications from number `next` on: it stays when it has all
    /// before, of which a last page may be `read` now.
    ///
    /// When it leaves and is not over, it wants to [rest](Next::Rest).
    pub(crate) fn join(
        &mut self,
        epoch: Epoch,
        next: u64,
        read: impl FnOnce(Position) -> Option<Reading>,
        listener: &mut impl Listener,
    ) -> Join {
        let top = epoch.at(next - 1);
        let mut place = match self.place {
            Place::New => top,
            Place::At(place) => place,
            Place::Live(_) | Place::Over => return Join::Leave,
        };
        if place.epoch == epoch
            && place.offset < top.offset
            && let Some(reading) = read(place)
            && reading.position.epoch == epoch
        {
            self.show(&reading, next, listener);
            let Place::At(shown) = self.place else {
                return Join::Leave;
            };
            place = shown;
        }
        // Else there is more than fits now, or the log has moved on: another page first.
        if place != top {
            return Join::Leave;
        }
        if self.tell(top, None, false, listener) {
            self.place = Place::Live(epoch);
            return Join::Stay;
        }
        Join::Leave
    }

    /// What was left out because the subscriber reads too slowly; `None` when nothing was.
    pub(crate) fn skipped(&self, skipped: &Range<u64>) -> Option<Gap> {
        let epoch = self.live().filter(|_| !skipped.is_empty())?;
        Some(Gap {
            reason: Reason::Slow,
            from: skipped.start,
            to: skipped.end - 1,
            epoch,
        })
    }

    /// Tells what was read, below the offset `end`, as far as the listener has room.
    fn show(&mut self, reading: &Reading, end: u64, listener: &mut impl Listener) {
        let Place::At(before) = self.place else {
            return;
        };
        let epoch = reading.position.epoch;
        let mut place = epoch.at(before.offset);
        let gap = reading.gap.map(|gap| {
            // What is published from `end` on comes by itself.
            let to = gap.to.min(end - 1);
            let from = gap.from.min(to + 1);
            Gap { from, to, ..gap }
        });
        if let Some(gap) = gap {
            place = epoch.at(gap.to);
        }
        let more = place.offset < reading.newest.min(end - 1);
        let has_forked = !self.is_untold && gap.is_none() && before.epoch != epoch;
        if has_forked && listener.fork() == Hears::Over {
            return self.end();
        }
        if !self.tell(place, gap.as_ref(), more, listener) {
            return;
        }
        for publication in &reading.publications {
            if publication.offset >= end {
                break;
            }
            if publication.offset <= place.offset {
                continue;
            }
            match listener.replay(epoch, publication) {
                Hears::On => place = epoch.at(publication.offset),
                Hears::Full => break,
                Hears::Over => return self.end(),
            }
        }
        self.place = Place::At(place);
    }

    /// Says where it begins, the first time, and what is missing.
    fn tell(
        &mut self,
        place: Position,
        gap: Option<&Gap>,
        more: bool,
        listener: &mut impl Listener,
    ) -> bool {
        let hears = if std::mem::take(&mut self.is_untold) {
            listener.begin(place, gap, more)
        } else if let Some(gap) = gap {
            listener.gap(gap)
        } else {
            Hears::On
        };
        if hears == Hears::Over {
            self.end();
        }
        hears != Hears::Over
    }
}
