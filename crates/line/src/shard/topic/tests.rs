use std::task::{Context, Poll, Waker};

use proptest::prelude::*;

use super::*;
use crate::shard::mailbox::Order;
use crate::shard::slab::Id;

fn publisher(mailbox: &Arc<Mailbox>) -> Remote {
    let id = Id {
        index: 0,
        generation: 0,
    };
    Remote::new(Arc::clone(mailbox), id)
}

/// Everything that a mailbox was asked for.
fn commands(mailbox: &Mailbox) -> Vec<Command> {
    let mut commands = Vec::new();
    let cx = Context::from_waker(Waker::noop());
    let _: Poll<()> = mailbox.poll_take(&cx, &mut commands);
    commands
}

fn resumes(mailbox: &Mailbox) -> usize {
    let is_resume = |command: &Command| matches!(command, Command::To(_, Order::Resume));
    commands(mailbox)
        .iter()
        .filter(|one| is_resume(one))
        .count()
}

/// Publishes until it is too much; says how often.
fn flood(topic: &Topic, from: &Remote, payload: &[u8]) -> usize {
    let message = Prepared::binary(payload);
    let publish = |_: &usize| topic.publish_from(from, message.clone()) == Flow::Continue;
    (0..1_000_000).take_while(publish).count()
}

#[test]
fn publications_that_wait_are_bounded_by_bytes() {
    let (topic, mailbox) = (Topic::new(), Mailbox::new());
    topic.attach(&mailbox);

    let count = flood(&topic, &publisher(&mailbox), &[0; 10_000]);

    assert!((300..=CROWDED / 10_000).contains(&count), "{count}");
}

#[test]
fn publications_without_a_payload_are_bounded_too() {
    let (topic, mailbox) = (Topic::new(), Mailbox::new());
    topic.attach(&mailbox);

    let count = flood(&topic, &publisher(&mailbox), b"");

    assert!(count <= CROWDED / size_of::<Publication>(), "{count}");
}

#[test]
fn a_publisher_is_resumed_when_the_last_shard_has_caught_up() {
    let (topic, mine) = (Topic::new(), Mailbox::new());
    let (one, other) = (Mailbox::new(), Mailbox::new());
    topic.attach(&one);
    topic.attach(&other);
    flood(&topic, &publisher(&mine), &[0; 10_000]);

    topic.take(&one, &mut Vec::new());
    assert_eq!(resumes(&mine), 0);
    topic.take(&other, &mut Vec::new());

    assert_eq!(resumes(&mine), 1);
}

#[test]
fn a_publisher_is_resumed_when_the_shard_it_waits_for_has_no_subscriber_any_more() {
    let (topic, mine, one) = (Topic::new(), Mailbox::new(), Mailbox::new());
    topic.attach(&one);
    flood(&topic, &publisher(&mine), &[0; 10_000]);

    topic.detach(&one);

    assert_eq!(resumes(&mine), 1);
}

#[test]
fn a_shard_is_asked_once_for_all_that_it_has_not_taken() {
    let (topic, mailbox) = (Topic::new(), Mailbox::new());
    topic.attach(&mailbox);

    for round in 1..=3 {
        for _ in 0..10 {
            topic.publish(Prepared::text("news"));
        }
        assert_eq!(commands(&mailbox).len(), 1, "{round}");
        topic.take(&mailbox, &mut Vec::new());
    }
}

#[test]
fn publisher_that_gets_its_own_is_paused_until_the_shards_have_caught_up() {
    let (topic, mailbox, own) = (Topic::new(), Mailbox::new(), Mailbox::new());
    topic.attach(&mailbox);
    let publisher = publisher(&own);
    let message = Prepared::binary(&[0; 10_000]);

    let publish = |_: &usize| {
        topic.publish(message.clone());
        topic.pace(&publisher) == Flow::Continue
    };
    let count = (0..1_000_000).take_while(publish).count();
    assert!((300..=CROWDED / 10_000).contains(&count), "{count}");

    assert_eq!(resumes(&own), 0);
    topic.take(&mailbox, &mut Vec::new());
    assert_eq!(resumes(&own), 1);
}

#[test]
fn a_mailbox_that_is_closed_takes_nothing() {
    let (topic, mailbox) = (Topic::new(), Mailbox::new());
    topic.attach(&mailbox);
    mailbox.close();

    topic.publish(Prepared::text("news"));

    assert_eq!(commands(&mailbox).len(), 0);
}

proptest! {
    #[test]
    fn every_shard_gets_contiguous_numbers_from_the_one_it_was_told(
        steps in prop::collection::vec((0..4_usize, 0..3_usize), 0..300),
    ) {
        let topic = Topic::new();
        let shards: Vec<Arc<Mailbox>> = (0..3).map(|_| Mailbox::new()).collect();
        // The number that each is to get next, while it is there.
        let mut expected: [Option<u64>; 3] = [None; 3];
        for (step, at) in steps {
            match step {
                0 => {
                    let next = topic.attach(&shards[at]);
                    prop_assert_eq!(next, expected[at].unwrap_or(topic.next()));
                    expected[at] = Some(next);
                }
                1 => {
                    topic.detach(&shards[at]);
                    expected[at] = None;
                }
                2 => {
                    topic.publish(Prepared::text("news"));
                }
                _ => {
                    let mut taken = Vec::new();
                    topic.take(&shards[at], &mut taken);
                    let numbers: Vec<u64> = taken.iter().map(|one| one.number).collect();
                    let all = expected[at].map_or(0..0, |next| next..topic.next());
                    prop_assert_eq!(numbers, all.collect::<Vec<u64>>());
                    expected[at] = expected[at].map(|_| topic.next());
                }
            }
        }
    }
}
