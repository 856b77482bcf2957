//! What may be published, and by whom.

use std::sync::Arc;

use holdwire_hub::{Payload, Since};
use serde_json::json;

use crate::client::frame;
use crate::site::Site;

everywhere! {
    who_may_not_publish_is_told_so,
    what_is_no_json_is_refused_and_the_connection_goes_on,
    a_publisher_that_floods_gets_everything_in_order,
    everybody_sees_the_same_order,
}

async fn who_may_not_publish_is_told_so(shards: usize) {
    let site = Site::with(shards, |namespace| namespace.publish = false, |_| {}).await;
    let mut raw = site.connect("").await;
    let (mut json, _) = site.json("").await;

    raw.send("hello").await;
    json.send("1").await;

    let (_, code, reason) = raw.texts_until_closed().await;
    assert_eq!(
        (code, &*reason),
        (1008, "clients may not publish in this channel")
    );
    assert_eq!(json.json().await["error"]["code"], 103);
    let history = site.hub.history(&site.channel, Since::Oldest, 9).await;
    assert_eq!(history.unwrap().publications, []);
}

async fn what_is_no_json_is_refused_and_the_connection_goes_on(shards: usize) {
    let site = Site::new(shards).await;
    let (mut client, _) = site.json("").await;

    client.send("hello").await;
    client.write(frame(0x82, b"1")).await;
    client.send(r#""hello""#).await;

    assert_eq!(client.json().await["error"]["code"], 107);
    assert_eq!(client.json().await["error"]["code"], 107);
    assert_eq!(client.json().await["data"], json!("hello"));
    let history = site.hub.history(&site.channel, Since::Oldest, 9).await;
    let payload = &history.unwrap().publications[0].payload;
    assert_eq!(*payload, Payload::from("hello"));
}

async fn a_publisher_that_floods_gets_everything_in_order(shards: usize) {
    const COUNT: usize = 3000;
    let site = Site::with(
        shards,
        |_| {},
        // Its own publications always have room.
        |config| config.limits.send_queue = 64 * 1024 * 1024,
    )
    .await;
    let (mut reading, mut writing) = site.connect("").await.split();

    let text = |number: usize| format!("{number} {}", "x".repeat(4000));
    let flood = tokio::spawn(async move {
        use tokio::io::AsyncWriteExt as _;
        for number in 0..COUNT {
            let frame = frame(0x81, text(number).as_bytes());
            writing.write_all(&frame).await.unwrap();
        }
        writing
    });

    for number in 0..COUNT {
        assert_eq!(reading.text().await, text(number));
    }
    drop(flood.await.unwrap());
}

async fn everybody_sees_the_same_order(shards: usize) {
    let site = Arc::new(Site::new(shards).await);
    let mut all = Vec::new();
    for _ in 0..6 {
        all.push(site.json("").await.0);
    }

    for (number, client) in all.iter_mut().enumerate() {
        for round in 0..50 {
            client.send(&format!("[{number},{round}]")).await;
        }
    }

    let mut orders = Vec::new();
    for client in &mut all {
        let mut order = Vec::new();
        for offset in 1..=300 {
            let message = client.json().await;
            assert_eq!(message["offset"], offset);
            order.push(message["data"].clone());
        }
        orders.push(order);
    }
    assert!(orders.iter().all(|order| *order == orders[0]));
    for number in 0..6 {
        let own = orders[0].iter().filter(|data| data[0] == number);
        assert!(
            own.map(|data| &data[1])
                .eq((0..50).map(|round| json!(round)).collect::<Vec<_>>().iter())
        );
    }
}
