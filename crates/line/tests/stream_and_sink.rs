//! `Stream` and `Sink`: the same connection for combinators.
#![cfg(feature = "stream")]

mod common;

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use common::{Task, close, frames, pair, server};
use futures_core::Stream;
use futures_sink::Sink;
use holdwire::{CloseCode, Config, Limits, Message};

#[tokio::test(start_paused = true)]
async fn a_stream_yields_messages_and_ends_with_the_close() {
    let (mut client, server) = pair(64);
    tokio::spawn(async move {
        server.send("one").await.unwrap();
        server.send("two").await.unwrap();
        server.close(CloseCode::NORMAL, "").await;
    });

    let mut next = async || poll_fn(|cx| Pin::new(&mut client).poll_next(cx)).await;

    assert_eq!(next().await.unwrap().unwrap(), Message::from("one"));
    assert_eq!(next().await.unwrap().unwrap(), Message::from("two"));
    assert!(next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_ready_sink_takes_a_message_of_any_size_and_then_waits() {
    let limits = Limits {
        send_queue: 1000,
        ..Limits::default()
    };
    let (mut socket, driver, peer) = server(Config::default().limits(limits));
    let mut driver = Task::new(driver);
    peer.set_room(0);

    for _ in 0..2 {
        let mut ready = Task::new(poll_fn(|cx| Pin::new(&mut socket).poll_ready(cx)));
        assert!(ready.run().is_ready());
        drop(ready);
        let message = Message::from("x".repeat(800));
        Pin::new(&mut socket).start_send(message).unwrap();
    }
    let mut ready = Task::new(poll_fn(|cx| Pin::new(&mut socket).poll_ready(cx)));
    assert!(ready.run().is_pending());
    assert!(driver.run().is_pending());
    peer.set_room(usize::MAX);
    assert!(driver.run_if_woken().is_pending());

    assert!(ready.run_if_woken().is_ready());
    assert_eq!(frames(&peer.take()).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_sink_closes_once_and_waits_for_the_end() {
    let (mut socket, driver, peer) = server(Config::default());
    let mut driver = Task::new(driver);
    let mut closing = Task::new(poll_fn(|cx| Pin::new(&mut socket).poll_close(cx)));
    assert!(closing.run().is_pending());
    assert!(driver.run().is_pending());

    peer.send(&close(1000, ""));
    for _ in 0..5 {
        assert!(driver.run_if_woken().is_pending());
        assert!(closing.run_if_woken().is_pending());
    }
    assert!(
        driver.polls < 5,
        "{} polls while the peer lingers",
        driver.polls
    );
    peer.end();
    assert!(driver.run_if_woken().is_ready());

    assert!(matches!(closing.run_if_woken(), Poll::Ready(Ok(()))));
    assert_eq!(frames(&peer.take()).len(), 1);
}
