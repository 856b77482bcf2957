//! Who a client of the session protocol is, and what it may say.

use std::time::Duration;

use serde_json::{Value, json};

use crate::client::{Client, frame};
use crate::site::{Site, keeping};
use crate::speaking::Speaker;

everywhere! {
    a_session_goes_on_in_another_connection_once,
    a_session_takes_the_place_of_a_connection_that_is_not_known_to_be_lost,
    whoever_comes_back_in_time_has_not_left,
    whoever_stays_away_leaves,
    whoever_goes_on_purpose_leaves_at_once,
    a_publication_that_is_repeated_is_published_once,
    a_publisher_is_known_in_its_next_connection_and_to_nobody_else,
    a_number_that_leaves_one_out_is_refused,
    the_past_comes_page_by_page,
    who_is_there_and_how_many_is_told,
    the_application_answers_questions,
    a_token_says_who_comes_and_what_it_gets,
    a_token_that_is_not_accepted_ends_the_connection,
    a_token_that_expires_is_to_be_refreshed,
    what_is_no_command_ends_the_connection,
    what_is_not_allowed_is_answered_with_its_code,
    another_subprotocol_is_refused,
}

async fn a_session_goes_on_in_another_connection_once(shards: usize) {
    let site = Site::new(shards).await;
    let (mut first, one) = Speaker::connect(&site, json!({"subs": {"chat:a": {}}})).await;
    let begin = first.push().await["subscribe"].take();
    drop(first);
    site.publish(1..=3).await;

    let connect = json!({"session": one["session"], "subs": {"chat:a": begin}});
    let (mut second, two) = Speaker::connect(&site, connect.clone()).await;
    let (_third, three) = Speaker::connect(&site, connect).await;

    assert_eq!(
        (&two["resumed"], &two["client"]),
        (&json!(true), &one["client"])
    );
    assert_ne!(two["session"], one["session"]);
    assert_eq!(second.push().await["subscribe"]["recovered"], true);
    assert_eq!(second.offsets(3).await, [1, 2, 3]);
    assert_eq!(three["resumed"], false);
    assert_ne!(three["client"], one["client"]);
}

async fn a_session_takes_the_place_of_a_connection_that_is_not_known_to_be_lost(shards: usize) {
    let site = Site::new(shards).await;
    let (mut first, one) = Speaker::connect(&site, json!({})).await;

    let (_second, two) = Speaker::connect(&site, json!({"session": one["session"]})).await;

    assert_eq!(two["client"], one["client"]);
    assert_eq!(first.client.texts_until_closed().await.1, 4409);
}

/// Somebody who watches, and somebody who is seen to come.
async fn watched(site: &Site) -> (Speaker, Speaker, Value) {
    let (mut watcher, _) = Speaker::subscribed(site, json!({"join_leave": true})).await;
    let (mut guest, connected) = Speaker::connect(site, json!({"token": "ann"})).await;
    guest.ask("subscribe", json!({"channel": "chat:a"})).await;
    let client = json!({"client": connected["client"], "user": "ann"});
    loop {
        // It may be told of its own coming.
        let push = watcher.push().await;
        if push == json!({"join": {"info": client}}) {
            return (watcher, guest, connected);
        }
    }
}

async fn whoever_comes_back_in_time_has_not_left(shards: usize) {
    let grace = Duration::from_secs(3600);
    let site = Site::with(shards, |chat| chat.grace = grace, |_| {}).await;
    let (mut watcher, guest, connected) = watched(&site).await;

    drop(guest);
    let subs = json!({"session": connected["session"], "subs": {"chat:a": {}}});
    let (mut back, _) = Speaker::connect(&site, subs).await;
    back.push().await;
    site.publish([1]).await;

    assert_eq!(watcher.offsets(1).await, [1]);
    assert_eq!(site.hub.members(&site.channel).await.unwrap().len(), 2);
    // What it does not subscribe to again it has left.
    drop(back);
    let session = json!({"session": connected["session"]});
    let (_other, other) = Speaker::connect(&site, session).await;
    assert_eq!(other["resumed"], false);
}

async fn whoever_stays_away_leaves(shards: usize) {
    let grace = Duration::from_millis(1);
    let site = Site::with(shards, |chat| chat.grace = grace, |_| {}).await;
    let (mut watcher, guest, connected) = watched(&site).await;

    drop(guest);

    let left = json!({"client": connected["client"], "user": "ann"});
    assert_eq!(watcher.push().await, json!({"leave": {"info": left}}));
}

async fn whoever_goes_on_purpose_leaves_at_once(shards: usize) {
    let grace = Duration::from_secs(3600);
    let site = Site::with(shards, |chat| chat.grace = grace, |_| {}).await;
    for is_said in [true, false] {
        let (mut watcher, mut guest, connected) = watched(&site).await;

        if is_said {
            guest.say("disconnect", json!({})).await;
            assert_eq!(guest.client.texts_until_closed().await.1, 1000);
        } else {
            guest.client.close().await;
        }

        let left = json!({"client": connected["client"], "user": "ann"});
        assert_eq!(watcher.push().await, json!({"leave": {"info": left}}));
        let session = json!({"session": connected["session"]});
        let (_, again) = Speaker::connect(&site, session).await;
        assert_eq!(again["resumed"], false);
        watcher.client.close().await;
        // The next watcher is not to be told of this one.
        while !site.hub.members(&site.channel).await.unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
    }
}

