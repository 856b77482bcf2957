//! What becomes of readers, followers and keys when the storage has lost a part, or everything.

use super::Subject;
use super::channel::{ALL, Channel, heard, name, namespaces, number};
use super::failure::{Tried, must, same};
use super::publishing::{has, repeats};
use super::reading::gives;
use crate::engine::PublishError;
use crate::model::{Told, WINDOW};
use crate::namespaces::Namespaces;
use crate::position::Position;
use crate::reading::{Gap, Reason, Since};

/// How far before the end of its window a key is looked at.
const MOMENT: std::time::Duration = std::time::Duration::from_millis(1);

pub(super) fn reader_beyond_a_fork_is_told_where_it_was<S: Subject>(
    open: &dyn Fn(Namespaces) -> S,
) -> Tried {
    let subject = open(namespaces());
    let channel = Channel::new(&subject, "all:a");
    let before = channel.fill(15)?;
    channel.fork(10)?;
    // Now the offsets that were lost stand for something else, and the newest is what it was.
    let later = ["b11", "b12", "b13", "b14", "b15"];
    for text in later {
        channel.add(text)?;
    }
    let top = before.epoch.forked().at(15);

    for offset in 11..=15 {
        let reading = channel
            .at(1)
            .read(Since::Position(before.epoch.at(offset)), ALL)?;

        let gap = Gap {
            reason: Reason::Diverged { fork: 10 },
            from: 11,
            to: 10,
            epoch: top.epoch,
        };
        gives(&reading, Some(gap), &later, top)?;
    }
    Ok(())
}

pub(super) fn reader_before_a_fork_gets_everything_and_knows_of_no_gap<S: Subject>(
    open: &dyn Fn(Namespaces) -> S,
) -> Tried {
    let subject = open(namespaces());
    let channel = Channel::new(&subject, "all:a");
    let before = channel.fill(5)?;
    channel.fork(3)?;
    let top = channel.add("new")?;
    same("the first position after", top, before.epoch.forked().at(4))?;

    let all = ["1", "2", "3", "new"];
    for (offset, follows) in [(0, &all[..]), (2, &all[2..]), (3, &all[3..])] {
        let reading = channel.read(Since::Position(before.epoch.at(offset)), ALL)?;

        gives(&reading, None, follows, top)?;
    }
    Ok(())
}

pub(super) fn reader_of_an_old_generation_is_judged_by_the_lowest_fork_since<S: Subject>(
    open: &dyn Fn(Namespaces) -> S,
) -> Tried {
    let subject = open(namespaces());
    let channel = Channel::new(&subject, "all:a");
    let first = channel.fill(9)?.epoch;
    channel.fork(4)?;
    let second = channel.fill(5)?.epoch;
    channel.fork(7)?;
    let third = channel.fill(3)?.epoch;

    let reason = |position: Position| -> Tried<Option<_>> {
        let reading = channel.read(Since::Position(position), ALL)?;
        Ok(reading.gap.map(|gap| (gap.reason, gap.from, gap.to)))
    };
    let diverged = |fork| Some((Reason::Diverged { fork }, fork + 1, fork));
    same("the first at its fork", reason(first.at(4))?, None)?;
    same("the first beyond it", reason(first.at(5))?, diverged(4))?;
    same("the first far beyond it", reason(first.at(8))?, diverged(4))?;
    same("the second at its fork", reason(second.at(7))?, None)?;
    same("the second beyond it", reason(second.at(8))?, diverged(7))?;
    same("the third", reason(third.at(10))?, None)?;
    same(
        "the third beyond the newest",
        reason(third.at(11))?,
        diverged(10),
    )?;

    channel.fork(2)?;
    for epoch in [first, second, third] {
        same("at the lowest fork", reason(epoch.at(2))?, None)?;
        same("beyond the lowest fork", reason(epoch.at(3))?, diverged(2))?;
    }
    Ok(())
}

pub(super) fn followers_are_told_of_a_fork_before_its_first_publication<S: Subject>(
    open: &dyn Fn(Namespaces) -> S,
) -> Tried {
    let subject = open(namespaces());
    let channel = Channel::new(&subject, "all:a");
    let before = channel.fill(5)?;
    let followers = [channel.follow()?, channel.at(1).follow()?];
    channel.fork(3)?;
    let after = channel.add("new")?;

    for follower in &followers {
        let told = channel.told(follower);
        let changed = Told::Changed(before.epoch.forked().at(3));
        same("what it is told first", told.first(), Some(&changed))?;
        same(
            "what it hears then",
            heard(&told[1..]),
            vec![(after.epoch, 4, "new")],
        )?;
    }
    Ok(())
}

