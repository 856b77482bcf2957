//! Who is there, and who comes and goes.

use serde_json::{Value, json};

use crate::site::Site;

everywhere! {
    who_is_there_is_told_first_and_then_who_comes_and_goes,
    who_has_not_asked_is_not_told,
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
