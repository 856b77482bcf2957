//! A line comes back exactly once after each loss, and never has two connections.

use std::time::Duration;

use holdwire::line::{Backoff, Cause, Event, Line, Policy, State, Why};
use holdwire::{Config, Lost};
use tokio::io::AsyncWriteExt;
use tokio::time::Instant;

use crate::server::{Told, line};

const MIN_UPTIME: Duration = Duration::from_secs(10);

#[tokio::test(start_paused = true)]
async fn server_that_goes_away_and_returns_is_found_again() {
    let (builder, mut server) = line();
    let mut line = builder.start();
    let session = server.accept().await;
    assert_eq!(line.up().await, 1);
    assert_eq!(line.state(), State::Open { generation: 1 });

    session.socket.send("before").await.unwrap();
    session.socket.flush().await.unwrap();
    session.cut().await;
    let back = server.accept().await;
    back.socket.send("after").await.unwrap();

    assert_eq!(line.message().await, "before");
    let (loss, next_in) = line.down().await;
    assert!(matches!(loss.cause, Cause::Lost(Lost::Eof)), "{loss:?}");
    assert_eq!((loss.generation, loss.code()), (1, Some(1006)));
    assert!(next_in < Duration::from_millis(500), "{next_in:?}");
    assert_eq!(line.up().await, 2);
    assert_eq!(line.message().await, "after");
    let counters = line.counters();
    assert_eq!((counters.attempts, counters.connections), (2, 2));
    assert_eq!(counters.received, 2);
}

#[tokio::test(start_paused = true)]
async fn fifty_drops_of_every_kind_leave_one_connection_each_time() {
    let (builder, mut server) = line();
    let mut line = builder.start();
    for turn in 1..=50_u32 {
        let mut session = server.accept().await;
        assert_eq!(line.up().await, u64::from(turn));
        // The one before may still see its closing handshake off; its time is over soon.
        assert!(server.is_left_alone(Duration::from_secs(5)).await);
        assert_eq!(server.transports(), 1, "turn {turn}");
        line.send(format!("hello {turn}")).unwrap();
        assert_eq!(session.text().await, format!("hello {turn}"));

        match turn % 4 {
            0 => session.cut().await,
            1 => session.close(1012, "restarting").await,
            2 => session.close(1000, "").await,
            _ => drop(session),
        }

        line.down().await;
    }
    assert_eq!(line.counters().attempts, 50, "each loss led to one attempt");
}

#[tokio::test(start_paused = true)]
async fn server_that_accepts_and_closes_is_backed_off_from() {
    let (builder, mut server) = line();
    let mut line = builder.start();
    let mut ceiling = Duration::from_millis(500);
    for number in 1..=8 {
        let arrival = server.arrival().await;
        assert_eq!(arrival.attempt.number, number);
        arrival.accept().await.close(1000, "").await;
        let (_, next_in) = line.down().await;
        assert!(next_in < ceiling, "{next_in:?} of {ceiling:?}");
        ceiling = (ceiling * 2).min(Duration::from_secs(20));
    }

    let session = server.accept().await;
    tokio::time::sleep(MIN_UPTIME).await;
    session.close(1000, "").await;

    let (loss, next_in) = line.down().await;
    assert!(loss.uptime >= Some(MIN_UPTIME), "{loss:?}");
    assert!(next_in < Duration::from_millis(500), "{next_in:?}");
    assert_eq!(server.arrival().await.attempt.number, 1);
}

#[tokio::test(start_paused = true)]
async fn attempt_that_hangs_is_given_up_and_its_transport_dropped() {
    let (builder, mut server) = line();
    let policy = Policy {
        connect_timeout: Duration::from_secs(7),
        ..Policy::default()
    };
    let mut line = builder.policy(policy).start();
    let start = Instant::now();

    let mut silent = server.arrival().await;
    silent.peer.head().await;
    let (loss, _) = line.down().await;

    assert!(matches!(loss.cause, Cause::Timeout), "{loss:?}");
    assert_eq!((loss.code(), loss.uptime), (None, None));
    assert_eq!(start.elapsed(), Duration::from_secs(7));
    assert_eq!(server.transports(), 0);
    assert!(silent.peer.rest().await.is_empty());
    server.accept().await;
    assert_eq!(line.up().await, 2);
}

