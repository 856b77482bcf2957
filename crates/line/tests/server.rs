//! The server: endpoints, rules, hooks, limits, timeouts, observer.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::raw::{Raw, UPGRADE, free, run, upgrade};
use common::{close, text};
use holdwire::handshake::{Hosts, NoneCommon, Origins, Subprotocols};
use holdwire::http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use holdwire::{
    Closed, Endpoint, Error, Observer, Peer, Server, ServerLimits, Stats, Upgrade, WebSocket,
};
use tokio::net::TcpListener;

async fn echo(mut socket: WebSocket, _: Request<()>) -> Result<(), Error> {
    while let Some(message) = socket.recv().await.transpose()? {
        socket.send(message).await?;
    }
    Ok(())
}

#[tokio::test]
async fn the_smallest_server_greets_and_prints() {
    let (server, address) = free().await;
    tokio::spawn(server.serve(|mut socket: WebSocket, _request| async move {
        socket.send("Information from the server").await?;
        while let Some(message) = socket.recv().await.transpose()? {
            println!("{message:?}");
        }
        Ok::<(), Error>(())
    }));

    let mut raw = Raw::send(address, UPGRADE).await;

    let answer = raw.answer_to_head().await;
    assert_eq!(
        answer.field("sec-websocket-accept"),
        Some("Oy4NRAQ13jhfONC7bP8dTKb4PTU=")
    );
    assert_eq!(
        raw.frame().await,
        (0x1, b"Information from the server".to_vec())
    );
}

#[tokio::test]
async fn every_listener_is_served() {
    let listeners = [
        TcpListener::bind("127.0.0.1:0").await.unwrap(),
        TcpListener::bind("127.0.0.1:0").await.unwrap(),
    ];
    let server = Server::on(listeners);
    let addresses = server.local_addresses().unwrap();
    run(server.endpoint_for_all(Endpoint::new(echo)));

    for address in addresses {
        let mut raw = Raw::send(address, UPGRADE).await;
        assert_eq!(raw.answer_to_head().await.status, 101);
    }
}

#[tokio::test]
async fn endpoints_are_found_by_path_and_others_are_not_found() {
    let name = |name: &'static str| {
        Endpoint::new(
            move |socket: WebSocket, _: Request<()>| async move { socket.send(name).await },
        )
    };
    let (server, address) = free().await;
    run(server
        .endpoint("/a", name("a"))
        .endpoint("/b", name("b"))
        .endpoint_under("/a/", name("under a"))
        .endpoint_under("/a/b/", name("under b"))
        .endpoint("/a/b/c", name("c")));

    for (path, expected) in [
        ("/a", "a"),
        ("/b?query", "b"),
        ("/a/", "under a"),
        ("/a/b", "under a"),
        ("/a/b/d?query", "under b"),
        ("/a/b/c", "c"),
    ] {
        let mut raw = Raw::send(address, upgrade(path, "")).await;
        assert_eq!(raw.answer_to_head().await.status, 101);
        assert_eq!(raw.frame().await, (0x1, expected.into()));
    }
    let mut raw = Raw::send(address, upgrade("/c", "")).await;
    assert_eq!(raw.answer().await.status, 404);
    assert_eq!(raw.rest().await, b"");
}

#[tokio::test]
async fn a_page_of_another_origin_is_refused() {
    let (server, address) = free().await;
    let listed = Origins::List(vec!["https://app.example.com".parse().unwrap()]);
    run(server
        .endpoint("/same", Endpoint::new(echo))
        .endpoint("/list", Endpoint::new(echo).origins(listed)));

    for (path, origin, status) in [
        ("/same", "http://localhost", 101),
        ("/same", "http://other.example", 403),
        ("/same", "https://localhost", 403),
        ("/list", "https://app.example.com", 101),
        ("/list", "http://localhost", 403),
    ] {
        let request = upgrade(path, &format!("Origin: {origin}\r\n"));
        let mut raw = Raw::send(address, request).await;
        assert_eq!(raw.answer_to_head().await.status, status, "{path} {origin}");
    }
}

