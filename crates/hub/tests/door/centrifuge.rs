//! The Centrifuge client protocol.

use std::collections::BTreeSet;

use holdwire_hub::{Access, Position, Retention};
use serde_json::{Value, json};

use crate::client::{Client, frame};
use crate::site::{Site, keeping};
use crate::stranger::Stranger;

everywhere! {
    commands_behind_connect_wait_until_it_is_decided,
    channels_of_a_member_are_in_the_reply_to_connect_with_their_recovery,
    more_than_a_page_that_was_missed_follows_as_publications,
    a_position_that_is_void_gives_the_newest_one,
    a_channel_that_keeps_nothing_cannot_be_recovered,
    a_new_log_ends_the_subscription_before_anything_of_it,
    who_is_too_slow_is_told_to_come_back,
    a_server_that_goes_down_says_so,
    who_does_not_answer_pings_is_closed,
    tokens_end_connections_in_the_words_of_the_protocol,
    a_subscription_lapses_unless_another_token_is_shown,
    questions_are_answered_and_what_nobody_takes_ends_the_connection,
    history_goes_forwards_and_backwards_and_tells_of_void_positions,
    who_is_there_and_who_comes_and_goes_is_told,
    subprotocols_that_are_not_known_are_passed_over,
    what_is_no_command_ends_the_connection,
    commands_that_are_not_served_are_refused,
    bytes_are_base64_in_json_and_themselves_in_protobuf,
}

fn recover(position: Position) -> Value {
    json!({"recover": true, "epoch": position.epoch.to_string(), "offset": position.offset})
}

async fn commands_behind_connect_wait_until_it_is_decided(shards: usize) {
    let site = Site::new(shards).await;
    let mut stranger = Stranger::open(&site).await;
    stranger
        .say(
            "{\"id\":1,\"connect\":{\"token\":\"ann\"}}\n{\"id\":2,\"subscribe\":{\"channel\":\"chat:a\"}}\n\
             {\"id\":3,\"publish\":{\"channel\":\"chat:a\",\"data\":\"hello\"}}",
        )
        .await;

    assert!(stranger.next().await["connect"]["client"].is_string());
    // Replies come in any order, and a subscription begins when its reply says so: perhaps behind
    // the publication.
    let mut rest = BTreeSet::from([2, 3]);
    while !rest.is_empty() {
        let message = stranger.next().await;
        assert!(message["error"].is_null(), "{message}");
        rest.remove(&message["id"].as_u64().unwrap_or_default());
    }
}

async fn channels_of_a_member_are_in_the_reply_to_connect_with_their_recovery(shards: usize) {
    let site = Site::new(shards).await;
    let channel = "chat:members".parse().unwrap();
    let first = site.hub.publish(&channel, "1").await.unwrap().position;
    site.hub.publish(&channel, "2").await.unwrap();
    let connect = json!({"token": "member", "subs": {"chat:members": recover(first)}});
    let (mut stranger, reply) = Stranger::connect(&site, connect).await;

    let sub = &reply["subs"]["chat:members"];
    assert_eq!(
        (&sub["recovered"], &sub["offset"]),
        (&json!(true), &json!(1))
    );
    let push = stranger.next().await;
    assert_eq!(push["push"]["channel"], "chat:members");
    assert_eq!(push["push"]["pub"]["offset"], 2);
}

async fn more_than_a_page_that_was_missed_follows_as_publications(shards: usize) {
    let site = Site::with(shards, |chat| chat.page = 3, |_| {}).await;
    let first = site.publish(1..=1).await;
    site.publish(2..=20).await;
    let (mut stranger, reply) = Stranger::subscribed(&site, recover(first)).await;

    assert_eq!(reply["recovered"], true, "{reply}");
    assert_eq!(
        (&reply["offset"], &reply["recoverable"]),
        (&json!(1), &json!(true))
    );
    assert!(reply["publications"].is_null());
    site.publish(21..=22).await;
    assert_eq!(stranger.offsets(21).await, (2..=22).collect::<Vec<_>>());
}

async fn a_position_that_is_void_gives_the_newest_one(shards: usize) {
    let site = Site::with(shards, |chat| chat.retention = keeping(2), |_| {}).await;
    let first = site.publish(1..=1).await;
    let top = site.publish(2..=9).await;
    for void in [
        recover(first),
        json!({"recover": true, "epoch": "of another server", "offset": 3}),
        json!({"recover": true, "epoch": "", "offset": 0}),
    ] {
        let (_stranger, reply) = Stranger::subscribed(&site, void).await;

        assert_eq!(reply["was_recovering"], true, "{reply}");
        assert!(reply["recovered"].is_null(), "{reply}");
        assert_eq!(reply["offset"], top.offset);
        assert_eq!(reply["epoch"], top.epoch.to_string());
    }
}

