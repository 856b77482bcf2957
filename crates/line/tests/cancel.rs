//! Every async method dropped after every number of polls: nothing lost, doubled or torn.

mod common;

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use common::pair_with;
use holdwire::proto::{Event, Flow, Sender};
use holdwire::{CloseCode, Config, Limits, Message, WebSocket};

/// A pipe so narrow, and a queue so short, that everything takes many polls.
fn narrow() -> (WebSocket, WebSocket) {
    let limits = Limits {
        send_queue: 40,
        ..Limits::default()
    };
    pair_with(7, Config::default().limits(limits))
}

/// Polls at most so many times, letting the drivers run in between; `None` when it was dropped.
async fn cancelled_after<F: Future>(polls: usize, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    for _ in 0..polls {
        let polled = future
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()));
        if let Poll::Ready(output) = polled {
            return Some(output);
        }
        tokio::task::yield_now().await;
    }
    None
}

fn number(message: &Message) -> usize {
    let Message::Text(text) = message else {
        panic!("torn: {message:?}");
    };
    text.trim_end_matches('.').parse().expect("whole")
}

fn numbered(number: usize) -> String {
    format!("{number}{}", ".".repeat(30))
}

#[tokio::test(start_paused = true)]
async fn recv_may_be_dropped_after_any_number_of_polls() {
    for polls in 1..12 {
        let (client, mut server) = narrow();
        tokio::spawn(async move {
            for next in 0..20 {
                client.send(numbered(next)).await.unwrap();
            }
            client.close(CloseCode::NORMAL, "").await;
        });

        let mut received = Vec::new();
        loop {
            match cancelled_after(polls, server.recv()).await {
                Some(Some(message)) => received.push(number(&message.unwrap())),
                Some(None) => break,
                None => {}
            }
        }

        assert_eq!(received, (0..20).collect::<Vec<_>>(), "{polls} polls");
    }
}

#[tokio::test(start_paused = true)]
async fn send_may_be_dropped_after_any_number_of_polls() {
    for polls in 1..12 {
        let (client, mut server) = narrow();
        let all = tokio::spawn(async move {
            let mut received = Vec::new();
            while let Some(message) = server.recv().await {
                received.push(number(&message.unwrap()));
            }
            received
        });

        let mut sent = Vec::new();
        for next in 0..20 {
            if let Some(result) = cancelled_after(polls, client.send(numbered(next))).await {
                result.unwrap();
                sent.push(next);
            }
        }
        client.close(CloseCode::NORMAL, "").await;

        assert_eq!(
            all.await.unwrap(),
            sent,
            "{polls} polls: dropped means not sent"
        );
        assert!(!sent.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn flush_ping_and_close_may_be_dropped_after_any_number_of_polls() {
    for polls in 1..40 {
        let (client, mut server) = narrow();
        let all = tokio::spawn(async move {
            let mut received = Vec::new();
            while let Some(message) = server.recv().await {
                received.push(number(&message.unwrap()));
            }
            (received, server.closed())
        });

        client.send(numbered(0)).await.unwrap();
        drop(cancelled_after(polls, client.flush()).await);
        client.send(numbered(1)).await.unwrap();
        drop(cancelled_after(polls, client.ping()).await);
        client.send(numbered(2)).await.unwrap();
        drop(cancelled_after(polls, client.close(CloseCode::NORMAL, "bye")).await);
        let closed = client.close(CloseCode::GOING_AWAY, "again").await;

        let (received, other) = all.await.unwrap();
        assert_eq!(received, [0, 1, 2], "{polls} polls");
        assert!(closed.is_clean());
        let other = other.unwrap();
        assert_eq!(
            (other.code(), &*other.reason),
            (1000, "bye"),
            "the first close counts"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn lend_may_be_dropped_after_any_number_of_polls() {
    for polls in 1..12 {
        let (client, mut server) = narrow();
        tokio::spawn(async move {
            for next in 0..20 {
                client.send(numbered(next)).await.unwrap();
            }
            client.close(CloseCode::NORMAL, "").await;
        });

        let mut received = Vec::new();
        loop {
            let take = |event: Event<'_>, _: &mut Sender<'_>| {
                if let Event::Text(text) = event {
                    received.push(number(&Message::from(&*text)));
                }
                Flow::Continue
            };
            if cancelled_after(polls, server.lend(take)).await.is_some() {
                break;
            }
            // Between two leases the driver reads ahead; that must not be lost either.
            tokio::time::sleep(Duration::from_millis(1)).await;
        }

        assert_eq!(received, (0..20).collect::<Vec<_>>(), "{polls} polls");
    }
}

#[tokio::test(start_paused = true)]
async fn a_lease_and_single_receives_may_take_turns() {
    let (client, mut server) = narrow();
    tokio::spawn(async move {
        for next in 0..20 {
            client.send(numbered(next)).await.unwrap();
        }
        client.close(CloseCode::NORMAL, "").await;
    });

    let mut received = Vec::new();
    while received.len() < 20 {
        let one = |event: Event<'_>, _: &mut Sender<'_>| {
            let Event::Text(text) = event else {
                return Flow::Continue;
            };
            received.push(number(&Message::from(&*text)));
            Flow::Pause
        };
        server.lend(one).await.unwrap();
        if received.len() < 20 {
            let message = server.recv().await.unwrap().unwrap();
            received.push(number(&message));
        }
    }

    assert_eq!(received, (0..20).collect::<Vec<_>>());
    assert!(server.recv().await.is_none());
}
