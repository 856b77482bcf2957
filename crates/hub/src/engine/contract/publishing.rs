//! What publishing adds to a log, and how a repetition is recognised.

use std::time::Duration;

use super::Subject;
use super::channel::{ALL, Channel, name, namespaces, number, texts};
use super::failure::{Tried, same};
use crate::engine::{Key, PublishError, Published};
use crate::model::{UNDER_WAY, WINDOW};
use crate::namespaces::Namespaces;
use crate::position::Position;
use crate::publication::Payload;
use crate::reading::Since;

/// What a repetition is answered.
fn repeated(position: Position) -> Result<Published, PublishError> {
    Ok(Published {
        position,
        is_duplicate: true,
    })
}

/// A repetition must be recognised.
pub(super) fn repeats<S: Subject>(
    channel: &Channel<'_, S>,
    payload: &str,
    key: Option<Key>,
    position: Position,
) -> Tried {
    same(
        "a repetition",
        channel.publish(payload, key),
        repeated(position),
    )
}

/// The log must have these publications.
pub(super) fn has<S: Subject>(channel: &Channel<'_, S>, publications: &[&str]) -> Tried {
    let reading = channel.read(Since::Oldest, ALL)?;
    same("the log", texts(&reading), publications.to_vec())
}

/// The least by which one is late.
const MOMENT: Duration = Duration::from_millis(1);

pub(super) fn offsets_begin_at_one_and_leave_none_out<S: Subject>(
    open: &dyn Fn(Namespaces) -> S,
) -> Tried {
    let subject = open(namespaces());
    for kind in ["all:a", "three:a", "tenbytes:a", "none:a"] {
        let channel = Channel::new(&subject, kind);
        let start = channel.read(Since::Newest, 0)?.position;
        for offset in 1..=9 {
            let node = usize::from(offset % 2 == 0);
            let position = channel.at(node).add("x")?;
            same("the position", position, start.epoch.at(offset))?;
        }
    }
    Ok(())
}

pub(super) fn repeated_key_gives_the_first_position_and_adds_nothing<S: Subject>(
    open: &dyn Fn(Namespaces) -> S,
) -> Tried {
    let subject = open(namespaces());
    let channel = Channel::new(&subject, "all:a");
    let first = channel.add_as("one", name("a"))?;
    let second = channel.add_as("two", name("b"))?;
    channel.add("three")?;

    repeats(&channel, "one", name("a"), first)?;
    repeats(&channel.at(1), "one", name("a"), first)?;
    repeats(&channel, "two", name("b"), second)?;
    has(&channel, &["one", "two", "three"])
}

pub(super) fn key_with_another_payload_is_an_error_and_adds_nothing<S: Subject>(
    open: &dyn Fn(Namespaces) -> S,
) -> Tried {
    let subject = open(namespaces());
    let channel = Channel::new(&subject, "all:a");
    let first = channel.add_as("1", name("a"))?;

    // The same bytes of another kind are something else too.
    let others = ["2".into(), "".into(), Payload::Json("1".into())];
    for other in others {
        let answer = channel.publish(other, name("a"));
        same("another payload", answer, Err(PublishError::KeyReused))?;
    }

    repeats(&channel, "1", name("a"), first)?;
    has(&channel, &["1"])
}

pub(super) fn key_is_known_after_its_publication_is_removed<S: Subject>(
    open: &dyn Fn(Namespaces) -> S,
) -> Tried {
    let subject = open(namespaces());
    for kind in ["none:a", "three:a", "all:a"] {
        let channel = Channel::new(&subject, kind);
        let named = channel.add_as("named", name("a"))?;
        let numbered = channel.add_as("numbered", number(1, 1))?;
        channel.fill(5)?;
        channel.clear()?;

        repeats(&channel, "named", name("a"), named)?;
        repeats(&channel, "numbered", number(1, 1), numbered)?;
    }
    Ok(())
}

