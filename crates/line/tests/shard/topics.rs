//! Topics: one order for all, from a known publication on, nothing missing and nothing twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use holdwire::http::Request;
use holdwire::proto::deflate::{
    Context, DeflateConfig, InflateError, InflateLimits, Inflater, WindowBits,
};
use holdwire::proto::{Event, Flow, Sender};
use holdwire::shard::{Join, Remote, Session, Slow, Topic};
use holdwire::{Endpoint, Prepared, Server};

use crate::client::{Client, frame};
use crate::site::{Arrival, Site, config};

everywhere! {
    every_subscriber_gets_every_publication_in_one_order,
    a_publisher_gets_all_but_its_own,
    who_joins_while_others_publish_gets_everything_from_there_on,
    who_leaves_gets_nothing_more,
    to_join_twice_is_to_join_once,
    a_publisher_that_floods_is_paused_and_resumed_and_nothing_is_lost,
    compressed_and_plain_subscribers_get_the_same,
    a_topic_outlives_its_subscribers,
    what_is_said_between_publications_comes_in_order_and_has_no_number,
}

/// Several connections that have joined from the first publication on.
async fn joined(site: &mut Site, count: usize, topic: &Topic) -> Vec<(Client, Arrival)> {
    let mut all = Vec::new();
    for _ in 0..count {
        let (mut client, mut arrival) = site.connect().await;
        let next = arrival.join(topic).await;
        assert_eq!(client.text().await, format!("from {next}"));
        all.push((client, arrival));
    }
    all
}

async fn every_subscriber_gets_every_publication_in_one_order(shards: usize) {
    let (mut site, topic) = (Site::new(shards).await, Topic::new());
    let mut all = joined(&mut site, 6, &topic).await;

    let publishers = ["a", "b", "c"].map(|name| {
        let topic = topic.clone();
        std::thread::spawn(move || {
            for number in 0..500 {
                topic.publish(Prepared::text(&format!("{name} {number}")));
            }
        })
    });

    let mut order = Vec::new();
    for (client, _) in &mut all {
        let mut texts = Vec::new();
        for _ in 0..1500 {
            texts.push(client.text().await);
        }
        order.push(texts);
    }
    for publisher in publishers {
        publisher.join().unwrap();
    }
    assert!(order.iter().all(|texts| *texts == order[0]));
    for name in ["a", "b", "c"] {
        let own = order[0].iter().filter(|text| text.starts_with(name));
        let expected: Vec<String> = (0..500).map(|number| format!("{name} {number}")).collect();
        assert!(own.eq(expected.iter()));
    }
}

async fn a_publisher_gets_all_but_its_own(shards: usize) {
    let (mut site, topic) = (Site::new(shards).await, Topic::new());
    let mut all = joined(&mut site, 4, &topic).await;

    for round in 0..100 {
        for (index, (_, arrival)) in all.iter().enumerate() {
            let message = Prepared::text(&format!("{index} {round}"));
            assert_eq!(topic.publish_from(&arrival.remote, message), Flow::Continue);
        }
    }

    for (own, (client, _)) in all.iter_mut().enumerate() {
        for round in 0..100 {
            for index in (0..4).filter(|index| *index != own) {
                assert_eq!(client.text().await, format!("{index} {round}"));
            }
        }
    }
}

async fn who_joins_while_others_publish_gets_everything_from_there_on(shards: usize) {
    let (mut site, topic) = (Site::new(shards).await, Topic::new());
    let is_over = Arc::new(AtomicBool::new(false));
    let publisher = {
        let (topic, is_over) = (topic.clone(), Arc::clone(&is_over));
        std::thread::spawn(move || {
            while !is_over.load(Ordering::Relaxed) {
                topic.publish(Prepared::text(&topic.next().to_string()));
                std::thread::yield_now();
            }
        })
    };

    let mut reading = Vec::new();
    for _ in 0..10 {
        let (mut client, mut arrival) = site.connect().await;
        let next = arrival.join(&topic).await;
        reading.push(tokio::spawn(async move {
            assert_eq!(client.text().await, format!("from {next}"));
            for number in next..next + 300 {
                assert_eq!(client.text().await, number.to_string());
            }
            arrival.remote.abort();
        }));
    }

    for reading in reading {
        reading.await.unwrap();
    }
    is_over.store(true, Ordering::Relaxed);
    publisher.join().unwrap();
    site.empty().await;
}

async fn who_leaves_gets_nothing_more(shards: usize) {
    let (mut site, topic) = (Site::new(shards).await, Topic::new());
    let mut all = joined(&mut site, 3, &topic).await;
    let (client, arrival) = &mut all[1];

    arrival.remote.leave(&topic);
    arrival.remote.wake();
    assert_eq!(client.text().await, "awake");
    topic.publish(Prepared::text("news"));
    for index in [0, 2] {
        assert_eq!(all[index].0.text().await, "news");
    }
    let (client, arrival) = &mut all[1];
    assert_eq!(arrival.join(&topic).await, 1);

    assert_eq!(client.text().await, "from 1");
}

async fn to_join_twice_is_to_join_once(shards: usize) {
    let (mut site, topic) = (Site::new(shards).await, Topic::new());
    let mut all = joined(&mut site, 1, &topic).await;
    let (client, arrival) = &mut all[0];

    arrival.remote.join(&topic);
    arrival.remote.wake();
    assert_eq!(client.text().await, "awake");
    topic.publish(Prepared::text("once"));
    topic.publish(Prepared::text("then"));

    assert_eq!(client.text().await, "once");
    assert_eq!(client.text().await, "then");
}

