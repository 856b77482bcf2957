//! What comes is handed to the session, and what it sends comes back.

use crate::client::frame;
use crate::site::{Site, Told, within};

everywhere! {
    every_kind_of_message_comes_back,
    ten_thousand_messages_at_once_come_back_in_order,
    a_session_that_pauses_gets_the_rest_when_it_is_resumed,
    a_peer_that_sends_and_does_not_read_gets_everything_in_the_end,
    a_session_that_panics_ends_with_1011_and_no_other_notices,
    a_session_that_panics_again_when_it_is_dropped_harms_no_other,
    a_violation_is_told,
    a_peer_that_leaves_without_a_word_is_noticed,
}

async fn every_kind_of_message_comes_back(shards: usize) {
    let mut site = Site::new(shards).await;
    let (mut client, _) = site.connect().await;

    for text in ["", "hello", "Grüße, 世界"] {
        client.send(text).await;
        assert_eq!(client.text().await, text);
    }
    for length in [0, 1, 125, 126, 65_535, 65_536, 1024 * 1024] {
        let payload = vec![7; length];
        client.write(frame(0x82, &payload)).await;
        assert_eq!(client.frame().await.unwrap(), (0x82, payload.into()));
    }
    client.write(frame(0x01, b"in ")).await;
    client.write(frame(0x89, b"ping")).await;
    assert_eq!(client.frame().await.unwrap(), (0x8A, "ping".into()));
    client.write(frame(0x00, b"three ")).await;
    client.write(frame(0x80, b"parts")).await;
    assert_eq!(client.text().await, "in three parts");
}

async fn ten_thousand_messages_at_once_come_back_in_order(shards: usize) {
    let mut site = Site::new(shards).await;
    let (mut client, _) = site.connect().await;
    let texts: Vec<String> = (0..10_000).map(|number| number.to_string()).collect();
    let input: Vec<u8> = texts
        .iter()
        .flat_map(|text| frame(0x81, text.as_bytes()))
        .collect();

    client.write(input).await;

    for text in texts {
        assert_eq!(client.text().await, text);
    }
}

async fn a_session_that_pauses_gets_the_rest_when_it_is_resumed(shards: usize) {
    let mut site = Site::new(shards).await;
    let (mut client, mut arrival) = site.connect().await;

    for round in 0..20 {
        let both = [frame(0x81, b"pause"), frame(0x81, b"kept")].concat();
        client.write(both).await;
        client.send(&format!("later {round}")).await;
        arrival.until(Told::Text("pause".to_owned())).await;
        arrival.remote.resume();
        assert_eq!(client.text().await, "kept");
        assert_eq!(client.text().await, format!("later {round}"));
    }
}

async fn a_peer_that_sends_and_does_not_read_gets_everything_in_the_end(shards: usize) {
    let mut site = Site::new(shards).await;
    let (client, _) = site.connect().await;
    let (mut reading, mut writing) = client.split();

    // Far more than all buffers on the way hold, so that the server has to stop reading.
    let payload = vec![1; 100_000];
    let message = frame(0x82, &payload);
    let sent = tokio::spawn(async move {
        for _ in 0..200 {
            tokio::io::AsyncWriteExt::write_all(&mut writing, &message)
                .await
                .unwrap();
        }
        writing
    });
    while site.handle.queued() < 1024 * 1024 {
        tokio::task::yield_now().await;
    }

    for _ in 0..200 {
        let limit = 1024 * 1024 + 2 * 100_014;
        assert!(site.handle.queued() <= limit, "{}", site.handle.queued());
        assert_eq!(reading.frame().await.unwrap().1.len(), payload.len());
    }
    drop(sent.await.unwrap());
    drop(reading);
    site.empty().await;
}

async fn a_session_that_panics_ends_with_1011_and_no_other_notices(shards: usize) {
    let mut site = Site::new(shards).await;
    let mut others = Vec::new();
    for _ in 0..4 {
        others.push(site.connect().await);
    }
    let (mut client, mut arrival) = site.connect().await;

    client.send("panic").await;

    assert_eq!(client.closed().await, 1011);
    arrival.gone().await;
    for (client, _) in &mut others {
        client.send("still here").await;
        assert_eq!(client.text().await, "still here");
    }
}

async fn a_session_that_panics_again_when_it_is_dropped_harms_no_other(shards: usize) {
    let mut site = Site::new(shards).await;
    let (mut other, mut others) = site.connect().await;
    let (mut client, mut arrival) = site.connect().await;

    client.send("brittle").await;
    client.send("panic").await;

    assert_eq!(client.closed().await, 1011);
    arrival.gone().await;
    other.send("still here").await;
    assert_eq!(other.text().await, "still here");
    other.close().await;
    others.gone().await;
    drop(client);
    site.empty().await;
}

// Not in tasks: there nobody looks at the transport of a paused session.
#[tokio::test]
async fn a_paused_session_on_a_shard_whose_peer_resets_is_gone_without_being_resumed() {
    let mut site = Site::new(1).await;
    let (mut client, mut arrival) = site.connect().await;
    client.send("pause").await;
    arrival.until(Told::Text("pause".to_owned())).await;

    client.reset();

    within(arrival.gone()).await;
    within(site.empty()).await;
}

async fn a_violation_is_told(shards: usize) {
    let mut site = Site::new(shards).await;
    let (mut client, mut arrival) = site.connect().await;

    client.write(b"\x81\x02hi").await;

    let (_, code, reason) = client.texts_until_closed().await;
    assert_eq!((code, &*reason), (1002, "client frame is not masked"));
    client.end().await;
    drop(client);
    arrival.gone().await;
}

async fn a_peer_that_leaves_without_a_word_is_noticed(shards: usize) {
    let mut site = Site::new(shards).await;
    let (mut client, mut arrival) = site.connect().await;
    client.send("last words").await;

    drop(client);

    arrival.until(Told::Text("last words".to_owned())).await;
    arrival.gone().await;
    site.empty().await;
}
