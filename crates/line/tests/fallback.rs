//! Ordinary HTTP on the port of a WebSocket server, by an axum router.
#![cfg(feature = "fallback")]
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::routing::{get, post};
use common::raw::{Raw, UPGRADE, free, run};
use common::{close, text};
use holdwire::{CloseCode, Endpoint, Error, ServerHandle, ServerLimits, WebSocket};

async fn echo(mut socket: WebSocket, _: holdwire::http::Request<()>) -> Result<(), Error> {
    while let Some(message) = socket.recv().await.transpose()? {
        socket.send(message).await?;
    }
    Ok(())
}

/// A server with pages and an echo.
async fn pages() -> SocketAddr {
    pages_within(ServerLimits::default()).await.0
}

/// The same with these limits.
async fn pages_within(limits: ServerLimits) -> (SocketAddr, ServerHandle) {
    let router = Router::new()
        .route("/page", get(|| async { "a page" }))
        .route("/post", post(|body: Bytes| async move { body }))
        .route("/big", get(|| async { "x".repeat(3_000_000) }))
        .route("/stream", get(|| async { Body::new(Parts(3)) }));
    let (server, address) = free().await;
    let server = server.limits(limits).endpoint("/", Endpoint::new(echo));
    (address, run(server.fallback(router)).0)
}

/// A body of so many parts whose length is not known before.
struct Parts(usize);

impl hyper::body::Body for Parts {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, Self::Error>>> {
        if self.0 == 0 {
            return std::task::Poll::Ready(None);
        }
        self.0 -= 1;
        cx.waker().wake_by_ref();
        let part = Bytes::from_static(b"part");
        std::task::Poll::Ready(Some(Ok(hyper::body::Frame::data(part))))
    }
}

const GET: &str = "GET /page HTTP/1.1\r\nHost: localhost\r\n\r\n";

#[tokio::test]
async fn one_connection_carries_many_requests() {
    let mut raw = Raw::open(pages().await).await;

    for _ in 0..50 {
        raw.write(GET).await;
        let answer = raw.answer().await;
        assert_eq!((answer.status, &*answer.body), (200, "a page"));
    }
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let page = "POST /post HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\n";
    let requests = format!("{page}one{GET}{page}two{GET}");
    let mut raw = Raw::send(pages().await, requests).await;

    for expected in ["one", "a page", "two", "a page"] {
        assert_eq!(raw.answer().await.body, expected);
    }
}

#[tokio::test]
async fn a_body_that_comes_in_pieces_is_read_whole() {
    let head = "POST /post HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n";
    let mut raw = Raw::send(pages().await, head).await;

    for _ in 0..10 {
        raw.write("0123456789".repeat(1000)).await;
        tokio::task::yield_now().await;
    }

    assert_eq!(raw.answer().await.body, "0123456789".repeat(10_000));
}

#[tokio::test]
async fn a_chunked_body_is_read_and_the_connection_then_closed() {
    let request = "POST /post HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n";
    let mut raw = Raw::send(pages().await, request).await;

    assert_eq!(raw.answer().await.body, "hello world");
    assert_eq!(raw.rest().await, b"");
}

#[tokio::test]
async fn head_is_answered_without_a_body_and_the_connection_goes_on() {
    let head = GET.replacen("GET", "HEAD", 1);
    let mut raw = Raw::send(pages().await, head).await;

    let answer = raw.answer_to_head().await;
    raw.write(GET).await;

    assert_eq!(answer.field("content-length"), Some("6"));
    assert_eq!(raw.answer().await.body, "a page");
}

#[tokio::test]
async fn http_1_0_gets_its_page_and_the_end() {
    let mut raw = Raw::send(pages().await, "GET /page HTTP/1.0\r\n\r\n").await;

    assert_eq!(raw.answer().await.body, "a page");
    assert_eq!(raw.rest().await, b"");
}

#[tokio::test]
async fn connection_close_ends_after_the_answer() {
    let request = GET.replacen("\r\n\r\n", "\r\nConnection: close\r\n\r\n", 1);
    let mut raw = Raw::send(pages().await, request).await;

    assert_eq!(raw.answer().await.body, "a page");
    assert_eq!(raw.rest().await, b"");
}

#[tokio::test]
async fn a_response_streams_and_the_connection_goes_on() {
    let request = GET.replacen("/page", "/stream", 1);
    let mut raw = Raw::send(pages().await, format!("{request}{GET}")).await;

    let head = raw.head().await;
    assert!(
        head.to_lowercase().contains("transfer-encoding: chunked"),
        "{head}"
    );
    let body = "4\r\npart\r\n4\r\npart\r\n4\r\npart\r\n0\r\n\r\n";
    assert_eq!(raw.bytes(body.len()).await, body.as_bytes());
    assert_eq!(raw.answer().await.body, "a page");
}

#[tokio::test]
async fn a_large_response_reaches_a_slow_reader_whole() {
    let request = GET.replacen("/page", "/big", 1);
    let mut raw = Raw::send(pages().await, format!("{request}{GET}")).await;

    assert_eq!(raw.answer().await.body.len(), 3_000_000);
    assert_eq!(raw.answer().await.body, "a page");
}

#[tokio::test]
async fn a_body_that_nobody_reads_does_not_cost_the_client_its_answer() {
    let head = "POST /nowhere HTTP/1.1\r\nHost: localhost\r\nContent-Length: 200000\r\n\r\n";
    let mut raw = Raw::send(pages().await, head).await;
    raw.write("x".repeat(200_000)).await;

    assert_eq!(raw.answer().await.status, 404);
    assert_eq!(raw.rest().await, b"");
}

