//! Whoever joins while others publish misses none and sees none twice.

use serde_json::json;

use crate::site::{Site, connect, keeping, offset};

everywhere! {
    the_first_message_is_the_position_also_of_an_empty_channel,
    who_joins_while_others_publish_gets_everything_from_its_position_on,
    a_message_that_comes_right_after_opening_is_received_by_its_sender,
    the_last_to_leave_and_the_next_to_come_do_not_disturb_each_other,
    subscribers_of_both_formats_get_the_same,
}

async fn the_first_message_is_the_position_also_of_an_empty_channel(shards: usize) {
    let site = Site::new(shards).await;

    let (mut client, first) = site.json("").await;
    assert_eq!(first["offset"], 0);
    let position = site.publish([1]).await;

    let epoch = position.epoch.to_string();
    assert_eq!(first, json!({"epoch": epoch, "offset": 0}));
    let publication = json!({"offset": 1, "epoch": epoch, "data": "1"});
    assert_eq!(client.json().await, publication);
}

async fn who_joins_while_others_publish_gets_everything_from_its_position_on(shards: usize) {
    const PUBLISHERS: u64 = 3;
    const EACH: u64 = 500;
    let site = Site::with(shards, |namespace| namespace.retention = keeping(5), |_| {}).await;

    let publishers = (0..PUBLISHERS).map(|_| {
        let (hub, channel) = (site.hub.clone(), site.channel.clone());
        tokio::spawn(async move {
            for number in 0..EACH {
                hub.publish(&channel, &*number.to_string()).await.unwrap();
                tokio::task::yield_now().await;
            }
        })
    });
    let publishers: Vec<_> = publishers.collect();
    let address = site.address;
    let joiners = (0..24).map(|_| {
        tokio::spawn(async move {
            let mut client = connect(address, "format=json").await;
            let mut at = offset(&client.json().await);
            while at < PUBLISHERS * EACH {
                at += 1;
                assert_eq!(offset(&client.json().await), at);
            }
        })
    });

    for joiner in joiners.collect::<Vec<_>>() {
        joiner.await.unwrap();
    }
    for publisher in publishers {
        publisher.await.unwrap();
    }
}

async fn a_message_that_comes_right_after_opening_is_received_by_its_sender(shards: usize) {
    let nothing_kept = |namespace: &mut holdwire_hub::Namespace| {
        namespace.retention = holdwire_hub::Retention::NONE;
    };
    let site = Site::with(shards, nothing_kept, |_| {}).await;

    for number in 0..50 {
        let mut client = site.connect("").await;
        let text = number.to_string();
        client.send(&text).await;
        assert_eq!(client.text().await, text);
        client.close().await;
    }
}

async fn the_last_to_leave_and_the_next_to_come_do_not_disturb_each_other(shards: usize) {
    let site = Site::new(shards).await;

    let address = site.address;
    let visitors = (0..8).map(|visitor| {
        tokio::spawn(async move {
            for round in 0..30 {
                let text = format!("{visitor} {round}");
                let mut client = connect(address, "").await;
                client.send(&text).await;
                while client.text().await != text {}
                client.close().await;
            }
        })
    });
    for visitor in visitors.collect::<Vec<_>>() {
        visitor.await.unwrap();
    }

    site.empty().await;
    assert_eq!(site.hub.counts().publications, 240);
}

async fn subscribers_of_both_formats_get_the_same(shards: usize) {
    let site = Site::new(shards).await;
    let mut raw = site.connect("").await;
    let (mut json, _) = site.json("").await;

    // What comes back shows that it has joined.
    raw.send("there").await;
    assert_eq!(raw.text().await, "there");
    assert_eq!(json.json().await["data"], "there");
    json.send(r#"{"a":1}"#).await;
    raw.write(crate::client::frame(0x82, b"\0\xff")).await;

    let mut frames = [raw.frame().await.unwrap(), raw.frame().await.unwrap()];
    frames.sort();
    assert_eq!(frames[0], (0x81, r#"{"a":1}"#.into()));
    assert_eq!(frames[1], (0x82, b"\0\xff".as_slice().into()));
    for _ in 0..2 {
        let message = json.json().await;
        assert!(message["data"] == json!({"a": 1}) || message["base64"] == "AP8=");
    }
}
