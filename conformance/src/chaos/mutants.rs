//! Histories as they would be if something had lied: what a checker must notice.

#![expect(clippy::ptr_arg, reason = "all of them have one signature")]

use std::collections::BTreeMap;

use super::checker::{SILENCE, UNRECOVERED};
use super::history::{Place, Record, What};
use super::verdict::Rule;

/// A way to spoil a history.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mutant {
    pub(super) name: &'static str,
    /// The rule that the spoiled history breaks.
    pub(super) breaks: Rule,
    spoil: fn(&mut Vec<Record>) -> Option<()>,
}

impl Mutant {
    /// The history, spoiled; `None` when it has nothing that could be spoiled so.
    pub(super) fn spoil(&self, history: &[Record]) -> Option<Vec<Record>> {
        let mut spoiled = history.to_vec();
        (self.spoil)(&mut spoiled)?;
        Some(spoiled)
    }
}

/// All of them.
pub(super) fn mutants() -> Vec<Mutant> {
    let mutant = |name, breaks, spoil| Mutant {
        name,
        breaks,
        spoil,
    };
    vec![
        mutant("a publication is lost", Rule::Continuity, lost),
        mutant("a publication comes twice", Rule::Continuity, twice),
        mutant("two publications are swapped", Rule::Continuity, swapped),
        mutant("what was lost comes later", Rule::Continuity, late),
        mutant(
            "two subscribers have different logs",
            Rule::Continuity,
            forged,
        ),
        mutant("a publication was never made", Rule::Truth, invented),
        mutant(
            "a publication comes before it was made",
            Rule::Truth,
            foreseen,
        ),
        mutant("a publication is in another channel", Rule::Truth, strayed),
        mutant("a publication was refused and comes", Rule::Truth, refused),
        mutant("a publisher is read out of order", Rule::Truth, reordered),
        mutant("a publication has two entries", Rule::Idempotency, doubled),
        mutant("an answer names another place", Rule::Continuity, misplaced),
        mutant("an answer comes twice", Rule::Idempotency, answered),
        mutant("a gap is not told", Rule::Honesty, silent),
        mutant("a gap is told too late", Rule::Honesty, after),
        mutant("a gap begins too late", Rule::Honesty, shifted),
        mutant("a gap has no reason that holds", Rule::Honesty, unjustified),
        mutant(
            "a client has not recovered, and could have",
            Rule::Honesty,
            unrecovered,
        ),
        mutant(
            "a client is told that it has recovered, and has not",
            Rule::Honesty,
            pretended,
        ),
        mutant("what was answered is nowhere", Rule::Truth, vanished),
        mutant("a log changes, and no server did", Rule::Honesty, renamed),
        mutant("a subscriber stops before the end", Rule::Liveness, stopped),
        mutant("a subscriber is back too late", Rule::Liveness, tardy),
        mutant("the newest reaches nobody", Rule::Liveness, unread),
        mutant("a dead line is not noticed", Rule::Liveness, unnoticed),
        mutant("a member is not listed", Rule::Presence, unlisted),
        mutant("a fault never happened", Rule::Evidence, peaceful),
        mutant("a slow reader was not slow", Rule::Evidence, quick),
    ]
}

/// The places of some publications that one subscriber had one after the other in one log, in the
/// second half of the history.
fn run(history: &[Record], length: usize) -> Option<Vec<usize>> {
    run_that(history, length, |_| true)
}

/// The same, where it fits.
fn run_that(
    history: &[Record],
    length: usize,
    fits: impl Fn(&[usize]) -> bool,
) -> Option<Vec<usize>> {
    let mut runs: BTreeMap<(&str, &str), Vec<usize>> = BTreeMap::new();
    let middle = history.len() / 2;
    for (at, record) in history.iter().enumerate() {
        match &record.what {
            What::Publication { who, channel, .. } => {
                let run = runs.entry((who, channel)).or_default();
                run.push(at);
                if run.len() > length {
                    run.remove(0);
                }
                if run.len() == length && at >= middle && fits(run) {
                    return Some(run.clone());
                }
            }
            What::Gap { who, channel, .. } | What::Subscribed { who, channel, .. } => {
                runs.remove(&(who.as_str(), channel.as_str()));
            }
            _ => {}
        }
    }
    None
}

fn find(history: &[Record], is_it: impl Fn(&What) -> bool) -> Option<usize> {
    history.iter().position(|record| is_it(&record.what))
}

