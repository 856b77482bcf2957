//! What the application is told, whatever it does meanwhile.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use holdwire::line::{Event, State};

use crate::server::{Told, line};

/// A kilobyte, so that 64 of them are what is read ahead.
fn kilobyte() -> String {
    "x".repeat(1024)
}

#[tokio::test(start_paused = true)]
async fn server_waits_for_an_application_that_takes_nothing() {
    let (builder, mut server) = line();
    let mut line = builder.start();
    let session = server.accept().await;
    line.up().await;

    let send = async {
        for sent in 0..10_000 {
            let next = session.socket.send(kilobyte());
            let Ok(result) = tokio::time::timeout(Duration::from_secs(20), next).await else {
                return sent;
            };
            result.unwrap();
        }
        panic!("nothing held it back");
    };
    let sent = send.await;

    let received = line.counters().received;
    assert!(received <= 64, "{received} were read ahead");
    for _ in 0..sent {
        assert_eq!(line.message().await.len(), 1024);
    }
}

#[tokio::test(start_paused = true)]
async fn line_that_is_lost_meanwhile_waits_for_the_application() {
    let (builder, mut server) = line();
    let mut line = builder.start();
    let session = server.accept().await;
    line.up().await;
    for _ in 0..100 {
        session.socket.send(kilobyte()).await.unwrap();
    }
    session.socket.flush().await.unwrap();
    session.cut().await;

    assert!(server.is_left_alone(Duration::from_secs(600)).await);
    let mut messages = 0;
    let next_in = loop {
        match line.told().await {
            Event::Message(_) => messages += 1,
            Event::Down { next_in, .. } => break next_in,
            other => panic!("{other:?}"),
        }
    };

    assert!(messages >= 64, "{messages} came before the end");
    assert!(next_in < Duration::from_millis(500));
    server.accept().await;
    assert_eq!(line.up().await, 2);
}

#[tokio::test(start_paused = true)]
async fn application_that_comes_late_is_told_the_last_loss_and_the_present() {
    let (builder, mut server) = line();
    let mut line = builder.start();
    for _ in 0..200 {
        drop(server.arrival().await);
    }
    let _session = server.accept().await;
    while !matches!(line.state(), State::Open { .. }) {
        tokio::task::yield_now().await;
    }

    let mut told = Vec::new();
    for _ in 0..4 {
        told.push(match line.told().await {
            Event::Connecting { generation, .. } => ("connecting", generation),
            Event::Down { loss, .. } => ("down", loss.generation),
            Event::Up { generation, .. } => ("up", generation),
            other => panic!("{other:?}"),
        });
    }

    let expected = [
        ("connecting", 1),
        ("down", 200),
        ("connecting", 201),
        ("up", 201),
    ];
    assert_eq!(told, expected);
}

#[tokio::test(start_paused = true)]
async fn no_event_is_lost_with_a_next_that_is_dropped() {
    let (builder, mut server) = line();
    let mut line = builder.start();
    let session = server.accept().await;
    line.up().await;
    for number in 0..100 {
        session.socket.send(number.to_string()).await.unwrap();
    }

    let mut taken = Vec::new();
    while taken.len() < 100 {
        // Polled once at any moment, and dropped.
        {
            let mut next = pin!(line.next());
            let mut cx = Context::from_waker(Waker::noop());
            if let Poll::Ready(event) = next.as_mut().poll(&mut cx) {
                taken.push(event);
            }
        }
        tokio::task::yield_now().await;
    }

    for (number, event) in taken.into_iter().enumerate() {
        let Some(Event::Message(message)) = event else {
            panic!("{event:?}");
        };
        assert_eq!(message.as_text().unwrap(), number.to_string());
    }
}

#[tokio::test(start_paused = true)]
async fn handle_goes_on_sending_when_nobody_listens() {
    let (builder, mut server) = line();
    let line = builder.start();
    let handle = line.handle();
    drop(line);
    let mut session = server.accept().await;

    // Far more than would be read ahead: it is read and dropped.
    for _ in 0..1000 {
        session.socket.send(kilobyte()).await.unwrap();
    }
    session.socket.flush().await.unwrap();
    handle.send("hello").unwrap();

    assert_eq!(session.text().await, "hello");
    session.cut().await;
    let mut session = server.accept().await;
    handle.send("hello again").unwrap();
    assert_eq!(session.text().await, "hello again");
    drop(handle);
    assert!(session.socket.recv().await.is_none());
    assert_eq!(session.socket.closed().unwrap().code(), 1001);
}
