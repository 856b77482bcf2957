//! Subscriptions of the session protocol.

use holdwire_hub::SlowConsumer;
use serde_json::{Value, json};

use crate::site::{Site, keeping};
use crate::speaking::Speaker;

everywhere! {
    a_subscription_begins_with_what_is_published_next,
    what_was_missed_comes_page_by_page_and_then_what_is_published,
    what_cannot_be_had_any_more_is_told_in_the_reply,
    one_connection_has_many_channels,
    a_subscription_that_is_ended_gets_nothing_and_may_begin_again,
    a_channel_whose_log_changes_ends_alone_and_is_read_again,
    a_refused_subscription_says_why,
    publications_while_a_subscription_begins_come_once,
    a_reader_that_is_too_slow_is_told_what_was_left_out,
    a_ping_tells_where_the_log_is_and_ends_what_is_ahead_of_it,
    all_doors_share_a_channel,
}

fn since(epoch: &Value, offset: u64) -> Value {
    json!({"epoch": epoch, "offset": offset})
}

async fn a_subscription_begins_with_what_is_published_next(shards: usize) {
    let site = Site::new(shards).await;
    let position = site.publish([1]).await;
    let epoch = json!(position.epoch.to_string());

    let (mut speaker, reply) = Speaker::subscribed(&site, json!({})).await;
    site.publish([2]).await;

    assert_eq!(reply, since(&epoch, 1));
    let publication = json!({"pub": {"offset": 2, "data": "2"}});
    assert_eq!(speaker.push().await, publication);
}

async fn what_was_missed_comes_page_by_page_and_then_what_is_published(shards: usize) {
    let site = Site::with(shards, |chat| chat.page = 7, |_| {}).await;
    let begin = site.publish([1]).await;
    let epoch = json!(begin.epoch.to_string());
    site.publish(2..=50).await;

    let (mut speaker, reply) = Speaker::subscribed(&site, since(&epoch, 1)).await;

    let expected = json!({"epoch": epoch, "offset": 1, "recovered": true, "more": true});
    assert_eq!(reply, expected);
    assert_eq!(speaker.offsets(49).await, (2..=50).collect::<Vec<_>>());
    assert_eq!(speaker.push().await, json!({"live": {"offset": 50}}));
    site.publish([51]).await;
    assert_eq!(speaker.offsets(1).await, [51]);
    assert_eq!(site.hub.counts().replays, 49);
}

async fn what_cannot_be_had_any_more_is_told_in_the_reply(shards: usize) {
    let site = Site::with(shards, |chat| chat.retention = keeping(10), |_| {}).await;
    let epoch = json!(site.publish(1..=30).await.epoch.to_string());

    let (mut speaker, reply) = Speaker::subscribed(&site, since(&epoch, 5)).await;

    let gap = json!({"reason": "expired", "from": 6, "to": 20, "epoch": epoch, "offset": 20});
    let expected =
        json!({"epoch": epoch, "offset": 20, "recovered": false, "gap": gap, "more": true});
    assert_eq!(reply, expected);
    assert_eq!(speaker.offsets(10).await, (21..=30).collect::<Vec<_>>());
}

async fn one_connection_has_many_channels(shards: usize) {
    let site = Site::new(shards).await;
    let (mut speaker, _) = Speaker::connect(&site, json!({})).await;
    for number in 0..128 {
        let channel = format!("chat:{number}");
        let reply = speaker.ask("subscribe", json!({"channel": channel})).await;
        assert_eq!(reply["offset"], 0, "{reply}");
    }
    let reply = speaker
        .ask("subscribe", json!({"channel": "chat:more"}))
        .await;
    assert_eq!(reply, json!({"error": 106}));

    for number in [3, 127, 64] {
        let channel = format!("chat:{number}").parse().unwrap();
        site.hub.publish(&channel, "hello").await.unwrap();
        let push = speaker.client.json().await;
        assert_eq!(push["push"]["channel"], format!("chat:{number}"));
    }
}

async fn a_subscription_that_is_ended_gets_nothing_and_may_begin_again(shards: usize) {
    let site = Site::new(shards).await;
    let (mut speaker, _) = Speaker::subscribed(&site, json!({})).await;

    let reply = speaker
        .ask("unsubscribe", json!({"channel": "chat:a"}))
        .await;
    site.publish([1, 2]).await;
    let again = speaker.ask("subscribe", json!({"channel": "chat:a"})).await;
    site.publish([3]).await;

    assert_eq!((reply, &again["offset"]), (json!({}), &json!(2)));
    assert_eq!(speaker.offsets(1).await, [3]);
}

