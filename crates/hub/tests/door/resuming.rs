//! Whoever comes back gets what it missed, or is told what it cannot have.

use serde_json::{Value, json};

use crate::client::Client;
use crate::site::{Site, connect, keeping, offset, since};

everywhere! {
    who_comes_back_gets_exactly_what_it_missed,
    who_was_away_too_long_is_told_which_publications_are_missing,
    who_comes_from_another_log_is_told,
    who_comes_from_beyond_a_fork_is_told_where_it_was,
    a_subscriber_of_a_log_that_changes_is_sent_away_and_told_exactly_when_it_comes_back,
    a_long_replay_comes_in_pages_while_others_publish,
    payloads_larger_than_the_send_queue_are_replayed,
    without_a_way_to_tell_a_gap_the_connection_is_closed_with_its_bounds,
    last_is_from_the_newest_on,
    who_comes_back_again_and_again_loses_nothing,
}

/// Reads publications up to this offset, which follow each other.
async fn read(client: &mut Client, mut at: u64, end: u64) {
    while at < end {
        at += 1;
        assert_eq!(offset(&client.json().await), at);
    }
}

async fn who_comes_back_gets_exactly_what_it_missed(shards: usize) {
    let site = Site::new(shards).await;
    let (client, first) = site.json("").await;
    client.close().await;
    site.publish(1..=150).await;

    let (mut client, position) = site.json(&since(&first)).await;
    assert_eq!(position, first);
    read(&mut client, 0, 150).await;
    site.publish([151]).await;
    read(&mut client, 150, 151).await;
    // The last one was published before the subscriber had joined, or after it.
    let replays = site.hub.counts().replays;
    assert!((150..=151).contains(&replays), "{replays}");
}

async fn who_was_away_too_long_is_told_which_publications_are_missing(shards: usize) {
    let site = Site::with(
        shards,
        |namespace| namespace.retention = keeping(10),
        |_| {},
    )
    .await;
    let (client, first) = site.json("").await;
    client.close().await;
    site.publish(1..=40).await;

    let (mut client, position) = site.json(&since(&first)).await;

    assert_eq!(position["offset"], 30);
    let expected = json!({"gap": {
        "reason": "expired", "from": 1, "to": 30, "epoch": first["epoch"], "offset": 30,
    }});
    assert_eq!(client.json().await, expected);
    read(&mut client, 30, 40).await;
    assert_eq!(site.hub.counts().expired, 1);
}

async fn who_comes_from_another_log_is_told(shards: usize) {
    let site = Site::new(shards).await;
    let before = site.publish(1..=5).await;
    site.memory.lose(&site.channel);
    let after = site.publish(1..=3).await;

    let (mut client, position) = site.json(&format!("since={before}")).await;

    assert_eq!(position["epoch"], after.epoch.to_string());
    let gap = client.json().await["gap"].take();
    assert_eq!((&gap["reason"], &gap["from"]), (&json!("epoch"), &json!(1)));
    read(&mut client, 0, 3).await;
}

async fn who_comes_from_beyond_a_fork_is_told_where_it_was(shards: usize) {
    let site = Site::new(shards).await;
    let before = site.publish(1..=15).await;
    site.memory.fork(&site.channel, 10);
    let after = site.publish(11..=12).await;

    let (mut client, position) = site.json(&format!("since={before}")).await;
    let (mut other, told) = site.json(&format!("since={}", before.epoch.at(8))).await;

    assert_eq!(
        position,
        json!({"epoch": after.epoch.to_string(), "offset": 10})
    );
    let gap = client.json().await["gap"].take();
    assert_eq!(
        (&gap["reason"], &gap["fork"]),
        (&json!("diverged"), &json!(10))
    );
    assert_eq!((&gap["from"], &gap["to"]), (&json!(11), &json!(10)));
    read(&mut client, 10, 12).await;
    assert_eq!(told, json!({"epoch": after.epoch.to_string(), "offset": 8}));
    read(&mut other, 8, 12).await;
}

async fn a_subscriber_of_a_log_that_changes_is_sent_away_and_told_exactly_when_it_comes_back(
    shards: usize,
) {
    let site = Site::new(shards).await;
    let (mut client, _) = site.json("").await;
    let position = site.publish(1..=15).await;

    site.memory.fork(&site.channel, 10);
    site.publish([11]).await;

    let (texts, code, _) = client.texts_until_closed().await;
    assert_eq!((texts.len(), code), (15, 4205));
    let (mut client, _) = site.json(&format!("since={position}")).await;
    assert_eq!(client.json().await["gap"]["fork"], 10);
    read(&mut client, 10, 11).await;
}

