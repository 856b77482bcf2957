//! Subscribers that do not keep up.

use holdwire_hub::SlowConsumer;

use crate::site::{Site, keeping, offset, since};

everywhere! {
    who_is_too_slow_is_closed_and_comes_back_without_a_loss,
    who_is_too_slow_where_publications_may_be_left_out_is_told_which,
}

const COUNT: u64 = 400;

/// Publishes more than sockets and queues hold.
async fn flood(site: &Site) {
    for _ in 0..COUNT {
        let payload = "x".repeat(50_000);
        site.hub.publish(&site.channel, &*payload).await.unwrap();
    }
}

async fn who_is_too_slow_is_closed_and_comes_back_without_a_loss(shards: usize) {
    let site = Site::with(
        shards,
        |namespace| namespace.retention = keeping(10_000),
        |config| config.limits.send_queue = 64 * 1024,
    )
    .await;
    let (mut client, first) = site.json("").await;
    flood(&site).await;

    let (texts, code, _) = client.texts_until_closed().await;
    assert_eq!(code, 4208);
    assert!((texts.len() as u64) < COUNT);
    let last = texts.last().map(|text| serde_json::from_str(text).unwrap());
    let last = last.unwrap_or(first);
    let (mut client, position) = site.json(&since(&last)).await;

    assert_eq!(offset(&position), texts.len() as u64);
    for at in offset(&position) + 1..=COUNT {
        assert_eq!(offset(&client.json().await), at);
    }
    assert_eq!(site.hub.counts().slow_closed, 1);
}

async fn who_is_too_slow_where_publications_may_be_left_out_is_told_which(shards: usize) {
    let site = Site::with(
        shards,
        |namespace| namespace.slow = SlowConsumer::Skip,
        |config| config.limits.send_queue = 64 * 1024,
    )
    .await;
    let (mut client, _) = site.json("").await;
    flood(&site).await;

    let (mut at, mut gaps) = (0, 0);
    while at < COUNT {
        let message = client.json().await;
        if let Some(gap) = message.get("gap") {
            assert_eq!(
                (&gap["reason"], &gap["from"]),
                (&"slow".into(), &(at + 1).into())
            );
            at = offset(gap);
            gaps += 1;
        } else {
            at += 1;
            assert_eq!(offset(&message), at);
        }
    }
    assert!(gaps > 0);
    assert_eq!(site.hub.counts().slow, gaps);
}
