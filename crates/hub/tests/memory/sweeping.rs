//! What the engine in memory forgets, which no other engine need do.

use std::sync::Arc;
use std::time::Duration;

use holdwire_hub::engine::contract::Subject;
use holdwire_hub::engine::{Engine, Memory, Publish};
use holdwire_hub::{ChannelName, Namespace, Namespaces, Position, Reading, Retention, Since};

use crate::flawed::now;
use crate::paused::Paused;

/// For how long a channel without anything is remembered.
const REMEMBERED: Duration = Duration::from_hours(1);

/// The least time.
const MOMENT: Duration = Duration::from_millis(1);

/// An engine whose channels keep this, and which is swept.
fn open(retention: Retention) -> Paused<Memory> {
    let mut namespace = Namespace::default();
    namespace.retention = retention;
    let namespaces = Namespaces::new().with("", namespace);
    Paused::new(Memory::new(Arc::new(namespaces))).swept(true)
}

fn ten() -> Retention {
    Retention {
        publications: 10,
        bytes: 1000,
        age: Duration::from_mins(10),
    }
}

fn publish(subject: &Paused<Memory>, channel: &ChannelName) -> Position {
    let publish = Publish {
        payload: "x".into(),
        key: None,
    };
    let published = subject.block_on(async { now(subject.engine.publish(channel, publish)) });
    published.unwrap().position
}

fn read(subject: &Paused<Memory>, channel: &ChannelName, position: Position) -> Reading {
    let since = Since::Position(position);
    let reading = subject.block_on(async { now(subject.engine.read(channel, since, 10)) });
    reading.unwrap()
}

#[test]
fn channel_that_nobody_uses_for_an_hour_is_forgotten() {
    let subject = open(Retention::NONE);
    let channel: ChannelName = "a".parse().unwrap();
    let position = publish(&subject, &channel);

    subject.advance(REMEMBERED - MOMENT).unwrap();
    assert_eq!(subject.engine.usage().channels, 1);
    subject.advance(MOMENT).unwrap();
    assert_eq!(subject.engine.usage().channels, 0);

    let gap = read(&subject, &channel, position).gap.unwrap();
    assert!(!gap.epoch.is_same_log(position.epoch));
}

#[test]
fn channel_that_is_read_is_not_forgotten() {
    let subject = open(Retention::NONE);
    let channel: ChannelName = "a".parse().unwrap();
    let position = publish(&subject, &channel);

    for _ in 0..5 {
        subject.advance(REMEMBERED - MOMENT).unwrap();
        assert_eq!(read(&subject, &channel, position).gap, None);
    }
}

#[test]
fn sweeping_frees_what_is_older_than_its_retention() {
    let subject = open(ten());
    let channel: ChannelName = "a".parse().unwrap();
    publish(&subject, &channel);
    assert_eq!(subject.engine.usage().bytes, 1);

    subject.advance(ten().age).unwrap();

    let usage = subject.engine.usage();
    assert_eq!((usage.channels, usage.publications, usage.bytes), (1, 0, 0));
}
