//! How a connection ended is data, and everybody hears of it.

mod common;

use std::io::ErrorKind;
use std::task::Poll;
use std::time::Duration;

use common::{Task, close, frame, frames, pair, server, text, unmasked};
use holdwire::{CloseCode, Config, Ended, Error, Lost, Role, Setup, Violation, WebSocket};

/// What a handler that only receives is told, and how the connection ended.
async fn told(
    mut socket: WebSocket,
    driver: holdwire::Driver,
) -> (Option<Result<usize, Error>>, holdwire::Closed) {
    let mut told = None;
    let handler = async {
        let mut count = 0;
        told = Some(loop {
            match socket.recv().await {
                Some(Ok(_)) => count += 1,
                Some(Err(error)) => break Err(error),
                None => break Ok(count),
            }
        });
        assert!(socket.recv().await.is_none(), "an error is told once");
    };
    let closed = driver.run(handler).await;
    (told, closed)
}

#[tokio::test(start_paused = true)]
async fn a_clean_close_is_no_error_and_carries_code_and_reason() {
    let (socket, driver, peer) = server(Config::default());
    peer.send(&text("one"));
    peer.send(&close(4001, "enough"));
    peer.end();

    let (told, closed) = told(socket, driver).await;

    assert!(matches!(told, Some(Ok(1))), "{told:?}");
    assert!(closed.is_clean());
    assert_eq!((closed.code(), &*closed.reason), (4001, "enough"));
    assert_eq!(
        frames(&peer.take()),
        [(0x8, 4001_u16.to_be_bytes().to_vec())]
    );
}

#[tokio::test(start_paused = true)]
async fn a_close_without_a_code_is_1005() {
    let (socket, driver, peer) = server(Config::default());
    peer.send(&frame(0x8, b""));
    peer.end();

    let (_, closed) = told(socket, driver).await;

    assert_eq!((closed.ended, closed.code()), (Ended::Clean(None), 1005));
}

#[tokio::test(start_paused = true)]
async fn an_end_without_a_close_frame_is_lost() {
    let (socket, driver, peer) = server(Config::default());
    peer.send(&text("one"));
    peer.end();

    let (told, closed) = told(socket, driver).await;

    assert!(
        matches!(told, Some(Err(Error::Lost(Lost::Eof)))),
        "{told:?}"
    );
    assert_eq!((closed.ended, closed.code()), (Ended::Lost, 1006));
}

#[tokio::test(start_paused = true)]
async fn a_transport_that_fails_names_its_error() {
    let (socket, driver, peer) = server(Config::default());
    peer.fail(ErrorKind::ConnectionReset);

    let (told, closed) = told(socket, driver).await;

    assert!(
        matches!(
            told,
            Some(Err(Error::Lost(Lost::Io(ErrorKind::ConnectionReset))))
        ),
        "{told:?}"
    );
    assert_eq!(closed.ended, Ended::Io(ErrorKind::ConnectionReset));
}

#[tokio::test(start_paused = true)]
async fn a_write_that_fails_ends_the_connection_too() {
    let (socket, driver, peer) = server(Config::default());
    peer.wire().write_error = Some(ErrorKind::BrokenPipe);
    peer.send(&frame(0x9, b"ping"));

    let (told, closed) = told(socket, driver).await;

    assert!(matches!(
        told,
        Some(Err(Error::Lost(Lost::Io(ErrorKind::BrokenPipe))))
    ));
    assert_eq!(closed.ended, Ended::Io(ErrorKind::BrokenPipe));
}

#[tokio::test(start_paused = true)]
async fn a_broken_rule_is_named_and_the_peer_is_told() {
    let (socket, driver, peer) = server(Config::default());
    peer.send(&unmasked(0x1, b"not masked"));
    peer.end();

    let (told, closed) = told(socket, driver).await;

    assert!(matches!(told, Some(Err(Error::Protocol(_)))), "{told:?}");
    assert!(matches!(closed.ended, Ended::Violation(_)));
    let told_peer = frames(&peer.take());
    assert_eq!(told_peer[0].0, 0x8);
    assert_eq!(told_peer[0].1[..2], 1002_u16.to_be_bytes());
}