async fn a_publication_that_is_repeated_is_published_once(shards: usize) {
    let site = Site::new(shards).await;
    let (mut speaker, _) = Speaker::connect(&site, json!({})).await;
    let publish = json!({"channel": "chat:a", "data": "hello", "n": 1});

    let first = speaker.ask("publish", publish.clone()).await;
    let second = speaker.ask("publish", publish).await;

    let place = json!({"epoch": first["epoch"], "offset": 1});
    assert_eq!(first, place);
    assert_eq!(
        second,
        json!({"epoch": first["epoch"], "offset": 1, "dup": true})
    );
    assert_eq!(site.hub.counts().publications, 1);
}

async fn a_publisher_is_known_in_its_next_connection_and_to_nobody_else(shards: usize) {
    let site = Site::new(shards).await;
    let (mut speaker, connected) = Speaker::connect(&site, json!({"token": "ann"})).await;
    let publish = json!({"channel": "chat:a", "data": 1, "n": 1});
    speaker.ask("publish", publish.clone()).await;
    drop(speaker);

    for (token, is_known) in [("ann", true), ("bob", false)] {
        let connect = json!({"token": token, "publisher": connected["publisher"]});
        let (mut speaker, reply) = Speaker::connect(&site, connect).await;
        assert_eq!(reply["publisher"] == connected["publisher"], is_known);
        let placed = speaker.ask("publish", publish.clone()).await;
        assert_eq!(placed["dup"] == true, is_known, "{placed}");
    }
}

async fn a_number_that_leaves_one_out_is_refused(shards: usize) {
    let site = Site::new(shards).await;
    let (mut speaker, _) = Speaker::connect(&site, json!({})).await;
    let publish = |n: u64| json!({"channel": "chat:a", "data": 1, "n": n});
    speaker.ask("publish", publish(1)).await;

    speaker.say("publish", publish(3)).await;
    let reply = speaker.client.json().await;

    assert_eq!(reply["error"]["code"], 150);
    assert_eq!(reply["error"]["expected"], 2);
    assert_eq!(speaker.ask("publish", publish(2)).await["offset"], 2);
}

async fn the_past_comes_page_by_page(shards: usize) {
    let change = |chat: &mut holdwire_hub::Namespace| {
        (chat.history, chat.page) = (true, 4);
        chat.retention = keeping(10);
    };
    let site = Site::with(shards, change, |_| {}).await;
    let epoch = site.publish(1..=13).await.epoch.to_string();
    let (mut speaker, _) = Speaker::connect(&site, json!({})).await;

    let first = speaker.ask("history", json!({"channel": "chat:a"})).await;
    let since = json!({"epoch": epoch, "offset": first["offset"]});
    let history = json!({"channel": "chat:a", "since": since, "limit": 2});
    let second = speaker.ask("history", history).await;
    let since = json!({"epoch": epoch, "offset": 1});
    let void = json!({"channel": "chat:a", "since": since, "limit": 0});
    let void = speaker.ask("history", void).await;

    assert_eq!(
        (&first["offset"], &first["newest"]),
        (&json!(7), &json!(13))
    );
    let publications = json!([{"offset": 8, "data": "8"}, {"offset": 9, "data": "9"}]);
    assert_eq!(second["publications"], publications);
    assert_eq!(void["gap"]["to"], 3, "{void}");
    assert_eq!(void["publications"], json!([]));
}

async fn who_is_there_and_how_many_is_told(shards: usize) {
    let site = Site::new(shards).await;
    let mut speakers = Vec::new();
    for user in ["ann", "ann", "bob"] {
        let (mut speaker, connected) = Speaker::connect(&site, json!({"token": user})).await;
        speaker.ask("subscribe", json!({"channel": "chat:a"})).await;
        speakers.push((speaker, connected));
    }
    let (speaker, connected) = &mut speakers[2];
    let ask = json!({"channel": "chat:a"});

    let stats = speaker.ask("presence_stats", ask.clone()).await;
    let members = speaker.ask("presence", ask).await;

    assert_eq!(stats, json!({"num_clients": 3, "num_users": 2}));
    let client = connected["client"].as_str().unwrap();
    let member = json!({"client": client, "user": "bob"});
    assert_eq!(members["presence"][client], member);
    assert_eq!(members["presence"].as_object().unwrap().len(), 3);
}

async fn the_application_answers_questions(shards: usize) {
    let site = Site::new(shards).await;
    let (mut speaker, _) = Speaker::connect(&site, json!({})).await;

    let echo = json!({"method": "echo", "data": {"a": null}});
    assert_eq!(speaker.ask("rpc", echo).await, json!({"data": {"a": null}}));
    let echo = json!({"method": "echo"});
    assert_eq!(speaker.ask("rpc", echo).await, json!({"data": null}));
    let none = json!({"method": "add"});
    assert_eq!(speaker.ask("rpc", none).await, json!({"error": 104}));
}

