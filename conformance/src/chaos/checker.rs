//! Judges a history against the guarantees, in time that is linear in its length.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::history::{Place, Record, What};
use super::truth::{LogName, Truth};
use super::verdict::{Rule, Verdict, Violation};

/// How long a subscriber may take to notice a line that carries nothing, in milliseconds: the
/// interval and the timeout of the run's heartbeat, and what a busy machine adds.
pub(super) const NOTICED: u64 = 2_000 + 2_000 + 5_000;

/// Faults in which packets vanish begin so.
pub(super) const SILENCE: &str = "silence";

/// The reason of a gap of a client that is told no reason, only that it has not recovered: it goes
/// on with what comes next.
pub(super) const UNRECOVERED: &str = "unrecovered";

/// Judges a history.
pub(super) fn judge(history: &[Record]) -> Verdict {
    let mut verdict = Verdict::default();
    let truth = Truth::of(history, &mut verdict);
    let mut checker = Checker {
        truth,
        verdict,
        readers: HashMap::new(),
        keeps: HashMap::new(),
        newest: HashMap::new(),
        silent: HashMap::new(),
        returning: HashMap::new(),
        demanded: BTreeSet::new(),
        counted: HashMap::new(),
        rest: None,
        are_members_told: false,
    };
    for record in history {
        if let Err((rule, text)) = checker.take(record) {
            checker.say(rule, record.at, text);
        }
    }
    checker.close()
}

type Broken = (Rule, String);

/// How far a subscriber has come in a channel.
#[derive(Debug, Default)]
struct Reader<'a> {
    cursor: Option<&'a Place>,
    /// It was told that something is missing, and not what.
    owes_gap: bool,
    /// When it came to where it is, in milliseconds.
    at: u64,
}

struct Checker<'a> {
    truth: Truth<'a>,
    verdict: Verdict,
    /// By subscriber and channel.
    readers: HashMap<(&'a str, &'a str), Reader<'a>>,
    keeps: HashMap<&'a str, u64>,
    /// The newest offset of each log that can have been there, as the history goes on.
    newest: HashMap<LogName<'a>, u64>,
    /// Since when nothing reaches a subscriber, and when it first noticed.
    silent: HashMap<&'a str, (u64, Option<u64>)>,
    /// Subscribers that have had nothing new since a fault ended, and when that was.
    returning: HashMap<&'a str, u64>,
    demanded: BTreeSet<&'a str>,
    counted: HashMap<&'a str, u64>,
    /// When everybody must be at the top, in milliseconds.
    rest: Option<u64>,
    are_members_told: bool,
}

impl<'a> Checker<'a> {
    fn say(&mut self, rule: Rule, at: u64, text: String) {
        self.verdict.violations.push(Violation { rule, at, text });
    }

    fn take(&mut self, record: &'a Record) -> Result<(), Broken> {
        let at = record.at;
        match &record.what {
            What::Channel { channel, keep } => {
                self.keeps.insert(channel, *keep);
            }
            What::Reader { who, channel, .. } => {
                self.readers.entry((who, channel)).or_default();
            }
            What::Demand { kind } => {
                self.demanded.insert(kind);
            }
            What::Invoke { channel, key } => {
                let place = self
                    .truth
                    .made
                    .get(key.as_str())
                    .and_then(|made| made.place);
                if let Some(Place { epoch, offset }) = place {
                    let newest = self.newest.entry((channel, epoch)).or_default();
                    *newest = (*newest).max(*offset);
                }
            }
            What::Subscribed {
                who,
                channel,
                place,
                recovered,
            } => return self.subscribed(at, who, channel, place, *recovered),
            What::Publication {
                who,
                channel,
                place,
                key,
            } => return self.publication(at, who, channel, place, key),
            What::Gap {
                who,
                channel,
                reason,
                from,
                place,
            } => {
                let told = self.gap(at, who, channel, reason, *from, place);
                match told {
                    Ok(()) => *self.verdict.gaps.entry(reason.clone()).or_default() += 1,
                    Err(_) => self.verdict.unjustified += 1,
                }
                return told;
            }
            What::Lost { who } => {
                if let Some((_, noticed)) = self.silent.get_mut(who.as_str()) {
                    noticed.get_or_insert(at);
                }
            }
            What::Fault { kind, whom } => {
                *self.verdict.faults.entry(kind.clone()).or_default() += 1;
                if kind.starts_with(SILENCE) {
                    self.silent
                        .extend(whom.iter().map(|who| (who.as_str(), (at, None))));
                }
            }
            What::Healed { whom, .. } => return self.healed(at, whom),
            What::Counted { name, value } => {
                *self.counted.entry(name).or_default() += value;
            }
            What::Rest { bound } => self.rest = Some(at + bound),
            What::Members {
                channel,
                listed,
                live,
            } => {
                self.are_members_told = true;
                if listed != live {
                    let text = format!("{channel} lists {listed} members, {live} are there");
                    return Err((Rule::Presence, text));
                }
            }
            What::Acknowledged { .. }
            | What::Published { .. }
            | What::Refused { .. }
            | What::Restarted => {}
        }
        Ok(())
    }