fn find_last(history: &[Record], is_it: impl Fn(&What) -> bool) -> Option<usize> {
    history.iter().rposition(|record| is_it(&record.what))
}

fn key_of(record: &Record) -> Option<String> {
    match &record.what {
        What::Publication { key, .. } => Some(key.clone()),
        _ => None,
    }
}

fn set_key(record: &mut Record, new: &str) {
    if let What::Publication { key, .. } | What::Acknowledged { key, .. } = &mut record.what {
        new.clone_into(key);
    }
}

fn place_of(record: &mut Record) -> Option<&mut Place> {
    match &mut record.what {
        What::Publication { place, .. } | What::Acknowledged { place, .. } => Some(place),
        _ => None,
    }
}

fn lost(history: &mut Vec<Record>) -> Option<()> {
    let run = run(history, 3)?;
    history.remove(run[1]);
    Some(())
}

fn twice(history: &mut Vec<Record>) -> Option<()> {
    let run = run(history, 2)?;
    let again = history[run[0]].clone();
    history.insert(run[0] + 1, again);
    Some(())
}

fn swapped(history: &mut Vec<Record>) -> Option<()> {
    let run = run(history, 4)?;
    history.swap(run[1], run[2]);
    Some(())
}

fn late(history: &mut Vec<Record>) -> Option<()> {
    let run = run(history, 5)?;
    let record = history.remove(run[1]);
    history.insert(run[3], record);
    Some(())
}

/// One subscriber has two neighbours with each other's content.
fn forged(history: &mut Vec<Record>) -> Option<()> {
    let mut readers: BTreeMap<String, usize> = BTreeMap::new();
    for key in history.iter().filter_map(key_of) {
        *readers.entry(key).or_default() += 1;
    }
    // Where only one has read them, there is nobody to differ from.
    let is_read = |at: &usize| key_of(&history[*at]).is_some_and(|key| readers[&key] > 1);
    let run = run_that(history, 2, |run| run.iter().all(is_read))?;
    let (one, other) = (key_of(&history[run[0]])?, key_of(&history[run[1]])?);
    set_key(&mut history[run[0]], &other);
    set_key(&mut history[run[1]], &one);
    Some(())
}

fn invented(history: &mut Vec<Record>) -> Option<()> {
    let run = run(history, 1)?;
    set_key(&mut history[run[0]], "nobody:1");
    Some(())
}

fn foreseen(history: &mut Vec<Record>) -> Option<()> {
    let run = run(history, 1)?;
    let wanted = key_of(&history[run[0]])?;
    let made = find(
        history,
        |what| matches!(what, What::Invoke { key, .. } if *key == wanted),
    )?;
    let record = history.remove(made);
    history.insert(run[0], record);
    Some(())
}

fn strayed(history: &mut Vec<Record>) -> Option<()> {
    let run = run(history, 1)?;
    let wanted = key_of(&history[run[0]])?;
    let made = find(
        history,
        |what| matches!(what, What::Invoke { key, .. } if *key == wanted),
    )?;
    if let What::Invoke { channel, .. } = &mut history[made].what {
        channel.push('x');
    }
    Some(())
}

fn refused(history: &mut Vec<Record>) -> Option<()> {
    let at = find(history, |what| matches!(what, What::Acknowledged { .. }))?;
    if let What::Acknowledged { key, .. } = &history[at].what {
        history[at].what = What::Refused { key: key.clone() };
    }
    Some(())
}

/// Two publications of one publisher change places, for everybody.
fn reordered(history: &mut Vec<Record>) -> Option<()> {
    let of_one = |run: &[usize]| {
        let keys: Vec<String> = run.iter().filter_map(|at| key_of(&history[*at])).collect();
        let publisher = |key: &str| key.rsplit_once(':').map(|(name, _)| name.to_owned());
        let one = keys.first()?.clone();
        let same = |key: &&String| publisher(key) == publisher(&one);
        let other = keys[1..].iter().find(same)?.clone();
        Some((one, other))
    };
    let run = run_that(history, 20, |run| of_one(run).is_some())?;
    let (one, other) = &of_one(&run)?;
    for record in history {
        let key = match &record.what {
            What::Publication { key, .. } | What::Acknowledged { key, .. } => key.clone(),
            _ => continue,
        };
        if key == *one {
            set_key(record, other);
        } else if key == *other {
            set_key(record, one);
        }
    }
    Some(())
}