#[tokio::test(start_paused = true)]
async fn function_that_hangs_is_given_up_with_its_attempt() {
    let mut calls = 0;
    let mut line = Line::with(move |attempt| {
        calls += 1;
        assert_eq!(attempt.generation, calls);
        std::future::pending::<Result<&str, _>>()
    })
    .start();

    for _ in 0..3 {
        let (loss, _) = line.down().await;
        assert!(matches!(loss.cause, Cause::Timeout), "{loss:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn success_that_comes_too_late_changes_nothing() {
    let (builder, mut server) = line();
    let mut line = builder.start();
    let mut slow = server.arrival().await;
    line.down().await;
    let mut session = server.accept().await;
    assert_eq!(line.up().await, 2);

    let request = slow.peer.head().await;
    let answer = crate::peer::switching(&request, "");
    // The other end of the pipe is gone.
    let late = slow.peer.into_io().write_all(answer.as_bytes()).await;
    assert!(late.is_err());

    line.send("still here").unwrap();
    assert_eq!(session.text().await, "still here");
    assert_eq!(server.transports(), 1);
}

#[tokio::test(start_paused = true)]
async fn connection_that_is_stuck_is_dropped_at_once() {
    let (builder, mut server) = crate::server::line_over(1024);
    // The next attempt is not made in the same moment, whatever is drawn.
    let hour = Duration::from_secs(3600);
    let policy = Policy {
        backoff: Backoff::new(hour, hour),
        ..Policy::default()
    };
    let mut line = builder.policy(policy).start();
    let mut arrival = server.arrival().await;
    arrival.peer.accept("", b"").await;
    line.up().await;

    // Nobody reads at the other end, so no byte of this is taken after the first ones.
    line.send("x".repeat(4096)).unwrap();
    let (loss, next_in) = line.down().await;

    assert!(
        matches!(loss.cause, Cause::Lost(Lost::WriteStalled)),
        "{loss:?}"
    );
    assert_eq!(
        server.transports(),
        0,
        "it does not wait for a closing handshake"
    );
    assert!(next_in <= hour);
    server.accept().await;
    assert_eq!(line.up().await, 2);
}

#[tokio::test(start_paused = true)]
async fn server_that_falls_silent_is_found_dead_and_found_again() {
    let (builder, mut server) = line();
    let mut line = builder.start();
    let session = server.accept().await;
    line.up().await;
    let start = Instant::now();

    session.socket.play_dead(Duration::from_secs(600));
    let (loss, _) = line.down().await;

    let is_silence = matches!(loss.cause, Cause::Lost(Lost::HeartbeatTimeout));
    assert!(is_silence, "{loss:?}");
    assert!(start.elapsed() <= Duration::from_secs(46));
    assert_eq!(server.transports(), 0, "nothing waits for the dead");
    server.accept().await;
    assert_eq!(line.up().await, 2);
}

#[tokio::test(start_paused = true)]
async fn heartbeat_measures_the_round_trip() {
    let (builder, mut server) = line();
    let mut line = builder.start();
    // A server that pings first keeps the line's own pings from being needed.
    let silent = Config::default().heartbeat(None);
    let _session = server.arrival().await.accept_with(silent).await;
    line.up().await;
    assert_eq!(line.round_trip(), None);

    tokio::time::sleep(Duration::from_secs(60)).await;

    assert!(line.round_trip().is_some());
    assert_eq!(line.counters().attempts, 1);
}

#[tokio::test(start_paused = true)]
async fn line_gives_up_after_the_most_attempts() {
    let (builder, mut server) = line();
    let policy = Policy {
        max_attempts: Some(3),
        ..Policy::default()
    };
    let mut line = builder.policy(policy).start();
    for _ in 0..3 {
        drop(server.arrival().await);
    }

    let (why, loss) = line.stopped().await;

    assert_eq!(why, Why::Attempts);
    assert_eq!(loss.unwrap().generation, 3);
    assert!(server.is_left_alone(Duration::from_secs(3600)).await);
    assert_eq!(line.state(), State::Stopped);
}

#[tokio::test(start_paused = true)]
async fn wake_brings_the_next_attempt_forward_but_not_too_near() {
    let (builder, mut server) = line();
    let first = Duration::from_secs(10);
    let policy = Policy {
        backoff: Backoff::new(first, Duration::from_secs(3600)),
        ..Policy::default()
    };
    let mut line = builder.policy(policy).start();
    let arrival = server.arrival().await;
    let began = arrival.at;
    arrival.accept().await.close(1013, "").await;
    let (_, next_in) = line.down().await;
    assert!(next_in >= Duration::from_secs(1800), "{next_in:?}");

    line.wake();

    let apart = server.arrival().await.at - began;
    assert!(apart >= first, "{apart:?}");
    assert!(apart < first + Duration::from_millis(10), "{apart:?}");
}

#[tokio::test(start_paused = true)]
async fn state_of_a_line_that_was_woken_tells_the_new_time() {
    let (builder, mut server) = line();
    let mut line = builder.start();
    server.accept().await.close(1013, "").await;
    line.down().await;
    let until = |line: &Line| match line.state() {
        State::Waiting { until } => until,
        other => panic!("{other:?}"),
    };
    let before = until(&line);

    line.wake();
    tokio::task::yield_now().await;

    assert!(until(&line) < before);
}

#[tokio::test(start_paused = true)]
async fn state_tells_when_the_next_attempt_begins() {
    let (builder, mut server) = line();
    let mut line = builder.start();
    assert_eq!(line.state(), State::Connecting { attempt: 1 });
    drop(server.arrival().await);
    let (_, next_in) = line.down().await;

    let State::Waiting { until } = line.state() else {
        panic!("{:?}", line.state());
    };

    assert_eq!(until, Instant::now().into_std() + next_in);
    assert!(matches!(
        line.told().await,
        Event::Connecting {
            attempt: 2,
            generation: 2,
        }
    ));
    assert_eq!(Instant::now().into_std(), until);
}

#[tokio::test(start_paused = true)]
async fn close_that_comes_together_with_a_message_is_answered() {
    let (builder, mut server) = line();
    let mut line = builder.start();
    let mut arrival = server.arrival().await;
    arrival
        .peer
        .accept("", b"\x81\x04last\x88\x02\x03\xf4")
        .await;

    let answer = arrival.peer.rest().await;

    assert!(answer.starts_with(&[0x88, 0x82]), "{answer:02x?}");
    line.up().await;
    assert_eq!(line.message().await, "last");
    assert_eq!(line.down().await.0.code(), Some(1012));
}