async fn a_token_says_who_comes_and_what_it_gets(shards: usize) {
    let site = Site::new(shards).await;

    let (mut speaker, _) = Speaker::connect(&site, json!({"token": "member"})).await;
    let push = speaker.client.json().await;

    assert_eq!(push["push"]["channel"], "chat:members");
    assert_eq!(push["push"]["subscribe"]["offset"], 0, "{push}");
}

async fn a_token_that_is_not_accepted_ends_the_connection(shards: usize) {
    let site = Site::new(shards).await;
    let (mut old, reply) = Speaker::connect(&site, json!({"token": "old"})).await;
    let mut forged = Speaker::open(&site).await;

    forged.say("connect", json!({"token": "forged"})).await;

    assert_eq!(forged.client.texts_until_closed().await.1, 4401);
    // Another token may be shown in the same connection.
    assert_eq!(reply, json!({"error": 109}));
    let reply = old.ask("connect", json!({"token": "new"})).await;
    assert_eq!(reply["resumed"], false);
}

async fn a_token_that_expires_is_to_be_refreshed(shards: usize) {
    let site = Site::new(shards).await;
    let (mut short, connected) = Speaker::connect(&site, json!({"token": "short"})).await;
    assert_eq!(connected["expires"], true);
    assert_eq!(short.client.texts_until_closed().await.1, 4401);
    let session = json!({"session": connected["session"]});
    let (mut speaker, again) = Speaker::connect(&site, session).await;
    assert_eq!(again["resumed"], false);

    let fresh = speaker.ask("refresh", json!({"token": "fresh"})).await;
    assert_eq!(fresh, json!({"expires": true, "ttl": 3600}));
    speaker.say("refresh", json!({"token": "forged"})).await;
    assert_eq!(speaker.client.texts_until_closed().await.1, 4401);
}

async fn what_is_no_command_ends_the_connection(shards: usize) {
    let site = Site::new(shards).await;
    let deep = format!(
        "{{\"id\":1,\"rpc\":{{\"method\":\"a\",\"data\":{}",
        "[".repeat(100_000)
    );
    for text in [
        "",
        "hello",
        "[]",
        "{}",
        "null",
        r#"{"id":0,"ping":{}}"#,
        r#"{"id":-1,"ping":{}}"#,
        r#"{"id":9007199254740992,"ping":{}}"#,
        r#"{"id":"1","ping":{}}"#,
        r#"{"id":1,"ping":{},"connect":{}}"#,
        r#"{"id":1,"subscribe":{"channel":7}}"#,
        r#"{"id":1,"subscribe":{}}"#,
        r#"{"id":1,"ping":{}} {}"#,
        r#"{"id":1,"ping":{},"ping":{}}"#,
        &deep,
    ] {
        let (mut speaker, _) = Speaker::connect(&site, json!({})).await;
        speaker.client.send(text).await;
        let (texts, code, reason) = speaker.client.texts_until_closed().await;
        assert_eq!((texts.len(), code), (0, 4400), "{:.40} {reason}", text);
    }
    let mut speaker = Speaker::open(&site).await;
    speaker.client.write(frame(0x82, b"{}")).await;
    assert_eq!(speaker.client.texts_until_closed().await.1, 4400);
}

async fn what_is_not_allowed_is_answered_with_its_code(shards: usize) {
    let site = Site::with(shards, |chat| chat.publish = false, |_| {}).await;
    let mut speaker = Speaker::open(&site).await;
    let early = speaker.ask("ping", json!({})).await;
    speaker.ask("connect", json!({})).await;

    assert_eq!(early, json!({"error": 101}));
    let channel = json!({"channel": "chat:a"});
    for (name, members, code) in [
        ("connect", json!({}), 107),
        ("dance", json!({}), 104),
        ("publish", json!({"channel": "chat:a", "data": 1}), 103),
        ("publish", json!({"channel": "news:a", "data": 1}), 102),
        ("history", channel.clone(), 103),
        ("presence", json!({"channel": "news:a"}), 102),
    ] {
        let reply = speaker.ask(name, members).await;
        assert_eq!(reply, json!({"error": code}), "{name}");
    }
    let site = Site::new(shards).await;
    let (mut speaker, _) = Speaker::connect(&site, json!({})).await;
    for publish in [
        json!({"channel": "chat:a"}),
        json!({"channel": "chat:a", "data": 1, "base64": ""}),
        json!({"channel": "chat:a", "base64": "%"}),
        json!({"channel": "chat:a", "data": 1, "n": 0}),
    ] {
        let reply = speaker.ask("publish", publish.clone()).await;
        assert_eq!(reply, json!({"error": 107}), "{publish}");
    }
}

async fn another_subprotocol_is_refused(shards: usize) {
    let site = Site::new(shards).await;
    for more in ["", "Sec-WebSocket-Protocol: chat\r\n"] {
        let (_, head) = Client::connect_with(site.address, "/connection", more).await;
        assert!(head.starts_with("HTTP/1.1 400 "), "{head}");
    }
}
