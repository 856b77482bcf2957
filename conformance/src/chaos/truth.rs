//! What the logs were, pieced together from answers and from what all subscribers were handed.

use std::collections::HashMap;

use super::history::{Place, Record, What};
use super::verdict::{Rule, Verdict, Violation};

/// A channel's log: the channel and the epoch.
pub(super) type LogName<'a> = (&'a str, &'a str);

/// One publication.
#[derive(Debug)]
pub(super) struct Made<'a> {
    pub(super) channel: &'a str,
    /// When it was handed to a client, in milliseconds.
    pub(super) at: u64,
    pub(super) place: Option<&'a Place>,
    is_acknowledged: bool,
    is_refused: bool,
    /// The server, by its number, that has answered without a place.
    answered_by: Option<usize>,
}

/// One log.
#[derive(Debug, Default)]
pub(super) struct Log<'a> {
    /// Keys by offset, from 1; `None` where nobody has seen one.
    entries: Vec<Option<&'a str>>,
    /// How many servers had begun when it was first heard of.
    pub(super) server: usize,
}

impl Log<'_> {
    /// The newest offset that was ever seen.
    pub(super) fn top(&self) -> u64 {
        self.entries.len() as u64
    }
}

/// All publications and all logs of a history.
#[derive(Debug, Default)]
pub(super) struct Truth<'a> {
    pub(super) made: HashMap<&'a str, Made<'a>>,
    pub(super) logs: HashMap<LogName<'a>, Log<'a>>,
    keeps: HashMap<&'a str, u64>,
    servers: usize,
}

impl<'a> Truth<'a> {
    /// Reads a history once, and each log once.
    pub(super) fn of(history: &'a [Record], verdict: &mut Verdict) -> Self {
        let mut truth = Self::default();
        for record in history {
            if let Err((rule, text)) = truth.take(record) {
                verdict.violations.push(Violation {
                    rule,
                    at: record.at,
                    text,
                });
            }
        }
        truth.check_order(verdict);
        truth.check_answers(verdict);
        verdict.published = truth.made.len();
        verdict.acknowledged = truth
            .made
            .values()
            .filter(|made| made.is_acknowledged)
            .count();
        truth
    }

    fn take(&mut self, record: &'a Record) -> Result<(), (Rule, String)> {
        match &record.what {
            What::Restarted => self.servers += 1,
            What::Channel { channel, keep } => {
                self.keeps.insert(channel, *keep);
            }
            What::Invoke { channel, key } => {
                let made = Made {
                    channel,
                    at: record.at,
                    place: None,
                    is_acknowledged: false,
                    is_refused: false,
                    answered_by: None,
                };
                if self.made.insert(key, made).is_some() {
                    return Err((Rule::Evidence, format!("{key} is made twice: mend the run")));
                }
            }
            What::Acknowledged {
                channel,
                key,
                place,
            } => {
                self.stands(channel, place, key)?;
                let made = self.made.get_mut(key.as_str());
                if made.is_some_and(|made| std::mem::replace(&mut made.is_acknowledged, true)) {
                    return Err((Rule::Idempotency, format!("{key} is answered twice")));
                }
            }
            What::Published { key } => match self.made.get_mut(key.as_str()) {
                Some(made) => {
                    made.is_acknowledged = true;
                    made.answered_by = Some(self.servers);
                }
                None => return Err((Rule::Truth, format!("{key} is answered, and never made"))),
            },
            What::Publication {
                channel,
                place,
                key,
                ..
            } => self.stands(channel, place, key)?,
            What::Refused { key } => match self.made.get_mut(key.as_str()) {
                Some(made) if made.place.is_none() => made.is_refused = true,
                _ => return Err((Rule::Truth, format!("{key} is refused, and published"))),
            },
            What::Subscribed { channel, place, .. } | What::Gap { channel, place, .. } => {
                self.log(channel, &place.epoch);
            }
            _ => {}
        }
        Ok(())
    }

    fn log(&mut self, channel: &'a str, epoch: &'a str) -> &mut Log<'a> {
        let server = self.servers;
        self.logs.entry((channel, epoch)).or_insert_with(|| Log {
            entries: Vec::new(),
            server,
        })
    }

    /// Takes in that a publication stands at a place.
    fn stands(
        &mut self,
        channel: &'a str,
        place: &'a Place,
        key: &'a str,
    ) -> Result<(), (Rule, String)> {
        let most = self.made.len() as u64;
        let Some(made) = self.made.get_mut(key) else {
            return Err((
                Rule::Truth,
                format!("{key} was seen, and never made before"),
            ));
        };
        let Place { epoch, offset } = place;
        if made.channel != channel {
            let text = format!("{key} was made in {}, and is in {channel}", made.channel);
            return Err((Rule::Truth, text));
        }
        if made.is_refused {
            return Err((
                Rule::Truth,
                format!("{key} was refused, and is at {offset}"),
            ));
        }
        if *offset == 0 || *offset > most {
            let text = format!("{key} is at {offset}, and {most} were made");
            return Err((Rule::Truth, text));
        }
        let elsewhere = made.place.replace(place).filter(|other| *other != place);
        let log = self.log(channel, epoch);
        #[expect(clippy::cast_possible_truncation, reason = "not above a count")]
        let index = (*offset - 1) as usize;
        if log.entries.len() <= index {
            log.entries.resize(index + 1, None);
        }
        if let Some(other) = log.entries[index]
            .replace(key)
            .filter(|other| *other != key)
        {
            let text = format!("{channel} {epoch}:{offset} is {other} and is {key}");
            return Err((Rule::Continuity, text));
        }
        match elsewhere {
            None => Ok(()),
            Some(Place {
                epoch: log,
                offset: other,
            }) => {
                let text = format!("{key} is at {log}:{other} and at {epoch}:{offset}");
                Err((Rule::Idempotency, text))
            }
        }
    }

    /// What the last server has answered somebody has, in a channel that keeps all.
    fn check_answers(&self, verdict: &mut Verdict) {
        let all = self.made.len() as u64;
        let is_lost = |made: &Made<'_>| {
            let keep = self.keeps.get(made.channel).copied().unwrap_or(0);
            made.place.is_none() && made.answered_by == Some(self.servers) && keep > all
        };
        for (key, made) in &self.made {
            if is_lost(made) {
                verdict.violations.push(Violation {
                    rule: Rule::Truth,
                    at: made.at,
                    text: format!("{key} was answered, and nobody has it"),
                });
            }
        }
    }

    /// Each publisher's publications stand in the order in which it made them.
    fn check_order(&self, verdict: &mut Verdict) {
        for ((channel, epoch), log) in &self.logs {
            let mut last = HashMap::new();
            for (key, offset) in log.entries.iter().zip(1_u64..) {
                let Some((publisher, number)) = key.and_then(split) else {
                    continue;
                };
                match last.insert(publisher, number) {
                    Some(before) if before >= number => verdict.violations.push(Violation {
                        rule: Rule::Truth,
                        at: 0,
                        text: format!(
                            "{channel} {epoch}:{offset} is {publisher}:{number}, after its {before}"
                        ),
                    }),
                    _ => {}
                }
            }
        }
    }
}

/// Publisher and number of a key.
fn split(key: &str) -> Option<(&str, u64)> {
    let (publisher, number) = key.rsplit_once(':')?;
    Some((publisher, number.parse().ok()?))
}
