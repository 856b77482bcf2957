//! What a loss leads to: the table, the server's advice, the application's own word.

use std::time::Duration;

use holdwire::line::{Advice, Backoff, Cause, Decision, Line, Policy, TargetError, Why};
use holdwire::{Client, CloseCode, ConnectError};

use crate::server::{Told, line};

const HALF_A_SECOND: Duration = Duration::from_millis(500);

#[tokio::test(start_paused = true)]
async fn close_code_of_the_application_that_means_no_stops_the_line() {
    let (builder, mut server) = line();
    let mut line = builder.start();

    server.accept().await.close(4403, "not yours").await;

    let (why, loss) = line.stopped().await;
    assert_eq!((why, loss.unwrap().code()), (Why::Decision, Some(4403)));
    assert!(server.is_left_alone(Duration::from_secs(3600)).await);
}

#[tokio::test(start_paused = true)]
async fn third_broken_rule_in_a_row_stops_the_line() {
    let (builder, mut server) = line();
    let mut line = builder.start();
    for _ in 0..3 {
        let mut arrival = server.arrival().await;
        let reserved_bit = b"\xc1\0";
        arrival.peer.accept("", reserved_bit).await;
        let told = arrival.peer.rest().await;
        assert_eq!(told[0], 0x88, "the server is told");
    }

    let (why, loss) = line.stopped().await;

    let loss = loss.unwrap();
    assert!(matches!(loss.cause, Cause::Protocol(_)), "{loss:?}");
    assert_eq!(
        (why, loss.code(), loss.generation),
        (Why::Decision, Some(1002), 3)
    );
}

#[tokio::test(start_paused = true)]
async fn overloaded_server_is_left_alone_for_longer() {
    let (builder, mut server) = line();
    let mut line = builder.start();

    server.accept().await.close(1013, "").await;

    let (_, next_in) = line.down().await;
    assert!(next_in >= Duration::from_secs(10), "{next_in:?}");
    assert!(next_in < Duration::from_secs(20), "{next_in:?}");
}

#[tokio::test(start_paused = true)]
async fn restart_is_a_loss_as_any_other() {
    let (builder, mut server) = line();
    let mut line = builder.start();

    server.accept().await.close(1012, "restarting").await;

    let (loss, next_in) = line.down().await;
    assert_eq!((loss.code(), &loss.advice), (Some(1012), &None));
    assert!(next_in < HALF_A_SECOND);
}

#[tokio::test(start_paused = true)]
async fn advice_in_the_close_reason_is_followed_in_time_and_told_the_function() {
    let (builder, mut server) = line();
    let mut line = builder.start();
    let advice = Advice::after(Duration::from_secs(30)).url("wss://b.example/");

    server.accept().await.close(1012, &advice.to_string()).await;

    let (loss, next_in) = line.down().await;
    assert_eq!(loss.advice.as_ref(), Some(&advice));
    assert!(next_in >= Duration::from_secs(30), "{next_in:?}");
    assert!(
        next_in < Duration::from_secs(30) + HALF_A_SECOND,
        "{next_in:?}"
    );
    let arrival = server.arrival().await;
    assert_eq!(arrival.attempt.advised_url(), Some("wss://b.example/"));
    drop(arrival);
    let arrival = server.arrival().await;
    assert_eq!(arrival.attempt.advised_url(), None, "it is for one attempt");
}

