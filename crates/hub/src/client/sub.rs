//! What a client knows of a channel that its user wants.

use std::time::Instant;

use super::grant::Grant;
use crate::position::{Epoch, Position};
use crate::publication::Publication;
use crate::reading::{Gap, Reason};
use crate::wire::{Missing, Push, Someone, Start, Subscribed};

/// What a subscription is told.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// It has begun, or goes on after the line was lost.
    Subscribed {
        /// What follows this position comes.
        position: Position,
        /// Whether everything after the position before comes; `None` when there was none.
        recovered: Option<bool>,
    },
    /// Something was published.
    Publication {
        /// The place just after it.
        position: Position,
        /// What was published.
        publication: Publication,
    },
    /// Publications do not come; what follows them does.
    Gap(Gap),
    /// Everything that was missed has come; what comes is what is published now.
    Live {
        /// The newest offset.
        offset: u64,
    },
    /// Somebody has come.
    Joined {
        /// The client's name.
        client: String,
        /// Whose it is.
        user: String,
    },
    /// Somebody has gone.
    Left {
        /// The client's name.
        client: String,
        /// Whose it is.
        user: String,
    },
    /// The server has ended it, and nothing follows.
    Ended {
        /// Why: see the unsubscribe codes of the protocol.
        code: u16,
        /// The same for people.
        reason: String,
    },
}

/// What comes of a push.
#[derive(Debug)]
pub(crate) enum Told {
    Nothing,
    Event(Event),
    /// A publication is missing.
    Hole,
}

/// What a subscription waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// It is to be asked for.
    New,
    /// It was asked for.
    Asked,
    /// It has begun.
    Live,
    /// It is to be asked for then.
    Later(Instant),
    /// It needs a token first, on whatever line.
    Bare,
}

impl Wish {
    /// Whether the server may have it.
    pub(super) fn is_with_server(self) -> bool {
        matches!(self, Self::Asked | Self::Live)
    }
}

/// A channel that the user wants.
#[derive(Debug)]
pub(super) struct Sub {
    pub(super) wish: Wish,
    /// What has come so far.
    pub(super) position: Option<Position>,
    /// The newest offset, as the last answer to a ping said.
    pub(super) top: Option<u64>,
    join_leave: bool,
    /// The channel's token.
    pub(super) grant: Grant,
}

impl Sub {
    pub(super) fn new(position: Option<Position>, join_leave: bool, grant: Grant) -> Self {
        Self {
            wish: Wish::New,
            position,
            top: None,
            join_leave,
            grant,
        }
    }

    /// The line is lost: what waits for a token goes on waiting.
    pub(super) fn lose(&mut self) {
        self.grant.lose();
        if self.wish != Wish::Bare {
            self.wish = Wish::New;
        }
    }

    /// From where on it is to be asked for.
    pub(super) fn start(&self) -> Start {
        Start {
            epoch: self.position.map(|position| position.epoch.to_string()),
            offset: self.position.map(|position| position.offset),
            join_leave: self.join_leave,
            token: self.grant.token().map(str::to_owned),
        }
    }

    /// When it is to be asked for.
    pub(super) fn until(&self) -> Option<Instant> {
        match self.wish {
            Wish::Later(until) => Some(until),
            Wish::Live => self.grant.until(),
            _ => None,
        }
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        match self.wish {
            Wish::New => true,
            Wish::Later(until) => until <= now,
            Wish::Asked | Wish::Live | Wish::Bare => false,
        }
    }

    /// It has begun; says what its user is told.
    pub(super) fn begin(&mut self, subscribed: &Subscribed, now: Instant) -> Vec<Event> {
        let epoch = subscribed.epoch.parse::<Epoch>();
        let (Wish::Asked, Ok(epoch)) = (self.wish, epoch) else {
            return Vec::new();
        };
        let position = epoch.at(subscribed.offset);
        self.wish = Wish::Live;
        self.grant.hold(subscribed.ttl, now);
        self.position = Some(position);
        self.top = None;
        let mut events = vec![Event::Subscribed {
            position,
            recovered: subscribed.recovered,
        }];
        // A gap leads to where it begins, whatever else it says.
        let gap = subscribed.gap.as_ref().and_then(gap).map(|gap| Gap {
            to: position.offset,
            epoch: position.epoch,
            ..gap
        });
        events.extend(gap.map(Event::Gap));
        events
    }

    /// Takes a push.
    pub(super) fn take(&mut self, push: &Push) -> Told {
        let (Wish::Live, Some(position)) = (self.wish, self.position) else {
            return Told::Nothing;
        };
        let person = |info: &Someone| (info.client.clone(), info.user.clone());
        if let Some(entry) = &push.publication {
            let offset = entry.offset;
            if offset <= position.offset {
                return Told::Nothing;
            }
            let is_next = offset == position.offset + 1;
            let Some(publication) = entry.publication().filter(|_| is_next) else {
                return Told::Hole;
            };
            let position = position.epoch.at(offset);
            self.position = Some(position);
            return Told::Event(Event::Publication {
                position,
                publication,
            });
        }
        if let Some(gap) = push.gap.as_ref().and_then(gap) {
            // It may lead back: what the reader has after it is void.
            self.position = Some(gap.epoch.at(gap.to));
            return Told::Event(Event::Gap(gap));
        }
        if let Some(live) = &push.live {
            let offset = live.offset;
            return Told::Event(Event::Live { offset });
        }
        if let Some(join) = &push.join {
            let (client, user) = person(&join.info);
            return Told::Event(Event::Joined { client, user });
        }
        if let Some(leave) = &push.leave {
            let (client, user) = person(&leave.info);
            return Told::Event(Event::Left { client, user });
        }
        Told::Nothing
    }
}

/// A gap as it was told; `None` when its reason or epoch is none that is known.
fn gap(missing: &Missing) -> Option<Gap> {
    let reason = match (&*missing.reason, missing.fork) {
        ("expired", _) => Reason::Expired,
        ("epoch", _) => Reason::Epoch,
        ("diverged", Some(fork)) => Reason::Diverged { fork },
        ("slow", _) => Reason::Slow,
        _ => return None,
    };
    Some(Gap {
        reason,
        from: missing.from,
        to: missing.to,
        epoch: missing.epoch.parse().ok()?,
    })
}