pub(super) fn lost_publication_can_be_published_again_and_a_kept_one_not<S: Subject>(
    open: &dyn Fn(Namespaces) -> S,
) -> Tried {
    let subject = open(namespaces());
    let channel = Channel::new(&subject, "all:a");
    let kept = channel.add_as("kept", name("kept"))?;
    channel.add_as("lost", name("lost"))?;
    channel.fork(1)?;

    let again = channel.add_as("lost", name("lost"))?;

    same("its position", again, kept.epoch.forked().at(2))?;
    repeats(&channel, "kept", name("kept"), kept)?;
    repeats(&channel, "lost", name("lost"), again)?;
    has(&channel, &["kept", "lost"])
}

pub(super) fn lost_number_comes_again_and_is_the_one_that_is_expected<S: Subject>(
    open: &dyn Fn(Namespaces) -> S,
) -> Tried {
    let subject = open(namespaces());
    let channel = Channel::new(&subject, "all:a");
    let kept = channel.add_as("kept", number(1, 1))?;
    channel.add_as("lost", number(1, 2))?;
    channel.add_as("lost", number(2, 30))?;
    channel.fork(1)?;

    let hole = channel.publish("later", number(1, 3));
    same("a hole", hole, Err(PublishError::Hole { expected: 2 }))?;
    let again = channel.add_as("lost", number(1, 2))?;
    // All that it has said is lost, so nobody knows it.
    channel.add_as("other", number(2, 20))?;

    repeats(&channel, "kept", number(1, 1), kept)?;
    repeats(&channel, "lost", number(1, 2), again)?;
    has(&channel, &["kept", "lost", "other"])
}

pub(super) fn key_published_again_after_a_fork_is_remembered_for_its_whole_window<S: Subject>(
    open: &dyn Fn(Namespaces) -> S,
) -> Tried {
    let subject = open(namespaces());
    let channel = Channel::new(&subject, "all:a");
    channel.add_as("lost", name("lost"))?;
    channel.fork(0)?;
    channel.advance(WINDOW / 2)?;
    let again = channel.add_as("lost", name("lost"))?;

    channel.advance(WINDOW - MOMENT)?;

    repeats(&channel, "lost", name("lost"), again)
}

pub(super) fn log_that_lost_everything_has_a_new_epoch<S: Subject>(
    open: &dyn Fn(Namespaces) -> S,
) -> Tried {
    let subject = open(namespaces());
    let channel = Channel::new(&subject, "all:a");
    let before = channel.fill(5)?;
    channel.lose()?;
    let top = channel.fill(7)?;
    same("the newest offset", top.offset, 7)?;
    must(
        "the epoch is a new one",
        !top.epoch.is_same_log(before.epoch),
    )?;

    for offset in [0, 3, 5] {
        let reading = channel
            .at(1)
            .read(Since::Position(before.epoch.at(offset)), ALL)?;

        let gap = Gap {
            reason: Reason::Epoch,
            from: 1,
            to: 0,
            epoch: top.epoch,
        };
        gives(
            &reading,
            Some(gap),
            &["1", "2", "3", "4", "5", "6", "7"],
            top,
        )?;
    }
    Ok(())
}

pub(super) fn followers_are_told_of_a_loss_before_the_first_publication_of_the_new_log<
    S: Subject,
>(
    open: &dyn Fn(Namespaces) -> S,
) -> Tried {
    let subject = open(namespaces());
    let channel = Channel::new(&subject, "all:a");
    channel.fill(5)?;
    let followers = [channel.follow()?, channel.at(1).follow()?];
    channel.lose()?;
    let after = channel.add("new")?;

    for follower in &followers {
        let told = channel.told(follower);
        let changed = Told::Changed(after.epoch.at(0));
        same("what it is told first", told.first(), Some(&changed))?;
        same(
            "what it hears then",
            heard(&told[1..]),
            vec![(after.epoch, 1, "new")],
        )?;
    }
    Ok(())
}

pub(super) fn what_was_lost_with_everything_can_be_published_again<S: Subject>(
    open: &dyn Fn(Namespaces) -> S,
) -> Tried {
    let subject = open(namespaces());
    let channel = Channel::new(&subject, "all:a");
    channel.add_as("named", name("a"))?;
    channel.add_as("numbered", number(1, 9))?;
    channel.lose()?;

    channel.add_as("named", name("a"))?;
    channel.add_as("numbered", number(1, 5))?;

    has(&channel, &["named", "numbered"])
}
