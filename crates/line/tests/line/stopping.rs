//! Stop is final, in every state, and everybody hears of it.

use std::time::Duration;

use holdwire::line::{Dropped, Event, Outcome, SendError, State, Why};
use holdwire::{CloseCode, Ended};

use crate::server::{Told, line};

const AN_HOUR: Duration = Duration::from_secs(3600);

#[tokio::test(start_paused = true)]
async fn stop_while_connecting_drops_the_attempt() {
    let (builder, mut server) = line();
    let mut line = builder.start();
    let mut arrival = server.arrival().await;
    arrival.peer.head().await;

    line.stop();

    assert_eq!(line.stopped().await.0, Why::Asked);
    assert!(arrival.peer.rest().await.is_empty());
    assert_eq!(server.transports(), 0);
    assert!(server.is_left_alone(AN_HOUR).await);
}

#[tokio::test(start_paused = true)]
async fn stop_while_open_closes_politely_in_the_background() {
    let (builder, mut server) = line();
    let mut line = builder.start();
    let mut session = server.accept().await;
    line.up().await;

    line.stop_with(CloseCode::new(4000).unwrap(), "bye");

    assert_eq!(line.stopped().await.0, Why::Asked);
    assert_eq!(line.state(), State::Stopped);
    assert!(session.socket.recv().await.is_none());
    let closed = session.socket.closed().unwrap();
    let code = CloseCode::new(4000);
    assert_eq!((closed.ended, &*closed.reason), (Ended::Clean(code), "bye"));
    line.ended().await;
    assert_eq!(server.transports(), 0);
    assert!(server.is_left_alone(AN_HOUR).await);
}

#[tokio::test(start_paused = true)]
async fn stop_while_waiting_ends_the_wait() {
    let (builder, mut server) = line();
    let mut line = builder.start();
    server.accept().await.close(1013, "").await;
    line.down().await;

    line.stop();

    assert_eq!(line.stopped().await.0, Why::Asked);
    assert!(server.is_left_alone(AN_HOUR).await);
}

#[tokio::test(start_paused = true)]
async fn stopped_line_stays_stopped() {
    let (builder, server) = line();
    let mut line = builder.start();
    line.stop();
    line.stopped().await;
    drop(server);

    line.stop();
    line.wake();
    let error = line.send("late").unwrap_err();

    assert_eq!(error, SendError::Stopped("late".into()));
    assert!(line.next().await.is_none());
    line.ended().await;
}

#[tokio::test(start_paused = true)]
async fn what_waits_is_dropped_by_a_stop_and_its_receipt_says_so() {
    let (builder, _server) = line();
    let line = builder.start();
    let receipt = line.send("too late").unwrap();

    line.stop();

    assert_eq!(receipt.written().await, Err(Dropped::Stopped));
    assert_eq!(line.counters().waiting, 0);
}

#[tokio::test(start_paused = true)]
async fn messages_that_came_before_a_stop_can_still_be_taken() {
    let (builder, mut server) = line();
    let mut line = builder.start();
    let session = server.accept().await;
    line.up().await;
    session.socket.send("one").await.unwrap();
    while line.counters().received == 0 {
        tokio::task::yield_now().await;
    }

    line.stop();
    line.ended().await;

    assert_eq!(line.message().await, "one");
    assert!(matches!(line.told().await, Event::Stopped { .. }));
}

#[tokio::test(start_paused = true)]
async fn application_that_takes_nothing_does_not_hold_up_the_closing_handshake() {
    let (builder, mut server) = line();
    let mut line = builder.start();
    let mut session = server.accept().await;
    line.up().await;
    let full = async {
        loop {
            let next = session.socket.send("x".repeat(1024));
            if tokio::time::timeout(Duration::from_secs(5), next)
                .await
                .is_err()
            {
                break;
            }
        }
    };
    full.await;
    let start = tokio::time::Instant::now();

    line.stop();

    assert!(session.socket.recv().await.is_none());
    line.ended().await;
    assert!(session.socket.closed().unwrap().is_clean());
    assert!(
        start.elapsed() < Duration::from_secs(1),
        "{:?}",
        start.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn server_that_does_not_answer_the_close_is_left_in_time() {
    let (builder, mut server) = line();
    let mut line = builder.start();
    let mut arrival = server.arrival().await;
    arrival.peer.accept("", b"").await;
    line.up().await;
    let receipt = line.send("hello").unwrap();

    receipt.written().await.unwrap();
    line.stop();
    line.ended().await;

    assert_eq!(receipt.settled().await, Outcome::Unknown);
    assert_eq!(server.transports(), 0);
}

#[tokio::test(start_paused = true)]
async fn dropping_everything_stops_the_line() {
    let (builder, mut server) = line();
    let mut line = builder.start();
    let mut session = server.accept().await;
    line.up().await;
    let receipt = line.send("hello").unwrap();
    let handle = line.handle();
    drop(line);
    assert_eq!(session.text().await, "hello");

    drop(handle);

    assert!(session.socket.recv().await.is_none());
    assert_eq!(receipt.settled().await, Outcome::Written);
    assert!(server.is_left_alone(AN_HOUR).await);
}

#[test]
fn runtime_that_ends_takes_nothing_silently() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    let (mut line, sent, waiting, _peer) = runtime.block_on(async {
        let (builder, mut server) = line();
        let mut line = builder.start();
        let mut arrival = server.arrival().await;
        arrival.peer.accept("", b"").await;
        line.up().await;
        let sent = line.send("sent").unwrap();
        sent.written().await.unwrap();
        let waiting = line.send("waiting").unwrap();
        (line, sent, waiting, arrival)
    });

    drop(runtime);

    assert_eq!(sent.outcome(), Some(Outcome::Unknown));
    let stopped = Outcome::Dropped(Dropped::Stopped);
    assert_eq!(waiting.outcome(), Some(stopped));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let last = runtime.block_on(line.next());
    assert!(
        matches!(
            last,
            Some(Event::Stopped {
                why: Why::Aborted,
                ..
            })
        ),
        "{last:?}"
    );
}
