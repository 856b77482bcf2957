//! What a backend orders the sessions of a user to do.

use std::time::Duration;

use holdwire::CloseCode;
use holdwire_hub::session::{Order, Whom};
use holdwire_hub::{Access, Namespace};
use serde_json::{Value, json};

use crate::site::Site;
use crate::speaking::Speaker;

everywhere! {
    a_channel_that_is_given_is_had_and_outlives_a_resume,
    a_channel_is_given_from_a_position_on,
    a_channel_that_is_taken_is_had_no_more,
    who_is_sent_away_is_told_in_the_words_of_the_backend,
    who_is_sent_away_comes_back_as_somebody_else,
    who_is_sent_away_while_its_connection_is_lost_comes_back_as_somebody_else,
    only_the_client_that_is_named_is_meant,
    clients_that_are_left_alone_are_not_meant,
    sessions_of_others_go_on,
    a_session_is_let_in_for_as_long_as_is_ordered,
    a_session_that_is_to_expire_does_so_at_once,
    a_session_that_has_just_connected_obeys,
    who_has_gone_is_not_ordered_any_more,
}

const FORCED: u16 = 3503;

fn needs_token(chat: &mut Namespace) {
    chat.access = Access::Token;
}

/// Ends with this code.
fn away(code: u16) -> Order {
    Order::Disconnect(CloseCode::new(code).unwrap(), "no more".to_owned())
}

fn give(site: &Site) -> Order {
    Order::Subscribe(site.channel.clone(), None)
}

/// A session of a user, and the reply to its connect.
async fn session(site: &Site, user: &str) -> (Speaker, Value) {
    Speaker::connect(site, json!({"token": user})).await
}

/// One client of a user.
fn only(user: &str, connected: &Value) -> Whom {
    let mut whom = Whom::user(user);
    whom.client = connected["client"].as_str().map(Into::into);
    whom
}

/// Whether the session of a connection can be resumed.
async fn is_resumed(site: &Site, connected: &Value) -> bool {
    let connect = json!({"session": connected["session"]});
    let (_speaker, again) = Speaker::connect(site, connect).await;
    again["resumed"] == true
}

/// Waits until the server knows that no connection is left.
async fn nobody_is_connected(site: &Site) {
    while site.hub.users().1 > 0 {
        tokio::task::yield_now().await;
    }
}

async fn a_channel_that_is_given_is_had_and_outlives_a_resume(shards: usize) {
    let site = Site::with(shards, needs_token, |_| {}).await;
    let (mut ann, one) = session(&site, "ann").await;

    assert_eq!(site.hub.order(&Whom::user("ann"), &give(&site)), 1);

    let begin = ann.push().await["subscribe"].take();
    site.publish([1]).await;
    assert_eq!(ann.offsets(1).await, [1]);
    drop(ann);
    site.publish([2]).await;
    let mut from = begin;
    from["offset"] = json!(1);
    let connect = json!({"session": one["session"], "subs": {"chat:a": from}});
    let (mut again, two) = Speaker::connect(&site, connect).await;
    assert_eq!(two["resumed"], true);
    assert_eq!(again.push().await["subscribe"]["recovered"], true);
    assert_eq!(again.offsets(1).await, [2]);
}

async fn a_channel_is_given_from_a_position_on(shards: usize) {
    let site = Site::new(shards).await;
    let position = site.publish([1]).await;
    site.publish(2..=3).await;
    let (mut ann, _) = session(&site, "ann").await;

    let order = Order::Subscribe(site.channel.clone(), Some(position));
    site.hub.order(&Whom::user("ann"), &order);

    assert_eq!(ann.push().await["subscribe"]["recovered"], true);
    assert_eq!(ann.offsets(2).await, [2, 3]);
}