async fn a_channel_that_keeps_nothing_cannot_be_recovered(shards: usize) {
    let site = Site::with(shards, |chat| chat.retention = Retention::NONE, |_| {}).await;
    let (mut stranger, reply) = Stranger::subscribed(&site, json!({})).await;
    site.publish(1..=1).await;

    assert!(reply["recoverable"].is_null(), "{reply}");
    assert!(reply["positioned"].is_null(), "{reply}");
    assert_eq!(stranger.offsets(1).await, [1]);
}

async fn a_new_log_ends_the_subscription_before_anything_of_it(shards: usize) {
    let site = Site::new(shards).await;
    let (mut stranger, _) = Stranger::subscribed(&site, json!({})).await;
    let last = site.publish(1..=2).await;
    assert_eq!(stranger.offsets(2).await, [1, 2]);
    site.memory.lose(&site.channel);
    site.publish(1..=1).await;

    let push = stranger.push().await;
    assert_eq!(push["unsubscribe"]["code"], 2500, "{push}");
    let reply = stranger.subscribe(recover(last)).await;
    assert!(reply["recovered"].is_null(), "{reply}");
    assert_eq!(reply["offset"], 1);
}

async fn who_is_too_slow_is_told_to_come_back(shards: usize) {
    let site = Site::with(
        shards,
        |_| {},
        |config| config.limits.send_queue = 64 * 1024,
    )
    .await;
    let (mut stranger, _) = Stranger::subscribed(&site, json!({})).await;
    for _ in 0..400 {
        let payload = "x".repeat(50_000);
        site.hub.publish(&site.channel, &*payload).await.unwrap();
    }

    assert_eq!(stranger.end().await.1, 3008);
    assert_eq!(site.hub.counts().slow_closed, 1);
}

async fn a_server_that_goes_down_says_so(shards: usize) {
    let site = Site::new(shards).await;
    let (mut stranger, _) = Stranger::subscribed(&site, json!({})).await;
    site.go_down();

    assert_eq!(stranger.end().await, (vec![], 3001));
}

