//! Channels that are not for everybody.

use holdwire_hub::engine::Engine as _;
use holdwire_hub::{Access, Member, Namespace};
use serde_json::json;
use serde_json::value::RawValue;

use crate::client::Client;
use crate::site::Site;
use crate::speaking::Speaker;

everywhere! {
    a_channel_for_users_has_nothing_for_a_nameless_client,
    a_channel_that_needs_a_token_is_had_with_one_only,
    what_is_wrong_with_a_token_that_came_with_connect_is_told_by_a_push,
    a_subscription_whose_token_has_expired_ends_and_begins_anew_with_another,
    a_client_that_is_resumed_shows_no_token_again,
    a_page_shows_its_token_in_the_query_or_in_a_cookie,
    a_page_whose_token_has_expired_is_closed,
    what_is_known_of_a_member_is_told,
}

fn only(access: Access) -> impl FnOnce(&mut Namespace) {
    move |chat| {
        chat.access = access;
        chat.history = true;
    }
}

async fn a_channel_for_users_has_nothing_for_a_nameless_client(shards: usize) {
    let site = Site::with(shards, only(Access::User), |_| {}).await;
    let (mut nameless, _) = Speaker::connect(&site, json!({})).await;
    let (mut ann, _) = Speaker::connect(&site, json!({"token": "ann"})).await;

    for name in [
        "subscribe",
        "publish",
        "history",
        "presence",
        "presence_stats",
    ] {
        let ask = json!({"channel": "chat:a", "data": 1});
        let reply = nameless.ask(name, ask.clone()).await;
        assert_eq!(reply, json!({"error": 103}), "{name}");
        if name != "publish" {
            let reply = ann.ask(name, ask).await;
            assert_eq!(reply["error"], json!(null), "{name}: {reply}");
        }
    }
    let publish = json!({"channel": "chat:a", "data": 1});
    ann.say("publish", publish).await;
    assert_eq!(ann.client.json().await["publish"]["offset"], 1);
}

async fn a_channel_that_needs_a_token_is_had_with_one_only(shards: usize) {
    let site = Site::with(shards, only(Access::Token), |_| {}).await;
    let (mut ann, _) = Speaker::connect(&site, json!({"token": "ann"})).await;
    let asked = |token: &str| json!({"channel": "chat:a", "token": token});

    for (token, code) in [("no", 103), ("old", 109), ("away", 100)] {
        let reply = ann.ask("subscribe", asked(token)).await;
        assert_eq!(reply, json!({"error": code}), "{token}");
    }
    let nothing = json!({"channel": "chat:a"});
    for name in ["subscribe", "history", "presence"] {
        let reply = ann.ask(name, nothing.clone()).await;
        assert_eq!(reply, json!({"error": 103}), "{name}");
    }
    let begun = ann.ask("subscribe", asked("yes")).await;
    assert_eq!(begun["offset"], 0, "{begun}");
    let page = ann.ask("history", nothing).await;
    assert_eq!(page["newest"], 0, "{page}");
    let (mut member, _) = Speaker::connect(&site, json!({"token": "member"})).await;
    let push = member.client.json().await;
    assert_eq!(push["push"]["subscribe"]["offset"], 0, "{push}");
}

async fn what_is_wrong_with_a_token_that_came_with_connect_is_told_by_a_push(shards: usize) {
    let site = Site::with(shards, only(Access::Token), |_| {}).await;
    for (token, code) in [("no", 2103), ("old", 2609), ("away", 2600)] {
        let subs = json!({"chat:a": {"token": token}});
        let (mut speaker, _) = Speaker::connect(&site, json!({"subs": subs})).await;

        let push = speaker.push().await;

        assert_eq!(push["unsubscribe"]["code"], code, "{token}: {push}");
    }
}

async fn a_subscription_whose_token_has_expired_ends_and_begins_anew_with_another(shards: usize) {
    let site = Site::with(shards, only(Access::Token), |_| {}).await;
    let subs = json!({"chat:a": {"token": "short"}});
    let (mut speaker, _) = Speaker::connect(&site, json!({"subs": subs})).await;
    let begun = speaker.push().await["subscribe"].take();

    let end = speaker.push().await;
    assert_eq!(end["unsubscribe"]["code"], 2609, "{end}");
    site.publish(1..=2).await;
    let mut again = begun;
    again["channel"] = json!("chat:a");
    let late = speaker.ask("subscribe", again.clone()).await;
    again["token"] = json!("yes");
    let begun = speaker.ask("subscribe", again).await;

    assert_eq!(late, json!({"error": 103}));
    assert_eq!(begun["recovered"], true, "{begun}");
    assert_eq!(speaker.offsets(2).await, [1, 2]);
}