/// What one publication says stands in the next entry as well, for everybody.
fn doubled(history: &mut Vec<Record>) -> Option<()> {
    let run = run(history, 2)?;
    let (one, other) = (key_of(&history[run[0]])?, key_of(&history[run[1]])?);
    for record in history {
        let is_it = match &record.what {
            What::Publication { key, .. } | What::Acknowledged { key, .. } => *key == other,
            _ => false,
        };
        if is_it {
            set_key(record, &one);
        }
    }
    Some(())
}

/// An answer names the place of another publication, after everybody has read both.
fn misplaced(history: &mut Vec<Record>) -> Option<()> {
    let at = find(history, |what| matches!(what, What::Acknowledged { .. }))?;
    let of_channel = |what: &What| match (what, &history[at].what) {
        (What::Publication { channel, .. }, What::Acknowledged { channel: other, .. }) => {
            channel == other
        }
        _ => false,
    };
    let other = key_of(&history[find_last(history, of_channel)?])?;
    let mut record = history.remove(at);
    set_key(&mut record, &other);
    history.push(record);
    Some(())
}

fn answered(history: &mut Vec<Record>) -> Option<()> {
    let at = find(history, |what| matches!(what, What::Acknowledged { .. }))?;
    let again = history[at].clone();
    history.push(again);
    Some(())
}

fn silent(history: &mut Vec<Record>) -> Option<()> {
    let at = find(
        history,
        |what| matches!(what, What::Gap { reason, .. } if reason == "epoch"),
    )?;
    history.remove(at);
    Some(())
}

/// The gap comes after the first publication that it should be told before.
fn after(history: &mut Vec<Record>) -> Option<()> {
    for at in 0..history.len() {
        let What::Gap { who, channel, .. } = &history[at].what else {
            continue;
        };
        let is_next = |record: &Record| match &record.what {
            What::Publication {
                who: other,
                channel: read,
                ..
            } => who == other && channel == read,
            _ => false,
        };
        if let Some(next) = history[at..].iter().position(is_next) {
            let record = history.remove(at);
            history.insert(at + next, record);
            return Some(());
        }
    }
    None
}

fn shifted(history: &mut Vec<Record>) -> Option<()> {
    let at = find(history, |what| matches!(what, What::Gap { .. }))?;
    if let What::Gap { from, .. } = &mut history[at].what {
        *from += 1;
    }
    Some(())
}

/// Three publications that were there are told as expired.
fn unjustified(history: &mut Vec<Record>) -> Option<()> {
    missing(history, "expired")
}

/// Three publications that were there do not come, and no reason is told.
fn unrecovered(history: &mut Vec<Record>) -> Option<()> {
    missing(history, UNRECOVERED)
}

/// Three publications that were there are told not to come.
fn missing(history: &mut Vec<Record>, reason: &str) -> Option<()> {
    let kept = find_last(
        history,
        |what| matches!(what, What::Channel { keep, .. } if *keep > 1000),
    )?;
    let What::Channel { channel: kept, .. } = history[kept].what.clone() else {
        return None;
    };
    let of_kept: Vec<Record> = history
        .iter()
        .filter(|record| match &record.what {
            What::Publication { channel, .. } | What::Gap { channel, .. } => *channel == kept,
            What::Subscribed { channel, .. } => *channel == kept,
            _ => false,
        })
        .cloned()
        .collect();
    let run = run(&of_kept, 3)?;
    let places: Vec<usize> = run
        .iter()
        .filter_map(|at| history.iter().position(|record| *record == of_kept[*at]))
        .collect();
    let (first, last) = (*places.first()?, *places.last()?);
    let (What::Publication { place: from, .. }, What::Publication { who, place, .. }) =
        (&history[first].what, &history[last].what)
    else {
        return None;
    };
    history[last].what = What::Gap {
        who: who.clone(),
        channel: kept,
        reason: reason.to_owned(),
        from: from.offset,
        place: place.clone(),
    };
    for at in places[..2].iter().rev() {
        history.remove(*at);
    }
    Some(())
}