#[tokio::test]
async fn a_foreign_host_is_misdirected_whatever_it_asks_for() {
    let (server, address) = free().await;
    run(server
        .hosts(Hosts::loopback())
        .endpoint("/", Endpoint::new(echo)));
    let foreign = UPGRADE.replace("Host: localhost", "Host: rebound.example");

    for request in [
        foreign.clone(),
        foreign.replace("GET /", "GET /nowhere"),
        foreign.replace("GET /", "POST /"),
    ] {
        let mut raw = Raw::send(address, &request).await;
        assert_eq!(raw.answer().await.status, 421, "{request}");
    }
    let mut raw = Raw::send(address, upgrade("/nowhere", "")).await;
    assert_eq!(raw.answer().await.status, 404);
}

#[tokio::test]
async fn the_server_prefers_subprotocols_in_its_own_order() {
    let names = ["v2", "v1"].map(|name| name.parse().unwrap());
    let list = Subprotocols::Preferred {
        names: names.into(),
        otherwise: NoneCommon::Refuse,
    };
    let (server, address) = free().await;
    run(server.endpoint_for_all(
        Endpoint::new(|socket: WebSocket, _: Request<()>| async move {
            let name = socket.subprotocol().unwrap_or("none").to_owned();
            socket.send(name).await
        })
        .subprotocols(list),
    ));

    let request = upgrade("/", "Sec-WebSocket-Protocol: v1, v2\r\n");
    let mut raw = Raw::send(address, request).await;

    assert_eq!(
        raw.answer_to_head().await.field("sec-websocket-protocol"),
        Some("v2")
    );
    assert_eq!(raw.frame().await, (0x1, b"v2".to_vec()));
    let mut raw = Raw::send(address, UPGRADE).await;
    assert_eq!(raw.answer().await.status, 400);
}