async fn a_channel_whose_log_changes_ends_alone_and_is_read_again(shards: usize) {
    let site = Site::new(shards).await;
    let epoch = json!(site.publish(1..=3).await.epoch.to_string());
    let (mut speaker, _) = Speaker::subscribed(&site, since(&epoch, 3)).await;
    speaker.ask("subscribe", json!({"channel": "chat:b"})).await;

    site.memory.fork(&site.channel, 2);
    let push = speaker.push().await;
    let reply = since(&epoch, 3);
    let reply = json!({"channel": "chat:a", "epoch": reply["epoch"], "offset": 3});
    let reply = speaker.ask("subscribe", reply).await;
    site.publish([4]).await;

    assert_eq!(push["unsubscribe"]["code"], 2500, "{push}");
    assert_eq!(reply["gap"]["reason"], "diverged", "{reply}");
    assert_eq!(reply["gap"]["fork"], 2, "{reply}");
    assert_eq!(speaker.offsets(1).await, [3]);
    let other = "chat:b".parse().unwrap();
    site.hub.publish(&other, "still here").await.unwrap();
    assert_eq!(speaker.client.json().await["push"]["channel"], "chat:b");
}

async fn a_refused_subscription_says_why(shards: usize) {
    let site = Site::with(shards, |chat| chat.presence = false, |_| {}).await;
    let (mut speaker, _) = Speaker::subscribed(&site, json!({})).await;

    for (subscribe, code) in [
        (json!({"channel": "chat:a"}), 105),
        (json!({"channel": "news:a"}), 102),
        (json!({"channel": ""}), 107),
        (json!({"channel": "chat:b", "offset": 1}), 107),
        (json!({"channel": "chat:b", "epoch": "x", "offset": 1}), 107),
        (json!({"channel": "chat:b", "join_leave": true}), 103),
    ] {
        let reply = speaker.ask("subscribe", subscribe.clone()).await;
        assert_eq!(reply, json!({"error": code}), "{subscribe}");
    }
    // What `connect` asks for is answered by pushes.
    let subs = json!({"subs": {"news:a": {}}});
    let (mut other, _) = Speaker::connect(&site, subs).await;
    let push = other.client.json().await;
    assert_eq!(push["push"]["unsubscribe"]["code"], 2102);
}

async fn publications_while_a_subscription_begins_come_once(shards: usize) {
    let site = Site::with(shards, |chat| chat.page = 3, |_| {}).await;
    let epoch = json!(site.publish(1..=20).await.epoch.to_string());
    let (mut speaker, _) = Speaker::connect(&site, json!({})).await;
    let subscribe = json!({"channel": "chat:a", "epoch": epoch, "offset": 0});

    speaker.say("subscribe", subscribe).await;
    site.publish(21..=200).await;

    let mut offsets = Vec::new();
    while offsets.len() < 200 {
        let message = speaker.client.json().await;
        offsets.extend(message["push"]["pub"]["offset"].as_u64());
    }
    assert_eq!(offsets, (1..=200).collect::<Vec<_>>());
}

async fn a_reader_that_is_too_slow_is_told_what_was_left_out(shards: usize) {
    let skip = |config: &mut holdwire::Config| config.limits.send_queue = 64 * 1024;
    let site = Site::with(shards, |chat| chat.slow = SlowConsumer::Skip, skip).await;
    let (mut speaker, _) = Speaker::subscribed(&site, json!({})).await;
    let large = "x".repeat(20_000);

    for _ in 0..500 {
        site.hub.publish(&site.channel, &*large).await.unwrap();
    }

    let (mut next, mut gaps) = (1, 0);
    while next <= 500 {
        let push = speaker.push().await;
        if let Some(offset) = push["pub"]["offset"].as_u64() {
            assert_eq!(offset, next);
            next += 1;
        } else {
            assert_eq!(push["gap"]["reason"], "slow", "{push}");
            assert_eq!(push["gap"]["from"], next);
            next = push["gap"]["to"].as_u64().unwrap() + 1;
            gaps += 1;
        }
    }
    assert!(gaps > 0);
}

async fn a_ping_tells_where_the_log_is_and_ends_what_is_ahead_of_it(shards: usize) {
    let site = Site::new(shards).await;
    site.publish(1..=3).await;
    let (mut speaker, _) = Speaker::subscribed(&site, json!({})).await;

    let reply = speaker
        .ask("ping", json!({"at": {"chat:a": 3, "chat:b": 1}}))
        .await;
    let ahead = speaker.ask("ping", json!({"at": {"chat:a": 4}})).await;

    assert_eq!(reply, json!({"top": {"chat:a": 3}}));
    assert_eq!(ahead, reply);
    assert_eq!(speaker.push().await["unsubscribe"]["code"], 2500);
}

async fn all_doors_share_a_channel(shards: usize) {
    let site = Site::new(shards).await;
    let (mut speaker, _) = Speaker::subscribed(&site, json!({})).await;
    let (mut page, _) = site.json("").await;

    page.send("[1,2]").await;
    assert_eq!(page.json().await["data"], json!([1, 2]));
    assert_eq!(speaker.push().await["pub"]["data"], json!([1, 2]));
    let publish = json!({"channel": "chat:a", "base64": "AP8="});
    speaker.say("publish", publish).await;

    assert_eq!(page.json().await["base64"], "AP8=");
    let both = [speaker.client.json().await, speaker.client.json().await];
    assert!(both.iter().any(|message| message["publish"]["offset"] == 2));
    assert!(
        both.iter()
            .any(|message| message["push"]["pub"]["base64"] == "AP8=")
    );
}
