//! What a reader gets, and what it is told that it does not get.

use std::time::Duration;

use bytes::Bytes;

use super::Subject;
use super::channel::{ALL, Channel, DAY, MINUTE, namespaces, texts};
use super::failure::{Tried, must, same};
use crate::namespaces::Namespaces;
use crate::position::{Epoch, Position};
use crate::publication::Payload;
use crate::reading::{Gap, Reading, Reason, Since};

/// A reading must have this gap, these texts, and end at this position, which is the newest.
pub(super) fn gives(
    reading: &Reading,
    gap: Option<Gap>,
    publications: &[&str],
    position: Position,
) -> Tried {
    same("the gap", reading.gap, gap)?;
    same("the publications", texts(reading), publications.to_vec())?;
    let newest = position.offset;
    let offsets: Vec<_> = reading
        .publications
        .iter()
        .map(|publication| publication.offset)
        .collect();
    let from = (newest + 1).saturating_sub(publications.len() as u64);
    same("their offsets", offsets, (from..=newest).collect())?;
    same("the place after them", reading.position, position)?;
    same("the newest offset", reading.newest, newest)
}

/// A log as no engine has it.
fn invented() -> Epoch {
    Epoch::new(*b"invented")
}

pub(super) fn new_channel_is_empty_and_begins_at_zero<S: Subject>(
    open: &dyn Fn(Namespaces) -> S,
) -> Tried {
    let subject = open(namespaces());
    let channel = Channel::new(&subject, "all:new");

    let newest = channel.read(Since::Newest, ALL)?;
    let oldest = channel.at(1).read(Since::Oldest, ALL)?;

    gives(&newest, None, &[], newest.position.epoch.at(0))?;
    same(
        "the first generation",
        newest.position.epoch.generation(),
        0,
    )?;
    same("what the other node reads", oldest, newest)
}

pub(super) fn reader_gets_what_follows_its_position<S: Subject>(
    open: &dyn Fn(Namespaces) -> S,
) -> Tried {
    let subject = open(namespaces());
    let channel = Channel::new(&subject, "all:a");
    let payloads = [
        Payload::Text("text".into()),
        Payload::Json("{\"a\": 1}".into()),
        Payload::Binary(Bytes::from_static(&[0, 255, 7])),
        Payload::Text("".into()),
    ];
    let before = channel.fill(2)?;
    for payload in &payloads {
        channel.add(payload.clone())?;
    }

    let reading = channel.at(1).read(Since::Position(before), ALL)?;

    same("the gap", reading.gap, None)?;
    let publications = reading.publications.into_iter();
    let came: Vec<_> = publications
        .map(|publication| publication.payload)
        .collect();
    same("the payloads", came, payloads.to_vec())?;
    same("the place after them", reading.position, before.epoch.at(6))
}

pub(super) fn pages_give_what_one_reading_gives<S: Subject>(
    open: &dyn Fn(Namespaces) -> S,
) -> Tried {
    let subject = open(namespaces());
    let channel = Channel::new(&subject, "all:a");
    let top = channel.fill(7)?;
    let whole = channel.read(Since::Oldest, ALL)?;

    for limit in 1..=8 {
        let mut pages = Vec::new();
        let mut since = Since::Oldest;
        for _ in 0..8 {
            let page = channel.read(since, limit)?;
            must(
                "a page is within its limit",
                page.publications.len() <= limit,
            )?;
            same("the gap of a page", page.gap, None)?;
            same("the newest offset", page.newest, top.offset)?;
            since = Since::Position(page.position);
            let has_more = page.has_more();
            pages.extend(page.publications);
            if !has_more {
                break;
            }
        }
        same("all pages", &pages, &whole.publications)?;
        same("the place after them", since, Since::Position(top))?;
    }
    let none = channel.read(Since::Oldest, 0)?;
    same("the place after nothing", none.position, top.epoch.at(0))?;
    must(
        "there is more",
        none.has_more() && none.publications.is_empty(),
    )
}

