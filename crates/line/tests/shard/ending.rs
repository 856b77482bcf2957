//! The server's end and its limits, with connections wherever their sessions run.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use holdwire::http::{Request, StatusCode};
use holdwire::proto::{Event, Flow, Sender};
use holdwire::shard::Session;
use holdwire::{
    Advice, CloseCode, Closed, Drain, Endpoint, Observer, Server, ServerLimits, Stats, Traffic,
};

use crate::client::{Client, frame};
use crate::site::{Site, config};

everywhere! {
    a_drain_closes_everybody_with_advice_and_then_the_server_is_gone,
    a_session_may_choose_the_words_of_a_drain,
    a_session_that_opens_meanwhile_may_choose_them_too,
    a_shutdown_cuts_who_does_not_answer,
    places_are_given_back,
    places_of_an_address_are_given_back,
    the_observer_is_told_what_went_over_all_connections,
    an_observer_that_panics_harms_no_connection,
    connections_outlive_a_server_that_is_run_no_more,
}

async fn a_drain_closes_everybody_with_advice_and_then_the_server_is_gone(shards: usize) {
    let observer = Arc::new(Numbers::default());
    let (watched, weak) = (Arc::clone(&observer), Arc::downgrade(&observer));
    let adjust = move |server: holdwire::Server| server.observe(watched);
    let mut site = Site::with(shards, config(), adjust).await;
    let mut clients = Vec::new();
    for _ in 0..10 {
        clients.push(site.connect().await.0);
    }
    assert_eq!(site.handle.open(), 10);

    let handle = site.handle.clone();
    let drain = tokio::spawn(async move {
        handle.drain(Drain::restart(Duration::from_secs(20))).await;
    });
    let mut leaving = Vec::new();
    for mut client in clients {
        leaving.push(tokio::spawn(async move {
            let (_, code, reason) = client.texts_until_closed().await;
            assert_eq!(code, 1012);
            assert!(Advice::parse(&reason).is_some(), "{reason}");
            client.answer_close(code).await;
        }));
    }
    for leaving in leaving {
        leaving.await.unwrap();
    }

    drain.await.unwrap();
    site.served.await.unwrap().unwrap();
    assert_eq!((site.handle.open(), site.handle.queued()), (0, 0));
    // The threads end, and with them goes what they held.
    drop(observer);
    while weak.upgrade().is_some() {
        tokio::task::yield_now().await;
    }
}

/// A session of a protocol that has a code of its own for it.
struct Polite;

impl Session for Polite {
    fn on_event(&mut self, _: Event<'_>, _: &mut Sender<'_>) -> Flow {
        Flow::Continue
    }

    fn on_drain(&mut self, _: CloseCode, _: &str, sender: &mut Sender<'_>) {
        if let Some(code) = CloseCode::new(3001) {
            sender.close(code, "shutdown");
        }
    }
}

async fn a_session_may_choose_the_words_of_a_drain(shards: usize) {
    let server = Server::bind("127.0.0.1:0").await.unwrap();
    let (address, handle) = (server.local_addresses().unwrap()[0], server.handle());
    let endpoint = Endpoint::sessions(|_, _| Polite);
    let served = tokio::spawn(server.endpoint_for_all(endpoint).shards(shards).run());
    let (mut client, _) = Client::connect(address, "").await;
    while handle.open() == 0 {
        tokio::task::yield_now().await;
    }

    let drain = tokio::spawn(async move {
        handle.drain(Drain::restart(Duration::from_secs(20))).await;
    });
    let (_, code, reason) = client.texts_until_closed().await;

    assert_eq!((code, reason.as_str()), (3001, "shutdown"));
    client.answer_close(code).await;
    drain.await.unwrap();
    served.await.unwrap().unwrap();
}

async fn a_session_that_opens_meanwhile_may_choose_them_too(shards: usize) {
    let server = Server::bind("127.0.0.1:0").await.unwrap();
    let (address, handle) = (server.local_addresses().unwrap()[0], server.handle());
    let waiting = handle.clone();
    // Accepted when the drain has begun.
    let endpoint = Endpoint::sessions(|_, _| Polite).on_upgrade(move |upgrade| {
        let (handle, waiting) = (waiting.clone(), waiting.clone());
        tokio::spawn(async move { handle.drain(Drain::restart(Duration::from_secs(20))).await });
        async move {
            while !waiting.is_draining() {
                tokio::task::yield_now().await;
            }
            Ok(upgrade.accept())
        }
    });
    let served = tokio::spawn(server.endpoint_for_all(endpoint).shards(shards).run());

    let (mut client, _) = Client::connect(address, "").await;
    let (_, code, reason) = client.texts_until_closed().await;

    assert_eq!((code, reason.as_str()), (3001, "shutdown"));
    client.answer_close(code).await;
    served.await.unwrap().unwrap();
}

async fn a_shutdown_cuts_who_does_not_answer(shards: usize) {
    let mut site = Site::new(shards).await;
    let (mut client, mut arrival) = site.connect().await;

    let window = Duration::from_millis(200);
    site.handle.shutdown(CloseCode::GOING_AWAY, window).await;
    site.served.await.unwrap().unwrap();

    let (_, code, _) = client.texts_until_closed().await;
    assert_eq!(code, 1001);
    client.end().await;
    arrival.gone().await;
    while site.handle.open() > 0 {
        tokio::task::yield_now().await;
    }
}

