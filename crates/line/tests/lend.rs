//! The lending path: no copy, one write, and other connections at hand.

mod common;

use std::borrow::Cow;
use std::sync::{Arc, Mutex};

use common::{Task, frames, pair, server, text};
use holdwire::proto::{Event, Flow, Sender};
use holdwire::{Config, Message};
use tokio::sync::Notify;

#[tokio::test(start_paused = true)]
async fn a_message_is_lent_where_it_lies() {
    let (mut socket, driver, peer) = server(Config::default());
    let lent = Arc::new(Mutex::new(Vec::new()));
    let kinds = Arc::clone(&lent);
    let mut task = Task::new(driver.run(async move {
        let look = |event: Event<'_>, _: &mut Sender<'_>| {
            if let Event::Text(text) = event {
                kinds.lock().unwrap().push(matches!(text, Cow::Borrowed(_)));
            }
            Flow::Continue
        };
        socket.lend(look).await
    }));

    peer.send(&text("first").repeat(3));
    assert!(task.run().is_pending());
    peer.send(&text(&"x".repeat(10_000)));
    assert!(task.run_if_woken().is_pending());

    assert_eq!(*lent.lock().unwrap(), [true; 4]);
}

#[tokio::test(start_paused = true)]
async fn all_replies_to_one_read_leave_in_one_write() {
    let (mut socket, driver, peer) = server(Config::default());
    let mut task = Task::new(driver.run(async move { socket.lend(echo).await }));
    assert!(task.run().is_pending());

    peer.send(&text("hello").repeat(500));
    assert!(task.run_if_woken().is_pending());

    assert_eq!(peer.wire().writes, 1);
    assert_eq!(frames(&peer.take()).len(), 500);
}

#[tokio::test(start_paused = true)]
async fn a_lease_after_a_pause_reads_on_though_what_was_kept_is_no_whole_message() {
    let (mut socket, driver, peer) = server(Config::default());
    let resumed = Arc::new(Notify::new());
    let resuming = Arc::clone(&resumed);
    let mut task = Task::new(driver.run(async move {
        let pause = |_: Event<'_>, _: &mut Sender<'_>| Flow::Pause;
        socket.lend(pause).await.unwrap();
        resuming.notified().await;
        socket.lend(echo).await
    }));
    let second = text("second");
    peer.send(&[&text("first"), &second[..8]].concat());
    assert!(task.run().is_pending());
    resumed.notify_one();
    assert!(task.run_if_woken().is_pending());

    peer.send(&second[8..]);
    assert!(task.run_if_woken().is_pending());

    assert_eq!(frames(&peer.take()), [(0x1, b"second".to_vec())]);
}

#[tokio::test(start_paused = true)]
async fn a_handler_may_send_on_other_connections() {
    let (mut other_client, other) = pair(1024);
    let (mut socket, driver, peer) = server(Config::default());
    peer.send(&text("pass it on"));

    let mut task = Task::new(driver.run(async move {
        let pass = |event: Event<'_>, _: &mut Sender<'_>| {
            if let Event::Text(text) = event {
                other.try_send(&*text).unwrap();
            }
            Flow::Continue
        };
        socket.lend(pass).await
    }));
    assert!(task.run().is_pending());

    let passed = other_client.recv().await.unwrap().unwrap();
    assert_eq!(passed, Message::from("pass it on"));
}

fn echo(event: Event<'_>, reply: &mut Sender<'_>) -> Flow {
    match event {
        Event::Text(text) => drop(reply.text(&text)),
        Event::Binary(payload) => drop(reply.binary(&payload)),
        _ => {}
    }
    Flow::Continue
}

#[tokio::test(start_paused = true)]
async fn lent_answers_count_as_sent_messages() {
    let (mut socket, driver, peer) = server(Config::default());
    let mut task = Task::new(driver.run(async move {
        let answer_once = |event: Event<'_>, reply: &mut Sender<'_>| {
            let _ = echo(event, reply);
            Flow::Pause
        };
        socket.lend(answer_once).await.unwrap();
        assert_eq!(socket.stats().sent.messages, 1);
        assert_eq!(socket.stats().sent.payload, 5);
        assert_eq!(socket.stats().received.messages, 1);
    }));

    peer.send(&text("hello"));
    let _ = task.run();

    // A panic of the handler would close with 1011.
    let close = 1000_u16.to_be_bytes().to_vec();
    assert_eq!(
        frames(&peer.take()),
        [(0x1, b"hello".to_vec()), (0x8, close)]
    );
}