async fn a_long_replay_comes_in_pages_while_others_publish(shards: usize) {
    let long = |namespace: &mut holdwire_hub::Namespace| {
        namespace.retention = keeping(100_000);
        namespace.page = 20;
    };
    let site = Site::with(shards, long, |config| config.limits.send_queue = 16 * 1024).await;
    let first = site.publish([1]).await;
    site.publish(2..=3000).await;

    let (hub, channel) = (site.hub.clone(), site.channel.clone());
    let publisher = tokio::spawn(async move {
        for number in 3001..=4000_u64 {
            hub.publish(&channel, &*number.to_string()).await.unwrap();
            tokio::task::yield_now().await;
        }
    });
    let mut at = format!("since={first}");
    let mut end = first.offset;
    // Whoever is slow meanwhile comes back to where it was.
    while end < 4000 {
        let mut client = site.connect(&format!("format=json&{at}")).await;
        assert_eq!(offset(&client.json().await), end);
        while end < 4000
            && let Some((0x81, text)) = client.frame().await
        {
            let message: Value = serde_json::from_slice(&text).unwrap();
            end += 1;
            assert_eq!(offset(&message), end);
            at = since(&message);
        }
    }
    publisher.await.unwrap();
}

async fn payloads_larger_than_the_send_queue_are_replayed(shards: usize) {
    let site = Site::with(
        shards,
        |_| {},
        |config| config.limits.send_queue = 16 * 1024,
    )
    .await;
    let first = site.publish([1]).await;
    let large = "x".repeat(300_000);
    for _ in 0..12 {
        site.hub.publish(&site.channel, &*large).await.unwrap();
    }

    let mut client = site.connect(&format!("since={first}")).await;

    for _ in 0..12 {
        assert_eq!(client.text().await, large);
    }
    site.publish([14]).await;
    assert_eq!(client.text().await, "14");
}

async fn without_a_way_to_tell_a_gap_the_connection_is_closed_with_its_bounds(shards: usize) {
    let site = Site::with(
        shards,
        |namespace| namespace.retention = keeping(10),
        |_| {},
    )
    .await;
    let first = site.publish([1]).await;
    let last = site.publish(2..=40).await;

    let mut client = site.connect(&format!("since={first}")).await;

    let (texts, code, reason) = client.texts_until_closed().await;
    assert_eq!((texts.len(), code), (0, 4410));
    let go_on = last.epoch.at(30);
    let expected = format!("expired, 2 to 30 are missing; go on with since={go_on}");
    assert_eq!(reason, expected);
    let mut client = site.connect(&format!("since={go_on}")).await;
    assert_eq!(client.text().await, "31");
}

async fn last_is_from_the_newest_on(shards: usize) {
    let site = Site::new(shards).await;
    site.publish(1..=5).await;

    let (mut client, first) = site.json("since=last").await;
    site.publish([6]).await;

    assert_eq!(offset(&first), 5);
    read(&mut client, 5, 6).await;
}

async fn who_comes_back_again_and_again_loses_nothing(shards: usize) {
    const END: u64 = 1500;
    let site = Site::with(
        shards,
        |namespace| {
            namespace.retention = keeping(100_000);
            namespace.page = 7;
        },
        |_| {},
    )
    .await;
    let (client, first) = site.json("").await;
    client.close().await;

    let address = site.address;
    let begin = since(&first);
    let readers = (1..=6_u64).map(|reader| {
        let begin = begin.clone();
        tokio::spawn(async move {
            let (mut at, mut end) = (begin, 0);
            while end < END {
                let mut client = connect(address, &format!("format=json&{at}")).await;
                assert_eq!(offset(&client.json().await), end);
                // Each leaves after another number of publications.
                for _ in 0..(reader * 13).min(END - end) {
                    let message = client.json().await;
                    end += 1;
                    assert_eq!(offset(&message), end);
                    at = since(&message);
                }
            }
        })
    });
    let readers: Vec<_> = readers.collect();
    for number in 1..=END {
        site.publish([number]).await;
        tokio::task::yield_now().await;
    }
    for reader in readers {
        reader.await.unwrap();
    }
}