    fn reader(&mut self, who: &'a str, channel: &'a str) -> &mut Reader<'a> {
        self.readers.entry((who, channel)).or_default()
    }

    fn subscribed(
        &mut self,
        at: u64,
        who: &'a str,
        channel: &'a str,
        place: &'a Place,
        recovered: Option<bool>,
    ) -> Result<(), Broken> {
        let reader = self.reader(who, channel);
        let before = match (recovered, reader.cursor) {
            (Some(false), cursor) => {
                // The gap comes next, unless it has come.
                reader.owes_gap = cursor != Some(place);
                return Ok(());
            }
            (_, None) => {
                reader.cursor = Some(place);
                reader.at = at;
                return Ok(());
            }
            (_, Some(before)) => before,
        };
        if before != place {
            let text = format!(
                "{who} was at {}:{} of {channel}, and goes on at {}:{} without a gap",
                before.epoch, before.offset, place.epoch, place.offset
            );
            return Err((Rule::Honesty, text));
        }
        Ok(())
    }

    fn publication(
        &mut self,
        at: u64,
        who: &'a str,
        channel: &'a str,
        place: &'a Place,
        key: &'a str,
    ) -> Result<(), Broken> {
        let made = self.truth.made.get(key).map(|made| made.at);
        if let (Some(made), Some(&healed)) = (made, self.returning.get(who))
            && made >= healed
        {
            self.returning.remove(who);
            self.verdict.recoveries.push(at - healed);
        }
        let reader = self.reader(who, channel);
        let before = reader.cursor.replace(place);
        reader.at = at;
        if std::mem::take(&mut reader.owes_gap) {
            let text = format!("{who} is owed a gap in {channel} before {key}");
            return Err((Rule::Honesty, text));
        }
        let Some(before) = before else {
            let text = format!("{who} has {key} of {channel} before it was told a position");
            return Err((Rule::Honesty, text));
        };
        if before.epoch != place.epoch {
            let text = format!(
                "{who} is in another log of {channel} at {key}, {}:{} after {}:{}, without a gap",
                place.epoch, place.offset, before.epoch, before.offset
            );
            return Err((Rule::Honesty, text));
        }
        if before.offset + 1 != place.offset {
            let text = format!(
                "{who} has {} of {channel} ({key}) after {}",
                place.offset, before.offset
            );
            return Err((Rule::Continuity, text));
        }
        self.verdict.verified += 1;
        Ok(())
    }

    fn gap(
        &mut self,
        at: u64,
        who: &'a str,
        channel: &'a str,
        reason: &str,
        from: u64,
        place: &'a Place,
    ) -> Result<(), Broken> {
        let reader = self.reader(who, channel);
        reader.owes_gap = false;
        reader.at = at;
        let before = reader.cursor.replace(place);
        let wrong = |why: String| {
            let to = place.offset;
            let text = format!("{who}, gap {reason} {from} to {to} in {channel}: {why}");
            Err((Rule::Honesty, text))
        };
        let Some(before) = before else {
            return wrong("it had no position to have a gap after".to_owned());
        };
        let is_same = before.epoch == place.epoch;
        let server = |epoch: &'a str| self.truth.logs.get(&(channel, epoch)).map(|log| log.server);
        let begins = match (reason, is_same) {
            ("expired" | UNRECOVERED, true) => before.offset + 1,
            ("epoch" | UNRECOVERED, false) if server(&before.epoch) < server(&place.epoch) => 1,
            ("epoch" | UNRECOVERED, false) => {
                return wrong("no server has begun between the two".to_owned());
            }
            _ => return wrong(format!("it was at {}:{}", before.epoch, before.offset)),
        };
        if from != begins {
            return wrong(format!("it begins at {begins}"));
        }
        // All of it is older than what the channel keeps; or its first, for a client that recovers
        // all or nothing. Of another log it has nothing to recover.
        let keep = self.keeps.get(channel).copied().unwrap_or(0);
        let newest = self.newest.get(&(channel, place.epoch.as_str())).copied();
        let newest = newest.unwrap_or(0);
        let is_kept = match reason {
            UNRECOVERED => is_same && from + keep > newest,
            _ => place.offset >= from && place.offset + keep > newest,
        };
        if is_kept {
            return wrong(format!("{keep} are kept, and the newest was {newest}"));
        }
        Ok(())
    }

    fn healed(&mut self, at: u64, whom: &'a [String]) -> Result<(), Broken> {
        let mut late = Vec::new();
        for who in whom {
            self.returning.insert(who, at);
            if let Some((since, noticed)) = self.silent.remove(who.as_str())
                && noticed.is_none_or(|noticed| noticed - since > NOTICED)
            {
                late.push(who.as_str());
            }
        }
        if late.is_empty() {
            return Ok(());
        }
        let text = format!("{} did not notice the silence in time", late.join(", "));
        Err((Rule::Liveness, text))
    }

    /// What can only be said when all is over.
    fn close(mut self) -> Verdict {
        let mut said: Vec<(Rule, String)> = Vec::new();
        let mut tops: BTreeMap<&str, (usize, &str, u64)> = BTreeMap::new();
        for ((channel, epoch), log) in &self.truth.logs {
            let top = (log.server, *epoch, log.top());
            let newest = tops.entry(channel).or_insert(top);
            *newest = (*newest).max(top);
        }
        for ((who, channel), reader) in &self.readers {
            let Some((_, epoch, top)) = tops.get(channel) else {
                continue;
            };
            let cursor = reader
                .cursor
                .map(|place| (place.epoch.as_str(), place.offset));
            if cursor != Some((epoch, *top)) {
                let text =
                    format!("{who} ends at {cursor:?} of {channel}, whose top is {epoch}:{top}");
                said.push((Rule::Liveness, text));
            } else if self.rest.is_none_or(|bound| reader.at > bound) {
                let text = format!("{who} is at the top of {channel} too late");
                said.push((Rule::Liveness, text));
            }
        }
        for who in self.returning.keys() {
            let text = format!("{who} had nothing new after the last fault");
            said.push((Rule::Liveness, text));
        }
        for kind in &self.demanded {
            if !self.verdict.faults.contains_key(*kind) {
                said.push((Rule::Evidence, format!("no fault of the kind {kind}")));
            }
        }
        let struck = |kind, name| {
            self.demanded.contains(kind) && self.counted.get(name).is_none_or(|count| *count == 0)
        };
        for (kind, name) in [("slow", "slow_consumers"), (SILENCE, "dropped_packets")] {
            if struck(kind, name) {
                said.push((Rule::Evidence, format!("{kind} has left no {name}")));
            }
        }
        if !self.are_members_told {
            said.push((Rule::Evidence, "nobody asked who is there".to_owned()));
        }
        if self.verdict.verified == 0 {
            said.push((Rule::Evidence, "nothing was delivered".to_owned()));
        }
        let at = self.rest.unwrap_or_default();
        for (rule, text) in said {
            self.say(rule, at, text);
        }
        self.verdict.recoveries.sort_unstable();
        self.verdict
    }
}
