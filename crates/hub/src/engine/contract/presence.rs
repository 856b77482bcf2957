//! Who is in a channel, and what followers are told of that.

use super::Subject;
use super::channel::{Channel, DAY, client, member, namespaces};
use super::failure::{Failure, Tried, same};
use crate::model::Told;
use crate::namespaces::Namespaces;

pub(super) fn client_that_enters_is_there_on_every_node_and_told_once<S: Subject>(
    open: &dyn Fn(Namespaces) -> S,
) -> Tried {
    let subject = open(namespaces());
    let channel = Channel::new(&subject, "none:a");
    let followers = [channel.follow()?, channel.at(1).follow()?];

    channel.enter(client(1), member("anna"))?;
    // One user may be there twice.
    channel.at(1).enter(client(2), member("anna"))?;

    let there = vec![(client(1), member("anna")), (client(2), member("anna"))];
    let told = there.iter().cloned();
    let told: Vec<_> = told
        .map(|(client, member)| Told::Entered(client, member))
        .collect();
    for (node, follower) in followers.iter().enumerate() {
        same("who is there", channel.at(node).members()?, there.clone())?;
        same("what is told", channel.told(follower), told.clone())?;
    }
    let elsewhere = Channel::new(&subject, "none:b");
    same("who is elsewhere", elsewhere.members()?, vec![])
}

pub(super) fn client_that_enters_again_is_replaced_and_not_told<S: Subject>(
    open: &dyn Fn(Namespaces) -> S,
) -> Tried {
    let subject = open(namespaces());
    let channel = Channel::new(&subject, "none:a");
    channel.enter(client(1), member("anna"))?;
    let follower = channel.follow()?;

    channel.at(1).enter(client(1), member("bert"))?;

    same(
        "who is there",
        channel.members()?,
        vec![(client(1), member("bert"))],
    )?;
    same("what is told", channel.told(&follower), vec![])
}

pub(super) fn client_that_leaves_is_told_once_as_it_was_last<S: Subject>(
    open: &dyn Fn(Namespaces) -> S,
) -> Tried {
    let subject = open(namespaces());
    let channel = Channel::new(&subject, "none:a");
    channel.enter(client(1), member("anna"))?;
    channel.enter(client(1), member("bert"))?;
    channel.enter(client(2), member("carl"))?;
    let follower = channel.at(1).follow()?;

    for stranger in [client(1), client(1), client(3)] {
        channel.leave(stranger)?;
    }

    same(
        "who is there",
        channel.members()?,
        vec![(client(2), member("carl"))],
    )?;
    let left = Told::Left(client(1), member("bert"));
    same("what is told", channel.told(&follower), vec![left])?;
    channel.enter(client(1), member("anna"))?;
    let back = Told::Entered(client(1), member("anna"));
    same(
        "what is told last",
        channel.told(&follower).last(),
        Some(&back),
    )
}

pub(super) fn whoever_is_there_stays_when_the_history_goes<S: Subject>(
    open: &dyn Fn(Namespaces) -> S,
) -> Tried {
    let subject = open(namespaces());
    let channel = Channel::new(&subject, "all:a");
    channel.enter(client(1), member("anna"))?;
    channel.fill(3)?;
    let there = channel.members()?;

    channel.clear()?;
    same("who is there, cleared", channel.members()?, there.clone())?;
    for lost in [channel.fork(1), channel.lose()] {
        match lost {
            Err(Failure::Unable(_)) => {}
            other => other?,
        }
        same("who is there, lost", channel.members()?, there.clone())?;
    }
    Ok(())
}

pub(super) fn whoever_is_there_stays_for_a_day<S: Subject>(
    open: &dyn Fn(Namespaces) -> S,
) -> Tried {
    let subject = open(namespaces());
    let channel = Channel::new(&subject, "none:a");
    channel.enter(client(1), member("anna"))?;

    channel.advance(DAY)?;

    same(
        "who is there",
        channel.members()?,
        vec![(client(1), member("anna"))],
    )
}
