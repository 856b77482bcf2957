//! What others ask of a connection: tasks, threads, other sessions.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use holdwire::http::Request;
use holdwire::proto::{Event, Flow, Sender};
use holdwire::shard::{Remote, Topic};
use holdwire::{CloseCode, Endpoint, Error, Message, Server};
use tokio::sync::oneshot;

use crate::client::Client;
use crate::site::{Site, Told};

everywhere! {
    what_a_task_sends_comes_in_its_order,
    a_message_waits_until_the_peer_has_read,
    messages_that_wait_for_room_hold_up_no_other_order,
    a_connection_is_closed_from_elsewhere,
    a_connection_is_cut_from_elsewhere,
    a_session_is_woken_from_a_thread,
    a_session_that_wakes_itself_without_end_holds_up_nobody,
    a_session_reaches_another,
    who_played_dead_has_lost_nothing,
    a_remote_of_a_connection_that_is_gone_does_nothing,
    a_session_that_cannot_be_made_ends_with_1011_and_its_remote_is_closed,
}

async fn what_a_task_sends_comes_in_its_order(shards: usize) {
    let mut site = Site::new(shards).await;
    let (mut client, arrival) = site.connect().await;

    let sending = tokio::spawn(async move {
        for number in 0..1000 {
            arrival.remote.send(number.to_string()).await.unwrap();
        }
    });

    for number in 0..1000 {
        assert_eq!(client.text().await, number.to_string());
    }
    sending.await.unwrap();
}

async fn a_message_waits_until_the_peer_has_read(shards: usize) {
    let mut site = Site::new(shards).await;
    let (mut client, arrival) = site.connect().await;
    let message = Message::from(vec![1; 1_000_000]);

    let sending = tokio::spawn(async move {
        for _ in 0..30 {
            arrival.remote.send(message.clone()).await.unwrap();
        }
    });
    while site.handle.queued() == 0 {
        tokio::task::yield_now().await;
    }

    for _ in 0..30 {
        assert!(site.handle.queued() <= 1024 * 1024);
        assert_eq!(client.frame().await.unwrap().1.len(), 1_000_000);
    }
    sending.await.unwrap();
}

async fn messages_that_wait_for_room_hold_up_no_other_order(shards: usize) {
    let mut site = Site::new(shards).await;
    let (_client, mut arrival) = site.connect().await;
    let message = Message::from(vec![1; 1_000_000]);

    let remote = arrival.remote.clone();
    let sending = tokio::spawn(async move {
        let mut sent = 0;
        while remote.send(message.clone()).await.is_ok() {
            sent += 1;
        }
        sent
    });
    // The peer reads nothing: sooner or later a message waits.
    while site.handle.queued() == 0 {
        tokio::task::yield_now().await;
    }
    arrival.remote.wake();
    arrival.until(Told::Woken).await;
    arrival.remote.abort();

    arrival.gone().await;
    assert!(sending.await.unwrap() < 30);
    site.empty().await;
}

async fn a_connection_is_closed_from_elsewhere(shards: usize) {
    let mut site = Site::new(shards).await;
    let (mut client, mut arrival) = site.connect().await;

    arrival.remote.close(CloseCode::GOING_AWAY, "elsewhere");

    let (_, code, reason) = client.texts_until_closed().await;
    assert_eq!((code, &*reason), (1001, "elsewhere"));
    let refused = arrival.remote.send("too late").await;
    assert!(matches!(refused, Err(Error::Closed)), "{refused:?}");
    client.answer_close(1001).await;
    arrival.gone().await;
}

async fn a_connection_is_cut_from_elsewhere(shards: usize) {
    let mut site = Site::new(shards).await;
    let (mut client, mut arrival) = site.connect().await;

    arrival.remote.abort();

    client.end().await;
    arrival.gone().await;
    site.empty().await;
}

async fn a_session_is_woken_from_a_thread(shards: usize) {
    let mut site = Site::new(shards).await;
    let (mut client, arrival) = site.connect().await;

    for _ in 0..100 {
        let remote = arrival.remote.clone();
        std::thread::spawn(move || remote.wake()).join().unwrap();
        assert_eq!(client.text().await, "awake");
    }
}

