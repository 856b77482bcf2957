//! A dead line is noticed by both ends, a busy one is kept.

mod common;

use std::time::Duration;

use common::{Peer, frame, frames, server, text};
use holdwire::proto::{Event, Flow, Sender};
use holdwire::{
    Config, Driver, Ended, Error, HeartbeatWord, Lost, Message, Role, Setup, WebSocket,
};
use tokio::time::{Instant, sleep, timeout};

const BOUND: Duration = Duration::from_secs(45);

/// Answers every ping, up to half a second late.
async fn answer_pings(peer: &Peer) {
    loop {
        sleep(Duration::from_millis(500)).await;
        for (opcode, payload) in frames(&peer.take()) {
            if opcode == 0x9 {
                peer.send(&frame(0xa, &payload));
            }
        }
    }
}

/// Runs both until the handler is done. `Driver::run` would catch what it asserts.
async fn alive(handler: impl Future<Output = ()>, driver: Driver) {
    tokio::select! {
        () = handler => {}
        closed = driver => panic!("{closed}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_peer_is_lost_within_the_bound_and_the_receiver_is_told_why() {
    let (mut socket, driver, _peer) = server(Config::default());
    let start = Instant::now();

    let told = async { socket.recv().await };
    let (told, closed) = tokio::join!(told, driver);

    assert!(
        matches!(told, Some(Err(Error::Lost(Lost::HeartbeatTimeout)))),
        "{told:?}"
    );
    assert_eq!(closed.ended, Ended::HeartbeatTimeout);
    assert_eq!(closed.code(), 1006);
    assert!(start.elapsed() <= BOUND + Duration::from_millis(10));
}

#[tokio::test(start_paused = true)]
async fn a_silent_peer_is_lost_though_messages_are_sent_to_it() {
    let (socket, driver, peer) = server(Config::default());
    let start = Instant::now();
    let (sender, mut receiver) = socket.split();

    let sending = async {
        while sender.send("into the void").await.is_ok() {
            let _ = peer.take();
            sleep(Duration::from_secs(1)).await;
        }
    };
    let (_, told, closed) = tokio::join!(sending, receiver.recv(), driver);

    assert!(matches!(
        told,
        Some(Err(Error::Lost(Lost::HeartbeatTimeout)))
    ));
    assert_eq!(closed.ended, Ended::HeartbeatTimeout);
    assert!(start.elapsed() <= BOUND + Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_answers_pings_is_kept_and_its_round_trip_known() {
    let (mut socket, driver, peer) = server(Config::default());
    let handler = async {
        let received = timeout(Duration::from_secs(2 * 3600), socket.recv()).await;
        assert!(received.is_err(), "{received:?}");
        let round_trip = socket.stats().round_trip.expect("measured");
        assert!(
            (0..=500).contains(&round_trip.as_millis()),
            "{round_trip:?}"
        );
    };

    tokio::select! {
        () = handler => {}
        closed = driver => panic!("{closed}"),
        () = answer_pings(&peer) => unreachable!("goes on for ever"),
    }
}

#[tokio::test(start_paused = true)]
async fn two_ends_of_the_library_keep_each_other() {
    let (mut here, mut there) = common::pair(1024);

    let quiet = Duration::from_secs(24 * 3600);
    let (one, other) = tokio::join!(timeout(quiet, here.recv()), timeout(quiet, there.recv()));

    assert!(one.is_err() && other.is_err());
    here.send("still here").await.unwrap();
    assert_eq!(
        there.recv().await.transpose().unwrap(),
        Some(Message::from("still here"))
    );
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_is_busy_for_three_times_the_bound_keeps_its_line() {
    let (mut socket, driver, peer) = server(Config::default());
    // More than is read ahead of a busy handler, so that reading pauses and the pongs stay unread.
    for _ in 0..200 {
        peer.send(&text(&"x".repeat(1000)));
    }
    let handler = async {
        socket.recv().await.transpose().unwrap().expect("a message");
        sleep(3 * BOUND).await;
        for _ in 1..200 {
            socket.recv().await.transpose().unwrap().expect("a message");
        }
        assert_eq!(socket.closed(), None);
    };

    alive(handler, driver).await;
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_not_polled_for_three_times_the_bound_keeps_its_line() {
    let (mut socket, driver, peer) = server(Config::default());
    let mut seen = 0;
    let handler = async {
        let count = |event: Event<'_>, _: &mut Sender<'_>| {
            seen += usize::from(matches!(event, Event::Text(_)));
            Flow::Continue
        };
        let mut lease = std::pin::pin!(socket.lend(count));
        // Begun, and then left alone while the handler does something else.
        let begun = timeout(Duration::from_millis(1), &mut lease).await;
        assert!(begun.is_err());
        sleep(3 * BOUND).await;
        peer.send(&text("late, but unread only by our own fault"));
        let rest = timeout(Duration::from_secs(1), &mut lease).await;
        assert!(rest.is_err(), "{rest:?}");
    };

    alive(handler, driver).await;

    assert_eq!(seen, 1);
}

#[tokio::test(start_paused = true)]
async fn a_silent_peer_of_a_lease_in_another_task_is_lost_within_the_bound_and_a_probe() {
    let (mut socket, driver, _peer) = server(Config::default());
    let start = Instant::now();

    let lent = tokio::spawn(async move {
        let ignore = |_: Event<'_>, _: &mut Sender<'_>| Flow::Continue;
        socket.lend(ignore).await
    });
    let closed = driver.await;

    assert_eq!(closed.ended, Ended::HeartbeatTimeout);
    assert!(start.elapsed() <= BOUND + Duration::from_secs(6));
    let told = lent.await.unwrap();
    assert!(matches!(told, Err(Error::Lost(Lost::HeartbeatTimeout))));
}

#[tokio::test(start_paused = true)]
async fn a_connection_without_a_driver_notices_while_it_is_awaited() {
    let (io, _peer) = tokio::io::duplex(64);
    let stream = holdwire::Stream::new(io);
    let mut socket = WebSocket::undriven(stream, Role::Client, Setup::default());
    let start = Instant::now();

    let told = socket.recv().await;

    assert!(matches!(
        told,
        Some(Err(Error::Lost(Lost::HeartbeatTimeout)))
    ));
    assert!(start.elapsed() <= BOUND + Duration::from_millis(10));
}

#[tokio::test(start_paused = true)]
async fn the_word_is_answered_while_the_handler_is_busy() {
    let config = Config::default().heartbeat_word(HeartbeatWord::default());
    let (mut socket, driver, peer) = server(config);
    peer.send(&text("HeartBeat"));
    peer.send(&text("hello"));
    let handler = async {
        sleep(Duration::from_secs(10)).await;
        assert_eq!(frames(&peer.take()), [(0x1, b"HeartBeat".to_vec())]);
        let first = socket.recv().await.transpose().unwrap();
        assert_eq!(first, Some(Message::from("hello")));
    };

    alive(handler, driver).await;
}

#[tokio::test(start_paused = true)]
async fn an_aborted_connection_ends_at_once_without_a_close_frame() {
    let (socket, driver, peer) = server(Config::default());
    let start = Instant::now();

    let handler = async move {
        socket.try_send("it waits and is lost").unwrap();
        socket.abort();
        // The last handle goes with the handler, and still there is no Close frame.
        drop(socket);
    };
    let closed = driver.run(handler).await;

    assert_eq!(closed.ended, Ended::Lost);
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert_eq!(frames(&peer.take()), []);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_plays_dead_answers_nothing_and_then_goes_on() {
    let config = Config::default().heartbeat_word(HeartbeatWord::default());
    let (mut socket, driver, peer) = server(config);
    let handler = async {
        socket.play_dead(Duration::from_secs(60));
        peer.send(&text("HeartBeat"));
        peer.send(&frame(0x9, b"ping"));
        peer.send(&text("hello"));
        socket.try_send("not yet").unwrap();
        sleep(Duration::from_secs(59)).await;
        assert_eq!(frames(&peer.take()), []);

        let late = socket.recv().await.transpose().unwrap();
        assert_eq!(late, Some(Message::from("hello")));
        socket.flush().await.unwrap();
        let mut said: Vec<u8> = frames(&peer.take()).iter().map(|frame| frame.0).collect();
        said.sort_unstable();
        // What was queued, the word, a ping of our own after so long a silence, the pong.
        assert_eq!(said, [0x1, 0x1, 0x9, 0xa]);
    };

    alive(handler, driver).await;
}

#[tokio::test(start_paused = true)]
async fn a_slow_peer_of_a_lease_is_kept_while_a_message_over_the_queue_s_limit_leaves() {
    const STEP: usize = 100 * 1024;
    let (mut socket, driver, peer) = server(Config::default());
    peer.set_room(0);
    let handler = async {
        socket.try_send("x".repeat(100 * STEP)).unwrap();
        socket
            .lend(|_: Event<'_>, _: &mut Sender<'_>| Flow::Continue)
            .await
    };
    let slow = async {
        // It takes nothing until a ping stands before the message, then all of it, and talks.
        sleep(Duration::from_secs(27)).await;
        for _ in 0..101 {
            sleep(Duration::from_secs(1)).await;
            peer.send(&frame(0xa, b"alive"));
            peer.set_room(STEP);
        }
        peer.set_room(usize::MAX);
        peer.send(&common::close(1000, ""));
        peer.end();
    };

    let (closed, ()) = tokio::join!(driver.run(handler), slow);

    assert!(closed.is_clean(), "{closed}");
}

#[tokio::test]
async fn an_aborted_connection_without_a_driver_lets_go_of_its_transport() {
    let (transport, peer) = common::transport();
    let stream = holdwire::Stream::new(transport);
    let socket = WebSocket::undriven(stream, Role::Client, Setup::default());

    socket.abort();

    assert!(peer.wire().dropped);
    assert_eq!(
        socket.close(holdwire::CloseCode::NORMAL, "").await.ended,
        Ended::Lost
    );
}