pub(super) fn key_is_forgotten_after_its_window_and_not_before<S: Subject>(
    open: &dyn Fn(Namespaces) -> S,
) -> Tried {
    let subject = open(namespaces());
    let channel = Channel::new(&subject, "all:a");
    let first = channel.add_as("one", name("a"))?;

    channel.advance(WINDOW / 2)?;
    let other = channel.add_as("two", name("b"))?;
    channel.advance(WINDOW / 2 - MOMENT)?;
    repeats(&channel, "one", name("a"), first)?;
    channel.advance(MOMENT)?;
    let again = channel.add_as("other", name("a"))?;

    same("the new position", again, first.epoch.at(3))?;
    repeats(&channel, "two", name("b"), other)?;
    channel.advance(WINDOW - MOMENT)?;
    repeats(&channel, "other", name("a"), again)
}

pub(super) fn unknown_publisher_begins_anywhere_and_leaves_no_number_out<S: Subject>(
    open: &dyn Fn(Namespaces) -> S,
) -> Tried {
    let subject = open(namespaces());
    let channel = Channel::new(&subject, "all:a");
    for (publisher, first) in [(1, 1), (2, 700)] {
        channel.add_as("first", number(publisher, first))?;
        let expected = first + 1;
        for wrong in [expected + 1, expected + 9] {
            let answer = channel.publish("no", number(publisher, wrong));
            same("a hole", answer, Err(PublishError::Hole { expected }))?;
        }
        channel
            .at(1)
            .add_as("second", number(publisher, expected))?;
    }
    has(&channel, &["first", "second", "first", "second"])
}

pub(super) fn repeated_number_gives_the_position_it_had<S: Subject>(
    open: &dyn Fn(Namespaces) -> S,
) -> Tried {
    let subject = open(namespaces());
    let channel = Channel::new(&subject, "all:a");
    let mut positions = Vec::new();
    for count in 1..=5 {
        positions.push((1, count, channel.add_as("x", number(1, count))?));
        positions.push((2, 9 + count, channel.add_as("x", number(2, 9 + count))?));
    }
    for (publisher, count, position) in positions {
        repeats(&channel.at(1), "x", number(publisher, count), position)?;
    }
    let next = channel.add_as("x", number(1, 6))?;
    same("the next position", next, next.epoch.at(11))
}

pub(super) fn number_further_back_than_is_remembered_is_an_error<S: Subject>(
    open: &dyn Fn(Namespaces) -> S,
) -> Tried {
    let subject = open(namespaces());
    let channel = Channel::new(&subject, "none:a");
    let start = channel.read(Since::Newest, 0)?.position;
    let remembered = UNDER_WAY as u64;
    for count in 1..=remembered + 2 {
        channel.add_as("x", number(1, count))?;
    }

    for count in [1, 2] {
        let answer = channel.publish("x", number(1, count));
        same("too far back", answer, Err(PublishError::Forgotten))?;
    }
    for count in 3..=remembered + 2 {
        repeats(&channel, "x", number(1, count), start.epoch.at(count))?;
    }

    channel.add_as("x", number(2, 50))?;
    let answer = channel.publish("x", number(2, 49));
    same("before the first", answer, Err(PublishError::Forgotten))
}

pub(super) fn publisher_that_goes_on_is_remembered_for_a_window_from_its_last_publication<
    S: Subject,
>(
    open: &dyn Fn(Namespaces) -> S,
) -> Tried {
    let subject = open(namespaces());
    let channel = Channel::new(&subject, "all:a");
    let mut positions = Vec::new();
    for count in 1..=4 {
        positions.push((count, channel.add_as("x", number(1, count))?));
        // Others come meanwhile, and more of them than an engine may want to keep.
        for other in 0..40 {
            channel.publish("y", number(100 + other, count))?;
        }
        channel.advance(WINDOW - MOMENT)?;
    }
    for (count, position) in positions {
        repeats(&channel, "x", number(1, count), position)?;
    }
    let answer = channel.publish("x", number(1, 6));
    same("a hole", answer, Err(PublishError::Hole { expected: 5 }))
}

pub(super) fn keys_and_publishers_belong_to_one_channel<S: Subject>(
    open: &dyn Fn(Namespaces) -> S,
) -> Tried {
    let subject = open(namespaces());
    let [one, other] = ["all:a", "all:b"].map(|name| Channel::new(&subject, name));
    one.add_as("one", name("a"))?;
    one.add_as("two", number(1, 7))?;

    other.add_as("another", name("a"))?;
    other.add_as("begins", number(1, 3))?;
    has(&other, &["another", "begins"])
}