async fn a_session_that_wakes_itself_without_end_holds_up_nobody(shards: usize) {
    let mut site = Site::new(shards).await;
    let mut all = Vec::new();
    for _ in 0..4 {
        all.push(site.connect().await);
    }

    for (client, _) in &mut all {
        client.send("spin").await;
    }

    for round in 0..10 {
        for (client, _) in &mut all {
            client.send(&round.to_string()).await;
            assert_eq!(client.text().await, round.to_string());
        }
    }
    for (client, _) in all {
        client.close().await;
    }
    site.empty().await;
}

async fn a_session_reaches_another(shards: usize) {
    let server = Server::bind("127.0.0.1:0").await.unwrap();
    let address = server.local_addresses().unwrap()[0];
    let all: Arc<Mutex<Vec<Remote>>> = Arc::default();
    let known = Arc::clone(&all);
    let endpoint = Endpoint::sessions(move |_: Request<()>, remote: Remote| {
        all.lock().unwrap().push(remote);
        let all = Arc::clone(&all);
        move |event: Event<'_>, _: &mut Sender<'_>| {
            if let Event::Text(text) = event {
                for remote in all.lock().unwrap().iter() {
                    remote.close(CloseCode::NORMAL, &*text);
                }
            }
            Flow::Continue
        }
    });
    tokio::spawn(server.endpoint_for_all(endpoint).shards(shards).run());
    let mut clients = Vec::new();
    for _ in 0..5 {
        clients.push(Client::connect(address, "").await.0);
    }

    while known.lock().unwrap().len() < 5 {
        tokio::task::yield_now().await;
    }

    clients[0].send("all go").await;

    for mut client in clients {
        let (_, code, reason) = client.texts_until_closed().await;
        assert_eq!((code, &*reason), (1000, "all go"));
    }
}

async fn who_played_dead_has_lost_nothing(shards: usize) {
    let mut site = Site::new(shards).await;
    let (mut client, mut arrival) = site.connect().await;

    arrival.remote.play_dead(Duration::from_millis(30));
    arrival.remote.wake();
    arrival.until(Told::Woken).await;
    client.send("hello").await;

    assert_eq!(client.text().await, "awake");
    assert_eq!(client.text().await, "hello");
}

async fn a_remote_of_a_connection_that_is_gone_does_nothing(shards: usize) {
    let mut site = Site::new(shards).await;
    let mut gone = Vec::new();
    for _ in 0..3 {
        let (client, mut arrival) = site.connect().await;
        client.close().await;
        arrival.gone().await;
        gone.push(arrival.remote);
    }
    site.empty().await;

    let (mut client, mut arrival) = site.connect().await;
    for remote in gone {
        assert_ne!(remote, arrival.remote);
        remote.wake();
        remote.abort();
        remote.close(CloseCode::NORMAL, "");
        remote.join(&Topic::new());
        assert!(matches!(remote.send("hello").await, Err(Error::Closed)));
    }
    client.send("untouched").await;

    assert_eq!(client.text().await, "untouched");
    assert_eq!(arrival.told().await, Told::Text("untouched".to_owned()));
}

async fn a_session_that_cannot_be_made_ends_with_1011_and_its_remote_is_closed(shards: usize) {
    let server = Server::bind("127.0.0.1:0").await.unwrap();
    let address = server.local_addresses().unwrap()[0];
    let handle = server.handle();
    let (told, sent) = oneshot::channel();
    let told = Mutex::new(Some(told));
    let endpoint = Endpoint::sessions(move |_: Request<()>, remote: Remote| {
        let told = told.lock().unwrap().take().unwrap();
        tokio::spawn(async move { told.send(remote.send("from a task").await) });
        if address.port() > 0 {
            std::panic::resume_unwind(Box::new("as the test wants it"));
        }
        |_: Event<'_>, _: &mut Sender<'_>| Flow::Continue
    });
    tokio::spawn(server.endpoint_for_all(endpoint).shards(shards).run());

    let (mut client, _) = Client::connect(address, "").await;

    assert_eq!(client.closed().await, 1011);
    assert!(matches!(sent.await.unwrap(), Err(Error::Closed)));
    while handle.open() > 0 {
        tokio::task::yield_now().await;
    }
}