async fn a_channel_that_is_taken_is_had_no_more(shards: usize) {
    let site = Site::with(shards, needs_token, |_| {}).await;
    let (mut ann, _) = session(&site, "ann").await;
    site.hub.order(&Whom::user("ann"), &give(&site));
    ann.push().await;

    let order = Order::Unsubscribe(site.channel.clone(), 2000, "no more".to_owned());
    site.hub.order(&Whom::user("ann"), &order);

    let told = json!({"unsubscribe": {"code": 2000, "reason": "no more"}});
    assert_eq!(ann.push().await, told);
    site.publish([1]).await;
    let again = ann.ask("subscribe", json!({"channel": "chat:a"})).await;
    assert_eq!(again, json!({"error": 103}));
    assert_eq!(site.hub.counts().subscriptions, 0);
}

async fn who_is_sent_away_is_told_in_the_words_of_the_backend(shards: usize) {
    let site = Site::new(shards).await;
    for (code, told) in [
        (3000, 3000),
        (3499, 3499),
        (3500, 4403),
        (3999, 4403),
        (4000, 4000),
        (4499, 4499),
        (4500, 4403),
        (4999, 4403),
    ] {
        let (mut ann, _) = session(&site, "ann").await;
        site.hub.order(&Whom::user("ann"), &away(code));

        let end = ann.client.texts_until_closed().await;

        assert_eq!(end, (Vec::new(), told, "no more".to_owned()), "{code}");
        drop(ann);
        nobody_is_connected(&site).await;
    }
}

async fn who_is_sent_away_comes_back_as_somebody_else(shards: usize) {
    let site = Site::new(shards).await;
    for code in [3000, FORCED] {
        let (mut ann, connected) = session(&site, "ann").await;
        site.hub.order(&Whom::user("ann"), &away(code));
        ann.client.texts_until_closed().await;

        assert!(!is_resumed(&site, &connected).await, "{code}");
    }
}

async fn who_is_sent_away_while_its_connection_is_lost_comes_back_as_somebody_else(shards: usize) {
    let site = Site::new(shards).await;
    for order in [away(FORCED), Order::Expire] {
        let (ann, of_ann) = session(&site, "ann").await;
        let (bob, of_bob) = session(&site, "bob").await;
        drop((ann, bob));
        nobody_is_connected(&site).await;

        assert_eq!(site.hub.order(&Whom::user("ann"), &order), 0);

        assert!(!is_resumed(&site, &of_ann).await, "{order:?}");
        assert!(is_resumed(&site, &of_bob).await, "{order:?}");
        nobody_is_connected(&site).await;
    }
}

async fn only_the_client_that_is_named_is_meant(shards: usize) {
    let site = Site::new(shards).await;
    let (mut one, of_one) = session(&site, "ann").await;
    let (mut two, of_two) = session(&site, "ann").await;

    assert_eq!(site.hub.order(&only("bob", &of_one), &away(FORCED)), 0);
    assert_eq!(site.hub.order(&only("ann", &of_one), &away(FORCED)), 1);

    assert_eq!(one.client.texts_until_closed().await.1, 4403);
    let stats = two
        .ask("presence_stats", json!({"channel": "chat:a"}))
        .await;
    assert_eq!(stats["num_clients"], 0, "{stats}");
    assert!(!is_resumed(&site, &of_one).await);
    assert!(is_resumed(&site, &of_two).await);
}

async fn clients_that_are_left_alone_are_not_meant(shards: usize) {
    let site = Site::new(shards).await;
    let (mut one, of_one) = session(&site, "ann").await;
    let (_two, of_two) = session(&site, "ann").await;
    let mut whom = Whom::user("ann");
    whom.but = vec![of_two["client"].as_str().unwrap().into()];

    assert_eq!(site.hub.order(&whom, &away(FORCED)), 1);

    assert_eq!(one.client.texts_until_closed().await.1, 4403);
    assert!(!is_resumed(&site, &of_one).await);
    assert!(is_resumed(&site, &of_two).await);
}

