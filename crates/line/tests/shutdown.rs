//! Shutting down: told, spread, bounded.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use common::close;
use common::raw::{Raw, UPGRADE, free, run};
use holdwire::http::Request;
use holdwire::{Advice, CloseCode, Drain, Endpoint, ServerHandle, Upgrade, WebSocket};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// From one closing to the next when there are few connections.
const GAP: Duration = Duration::from_millis(100);

type Served = JoinHandle<std::io::Result<()>>;

async fn serve() -> (SocketAddr, ServerHandle, Served) {
    let (server, address) = free().await;
    let wait = |mut socket: WebSocket, _: Request<()>| async move {
        while let Some(Ok(_)) = socket.recv().await {}
    };
    let (handle, served) = run(server.endpoint_for_all(Endpoint::new(wait)));
    (address, handle, served)
}

/// What a Close frame with advice says.
fn code_and_advice((opcode, payload): &(u8, Vec<u8>)) -> (u16, Advice) {
    assert_eq!(*opcode, 0x8);
    let (code, reason) = payload.split_first_chunk().unwrap();
    let advice = Advice::parse(std::str::from_utf8(reason).unwrap());
    (u16::from_be_bytes(*code), advice.expect("advice"))
}

async fn open(address: SocketAddr) -> Raw {
    let mut raw = Raw::send(address, UPGRADE).await;
    assert_eq!(raw.answer_to_head().await.status, 101);
    raw
}