#[tokio::test(start_paused = true)]
async fn retry_after_of_a_refusal_is_waited_for_up_to_a_limit() {
    for (lines, floor) in [
        ("Retry-After: 60\r\n", 60),
        (
            "Retry-After: Sun, 06 Nov 1994 08:00:40 GMT\r\nDate: Sun, 06 Nov 1994 08:00:00 GMT\r\n",
            40,
        ),
        ("Retry-After: 86400\r\n", 300),
    ] {
        let (builder, mut server) = line();
        let mut line = builder.start();

        server.arrival().await.refuse(503, lines).await;

        let (loss, next_in) = line.down().await;
        assert_eq!(loss.status().unwrap(), 503);
        let floor = Duration::from_secs(floor);
        assert!(
            next_in >= floor && next_in < floor + HALF_A_SECOND,
            "{next_in:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn refusal_that_means_no_stops_the_line() {
    let (builder, mut server) = line();
    let mut line = builder.start();

    server.arrival().await.refuse(404, "").await;

    let (why, loss) = line.stopped().await;
    assert_eq!(
        (why, loss.unwrap().status().unwrap().as_u16()),
        (Why::Decision, 404)
    );
}

#[tokio::test(start_paused = true)]
async fn function_is_asked_once_more_for_credentials() {
    let (builder, mut server) = line();
    let mut line = builder.start();
    let first = server.arrival().await;
    assert!(!first.attempt.is_unauthorized());
    first.refuse(401, "").await;

    let second = server.arrival().await;
    assert!(second.attempt.is_unauthorized());
    second.refuse(401, "").await;

    let (why, loss) = line.stopped().await;
    assert_eq!(why, Why::Decision);
    assert!(loss.unwrap().is_unauthorized());
    assert!(server.is_left_alone(Duration::from_secs(3600)).await);
}

#[tokio::test(start_paused = true)]
async fn fresh_credentials_that_are_accepted_bring_the_line_back_each_time() {
    let (builder, mut server) = line();
    let mut line = builder.start();
    for turn in 0..5 {
        let session = server.accept().await;
        line.up_after_losses().await;
        tokio::time::sleep(Duration::from_secs(60)).await;
        session.close(4401, "the token has expired").await;

        line.down().await;

        let refused = server.arrival().await;
        assert!(refused.attempt.is_unauthorized(), "turn {turn}");
        drop(refused);
    }
}

#[tokio::test(start_paused = true)]
async fn error_of_the_function_is_a_failed_attempt_unless_it_says_stop() {
    let mut calls = 0;
    let mut line = Line::with(move |_| {
        calls += 1;
        let error = match calls {
            1 => TargetError::from("no token yet"),
            _ => TargetError::stop("the account is closed"),
        };
        async { Err::<&str, _>(error) }
    })
    .on_loss(|_| Some(Decision::Retry))
    .start();

    let (loss, _) = line.down().await;
    let (why, last) = line.stopped().await;

    let said = |cause: &Cause| match cause {
        Cause::Target(error) => error.to_string(),
        other => panic!("{other:?}"),
    };
    assert_eq!(said(&loss.cause), "no token yet");
    assert_eq!(said(&last.unwrap().cause), "the account is closed");
    assert_eq!(why, Why::Decision);
}

#[tokio::test(start_paused = true)]
async fn application_decides_otherwise_than_the_table() {
    let (builder, mut server) = line();
    let mut line = builder
        .on_loss(|loss| match loss.code() {
            Some(4403) => Some(Decision::Retry),
            Some(1000) => Some(Decision::Stop),
            _ => None,
        })
        .start();

    server.accept().await.close(4403, "").await;
    line.down().await;
    server.accept().await.close(1000, "over").await;

    let (why, loss) = line.stopped().await;
    assert_eq!((why, loss.unwrap().code()), (Why::Decision, Some(1000)));
}

#[tokio::test(start_paused = true)]
async fn url_that_can_never_work_stops_the_line() {
    let mut line = Line::to("mailto:somebody").start();

    let (why, loss) = line.stopped().await;

    let cause = &loss.unwrap().cause;
    assert!(
        matches!(cause, Cause::Connect(ConnectError::Url(_))),
        "{cause:?}"
    );
    assert_eq!(why, Why::Decision);
}

#[tokio::test(start_paused = true)]
async fn subprotocol_of_the_target_is_told_with_up() {
    let (builder, mut server) = line();
    let client = Client::new().subprotocol("chat").unwrap();
    let mut line = builder.client(client).start();
    let mut arrival = server.arrival().await;

    let request = arrival
        .peer
        .accept("Sec-WebSocket-Protocol: chat\r\n", b"")
        .await;

    assert_eq!(
        crate::peer::field(&request, "sec-websocket-protocol"),
        Some("chat")
    );
    line.told().await;
    let holdwire::line::Event::Up { subprotocol, .. } = line.told().await else {
        panic!("not up");
    };
    assert_eq!(subprotocol.as_deref(), Some("chat"));
}

#[tokio::test(start_paused = true)]
async fn delays_never_exceed_the_cap_however_long_it_lasts() {
    let (builder, mut server) = line();
    let cap = Duration::from_secs(2);
    let policy = Policy {
        backoff: Backoff::new(Duration::from_secs(1), cap),
        ..Policy::default()
    };
    let mut line = builder.policy(policy).start();
    let mut drawn = std::collections::HashSet::new();

    for _ in 0..100 {
        drop(server.arrival().await);
        let (_, next_in) = line.down().await;
        assert!(next_in < cap, "{next_in:?}");
        drawn.insert(next_in);
    }

    assert!(drawn.len() > 50, "they are drawn anew at the cap too");
    line.stop_with(CloseCode::NORMAL, "");
}

#[tokio::test(start_paused = true)]
async fn attempt_that_takes_too_long_is_put_to_the_application_too() {
    let (builder, mut server) = line();
    let mut line = builder
        .policy(Policy {
            connect_timeout: Duration::from_secs(1),
            ..Policy::default()
        })
        .on_loss(|loss| matches!(loss.cause, Cause::Timeout).then_some(Decision::Stop))
        .start();
    let arrival = server.arrival().await;

    assert!(server.is_left_alone(Duration::from_secs(3600)).await);

    let (why, loss) = line.stopped().await;
    assert_eq!(why, Why::Decision);
    assert!(matches!(loss.unwrap().cause, Cause::Timeout));
    drop(arrival);
    assert_eq!(server.transports(), 0);
}