async fn places_are_given_back(shards: usize) {
    let limits = ServerLimits {
        max_connections: 2,
        ..ServerLimits::default()
    };
    let mut site = Site::with(shards, config(), |server| server.limits(limits)).await;

    for _ in 0..5 {
        let (first, second) = (site.connect_in_turn().await, site.connect_in_turn().await);
        let (_, head) = Client::connect(site.address, "").await;
        assert!(head.starts_with("HTTP/1.1 503 "), "{head}");
        for (client, mut arrival) in [first, second] {
            client.close().await;
            arrival.gone().await;
        }
    }
}

async fn places_of_an_address_are_given_back(shards: usize) {
    let limits = ServerLimits {
        max_connections_per_ip: 1,
        ..ServerLimits::default()
    };
    let mut site = Site::with(shards, config(), |server| server.limits(limits)).await;

    for _ in 0..5 {
        let (client, mut arrival) = site.connect_in_turn().await;
        let (_, head) = Client::connect(site.address, "").await;
        assert!(head.starts_with("HTTP/1.1 429 "), "{head}");
        client.close().await;
        arrival.gone().await;
    }
}

/// What an observer counts.
#[derive(Default)]
struct Numbers {
    all: Mutex<(usize, Traffic, Traffic)>,
    closed: Mutex<Vec<(Closed, Stats)>>,
}

impl Observer for Numbers {
    fn opened(&self, _: &Request<()>) {
        self.all.lock().unwrap().0 += 1;
    }

    fn traffic(&self, received: &Traffic, sent: &Traffic) {
        let mut all = self.all.lock().unwrap();
        all.1 += received;
        all.2 += sent;
    }

    fn closed(&self, closed: &Closed, stats: &Stats, _: Duration) {
        self.closed.lock().unwrap().push((closed.clone(), *stats));
    }
}

async fn the_observer_is_told_what_went_over_all_connections(shards: usize) {
    let observer = Arc::new(Numbers::default());
    let watched = Arc::clone(&observer);
    let adjust = move |server: holdwire::Server| server.observe(watched);
    let mut site = Site::with(shards, config(), adjust).await;

    for count in 1..=5_u64 {
        let (mut client, _) = site.connect().await;
        for _ in 0..count {
            client.send("hello").await;
            assert_eq!(client.text().await, "hello");
        }
        client.write(frame(0x88, b"\x0f\xa1bye")).await;
        let (_, code, _) = client.texts_until_closed().await;
        assert_eq!(code, 4001);
        client.end().await;
    }
    while observer.closed.lock().unwrap().len() < 5 {
        tokio::task::yield_now().await;
    }

    let closed = observer.closed.lock().unwrap();
    for (count, (closed, stats)) in (1..=5).zip(&*closed) {
        assert_eq!((closed.code(), &*closed.reason), (4001, "bye"));
        let (received, sent) = (stats.received, stats.sent);
        assert_eq!((received.messages, received.payload), (count, 5 * count));
        assert_eq!((sent.messages, sent.payload), (count, 5 * count));
        assert_eq!(received.bytes, 11 * count + 11);
        assert_eq!(sent.bytes, 7 * count + 4);
    }
    drop(closed);
    let (opened, received, sent) = *observer.all.lock().unwrap();
    assert_eq!(opened, 5);
    assert_eq!((received.messages, received.payload), (15, 75));
    assert_eq!((sent.messages, sent.payload), (15, 75));
}

/// An observer that fails.
struct Failing;

impl Observer for Failing {
    fn traffic(&self, _: &Traffic, _: &Traffic) {
        std::panic::resume_unwind(Box::new("as the test wants it"));
    }

    fn closed(&self, _: &Closed, _: &Stats, _: Duration) {
        std::panic::resume_unwind(Box::new("as the test wants it"));
    }

    fn handshake(&self, _: StatusCode) {}
}

async fn an_observer_that_panics_harms_no_connection(shards: usize) {
    let adjust = |server: holdwire::Server| server.observe(Arc::new(Failing));
    let mut site = Site::with(shards, config(), adjust).await;
    let (mut other, _) = site.connect().await;

    for _ in 0..3 {
        let (mut client, _) = site.connect().await;
        client.send("hello").await;
        assert_eq!(client.text().await, "hello");
        client.close().await;
    }
    other.send("still here").await;
    assert_eq!(other.text().await, "still here");
    other.close().await;

    site.empty().await;
}

async fn connections_outlive_a_server_that_is_run_no_more(shards: usize) {
    let mut site = Site::new(shards).await;
    let (mut client, mut arrival) = site.connect().await;

    site.served.abort();
    assert!((&mut site.served).await.unwrap_err().is_cancelled());
    for text in ["one", "two"] {
        client.send(text).await;
        assert_eq!(client.text().await, text);
    }
    arrival.remote.wake();
    assert_eq!(client.text().await, "awake");
    client.close().await;

    arrival.gone().await;
    site.empty().await;
}
