//! Subscribers that do not read: closed, or told what was kept from them; others lose nothing.

use holdwire::Prepared;
use holdwire::shard::{Slow, Topic};

use crate::site::{Site, Told};

everywhere! {
    a_subscriber_that_does_not_read_is_closed_and_the_others_lose_nothing,
    a_subscriber_that_does_not_read_is_told_what_it_missed_before_anything_later,
}

/// A publication that begins with its number.
fn numbered(number: u64) -> Prepared {
    Prepared::text(&format!("{number} {}", "x".repeat(20_000)))
}

fn number(text: &str) -> u64 {
    text.split_once(' ').unwrap().0.parse().unwrap()
}

async fn a_subscriber_that_does_not_read_is_closed_and_the_others_lose_nothing(shards: usize) {
    let (mut site, topic) = (Site::new(shards).await, Topic::new());
    let (mut slow, mut slow_arrival) = site.connect().await;
    slow_arrival.join(&topic).await;
    let mut others = Vec::new();
    for _ in 0..4 {
        let (mut client, mut arrival) = site.connect().await;
        arrival.join(&topic).await;
        client.text().await;
        others.push((client, arrival));
    }

    // In step with those who read, until the slow one's queue is full and long after.
    for next in 0..1000 {
        topic.publish(numbered(next));
        for (client, _) in &mut others {
            assert_eq!(number(&client.text().await), next);
        }
    }

    let (texts, code, reason) = slow.texts_until_closed().await;
    assert_eq!((code, &*reason), (1013, "too slow"));
    assert!(
        texts[1..]
            .iter()
            .map(|text| number(text))
            .eq(0..texts.len() as u64 - 1)
    );
    assert!(texts.len() < 1000);
    slow_arrival.until(Told::Slow).await;
    slow.answer_close(code).await;
    slow_arrival.gone().await;
}

async fn a_subscriber_that_does_not_read_is_told_what_it_missed_before_anything_later(
    shards: usize,
) {
    let (mut site, topic) = (Site::new(shards).await, Topic::with(Slow::Skip));
    let (mut slow, mut slow_arrival) = site.connect().await;
    slow_arrival.join(&topic).await;
    let (mut other, mut arrival) = site.connect().await;
    arrival.join(&topic).await;
    other.text().await;
    assert_eq!(slow.text().await, "from 0");

    let (mut published, mut read) = (0, 0);
    for _ in 0..3 {
        for _ in 0..600 {
            topic.publish(numbered(published));
            assert_eq!(number(&other.text().await), published);
            published += 1;
        }
        let mut has_skipped = false;
        while read < published {
            let text = slow.text().await;
            if let Some(range) = text.strip_prefix("skipped ") {
                let (start, end) = range.split_once(' ').unwrap();
                assert_eq!(start.parse(), Ok(read));
                read = end.parse().unwrap();
                has_skipped = true;
            } else {
                assert_eq!(number(&text), read);
                read += 1;
            }
        }
        assert!(has_skipped, "its queue was never full");
    }
}
