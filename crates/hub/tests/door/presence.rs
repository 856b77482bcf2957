//! Who is there, and who comes and goes.

use std::time::Duration;

use serde_json::{Value, json};

use crate::site::Site;

everywhere! {
    who_is_there_is_told_first_and_then_who_comes_and_goes,
    who_has_not_asked_is_not_told,
    who_is_gone_is_seen_for_the_grace_and_comes_back_as_another,
    who_stays_away_for_the_grace_has_left,
}

fn clients(presence: &Value) -> Vec<String> {
    let members = presence["presence"].as_array().unwrap();
    let clients = members.iter().map(|member| &member["client"]);
    clients
        .map(|client| client.as_str().unwrap().to_owned())
        .collect()
}

async fn who_is_there_is_told_first_and_then_who_comes_and_goes(shards: usize) {
    let site = Site::new(shards).await;

    let (mut ann, _) = site.json("presence").await;
    let alone = clients(&ann.json().await);
    let (mut bob, _) = site.json("presence").await;
    let both = clients(&bob.json().await);
    let join = ann.json().await;
    bob.close().await;
    let leave = ann.json().await;

    assert_eq!((alone.len(), both.len()), (1, 2));
    assert!(both.contains(&alone[0]));
    let other = both.iter().find(|client| **client != alone[0]).unwrap();
    let member = json!({"client": other, "user": ""});
    assert_eq!(join, json!({"join": member}));
    assert_eq!(leave, json!({"leave": member}));
    assert_eq!(site.hub.members(&site.channel).await.unwrap().len(), 1);
}

async fn who_has_not_asked_is_not_told(shards: usize) {
    let site = Site::new(shards).await;
    let (mut ann, _) = site.json("").await;

    let bob = site.connect("").await;
    bob.close().await;
    site.publish([1]).await;

    assert_eq!(ann.json().await["data"], "1");
}

async fn who_is_gone_is_seen_for_the_grace_and_comes_back_as_another(shards: usize) {
    let grace = Duration::from_secs(3600);
    let site = Site::with(shards, |chat| chat.grace = grace, |_| {}).await;
    let (mut ann, _) = site.json("presence").await;
    ann.json().await;
    let (bob, _) = site.json("presence").await;
    let first = ann.json().await;

    bob.close().await;
    while site.hub.counts().subscriptions > 1 {
        tokio::task::yield_now().await;
    }
    let (mut bob, _) = site.json("presence").await;
    let there = clients(&bob.json().await);
    let second = ann.json().await;
    site.publish([1]).await;

    // Nothing tells the plain door who comes back: it is a client of its own.
    assert_ne!(second["join"]["client"], first["join"]["client"]);
    for join in [first, second] {
        let client = join["join"]["client"].as_str().unwrap();
        assert!(there.iter().any(|other| other == client), "{join}");
    }
    assert_eq!(there.len(), 3);
    assert_eq!(ann.json().await["data"], "1");
}

async fn who_stays_away_for_the_grace_has_left(shards: usize) {
    let grace = Duration::from_millis(1);
    let site = Site::with(shards, |chat| chat.grace = grace, |_| {}).await;
    let (mut ann, _) = site.json("presence").await;
    ann.json().await;
    let (bob, _) = site.json("presence").await;
    let join = ann.json().await;

    bob.close().await;

    assert_eq!(ann.json().await, json!({"leave": join["join"]}));
}