async fn a_client_that_is_resumed_shows_no_token_again(shards: usize) {
    let site = Site::with(shards, only(Access::Token), |_| {}).await;
    let subs = json!({"chat:a": {"token": "yes"}});
    let (mut first, connected) = Speaker::connect(&site, json!({"subs": subs})).await;
    first.push().await;
    drop(first);

    let session = json!({"session": connected["session"], "subs": {"chat:a": {}}});
    let (mut second, again) = Speaker::connect(&site, session).await;
    let (mut other, _) = Speaker::connect(&site, json!({"subs": {"chat:a": {}}})).await;

    assert_eq!(again["resumed"], true);
    assert_eq!(second.push().await["subscribe"]["offset"], 0);
    assert_eq!(other.push().await["unsubscribe"]["code"], 2103);
}

async fn a_page_shows_its_token_in_the_query_or_in_a_cookie(shards: usize) {
    for (access, query, cookie, status) in [
        (Access::Anyone, "", "", 101),
        (Access::Anyone, "forged", "", 401),
        (Access::Anyone, "", "forged", 401),
        (Access::User, "", "", 401),
        (Access::User, "ann", "", 101),
        (Access::User, "", "ann", 101),
        (Access::User, "old", "ann", 401),
        (Access::User, "away", "", 503),
        (Access::Token, "", "", 401),
        (Access::Token, "ann", "", 403),
        (Access::Token, "ticket", "", 101),
        (Access::Token, "t%69cket", "", 101),
        (Access::Token, "", "ticket", 101),
    ] {
        let site = Site::with(shards, only(access), |_| {}).await;
        let query = match query {
            "" => String::new(),
            token => format!("?token={token}"),
        };
        let (target, more) = (
            format!("/ws/chat:a{query}"),
            match cookie {
                "" => String::new(),
                token => format!("Cookie: a=b; pass={token}\r\n"),
            },
        );

        let (_, head) = Client::connect_with(site.address, &target, &more).await;

        let expected = format!("HTTP/1.1 {status} ");
        assert!(head.starts_with(&expected), "{target} {more}: {head}");
        assert_eq!(head.contains("Retry-After"), status == 503, "{head}");
        let page = format!("{more}Origin: http://localhost\r\n");
        let (mut page, head) = Client::connect_with(site.address, &target, &page).await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        let code = match status {
            101 => continue,
            503 => 1013,
            status => 4000 + status,
        };
        assert_eq!(page.texts_until_closed().await.1, code, "{target} {more}");
    }
}

async fn a_page_whose_token_has_expired_is_closed(shards: usize) {
    let site = Site::with(shards, only(Access::User), |_| {}).await;
    let mut page = site.connect("token=short").await;

    let (_, code, reason) = page.texts_until_closed().await;

    assert_eq!((code, &*reason), (4401, "the token has expired"));
}

async fn what_is_known_of_a_member_is_told(shards: usize) {
    let site = Site::new(shards).await;
    let mut ann = Member::new("ann");
    ann.info = Some(RawValue::from_string(r#"{"age":7}"#.to_owned()).unwrap());
    let (mut speaker, _) = Speaker::subscribed(&site, json!({"join_leave": true})).await;
    // Its own coming is told, or not.
    let client = holdwire_hub::ClientId::new([7; 16]);
    site.memory
        .enter(&site.channel, client, ann)
        .get()
        .await
        .unwrap();

    let info = loop {
        let push = speaker.push().await;
        if push["join"]["info"]["user"] == "ann" {
            break push["join"]["info"]["info"].clone();
        }
    };
    let members = speaker.ask("presence", json!({"channel": "chat:a"})).await;

    assert_eq!(info, json!({"age": 7}));
    assert_eq!(
        members["presence"][client.to_string()]["info"],
        info,
        "{members}"
    );
}