#[tokio::test(start_paused = true)]
async fn an_unfinished_message_ends_by_its_timeout() {
    let (socket, driver, peer) = server(Config::default());
    peer.send(&text("unfinished")[..8]);

    let (told, _) = told(socket, driver).await;

    assert!(
        matches!(told, Some(Err(Error::Protocol(Violation::MessageTimeout)))),
        "{told:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_read_ends_within_the_write_stall() {
    let (socket, driver, peer) = server(Config::default());
    peer.set_room(3);
    let start = tokio::time::Instant::now();
    socket.try_send("hello").unwrap();

    let (told, closed) = told(socket, driver).await;

    assert!(
        matches!(told, Some(Err(Error::Lost(Lost::WriteStalled)))),
        "{told:?}"
    );
    assert_eq!(closed.ended, Ended::WriteStalled);
    assert!(start.elapsed() < Duration::from_secs(31));
}

#[tokio::test(start_paused = true)]
async fn a_transport_that_keeps_what_it_took_ends_within_the_write_stall() {
    let (socket, driver, peer) = server(Config::default().heartbeat(None));
    peer.wire().holds_flush = true;
    let start = tokio::time::Instant::now();
    socket.try_send("hello").unwrap();

    let ended = tokio::time::timeout(Duration::from_secs(60), told(socket, driver)).await;

    let (_, closed) = ended.expect("ended");
    assert_eq!(closed.ended, Ended::WriteStalled);
    assert!(start.elapsed() < Duration::from_secs(31));
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_returns_while_reading_is_paused_closes_at_once() {
    let (socket, driver, peer) = server(Config::default());
    let (done, is_done) = tokio::sync::oneshot::channel::<()>();
    let mut task = Task::new(driver.run(async move {
        is_done.await.unwrap();
        drop(socket);
    }));
    for _ in 0..80 {
        peer.send(&text(&"x".repeat(1000)));
    }
    peer.send(&close(1000, ""));
    peer.end();
    assert!(task.run().is_pending());

    done.send(()).unwrap();
    let closed = task.run_if_woken();

    assert!(matches!(closed, Poll::Ready(closed) if closed.is_clean()));
}

#[tokio::test(start_paused = true)]
async fn a_close_that_nobody_answers_ends_by_its_timeout() {
    let (socket, driver, _peer) = server(Config::default());
    let start = tokio::time::Instant::now();

    let closed = driver
        .run(async { drop(socket.close(CloseCode::NORMAL, "bye").await) })
        .await;

    assert_eq!(closed.ended, Ended::CloseTimeout);
    assert!(start.elapsed() < Duration::from_secs(8));
}

#[tokio::test(start_paused = true)]
async fn nothing_can_be_sent_after_a_close() {
    let (client, mut server) = pair(1024);
    let closing = tokio::spawn(async move {
        let closed = client.close(CloseCode::NORMAL, "").await;
        (client, closed)
    });
    assert!(server.recv().await.is_none());

    assert!(matches!(server.send("late").await, Err(Error::Closed)));
    let (client, closed) = closing.await.unwrap();
    assert!(closed.is_clean());
    assert!(matches!(client.try_send("late"), Err(Error::Closed)));
    assert!(matches!(client.ping().await, Err(Error::Closed)));
    assert!(client.flush().await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn the_last_handle_closes_with_1000_by_a_server_and_1001_by_a_client() {
    for (role, code) in [(Role::Server, 1000_u16), (Role::Client, 1001)] {
        let (transport, peer) = common::transport();
        let (socket, driver) = WebSocket::over(transport, role, Setup::default());
        let mut driver = Task::new(driver);
        let (sender, receiver) = socket.split();
        let other = sender.clone();
        drop((sender, receiver));
        assert!(driver.run().is_pending());
        assert_eq!(peer.take(), b"", "one handle is left");

        drop(other);
        assert!(driver.run_if_woken().is_pending());

        let mut written = peer.take();
        if role == Role::Client {
            let (head, payload) = written.split_at_mut(6);
            let keys = [head[2], head[3]];
            payload
                .iter_mut()
                .zip(keys)
                .for_each(|(byte, key)| *byte ^= key);
        }
        assert_eq!(written[written.len() - 2..], code.to_be_bytes());
    }
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_lives_on_elsewhere_keeps_its_connection() {
    let (socket, driver, peer) = server(Config::default());
    let (sender, receiver) = socket.split();
    let mut task = Task::new(driver.run(async move { drop(receiver) }));
    assert!(task.run().is_pending());

    sender.try_send("still here").unwrap();
    assert!(task.run_if_woken().is_pending());
    assert_eq!(frames(&peer.take()), [(0x1, b"still here".to_vec())]);
    drop(sender);
    assert!(task.run_if_woken().is_pending());

    assert_eq!(
        frames(&peer.take()),
        [(0x8, 1000_u16.to_be_bytes().to_vec())]
    );
}

#[tokio::test(start_paused = true)]
async fn a_busy_handler_does_not_hold_up_the_closing_handshake() {
    let (socket, driver, peer) = server(Config::default());
    let busy = async move {
        tokio::time::sleep(Duration::from_secs(3600)).await;
        drop(socket);
    };
    let mut task = Task::new(driver.run(busy));
    assert!(task.run().is_pending());

    peer.send(&close(1000, ""));
    assert!(task.run_if_woken().is_pending());

    assert_eq!(
        frames(&peer.take()),
        [(0x8, 1000_u16.to_be_bytes().to_vec())]
    );
    assert!(peer.wire().is_shut);
}