async fn sessions_of_others_go_on(shards: usize) {
    let site = Site::new(shards).await;
    let (mut bob, of_bob) = session(&site, "bob").await;
    let (mut nameless, of_nameless) = Speaker::connect(&site, json!({})).await;
    let taking = Order::Unsubscribe(site.channel.clone(), 2000, String::new());
    for speaker in [&mut bob, &mut nameless] {
        speaker.ask("subscribe", json!({"channel": "chat:a"})).await;
    }

    for order in [give(&site), taking, Order::Expire, away(FORCED)] {
        assert_eq!(site.hub.order(&Whom::user("ann"), &order), 0);
    }

    site.publish([1]).await;
    assert_eq!(bob.offsets(1).await, [1]);
    assert_eq!(nameless.offsets(1).await, [1]);
    for connected in [of_bob, of_nameless] {
        assert!(is_resumed(&site, &connected).await);
    }
}

async fn a_session_is_let_in_for_as_long_as_is_ordered(shards: usize) {
    let site = Site::new(shards).await;
    let (mut ann, mut connected) = session(&site, "ann").await;
    let hour = Duration::from_secs(3600);
    for (holds, ttl) in [(Some(hour), json!(3600)), (None, Value::Null)] {
        let ann_alone = Whom::user("ann");
        site.hub.order(&ann_alone, &Order::Hold(holds));
        // Orders are obeyed one after the other.
        site.hub.order(&ann_alone, &give(&site));
        ann.push().await;

        let connect = json!({"session": connected["session"]});
        (ann, connected) = Speaker::connect(&site, connect).await;

        assert_eq!(
            (&connected["resumed"], &connected["ttl"]),
            (&json!(true), &ttl)
        );
    }
    let moment = Duration::from_millis(1);
    site.hub
        .order(&Whom::user("ann"), &Order::Hold(Some(moment)));
    assert_eq!(ann.client.texts_until_closed().await.1, 4401);
}

async fn a_session_that_is_to_expire_does_so_at_once(shards: usize) {
    let site = Site::new(shards).await;
    let (mut ann, connected) = session(&site, "ann").await;

    site.hub.order(&Whom::user("ann"), &Order::Expire);

    let (_, code, reason) = ann.client.texts_until_closed().await;
    assert_eq!((code, &*reason), (4401, "the token has expired"));
    assert!(!is_resumed(&site, &connected).await);
}

async fn a_session_that_has_just_connected_obeys(shards: usize) {
    let site = Site::new(shards).await;
    for order in [give(&site), away(FORCED)] {
        let mut ann = Speaker::open(&site).await;
        ann.say("connect", json!({"token": "ann"})).await;
        // Whoever is not connected yet is nobody, and then it is somebody at once.
        while site.hub.order(&Whom::user("ann"), &order) == 0 {
            tokio::task::yield_now().await;
        }

        let connected = ann.client.json().await;
        assert!(connected["connect"]["client"].is_string(), "{connected}");
        if order == give(&site) {
            assert_eq!(ann.push().await["subscribe"]["offset"], 0);
            ann.client.close().await;
            nobody_is_connected(&site).await;
        } else {
            assert_eq!(ann.client.texts_until_closed().await.1, 4403);
            assert!(!is_resumed(&site, &connected["connect"]).await);
        }
    }
}

async fn who_has_gone_is_not_ordered_any_more(shards: usize) {
    let site = Site::new(shards).await;
    let (ann, connected) = session(&site, "ann").await;
    let (again, resumed) = Speaker::connect(&site, json!({"session": connected["session"]})).await;
    assert_eq!(resumed["resumed"], true);
    // The connection that was taken over goes, and takes nothing with it.
    ann.client.close().await;
    assert_eq!(site.hub.users(), (1, 1));
    assert_eq!(site.hub.order(&Whom::user("ann"), &give(&site)), 1);

    drop(again);
    nobody_is_connected(&site).await;
    assert_eq!(site.hub.users(), (0, 0));
    assert_eq!(site.hub.order(&Whom::user("ann"), &give(&site)), 0);
}