pub(super) fn reader_at_the_top_is_live_even_when_nothing_is_kept<S: Subject>(
    open: &dyn Fn(Namespaces) -> S,
) -> Tried {
    let subject = open(namespaces());
    for name in ["all:a", "none:a"] {
        let channel = Channel::new(&subject, name);
        let top = channel.fill(7)?;

        let reading = channel.read(Since::Position(top), ALL)?;

        gives(&reading, None, &[], top)?;
    }
    Ok(())
}

pub(super) fn reader_from_the_newest_gets_nothing_and_from_the_oldest_all_that_is_kept<
    S: Subject,
>(
    open: &dyn Fn(Namespaces) -> S,
) -> Tried {
    let subject = open(namespaces());
    let channel = Channel::new(&subject, "three:a");
    let top = channel.fill(7)?;

    let newest = channel.read(Since::Newest, ALL)?;
    let oldest = channel.read(Since::Oldest, ALL)?;

    gives(&newest, None, &[], top)?;
    gives(&oldest, None, &["5", "6", "7"], top)
}

pub(super) fn reader_whose_next_publication_is_removed_is_told_which_are_missing<S: Subject>(
    open: &dyn Fn(Namespaces) -> S,
) -> Tried {
    let subject = open(namespaces());
    for (name, kept) in [("three:a", &["5", "6", "7"][..]), ("none:a", &[])] {
        let channel = Channel::new(&subject, name);
        let top = channel.fill(7)?;
        let last_removed = 7 - kept.len() as u64;

        for offset in 0..last_removed {
            let reading = channel.read(Since::Position(top.epoch.at(offset)), ALL)?;

            let gap = Gap {
                reason: Reason::Expired,
                from: offset + 1,
                to: last_removed,
                epoch: top.epoch,
            };
            gives(&reading, Some(gap), kept, top)?;
        }
    }
    Ok(())
}

pub(super) fn reader_just_before_the_oldest_misses_nothing<S: Subject>(
    open: &dyn Fn(Namespaces) -> S,
) -> Tried {
    let subject = open(namespaces());
    let channel = Channel::new(&subject, "three:a");
    let top = channel.fill(7)?;

    let reading = channel.read(Since::Position(top.epoch.at(4)), ALL)?;

    gives(&reading, None, &["5", "6", "7"], top)
}

pub(super) fn bytes_bound_what_is_kept<S: Subject>(open: &dyn Fn(Namespaces) -> S) -> Tried {
    let subject = open(namespaces());
    let channel = Channel::new(&subject, "tenbytes:a");
    let steps: [(&str, &[&str]); 6] = [
        ("1234", &["1234"]),
        ("5678", &["1234", "5678"]),
        ("90", &["1234", "5678", "90"]),
        ("x", &["5678", "90", "x"]),
        ("more than ten", &[]),
        ("exactly 10", &["exactly 10"]),
    ];
    for (payload, kept) in steps {
        let top = channel.add(payload)?;

        let reading = channel.read(Since::Oldest, ALL)?;

        gives(&reading, None, kept, top)?;
    }
    Ok(())
}

pub(super) fn age_bounds_what_is_kept<S: Subject>(open: &dyn Fn(Namespaces) -> S) -> Tried {
    let subject = open(namespaces());
    let channel = Channel::new(&subject, "minute:a");
    let first = channel.add("old")?;
    channel.advance(MINUTE / 2)?;
    let top = channel.add("young")?;
    let moment = Duration::from_millis(1);

    channel.advance(MINUTE / 2 - moment)?;
    let before = channel.read(Since::Oldest, ALL)?;
    channel.advance(moment)?;
    let after = channel.read(Since::Oldest, ALL)?;
    let missed = channel.read(Since::Position(first.epoch.at(0)), ALL)?;
    channel.advance(MINUTE)?;
    let much_later = channel.read(Since::Oldest, ALL)?;

    gives(&before, None, &["old", "young"], top)?;
    gives(&after, None, &["young"], top)?;
    let gap = Gap {
        reason: Reason::Expired,
        from: 1,
        to: 1,
        epoch: top.epoch,
    };
    gives(&missed, Some(gap), &["young"], top)?;
    gives(&much_later, None, &[], top)
}