/// A session that publishes what comes.
struct Publisher {
    topic: Topic,
    remote: Remote,
}

impl Session for Publisher {
    fn on_open(&mut self, _: &mut Sender<'_>) {
        self.remote.join(&self.topic);
    }

    fn on_event(&mut self, event: Event<'_>, _: &mut Sender<'_>) -> Flow {
        match event {
            Event::Text(text) => self.topic.publish_from(&self.remote, Prepared::text(&text)),
            Event::Binary(bytes) => {
                let message = Prepared::binary(&bytes);
                self.topic.publish_from(&self.remote, message)
            }
            _ => Flow::Continue,
        }
    }

    fn on_join(&mut self, _: &Topic, _: u64, sender: &mut Sender<'_>) -> Join {
        let _ = sender.text("joined");
        Join::Stay
    }
}

async fn a_publisher_that_floods_is_paused_and_resumed_and_nothing_is_lost(shards: usize) {
    let server = Server::bind("127.0.0.1:0").await.unwrap();
    let address = server.local_addresses().unwrap()[0];
    let topic = Topic::new();
    let endpoint = Endpoint::sessions(move |_: Request<()>, remote: Remote| Publisher {
        topic: topic.clone(),
        remote,
    });
    // Nobody is too slow.
    let mut config = config();
    config.limits.send_queue = 1 << 30;
    tokio::spawn(
        server
            .endpoint_for_all(endpoint.config(config))
            .shards(shards)
            .run(),
    );
    let mut clients = Vec::new();
    for _ in 0..4 {
        let (mut client, _) = Client::connect(address, "").await;
        assert_eq!(client.text().await, "joined");
        clients.push(client);
    }

    let mut flooder = clients.pop().unwrap();
    let message = frame(0x82, &vec![1; 50_000]);
    let flooding = tokio::spawn(async move {
        for _ in 0..400 {
            flooder.write(&message).await;
        }
        flooder.send("done").await;
        flooder
    });

    let mut readers = Vec::new();
    for mut client in clients {
        readers.push(tokio::spawn(async move {
            for _ in 0..400 {
                assert_eq!(client.frame().await.unwrap().1.len(), 50_000);
            }
            assert_eq!(client.text().await, "done");
        }));
    }
    for reader in readers {
        reader.await.unwrap();
    }
    drop(flooding.await.unwrap());
}

/// The payload of a frame that may be compressed.
fn inflated((first, payload): (u8, bytes::Bytes)) -> String {
    let mut inflater = Inflater::new(Context::new(WindowBits::MAX, false));
    let mut plain = Vec::new();
    match first {
        0x81 => plain.extend_from_slice(&payload),
        0xC1 => {
            let limits = InflateLimits::new(1 << 20);
            let any = |_: &[u8]| Ok::<(), InflateError>(());
            let inflated = inflater.inflate(&payload, &mut plain, limits, any);
            inflated.unwrap();
        }
        other => panic!("no text: {other:#x}"),
    }
    String::from_utf8(plain).unwrap()
}

async fn compressed_and_plain_subscribers_get_the_same(shards: usize) {
    let config = config().deflate(DeflateConfig::default());
    let mut site = Site::with(shards, config, |server| server).await;
    let topic = Topic::new();
    let offers = [
        "",
        "Sec-WebSocket-Extensions: permessage-deflate\r\n",
        "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=9\r\n",
        "",
        "Sec-WebSocket-Extensions: permessage-deflate\r\n",
    ];
    let mut all = Vec::new();
    for lines in offers {
        let (mut client, mut arrival) = site.connect_with(lines).await;
        arrival.join(&topic).await;
        assert!(client.text().await.starts_with("from 0"));
        all.push((client, arrival, !lines.is_empty()));
    }
    let texts: Vec<String> = (0..50)
        .map(|number| format!("news {number} ").repeat(200))
        .collect();

    for text in &texts {
        topic.publish(Prepared::text(text));
    }

    for (client, _, is_compressed) in &mut all {
        for text in &texts {
            let frame = client.frame().await.unwrap();
            assert_eq!(frame.0 == 0xC1, *is_compressed);
            assert_eq!(inflated(frame), *text);
        }
    }
}

async fn a_topic_outlives_its_subscribers(shards: usize) {
    let (mut site, topic) = (Site::new(shards).await, Topic::new());
    for round in 0..10 {
        let all = joined(&mut site, 3, &topic).await;
        topic.publish(Prepared::text("news"));
        for (mut client, mut arrival) in all {
            assert_eq!(client.text().await, "news");
            client.close().await;
            arrival.gone().await;
        }
        assert_eq!(topic.next(), round + 1);
    }
    site.empty().await;
    while !format!("{topic:?}").contains("shards: 0") {
        tokio::task::yield_now().await;
    }
}

async fn what_is_said_between_publications_comes_in_order_and_has_no_number(shards: usize) {
    let mut site = Site::new(shards).await;
    let topic = Topic::starting_at(7, Slow::default());
    let (mut first, mut arrival) = site.connect().await;
    assert_eq!(arrival.join(&topic).await, 7);
    assert_eq!(first.text().await, "from 7");

    topic.say(Prepared::text("aside"));
    assert_eq!(topic.publish(Prepared::text("seven")), 7);
    topic.say(Prepared::text("another"));
    assert_eq!(topic.publish(Prepared::text("eight")), 8);
    topic.say(Prepared::text("last"));

    for text in ["aside", "seven", "another", "eight", "last"] {
        assert_eq!(first.text().await, text);
    }
    let (mut second, mut arrival) = site.connect().await;
    assert_eq!(arrival.join(&topic).await, 9);
    assert_eq!(second.text().await, "from 9");
}
