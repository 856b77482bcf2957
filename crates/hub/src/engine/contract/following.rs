//! What followers are told.

use super::Subject;
use super::channel::{Channel, DAY, heard, name, namespaces, number};
use super::failure::{Tried, must, same};
use crate::namespaces::Namespaces;

pub(super) fn all_followers_are_told_the_same_in_the_order_of_the_log<S: Subject>(
    open: &dyn Fn(Namespaces) -> S,
) -> Tried {
    let subject = open(namespaces());
    let channel = Channel::new(&subject, "all:a");
    let followers = [channel.follow()?, channel.at(1).follow()?];
    let start = followers[0].position;
    same("where both begin", start, followers[1].position)?;

    for offset in 1..=6_u8 {
        channel
            .at(usize::from(offset % 2))
            .add(offset.to_string().as_str())?;
    }

    let texts = ["1", "2", "3", "4", "5", "6"];
    let order: Vec<_> = (1..)
        .zip(texts)
        .map(|(offset, text)| (start.epoch, offset, text))
        .collect();
    for follower in &followers {
        let told = channel.told(follower);
        same("what a follower hears", heard(&told), order.clone())?;
        same("how much it is told", told.len(), order.len())?;
    }
    Ok(())
}

pub(super) fn follower_is_told_from_its_position_on_until_it_goes<S: Subject>(
    open: &dyn Fn(Namespaces) -> S,
) -> Tried {
    let subject = open(namespaces());
    let channel = Channel::new(&subject, "all:a");
    let before = channel.fill(2)?;
    let follower = channel.follow()?;
    let other = channel.at(1).follow()?;
    same("from where it is told", follower.position, before)?;

    channel.add("three")?;
    channel.told(&follower);
    channel.unfollow(&follower);
    channel.add("four")?;

    let heard_by = |follower| {
        let told = channel.told(follower);
        let heard = heard(&told);
        heard
            .into_iter()
            .map(|(_, offset, _)| offset)
            .collect::<Vec<_>>()
    };
    same("the one that goes", heard_by(&follower), vec![3])?;
    same("the one that stays", heard_by(&other), vec![3, 4])
}

pub(super) fn follower_that_comes_back_is_told_nothing_of_the_time_between<S: Subject>(
    open: &dyn Fn(Namespaces) -> S,
) -> Tried {
    let subject = open(namespaces());
    let channel = Channel::new(&subject, "all:a");
    let mut heard_in_turn = Vec::new();
    for _ in 0..3 {
        let follower = channel.follow()?;
        channel.fill(2)?;
        let told = channel.told(&follower);
        let offsets = heard(&told).into_iter().map(|(_, offset, _)| offset);
        heard_in_turn.push((follower.position.offset, offsets.collect::<Vec<_>>()));
        channel.unfollow(&follower);
        channel.fill(1)?;
    }
    let wanted = vec![(0, vec![1, 2]), (3, vec![4, 5]), (6, vec![7, 8])];
    same("what is heard in turn", heard_in_turn, wanted)
}

pub(super) fn what_is_refused_or_a_repetition_is_told_to_nobody<S: Subject>(
    open: &dyn Fn(Namespaces) -> S,
) -> Tried {
    let subject = open(namespaces());
    let channel = Channel::new(&subject, "all:a");
    channel.add_as("one", name("a"))?;
    channel.add_as("two", number(1, 5))?;
    let followers = [channel.follow()?, channel.at(1).follow()?];

    let answers = [
        channel.publish("one", name("a")).is_ok(),
        channel.publish("other", name("a")).is_ok(),
        channel.publish("two", number(1, 5)).is_ok(),
        channel.publish("hole", number(1, 7)).is_ok(),
        channel.publish("forgotten", number(1, 4)).is_ok(),
    ];

    same(
        "what is refused",
        answers,
        [true, false, true, false, false],
    )?;
    for follower in &followers {
        same("what a follower is told", channel.told(follower), vec![])?;
    }
    Ok(())
}

pub(super) fn follower_is_told_nothing_of_other_channels<S: Subject>(
    open: &dyn Fn(Namespaces) -> S,
) -> Tried {
    let subject = open(namespaces());
    let channel = Channel::new(&subject, "all:a");
    let follower = channel.follow()?;

    for other in ["all:b", "none:a", "all:a:b"] {
        Channel::new(&subject, other).fill(2)?;
    }

    same("what it is told", channel.told(&follower), vec![])
}

pub(super) fn follower_of_a_channel_that_keeps_nothing_is_told_everything<S: Subject>(
    open: &dyn Fn(Namespaces) -> S,
) -> Tried {
    let subject = open(namespaces());
    let channel = Channel::new(&subject, "none:a");
    let follower = channel.at(1).follow()?;

    let top = channel.fill(3)?;

    let told = channel.told(&follower);
    let wanted = [(1, "1"), (2, "2"), (3, "3")];
    let wanted: Vec<_> = wanted
        .map(|(offset, text)| (top.epoch, offset, text))
        .to_vec();
    must("it begins at zero", follower.position.offset == 0)?;
    same("what it hears", heard(&told), wanted)
}

pub(super) fn follower_is_told_of_what_happens_after_a_day_of_silence<S: Subject>(
    open: &dyn Fn(Namespaces) -> S,
) -> Tried {
    let subject = open(namespaces());
    let channel = Channel::new(&subject, "none:a");
    let follower = channel.follow()?;

    channel.advance(DAY)?;
    channel.add("late")?;

    let told = channel.told(&follower);
    let epoch = follower.position.epoch;
    same("what it hears", heard(&told), vec![(epoch, 1, "late")])
}