pub(super) fn publication_is_kept_for_as_long_as_it_must_be<S: Subject>(
    open: &dyn Fn(Namespaces) -> S,
) -> Tried {
    let subject = open(namespaces());
    let channel = Channel::new(&subject, "all:a");
    let top = channel.fill(2)?;

    channel.advance(DAY - Duration::from_millis(1))?;

    gives(&channel.read(Since::Oldest, ALL)?, None, &["1", "2"], top)
}

pub(super) fn reader_beyond_the_newest_has_diverged_there<S: Subject>(
    open: &dyn Fn(Namespaces) -> S,
) -> Tried {
    let subject = open(namespaces());
    for name in ["all:a", "none:a", "three:a"] {
        let channel = Channel::new(&subject, name);
        let top = channel.fill(5)?;

        let reading = channel.read(Since::Position(top.epoch.at(6)), ALL)?;

        let gap = Gap {
            reason: Reason::Diverged { fork: 5 },
            from: 6,
            to: 5,
            epoch: top.epoch,
        };
        gives(&reading, Some(gap), &[], top)?;
    }
    Ok(())
}

pub(super) fn reader_of_another_log_is_told_that_the_epoch_is_another<S: Subject>(
    open: &dyn Fn(Namespaces) -> S,
) -> Tried {
    let subject = open(namespaces());
    let channel = Channel::new(&subject, "three:a");
    let top = channel.fill(4)?;

    // A generation that has not begun is as unknown as another name.
    for epoch in [invented(), invented().forked(), top.epoch.forked()] {
        for offset in [0, 2, 4, 9] {
            let reading = channel.read(Since::Position(epoch.at(offset)), ALL)?;

            let gap = Gap {
                reason: Reason::Epoch,
                from: 1,
                to: 1,
                epoch: top.epoch,
            };
            gives(&reading, Some(gap), &["2", "3", "4"], top)?;
        }
    }
    Ok(())
}

pub(super) fn cleared_channel_keeps_its_offsets_and_says_what_is_missing<S: Subject>(
    open: &dyn Fn(Namespaces) -> S,
) -> Tried {
    let subject = open(namespaces());
    let channel = Channel::new(&subject, "all:a");
    let before = channel.fill(3)?;

    let cleared = channel.at(1).clear()?;
    let top = channel.add("new")?;

    same("the position of the empty log", cleared, before)?;
    same("the position after it", top, before.epoch.at(4))?;
    let at_top = channel.read(Since::Position(cleared), ALL)?;
    gives(&at_top, None, &["new"], top)?;
    let behind = channel.read(Since::Position(before.epoch.at(1)), ALL)?;
    let gap = Gap {
        reason: Reason::Expired,
        from: 2,
        to: 3,
        epoch: top.epoch,
    };
    gives(&behind, Some(gap), &["new"], top)
}

pub(super) fn channels_have_logs_of_their_own<S: Subject>(open: &dyn Fn(Namespaces) -> S) -> Tried {
    let subject = open(namespaces());
    let [one, other] = ["all:a", "all:b"].map(|name| Channel::new(&subject, name));
    let top = one.fill(3)?;
    let other_top = other.add("other")?;
    must("epochs differ", !top.epoch.is_same_log(other_top.epoch))?;

    other.clear()?;

    gives(&one.read(Since::Oldest, ALL)?, None, &["1", "2", "3"], top)?;
    let reading = other.read(Since::Position(top), ALL)?;
    let reason = reading.gap.map(|gap| gap.reason);
    same("why the other is not readable", reason, Some(Reason::Epoch))
}