#[derive(Clone)]
struct User(&'static str);

async fn hook(upgrade: Upgrade) -> Result<holdwire::Accept, Response<bytes::Bytes>> {
    assert!(upgrade.request.extensions().get::<Peer>().is_some());
    match upgrade.request.headers().get("cookie") {
        Some(cookie) if cookie == "user=ann" => Ok(upgrade
            .accept()
            .header(
                HeaderName::from_static("set-cookie"),
                HeaderValue::from_static("seen=1"),
            )
            .context(User("ann"))),
        Some(_) => Err(Response::builder()
            .status(StatusCode::IM_A_TEAPOT)
            .header("x-reason", "tea")
            .body("short and stout".into())
            .unwrap()),
        None => Err(upgrade.refuse(StatusCode::UNAUTHORIZED)),
    }
}

#[tokio::test]
async fn a_hook_accepts_with_headers_and_context() {
    let (server, address) = free().await;
    let endpoint = Endpoint::new(|socket: WebSocket, request: Request<()>| async move {
        let user = request.extensions().get::<User>().unwrap().0;
        assert!(request.extensions().get::<Peer>().is_some());
        socket.send(user).await
    });
    run(server.endpoint_for_all(endpoint.on_upgrade(hook)));

    let mut raw = Raw::send(address, upgrade("/", "Cookie: user=ann\r\n")).await;

    assert_eq!(
        raw.answer_to_head().await.field("set-cookie"),
        Some("seen=1")
    );
    assert_eq!(raw.frame().await, (0x1, b"ann".to_vec()));
}

#[tokio::test]
async fn a_hook_refuses_with_any_response() {
    let (server, address) = free().await;
    run(server.endpoint_for_all(Endpoint::new(echo).on_upgrade(hook)));

    let mut raw = Raw::send(address, upgrade("/", "Cookie: user=bob\r\n")).await;
    let answer = raw.answer().await;
    assert_eq!((answer.status, &*answer.body), (418, "short and stout"));
    assert_eq!(answer.field("x-reason"), Some("tea"));
    let mut raw = Raw::send(address, UPGRADE).await;
    assert_eq!(raw.answer().await.status, 401);
}

fn limits(limits: ServerLimits) -> impl Fn(Server) -> Server {
    move |server| server.limits(limits.clone())
}

#[tokio::test]
async fn connections_of_one_address_are_limited_and_given_back() {
    let (server, address) = free().await;
    let limit = limits(ServerLimits {
        max_connections_per_ip: 1,
        ..ServerLimits::default()
    });
    run(limit(server).endpoint_for_all(Endpoint::new(echo)));

    let mut first = Raw::send(address, UPGRADE).await;
    assert_eq!(first.answer_to_head().await.status, 101);
    let refused = Raw::send(address, UPGRADE).await.answer().await;
    assert_eq!(refused.status, 429);
    assert!(refused.field("retry-after").is_some());
    first.write(close(1000, "")).await;
    first.rest().await;
    drop(first);

    until_accepted(address).await;
}

#[tokio::test]
async fn connections_in_all_are_limited_and_given_back() {
    let (server, address) = free().await;
    let limit = limits(ServerLimits {
        max_connections: 1,
        ..ServerLimits::default()
    });
    run(limit(server).endpoint_for_all(Endpoint::new(echo)));

    let mut first = Raw::send(address, UPGRADE).await;
    assert_eq!(first.answer_to_head().await.status, 101);
    let refused = Raw::send(address, UPGRADE).await.answer().await;
    assert_eq!(refused.status, 503);
    assert!(refused.field("retry-after").is_some());
    drop(first);

    until_accepted(address).await;
}

#[tokio::test]
async fn beyond_the_limit_some_are_told_so_and_the_rest_are_left_at_once() {
    let (server, address) = free().await;
    let limit = limits(ServerLimits {
        max_connections: 1,
        ..ServerLimits::default()
    });
    run(limit(server).endpoint_for_all(Endpoint::new(echo)));
    let mut first = Raw::send(address, UPGRADE).await;
    assert_eq!(first.answer_to_head().await.status, 101);

    let mut told = Vec::new();
    for _ in 0..64 {
        told.push(Raw::open(address).await);
    }
    let mut left = Raw::open(address).await;

    let rest = tokio::time::timeout(Duration::from_secs(5), left.rest()).await;
    assert_eq!(rest.as_deref(), Ok(&b""[..]), "not even a head is awaited");
    for mut raw in told {
        raw.write(UPGRADE).await;
        assert_eq!(raw.answer().await.status, 503);
    }
    drop(first);
    until_accepted(address).await;
}

/// The server notices the end of a connection a little later than the client.
async fn until_accepted(address: std::net::SocketAddr) {
    let accepted = async {
        while Raw::send(address, UPGRADE)
            .await
            .answer_to_head()
            .await
            .status
            != 101
        {}
    };
    let accepted = tokio::time::timeout(Duration::from_secs(5), accepted).await;
    accepted.expect("the permit is given back");
}

#[tokio::test(start_paused = true)]
async fn a_slow_head_is_told_so_within_the_timeout() {
    let (server, address) = free().await;
    run(server.endpoint_for_all(Endpoint::new(echo)));
    let start = tokio::time::Instant::now();

    let mut raw = Raw::send(address, &UPGRADE[..50]).await;

    assert_eq!(raw.answer().await.status, 408);
    assert!(
        start.elapsed() <= Duration::from_secs(11),
        "{:?}",
        start.elapsed()
    );
}

#[tokio::test]
async fn a_frame_sent_with_the_request_is_received() {
    let (server, address) = free().await;
    run(server.endpoint_for_all(Endpoint::new(echo)));

    let mut bytes = UPGRADE.as_bytes().to_vec();
    bytes.extend(text("eager"));
    let mut raw = Raw::send(address, bytes).await;

    assert_eq!(raw.answer_to_head().await.status, 101);
    assert_eq!(raw.frame().await, (0x1, b"eager".to_vec()));
}

#[tokio::test]
async fn a_request_byte_by_byte_is_the_same_request() {
    let (server, address) = free().await;
    run(server.endpoint_for_all(Endpoint::new(echo)));
    let mut raw = Raw::open(address).await;
    raw.tcp.set_nodelay(true).unwrap();

    for byte in UPGRADE.as_bytes().iter().chain(&text("hello")) {
        raw.write([*byte]).await;
        tokio::task::yield_now().await;
    }

    assert_eq!(raw.answer_to_head().await.status, 101);
    assert_eq!(raw.frame().await, (0x1, b"hello".to_vec()));
}

#[tokio::test]
async fn a_handler_that_fails_or_panics_ends_with_1011_and_harms_nobody() {
    let (server, address) = free().await;
    let fails = Endpoint::new(|_: WebSocket, _: Request<()>| async { Err("no") });
    let panics = Endpoint::new(|_: WebSocket, _: Request<()>| async { panic!("on purpose") as () });
    let returns = Endpoint::new(|_: WebSocket, _: Request<()>| async {});
    run(server
        .endpoint("/fails", fails)
        .endpoint("/panics", panics)
        .endpoint("/returns", returns));

    for (path, code) in [("/fails", 1011_u16), ("/panics", 1011), ("/returns", 1000)] {
        let mut raw = Raw::send(address, upgrade(path, "")).await;
        assert_eq!(raw.answer_to_head().await.status, 101);
        assert_eq!(
            raw.frame().await,
            (0x8, code.to_be_bytes().to_vec()),
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_handler_that_panics_before_its_future_is_there_ends_with_1011_and_is_told() {
    let log = Arc::new(Log::default());
    let (server, address) = free().await;
    let panics = |_: WebSocket, _: Request<()>| -> std::future::Ready<()> { panic!("on purpose") };
    let (handle, served) = run(server
        .endpoint("/", Endpoint::new(panics))
        .observe(Arc::clone(&log) as Arc<dyn Observer>));

    let mut raw = Raw::send(address, UPGRADE).await;
    assert_eq!(raw.answer_to_head().await.status, 101);
    assert_eq!(raw.frame().await, (0x8, 1011_u16.to_be_bytes().to_vec()));
    raw.write(close(1011, "")).await;
    raw.rest().await;
    drop(raw);
    handle
        .shutdown(holdwire::CloseCode::GOING_AWAY, Duration::from_secs(5))
        .await;
    served.await.unwrap().unwrap();

    let told = log.0.lock().unwrap().clone();
    assert_eq!(
        told,
        ["handshake 101", "opened /", "closed 1011 received 0 sent 0"]
    );
}

#[tokio::test]
async fn the_close_frame_can_be_read_though_data_is_in_flight() {
    let (server, address) = free().await;
    run(server.endpoint_for_all(Endpoint::new(|_: WebSocket, _: Request<()>| async {})));
    let mut raw = Raw::send(address, UPGRADE).await;
    assert_eq!(raw.answer_to_head().await.status, 101);

    for _ in 0..20 {
        raw.write(text(&"x".repeat(5000))).await;
    }

    assert_eq!(raw.frame().await, (0x8, 1000_u16.to_be_bytes().to_vec()));
    raw.write(close(1000, "")).await;
    assert_eq!(raw.rest().await, b"");
}

#[tokio::test]
async fn a_client_that_sends_too_long_a_message_at_once_can_read_why_it_is_refused() {
    let (server, address) = free().await;
    run(server.endpoint("/", Endpoint::new(echo)));

    for _ in 0..20 {
        let mut raw = Raw::send(address, UPGRADE).await;
        assert_eq!(raw.answer_to_head().await.status, 101);

        raw.write(text(&"x".repeat(1024 * 1024 + 1))).await;

        let (opcode, body) = raw.frame().await;
        assert_eq!((opcode, &body[..2]), (0x8, &1009_u16.to_be_bytes()[..]));
        raw.write(close(1009, "")).await;
        assert_eq!(raw.rest().await, b"");
    }
}

#[derive(Default)]
struct Log(Mutex<Vec<String>>);

impl Log {
    fn note(&self, line: String) {
        self.0.lock().unwrap().push(line);
    }
}

impl Observer for Log {
    fn handshake(&self, status: StatusCode) {
        self.note(format!("handshake {}", status.as_u16()));
    }

    fn opened(&self, request: &Request<()>) {
        self.note(format!("opened {}", request.uri()));
    }

    fn closed(&self, closed: &Closed, stats: &Stats, _: Duration) {
        let (received, sent) = (stats.received, stats.sent);
        self.note(format!(
            "closed {} received {} sent {}",
            closed.code(),
            received.messages,
            sent.messages
        ));
    }
}

#[tokio::test]
async fn an_observer_is_told_of_handshakes_and_connections() {
    let log = Arc::new(Log::default());
    let (server, address) = free().await;
    let (handle, served) = run(server
        .endpoint("/", Endpoint::new(echo))
        .observe(Arc::clone(&log) as Arc<dyn Observer>));

    let mut raw = Raw::send(address, upgrade("/nowhere", "")).await;
    raw.answer().await;
    drop(raw);
    let mut raw = Raw::send(address, UPGRADE).await;
    raw.answer_to_head().await;
    raw.write(text("hello")).await;
    raw.frame().await;
    raw.write(close(4000, "done")).await;
    raw.rest().await;
    drop(raw);
    handle
        .shutdown(holdwire::CloseCode::GOING_AWAY, Duration::from_secs(5))
        .await;
    served.await.unwrap().unwrap();

    let told = log.0.lock().unwrap().clone();
    assert_eq!(
        told,
        [
            "handshake 404",
            "handshake 101",
            "opened /",
            "closed 4000 received 1 sent 1"
        ]
    );
}
