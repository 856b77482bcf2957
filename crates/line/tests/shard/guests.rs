//! What sessions do that hand out more than what is published: come later, catch up, be sent away.

use holdwire::http::Request;
use holdwire::proto::{Event, Flow, Sender};
use holdwire::shard::{Join, Remote, Session, Topic};
use holdwire::{CloseCode, Endpoint, Prepared, Server};

use crate::client::Client;
use crate::site::{Site, config};

everywhere! {
    who_leaves_when_it_joins_gets_nothing_and_may_come_again,
    who_joins_gets_nothing_of_what_was_published_before_it_asked,
    all_who_have_joined_are_closed_after_what_was_published,
    a_session_may_outlive_its_topic,
    a_session_is_woken_when_everything_has_been_written,
}

/// A session that leaves the first time that it joins.
struct Guest {
    topic: Topic,
    remote: Remote,
    has_left: bool,
}

impl Session for Guest {
    fn on_open(&mut self, _: &mut Sender<'_>) {
        self.remote.join(&self.topic);
    }

    fn on_event(&mut self, event: Event<'_>, sender: &mut Sender<'_>) -> Flow {
        let Event::Text(text) = event else {
            return Flow::Continue;
        };
        match &*text {
            "join" => self.remote.join(&self.topic),
            "much" => {
                let _ = sender.binary(&vec![0; 3_000_000]);
                self.remote.wake_when_sent();
            }
            // The second shard may have to hand out what this one publishes just before it joins.
            _ => {
                self.topic.publish(Prepared::text(&text));
                self.remote.join(&self.topic);
            }
        }
        Flow::Continue
    }

    fn on_wake(&mut self, sender: &mut Sender<'_>) {
        let waiting = sender.queued();
        let _ = sender.text(&format!("waiting {waiting} of {}", sender.limit()));
    }

    fn on_end(&mut self, _: &Topic, code: CloseCode, reason: &str, sender: &mut Sender<'_>) {
        let _ = sender.text(&format!("ended with {}: {reason}", code.value()));
    }

    fn on_join(&mut self, _: &Topic, next: u64, sender: &mut Sender<'_>) -> Join {
        if !std::mem::replace(&mut self.has_left, true) {
            let _ = sender.text("left");
            return Join::Leave;
        }
        let _ = sender.text(&format!("from {next}"));
        Join::Stay
    }
}

/// A guest that has left, of a site that has as many shards.
async fn guests(shards: usize, count: usize) -> (Topic, Vec<Client>) {
    let topic = Topic::new();
    let own = topic.clone();
    let make = move |_: Request<()>, remote: Remote| Guest {
        topic: own.clone(),
        remote,
        has_left: false,
    };
    let server = Server::bind("127.0.0.1:0").await.unwrap();
    let address = server.local_addresses().unwrap()[0];
    let endpoint = Endpoint::sessions(make).config(config());
    tokio::spawn(server.endpoint_for_all(endpoint).shards(shards).run());
    let mut clients = Vec::new();
    for _ in 0..count {
        let (mut client, _) = Client::connect(address, "").await;
        assert_eq!(client.text().await, "left");
        clients.push(client);
    }
    (topic, clients)
}

async fn who_leaves_when_it_joins_gets_nothing_and_may_come_again(shards: usize) {
    let (topic, mut clients) = guests(shards, 3).await;

    topic.publish(Prepared::text("nobody is there"));

    for client in &mut clients {
        client.send("join").await;
        assert_eq!(client.text().await, "from 1");
    }
    topic.publish(Prepared::text("news"));
    for client in &mut clients {
        assert_eq!(client.text().await, "news");
    }
}

async fn who_joins_gets_nothing_of_what_was_published_before_it_asked(shards: usize) {
    let (_, mut clients) = guests(shards, 8).await;
    let first = &mut clients[0];
    first.send("join").await;
    first.text().await;

    for (number, client) in clients[1..].iter_mut().enumerate() {
        client.send(&number.to_string()).await;
        assert_eq!(client.text().await, format!("from {}", number + 1));
    }
}

async fn all_who_have_joined_are_closed_after_what_was_published(shards: usize) {
    let (mut site, topic) = (Site::new(shards).await, Topic::new());
    let mut clients = Vec::new();
    for _ in 0..4 {
        let (mut client, mut arrival) = site.connect().await;
        arrival.join(&topic).await;
        client.text().await;
        clients.push((client, arrival));
    }
    let (mut other, _other_arrival) = site.connect().await;

    topic.publish(Prepared::text("the last"));
    topic.close(CloseCode::GOING_AWAY, "it is over");

    for (client, _) in &mut clients {
        let (texts, code, reason) = client.texts_until_closed().await;
        assert_eq!(
            (texts, code, &*reason),
            (vec!["the last".to_owned()], 1001, "it is over")
        );
    }
    other.send("still here").await;
    assert_eq!(other.text().await, "still here");
}

async fn a_session_may_outlive_its_topic(shards: usize) {
    let (topic, mut clients) = guests(shards, 2).await;
    for client in &mut clients {
        client.send("join").await;
        client.text().await;
    }

    topic.publish(Prepared::text("the last"));
    topic.close(CloseCode::GOING_AWAY, "it is over");

    for client in &mut clients {
        assert_eq!(client.text().await, "the last");
        assert_eq!(client.text().await, "ended with 1001: it is over");
        client.send("join").await;
        assert_eq!(client.text().await, "from 1");
    }
}

async fn a_session_is_woken_when_everything_has_been_written(shards: usize) {
    let (_, mut clients) = guests(shards, 1).await;
    let client = &mut clients[0];

    client.send("much").await;

    let (first, payload) = client.frame().await.unwrap();
    assert_eq!((first, payload.len()), (0x82, 3_000_000));
    let limit = config().limits.send_queue;
    assert_eq!(client.text().await, format!("waiting 0 of {limit}"));
}
