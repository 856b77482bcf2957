//! What was published, and whether a subscriber was told the truth about it.

use std::collections::HashMap;

use crate::client::Event;
use crate::position::{Epoch, Position};
use crate::publication::Payload;

/// What stands where.
#[derive(Default)]
pub(super) struct Truth(HashMap<(String, u64), Vec<(u32, Payload)>>);

fn log(epoch: Epoch) -> String {
    let text = epoch.to_string();
    text.split('.').next().unwrap_or_default().to_owned()
}

impl Truth {
    pub(super) fn publish(&mut self, position: Position, payload: Payload) {
        let key = (log(position.epoch), position.offset);
        let entry = (position.epoch.generation(), payload);
        self.0.entry(key).or_default().push(entry);
    }

    /// What stands at a position: the newest that its generation knows of.
    pub(super) fn at(&self, position: Position) -> Option<&Payload> {
        let entries = self.0.get(&(log(position.epoch), position.offset))?;
        let generation = position.epoch.generation();
        let known = entries.iter().filter(|(of, _)| *of <= generation);
        known.last().map(|(_, payload)| payload)
    }
}

/// What one user has of a channel, by what it was told.
#[derive(Default)]
pub(super) struct Reader {
    /// The place after what it has.
    pub(super) position: Option<Position>,
    /// It was told that not everything comes, and not yet what.
    pub(super) awaits_gap: bool,
    pub(super) deliveries: u64,
    pub(super) gaps: u64,
}

impl Reader {
    /// Takes what the user is told; says what is wrong with it.
    pub(super) fn take(&mut self, event: &Event, truth: &Truth) -> Result<(), String> {
        let had = self.position;
        if self.awaits_gap && !matches!(event, Event::Gap(_)) {
            return Err(format!("{event:?} comes before the gap"));
        }
        match event {
            Event::Subscribed {
                position,
                recovered,
            } => match (had, recovered) {
                (Some(_), Some(false)) => self.awaits_gap = true,
                (Some(had), Some(true)) => {
                    let is_same = had.epoch.is_same_log(position.epoch);
                    if !is_same || had.offset != position.offset {
                        return Err(format!("recovered from {had} at {position}"));
                    }
                    self.position = Some(*position);
                }
                (Some(had), None) => return Err(format!("{had} is forgotten")),
                (None, _) => self.position = Some(*position),
            },
            Event::Publication {
                position,
                publication,
            } => {
                let follows = had.is_some_and(|had| {
                    had.epoch == position.epoch && had.offset + 1 == position.offset
                });
                if !follows {
                    return Err(format!("{position} comes after {had:?}"));
                }
                if truth.at(*position) != Some(&publication.payload) {
                    return Err(format!("something else stands at {position}"));
                }
                self.position = Some(*position);
                self.deliveries += 1;
            }
            Event::Gap(gap) => {
                self.awaits_gap = false;
                self.position = Some(gap.epoch.at(gap.to));
                self.gaps += 1;
            }
            Event::Ended { code, .. } => return Err(format!("ended with {code}")),
            _ => {}
        }
        Ok(())
    }
}