/// One subscriber is told of another log, honestly as it seems.
/// The word that a client has not recovered becomes the word that it has.
fn pretended(history: &mut Vec<Record>) -> Option<()> {
    let at = find(
        history,
        |what| matches!(what, What::Gap { reason, .. } if reason == UNRECOVERED),
    )?;
    let What::Gap { who, channel, .. } = history.remove(at).what else {
        return None;
    };
    let told = history[..at]
        .iter_mut()
        .rev()
        .find_map(|record| match &mut record.what {
            What::Subscribed {
                who: other,
                channel: read,
                recovered,
                ..
            } if *other == who && *read == channel => Some(recovered),
            _ => None,
        })?;
    *told = Some(true);
    Some(())
}

/// One more publication is answered, and nobody ever has it.
fn vanished(history: &mut Vec<Record>) -> Option<()> {
    let at = find_last(history, |what| matches!(what, What::Invoke { .. }))?;
    let kept = find_last(
        history,
        |what| matches!(what, What::Channel { keep, .. } if *keep > 1000),
    )?;
    let What::Channel { channel, .. } = history[kept].what.clone() else {
        return None;
    };
    let (now, key) = (history[at].at, "nobody.1:1".to_owned());
    let invoke = What::Invoke {
        channel,
        key: key.clone(),
    };
    for what in [What::Published { key }, invoke] {
        history.insert(at, Record { at: now, what });
    }
    Some(())
}

fn renamed(history: &mut Vec<Record>) -> Option<()> {
    let run = run(history, 2)?;
    let at = run[1];
    let What::Publication { who, channel, .. } = history[at].what.clone() else {
        return None;
    };
    let gap = What::Gap {
        who,
        channel,
        reason: "epoch".to_owned(),
        from: 1,
        place: Place {
            epoch: "another.0".to_owned(),
            offset: 0,
        },
    };
    let now = history[at].at;
    history.insert(at, Record { at: now, what: gap });
    Some(())
}

fn stopped(history: &mut Vec<Record>) -> Option<()> {
    let at = find_last(history, |what| matches!(what, What::Publication { .. }))?;
    history.remove(at);
    Some(())
}

fn tardy(history: &mut Vec<Record>) -> Option<()> {
    let rest = find(history, |what| matches!(what, What::Rest { .. }))?;
    let What::Rest { bound } = history[rest].what else {
        return None;
    };
    let over = history[rest].at + bound + 1;
    let at = find_last(history, |what| matches!(what, What::Publication { .. }))?;
    history[at].at = over;
    Some(())
}

/// One more is acknowledged at the end, and nobody has read it.
fn unread(history: &mut Vec<Record>) -> Option<()> {
    let at = find_last(history, |what| matches!(what, What::Publication { .. }))?;
    let mut record = history[at].clone();
    let What::Publication { channel, .. } = &record.what else {
        return None;
    };
    let (channel, key) = (channel.clone(), "last:1".to_owned());
    let place = place_of(&mut record)?;
    place.offset += 1;
    let place = place.clone();
    let now = record.at;
    let tell = |what| Record { at: now, what };
    history.push(tell(What::Invoke {
        channel: channel.clone(),
        key: key.clone(),
    }));
    history.push(tell(What::Acknowledged {
        channel,
        key,
        place,
    }));
    Some(())
}

fn unnoticed(history: &mut Vec<Record>) -> Option<()> {
    let at = find(
        history,
        |what| matches!(what, What::Fault { kind, whom } if kind.starts_with(SILENCE) && !whom.is_empty()),
    )?;
    let What::Fault { whom, .. } = history[at].what.clone() else {
        return None;
    };
    let before = history.len();
    history.retain(|record| !matches!(&record.what, What::Lost { who } if whom.contains(who)));
    (history.len() < before).then_some(())
}

fn unlisted(history: &mut Vec<Record>) -> Option<()> {
    let at = find(history, |what| matches!(what, What::Members { .. }))?;
    if let What::Members { listed, .. } = &mut history[at].what {
        *listed = listed.checked_sub(1)?;
    }
    Some(())
}

fn peaceful(history: &mut Vec<Record>) -> Option<()> {
    let at = find(history, |what| matches!(what, What::Demand { .. }))?;
    let What::Demand { kind: wanted } = history[at].what.clone() else {
        return None;
    };
    history.retain(|record| !matches!(&record.what, What::Fault { kind, .. } if *kind == wanted));
    Some(())
}

fn quick(history: &mut Vec<Record>) -> Option<()> {
    let before = history.len();
    history.retain(
        |record| !matches!(&record.what, What::Counted { name, .. } if name == "slow_consumers"),
    );
    (history.len() < before).then_some(())
}