#[tokio::test]
async fn without_connections_it_returns_at_once_and_so_does_run() {
    let (_, handle, served) = serve().await;
    let start = Instant::now();

    handle
        .shutdown(CloseCode::GOING_AWAY, Duration::from_secs(60))
        .await;
    served.await.unwrap().unwrap();

    assert!(start.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_client_that_asked_for_nothing_does_not_hold_it_back() {
    let (address, handle, served) = serve().await;
    let mut silent = Raw::open(address).await;
    // Accepting is in order: once this one is open, the silent one is known.
    let mut other = open(address).await;
    other.write(close(1000, "")).await;
    other.rest().await;
    drop(other);
    let start = Instant::now();

    handle
        .shutdown(CloseCode::GOING_AWAY, Duration::from_secs(8))
        .await;
    served.await.unwrap().unwrap();

    assert!(
        start.elapsed() < Duration::from_secs(4),
        "{:?}",
        start.elapsed()
    );
    assert_eq!(silent.rest().await, b"");
}

#[tokio::test]
async fn closes_carry_the_code_and_are_spread_over_the_window() {
    let (address, handle, served) = serve().await;
    let mut clients = Vec::new();
    for _ in 0..4 {
        clients.push(open(address).await);
    }
    let start = Instant::now();

    let told = clients.into_iter().map(|mut raw| {
        tokio::spawn(async move {
            let frame = raw.frame().await;
            let at = start.elapsed();
            raw.write(close(1012, "")).await;
            raw.rest().await;
            (frame, at)
        })
    });
    let told: Vec<_> = told.collect();
    handle
        .shutdown(CloseCode::SERVICE_RESTART, Duration::from_secs(1))
        .await;
    served.await.unwrap().unwrap();

    let mut times = Vec::new();
    for one in told {
        let (frame, at) = one.await.unwrap();
        let (code, advice) = code_and_advice(&frame);
        assert_eq!(code, 1012);
        assert_eq!(advice.reason.as_deref(), Some("restarting"));
        let back = at + advice.retry_after.unwrap();
        assert!(back >= GAP * 3 + Duration::from_millis(200), "{back:?}");
        times.push(at);
    }
    times.sort();
    for (at, index) in times.iter().zip(0..) {
        assert!(*at >= GAP * index, "{times:?}");
    }
    assert!(start.elapsed() < Duration::from_millis(1500));
}

#[tokio::test]
async fn a_connection_that_opens_meanwhile_gets_the_code_too() {
    let (server, address) = free().await;
    let (asked, answer) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let hook = {
        let (asked, answer) = (Arc::clone(&asked), Arc::clone(&answer));
        move |upgrade: Upgrade| {
            let (asked, answer) = (Arc::clone(&asked), Arc::clone(&answer));
            async move {
                asked.notify_one();
                answer.notified().await;
                Ok(upgrade.accept())
            }
        }
    };
    let wait = |mut socket: WebSocket, _: Request<()>| async move {
        while let Some(Ok(_)) = socket.recv().await {}
    };
    let (handle, served) = run(server.endpoint_for_all(Endpoint::new(wait).on_upgrade(hook)));
    let mut raw = Raw::send(address, UPGRADE).await;
    asked.notified().await;

    let code = CloseCode::new(4001).unwrap();
    let client = async {
        while !handle.is_draining() {
            tokio::task::yield_now().await;
        }
        answer.notify_one();
        assert_eq!(raw.answer_to_head().await.status, 101);
        let frame = raw.frame().await;
        raw.write(close(4001, "")).await;
        raw.rest().await;
        frame
    };
    let ((), frame) = tokio::join!(handle.shutdown(code, Duration::from_secs(5)), client);
    served.await.unwrap().unwrap();

    let (code, advice) = code_and_advice(&frame);
    assert_eq!(code, 4001);
    assert!(advice.retry_after.is_some());
}

#[tokio::test]
async fn what_is_left_at_the_end_is_cut() {
    let (address, handle, served) = serve().await;
    let mut deaf = open(address).await;
    let start = Instant::now();

    handle
        .shutdown(CloseCode::GOING_AWAY, Duration::from_millis(200))
        .await;
    served.await.unwrap().unwrap();

    assert!(
        start.elapsed() < Duration::from_secs(3),
        "{:?}",
        start.elapsed()
    );
    assert_eq!(code_and_advice(&deaf.frame().await).0, 1001);
    assert_eq!(deaf.rest().await, b"");
}

#[tokio::test]
async fn a_handshake_under_way_is_refused_and_so_is_a_new_one() {
    let (address, handle, served) = serve().await;
    let mut held = open(address).await;
    let mut half = Raw::send(address, &UPGRADE[..40]).await;
    // The server reads in its own time: another handshake after it says that it has.
    drop(open(address).await);
    let shutting = {
        let handle = handle.clone();
        tokio::spawn(async move {
            handle
                .shutdown(CloseCode::GOING_AWAY, Duration::from_secs(2))
                .await;
        })
    };
    assert_eq!(held.frame().await.0, 0x8);

    half.write(&UPGRADE[40..]).await;
    let answer = half.answer().await;

    assert_eq!(answer.status, 503);
    assert!(answer.field("retry-after").is_some());
    assert!(handle.is_draining());
    let late = Raw::send(address, UPGRADE).await.answer().await;
    assert_eq!(late.status, 503);
    held.write(close(1001, "")).await;
    held.rest().await;
    drop((held, half));
    shutting.await.unwrap();
    served.await.unwrap().unwrap();
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens");
}

#[tokio::test]
async fn a_drain_says_what_it_was_told_to() {
    let (address, handle, served) = serve().await;
    let mut raw = open(address).await;
    let drain = Drain::handover(Duration::from_secs(5))
        .code(CloseCode::GOING_AWAY)
        .url("wss://b.example/ws")
        .reason("moving");

    let client = async {
        let frame = raw.frame().await;
        raw.write(close(1001, "")).await;
        raw.rest().await;
        frame
    };
    let ((), frame) = tokio::join!(handle.drain(drain), client);
    served.await.unwrap().unwrap();

    let (code, advice) = code_and_advice(&frame);
    assert_eq!(code, 1001);
    assert_eq!(advice.url.as_deref(), Some("wss://b.example/ws"));
    assert_eq!(advice.reason.as_deref(), Some("moving"));
    assert!(advice.retry_after.unwrap() <= GAP + Duration::from_millis(1));
}

#[tokio::test]
async fn it_is_over_when_all_are_gone_though_their_turns_have_not_come() {
    let (address, handle, served) = serve().await;
    let mut clients = Vec::new();
    for _ in 0..50 {
        clients.push(open(address).await);
    }
    let start = Instant::now();

    let leave = async {
        tokio::time::sleep(GAP).await;
        drop(clients);
    };
    tokio::join!(
        handle.shutdown(CloseCode::GOING_AWAY, Duration::from_secs(20)),
        leave
    );
    served.await.unwrap().unwrap();

    assert!(start.elapsed() < GAP * 30, "{:?}", start.elapsed());
}