async fn who_does_not_answer_pings_is_closed(shards: usize) {
    let site = Site::new(shards).await;
    let (mut client, _) = Client::connect(site.address, "/connection/pinged").await;
    client.send(r#"{"id":1,"connect":{}}"#).await;
    let reply = client.json().await;
    assert_eq!(
        (&reply["connect"]["ping"], &reply["connect"]["pong"]),
        (&json!(1), &json!(true))
    );
    assert_eq!(client.text().await, "{}");
    client.send("{}").await;

    let (texts, code, _) = client.texts_until_closed().await;
    assert_eq!(
        (texts, code),
        (vec!["{}".to_owned(), "{}".to_owned()], 3012)
    );
}

async fn tokens_end_connections_in_the_words_of_the_protocol(shards: usize) {
    let site = Site::new(shards).await;
    for (token, ends) in [("forged", 3500), ("short", 3005)] {
        let mut stranger = Stranger::open(&site).await;
        let connect = json!({"id": 1, "connect": {"token": token}});
        stranger.say(&connect.to_string()).await;
        assert_eq!(stranger.end().await.1, ends, "{token}");
    }
    for (token, code) in [("old", 109), ("away", 100)] {
        let (_stranger, reply) = Stranger::connect(&site, json!({"token": token})).await;
        assert_eq!(reply, json!({"error": code}), "{token}");
    }
    let (mut stranger, _) = Stranger::connect(&site, json!({"token": "ann"})).await;
    let reply = stranger.ask("refresh", json!({"token": "ann"})).await;
    assert_eq!(reply, json!({"expires": true, "ttl": 3600}));
    stranger
        .say(r#"{"id":9,"refresh":{"token":"forged"}}"#)
        .await;
    assert_eq!(stranger.end().await.1, 3500);
}

async fn a_subscription_lapses_unless_another_token_is_shown(shards: usize) {
    let site = Site::with(shards, |chat| chat.access = Access::Token, |_| {}).await;
    let (mut stranger, _) = Stranger::connect(&site, json!({"token": "ann"})).await;
    let refresh = json!({"channel": "chat:a", "token": "yes"});
    let none = stranger.ask("sub_refresh", refresh.clone()).await;
    assert_eq!(none, json!({"error": 107}));
    let reply = stranger.subscribe(json!({"token": "short"})).await;
    assert_eq!(reply["expires"], true, "{reply}");

    let push = stranger.push().await;
    assert_eq!(push["unsubscribe"]["code"], 2609, "{push}");
    let reply = stranger.subscribe(json!({"token": "yes"})).await;
    assert!(reply["expires"].is_null(), "{reply}");
    assert_eq!(stranger.ask("sub_refresh", refresh).await, json!({}));
    let forged = json!({"channel": "chat:a", "token": "forged"});
    assert_eq!(
        stranger.ask("sub_refresh", forged).await,
        json!({"error": 103})
    );
}

async fn questions_are_answered_and_what_nobody_takes_ends_the_connection(shards: usize) {
    let site = Site::new(shards).await;
    let (mut stranger, _) = Stranger::connect(&site, json!({})).await;
    let echo = json!({"method": "echo", "data": {"a": [1]}});
    assert_eq!(stranger.ask("rpc", echo).await, json!({"data": {"a": [1]}}));
    assert_eq!(
        stranger.ask("rpc", json!({"method": "?"})).await,
        json!({"error": 104})
    );
    stranger.say(r#"{"send":{"data":1}}"#).await;

    assert_eq!(stranger.end().await, (vec![], 3508));
}

async fn history_goes_forwards_and_backwards_and_tells_of_void_positions(shards: usize) {
    let site = Site::with(
        shards,
        |chat| {
            chat.history = true;
            chat.page = 4;
            chat.retention = keeping(6);
        },
        |_| {},
    )
    .await;
    let top = site.publish(1..=9).await;
    let epoch = top.epoch.to_string();
    let (mut stranger, _) = Stranger::connect(&site, json!({})).await;
    let since = |offset: u64| json!({"offset": offset, "epoch": epoch});
    for (ask, offsets) in [
        (json!({"limit": -1}), vec![4, 5, 6, 7]),
        (json!({"limit": 0}), vec![]),
        (json!({"limit": 2}), vec![4, 5]),
        (json!({"limit": 100, "since": since(7)}), vec![8, 9]),
        (json!({"limit": 3, "reverse": true}), vec![9, 8, 7]),
        (
            json!({"limit": 3, "reverse": true, "since": since(6)}),
            vec![5, 4],
        ),
    ] {
        let mut asked = ask.clone();
        asked["channel"] = json!("chat:a");
        let reply = stranger.ask("history", asked).await;
        let found = reply["publications"].as_array().unwrap();
        let found: Vec<u64> = found
            .iter()
            .map(|at| at["offset"].as_u64().unwrap())
            .collect();
        assert_eq!(found, offsets, "{ask}");
        assert_eq!(
            (&reply["epoch"], &reply["offset"]),
            (&json!(epoch), &json!(9))
        );
    }
    for void in [
        json!({"channel": "chat:a", "limit": 9, "since": since(1)}),
        json!({"channel": "chat:a", "limit": 9, "since": {"offset": 5, "epoch": "x"}}),
        json!({"channel": "chat:a", "limit": 9, "reverse": true, "since": {"offset": 5, "epoch": "x"}}),
    ] {
        assert_eq!(stranger.ask("history", void).await, json!({"error": 112}));
    }
}

async fn who_is_there_and_who_comes_and_goes_is_told(shards: usize) {
    let site = Site::new(shards).await;
    let (mut ann, reply) = Stranger::connect(&site, json!({"token": "ann"})).await;
    let client = reply["client"].as_str().unwrap().to_owned();
    ann.subscribe(json!({"join_leave": true})).await;
    let (mut bob, _) = Stranger::connect(&site, json!({"token": "bob"})).await;
    bob.subscribe(json!({})).await;
    assert_eq!(ann.push().await["join"]["info"]["user"], "bob");

    let stats = ann
        .ask("presence_stats", json!({"channel": "chat:a"}))
        .await;
    assert_eq!(stats, json!({"num_clients": 2, "num_users": 2}));
    let who = ann.ask("presence", json!({"channel": "chat:a"})).await;
    assert_eq!(who["presence"][&client]["user"], "ann");
    bob.client.close().await;
    assert_eq!(ann.push().await["leave"]["info"]["user"], "bob");
}

async fn subprotocols_that_are_not_known_are_passed_over(shards: usize) {
    let site = Site::new(shards).await;
    let target = "/connection/websocket";
    let offer = "Sec-WebSocket-Protocol: stranger\r\n";
    let (mut client, head) = Client::connect_with(site.address, target, offer).await;
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    assert!(
        !head.to_ascii_lowercase().contains("sec-websocket-protocol"),
        "{head}"
    );
    client.send(r#"{"id":1,"connect":{}}"#).await;
    assert!(client.json().await["connect"].is_object());
}

async fn what_is_no_command_ends_the_connection(shards: usize) {
    let site = Site::new(shards).await;
    for text in [
        "[]",
        "x",
        r#"{"id":1}x"#,
        r#"{"id":0,"connect":{}}"#,
        r#"{"id":-1,"connect":{}}"#,
        r#"{"id":1,"connect":5}"#,
        r#"{"id":1,"subscribe":{"channel":"chat:a"}}"#,
        r#"{"id":1,"connect":{},"ping":{}}"#,
    ] {
        let mut stranger = Stranger::open(&site).await;
        stranger.say(text).await;
        assert_eq!(stranger.end().await.1, 3501, "{text}");
    }
    let mut stranger = Stranger::open(&site).await;
    stranger.say_bytes(br#"{"id":1,"connect":{}}"#).await;
    assert_eq!(stranger.end().await.1, 3501);
    for payload in [
        frame(0x81, b"{}"),
        frame(0x82, &[9, 8]),
        frame(0x82, &[0xFF; 12]),
    ] {
        let mut client = protobuf(&site).await;
        client.write(payload).await;
        assert_eq!(client.texts_until_closed().await.1, 3501);
    }
}

async fn commands_that_are_not_served_are_refused(shards: usize) {
    let site = Site::new(shards).await;
    let (mut stranger, _) = Stranger::connect(&site, json!({})).await;
    for (name, members, code) in [
        ("subscribe", json!({"channel": "chat:a", "type": 1}), 108),
        (
            "subscribe",
            json!({"channel": "chat:a", "tf": {"op": "eq"}}),
            108,
        ),
        (
            "publish",
            json!({"channel": "chat:a", "type": 1, "data": 1}),
            108,
        ),
        ("sub_refresh", json!({"channel": "chat:a", "type": 1}), 108),
        ("subscribe", json!({"channel": "nowhere:a"}), 102),
        ("subscribe", json!({}), 107),
        ("publish", json!({"channel": "chat:a"}), 107),
        ("connect", json!({}), 107),
        ("what", json!({}), 104),
    ] {
        let reply = stranger.ask(name, members.clone()).await;
        assert_eq!(reply, json!({"error": code}), "{name} {members}");
    }
    let delta = stranger
        .subscribe(json!({"delta": "fossil", "flag": 7}))
        .await;
    assert!(delta["epoch"].is_string(), "{delta}");
    assert_eq!(stranger.subscribe(json!({})).await, json!({"error": 105}));
}

async fn bytes_are_base64_in_json_and_themselves_in_protobuf(shards: usize) {
    let site = Site::new(shards).await;
    let mut publisher = protobuf(&site).await;
    // `connect` and `subscribe` in one message, then `publish` with two bytes that are no JSON.
    let connect = [4, 0x08, 1, 0x22, 0];
    let subscribe = [&[12, 0x08, 2, 0x2A, 8, 0x0A, 6][..], b"chat:a"].concat();
    let publish = [&[16, 0x08, 3, 0x3A, 12, 0x0A, 6][..], b"chat:a"].concat();
    let publish = [&publish[..], &[0x12, 2, 0xFE, 0xFF]].concat();
    let (mut stranger, _) = Stranger::subscribed(&site, json!({})).await;
    let message = [&connect[..], &subscribe].concat();
    publisher.write(frame(0x82, &message)).await;
    until(&mut publisher, &[0x08, 2, 0x32]).await;
    publisher.write(frame(0x82, &publish)).await;

    let push = stranger.push().await;
    let coded = json!({"data": "/v8=", "offset": 1, "tags": {"encoding": "base64"}});
    assert_eq!(push["pub"], coded);
    until(&mut publisher, &[0x22, 2, 0xFE, 0xFF]).await;
}

/// Reads binary messages until one has these bytes.
async fn until(client: &mut Client, bytes: &[u8]) {
    loop {
        let (first, payload) = client.frame().await.unwrap();
        assert_eq!(first, 0x82);
        if payload.windows(bytes.len()).any(|found| found == bytes) {
            return;
        }
    }
}

async fn protobuf(site: &Site) -> Client {
    let offer = "Sec-WebSocket-Protocol: centrifuge-protobuf\r\n";
    let (client, head) = Client::connect_with(site.address, "/connection/websocket", offer).await;
    assert!(head.contains("centrifuge-protobuf"), "{head}");
    client
}