#[tokio::test]
async fn an_upgrade_may_come_second() {
    let mut raw = Raw::send(pages().await, GET).await;
    assert_eq!(raw.answer().await.status, 200);

    raw.write(UPGRADE).await;
    assert_eq!(raw.answer_to_head().await.status, 101);
    raw.write(text("hello")).await;

    assert_eq!(raw.frame().await, (0x1, b"hello".to_vec()));
}

#[tokio::test]
async fn an_upgrade_may_be_pipelined_with_its_first_frame() {
    let mut bytes = format!("{GET}{UPGRADE}").into_bytes();
    bytes.extend(text("eager"));
    let mut raw = Raw::send(pages().await, bytes).await;

    assert_eq!(raw.answer().await.status, 200);
    assert_eq!(raw.answer_to_head().await.status, 101);
    assert_eq!(raw.frame().await, (0x1, b"eager".to_vec()));
}

#[tokio::test]
async fn a_bad_upgrade_that_comes_second_is_refused_by_the_same_rules() {
    for (from, to, status) in [
        ("Version: 13", "Version: 8", 426),
        ("\r\nUpgrade", "\nUpgrade", 400),
        ("\r\nUpgrade", "\r\nContent-Length: 5\r\nUpgrade", 400),
    ] {
        let mut raw = Raw::send(pages().await, GET).await;
        assert_eq!(raw.answer().await.status, 200);

        raw.write(UPGRADE.replacen(from, to, 1)).await;

        assert_eq!(raw.answer().await.status, status, "{to:?}");
    }
}

#[tokio::test]
async fn an_upgrade_elsewhere_is_not_found() {
    let request = UPGRADE.replacen("GET /", "GET /elsewhere", 1);
    let mut raw = Raw::send(pages().await, request).await;

    assert_eq!(raw.answer().await.status, 404);
}

#[tokio::test(start_paused = true)]
async fn a_silent_kept_alive_connection_ends() {
    let mut raw = Raw::send(pages().await, GET).await;
    assert_eq!(raw.answer().await.status, 200);

    assert_eq!(raw.rest().await, b"", "without a word");
}

/// Says when it is dropped, which is when the request that it belongs to is over.
struct Held(tokio::sync::mpsc::UnboundedSender<()>);

impl Drop for Held {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

/// A server whose clients may be silent for a moment only; the channel tells of each request that
/// is over.
async fn impatient() -> (SocketAddr, tokio::sync::mpsc::UnboundedReceiver<()>) {
    let (over, told) = tokio::sync::mpsc::unbounded_channel();
    let get_over = over.clone();
    let router = Router::new()
        .route(
            "/big",
            get(move || {
                let held = Held(get_over.clone());
                let body = Body::from(vec![b'x'; 64 << 20]);
                async move { Body::new(Holding(body, held)) }
            }),
        )
        .route(
            "/post",
            axum::routing::any(move |request: axum::extract::Request| {
                let held = Held(over.clone());
                async move {
                    let body = axum::body::to_bytes(request.into_body(), usize::MAX).await;
                    drop(held);
                    body.unwrap_or_default()
                }
            }),
        );
    let (server, address) = free().await;
    let limits = ServerLimits {
        keep_alive: Duration::from_millis(200),
        ..ServerLimits::default()
    };
    run(server.limits(limits).fallback(router));
    (address, told)
}

/// A body with something that lives as long.
struct Holding(
    Body,
    #[expect(dead_code, reason = "its drop is what counts")] Held,
);

impl hyper::body::Body for Holding {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, Self::Error>>> {
        std::pin::Pin::new(&mut self.0).poll_frame(cx)
    }
}

#[tokio::test]
async fn a_client_that_does_not_read_its_response_is_left() {
    let (address, mut told) = impatient().await;

    let _deaf = Raw::send(address, "GET /big HTTP/1.1\r\nHost: localhost\r\n\r\n").await;

    let over = tokio::time::timeout(Duration::from_secs(5), told.recv()).await;
    assert_eq!(over, Ok(Some(())));
}

#[tokio::test]
async fn a_client_that_does_not_send_its_body_is_left() {
    let (address, mut told) = impatient().await;
    let head = "POST /post HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nhalf";

    let _slow = Raw::send(address, head).await;

    let over = tokio::time::timeout(Duration::from_secs(5), told.recv()).await;
    assert_eq!(over, Ok(Some(())));
}

#[tokio::test]
async fn a_full_server_answers_one_request_that_wants_no_connection() {
    let (address, _) = pages_within(ServerLimits {
        max_connections: 1,
        ..ServerLimits::default()
    })
    .await;
    let mut open = Raw::send(address, UPGRADE).await;
    assert_eq!(open.answer_to_head().await.status, 101);

    let mut page = Raw::send(address, GET).await;
    let mut upgrade = Raw::send(address, UPGRADE).await;

    let answer = page.answer().await;
    assert_eq!((answer.status, &*answer.body), (200, "a page"));
    assert_eq!(answer.field("connection"), Some("close"));
    assert_eq!(page.rest().await, b"");
    assert_eq!(upgrade.answer().await.status, 503);
}

#[tokio::test]
async fn times_without_end_are_no_trouble() {
    let (address, handle) = pages_within(ServerLimits {
        handshake_timeout: Duration::MAX,
        keep_alive: Duration::MAX,
        ..ServerLimits::default()
    })
    .await;
    let mut raw = Raw::send(address, GET).await;
    assert_eq!(raw.answer().await.status, 200);
    raw.write(UPGRADE).await;
    assert_eq!(raw.answer_to_head().await.status, 101);

    let client = async {
        assert_eq!(raw.frame().await.0, 0x8);
        raw.write(close(1001, "")).await;
        raw.rest().await;
    };

    tokio::join!(
        handle.shutdown(CloseCode::GOING_AWAY, Duration::MAX),
        client
    );
}
