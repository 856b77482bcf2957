//! What holds while many ask at once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::Subject;
use super::channel::{ALL, Channel, heard, name, namespaces, number, texts};
use super::failure::{Failure, Tried, must, same};
use crate::namespaces::Namespaces;
use crate::reading::Since;

/// Publishers at once.
const PUBLISHERS: u8 = 4;

/// Publications of each.
const EACH: u64 = 50;

/// Nobody publishes more than this while another follows and goes.
const BOUND: u64 = 20_000;

pub(super) fn concurrent_publishers_share_one_order_without_holes<S: Subject>(
    open: &dyn Fn(Namespaces) -> S,
) -> Tried {
    let subject = open(namespaces());
    let channel = Channel::new(&subject, "all:a");
    let followers = [channel.follow()?, channel.at(1).follow()?];
    let publish = |publisher: u8| {
        let channel = channel.at(usize::from(publisher % 2));
        let count = 1..=EACH;
        count
            .map(|count| {
                let text = format!("{publisher}:{count}");
                let position = channel.add_as(text.as_str(), number(publisher, count))?;
                Ok((position.offset, text))
            })
            .collect::<Tried<Vec<_>>>()
    };

    let answers = thread::scope(|scope| {
        let threads: Vec<_> = (0..PUBLISHERS)
            .map(|publisher| scope.spawn(move || publish(publisher)))
            .collect();
        let answers = threads
            .into_iter()
            .map(|thread| thread.join().map_err(panicked)?);
        answers.collect::<Tried<Vec<_>>>()
    })?;

    for answers in &answers {
        let is_in_order = answers.is_sorted_by_key(|(offset, _)| *offset);
        must("each publisher's order is that of the log", is_in_order)?;
    }
    let mut answers = answers.concat();
    answers.sort_unstable();
    let reading = channel.read(Since::Oldest, ALL)?;
    let epoch = reading.position.epoch;
    let log: Vec<_> = (1..)
        .zip(texts(&reading))
        .map(|(offset, text)| (epoch, offset, text))
        .collect();
    let answered = answers
        .iter()
        .map(|(offset, text)| (epoch, *offset, text.as_str()));
    same("what was answered", answered.collect(), log.clone())?;
    for follower in &followers {
        same(
            "what a follower hears",
            heard(&channel.told(follower)),
            log.clone(),
        )?;
    }
    Ok(())
}

pub(super) fn follower_that_joins_a_stream_misses_nothing_and_gets_nothing_twice<S: Subject>(
    open: &dyn Fn(Namespaces) -> S,
) -> Tried {
    let subject = open(namespaces());
    let channel = Channel::new(&subject, "three:a");
    let is_done = AtomicBool::new(false);
    let stream = || -> Tried {
        let mut count = 0;
        while count < BOUND && !is_done.load(Ordering::Relaxed) {
            count += 1;
            channel.at(1).add("x")?;
        }
        Ok(())
    };
    let join = || -> Tried {
        for _ in 0..20 {
            let follower = channel.follow()?;
            let own = channel.add("own")?;
            let told = channel.told(&follower);
            channel.unfollow(&follower);
            let heard = heard(&told);
            let offsets: Vec<_> = heard.iter().map(|(_, offset, _)| *offset).collect();
            let from = follower.position.offset + 1;
            let to = offsets.last().copied().unwrap_or_default();
            must("it hears what it has published itself", to >= own.offset)?;
            same("what it hears", offsets, (from..=to).collect())?;
        }
        Ok(())
    };

    thread::scope(|scope| {
        let stream = scope.spawn(stream);
        let joined = join();
        is_done.store(true, Ordering::Relaxed);
        stream.join().map_err(panicked)??;
        joined
    })
}

pub(super) fn concurrent_repetitions_add_one_publication<S: Subject>(
    open: &dyn Fn(Namespaces) -> S,
) -> Tried {
    let subject = open(namespaces());
    let channel = Channel::new(&subject, "all:a");
    for round in 1..=10_u64 {
        let text = round.to_string();
        let publish = |publisher: u8| -> Tried<_> {
            let channel = channel.at(usize::from(publisher % 2));
            Ok(channel.publish(text.as_str(), name(&text))?)
        };

        let answers = thread::scope(|scope| {
            let publish = &publish;
            let threads: Vec<_> = (0..PUBLISHERS)
                .map(|publisher| scope.spawn(move || publish(publisher)))
                .collect();
            let answers = threads
                .into_iter()
                .map(|thread| thread.join().map_err(panicked)?);
            answers.collect::<Tried<Vec<_>>>()
        })?;

        let new = answers.iter().filter(|answer| !answer.is_duplicate);
        same("how many are new", new.count(), 1)?;
        for answer in answers {
            same("where it is", answer.position.offset, round)?;
        }
    }
    same(
        "how many there are",
        channel.read(Since::Oldest, ALL)?.publications.len(),
        10,
    )
}

fn panicked(_: Box<dyn std::any::Any + Send>) -> Failure {
    Failure::Broken("a thread that asks the engine panics".to_owned())
}
