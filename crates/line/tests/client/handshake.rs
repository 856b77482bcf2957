//! What the client asks, and which answers it takes.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use holdwire::proto::deflate::{self, DeflateConfig};
use holdwire::proto::handshake::{HeadError, ResponseViolation};
use holdwire::{Client, CloseCode, Config, ConnectError, Message, Phase, Setup, connect};

use crate::peer::{Peer, field, listen};

#[tokio::test]
async fn request_is_the_one_of_rfc_6455() {
    let (io, mut peer) = Peer::pipe();
    let client = Client::new();

    let (opened, request) = tokio::join!(
        client.open_over(io, "ws://Server.example.com/chat?room=1"),
        peer.accept("", b"")
    );

    opened.unwrap();
    let key = field(&request, "sec-websocket-key").unwrap();
    assert_eq!(
        request,
        format!(
            "GET /chat?room=1 HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\n\
             Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
    );
}

#[tokio::test]
async fn each_attempt_has_a_key_of_its_own() {
    let mut keys = Vec::new();
    for _ in 0..2 {
        let (io, mut peer) = Peer::pipe();
        let client = Client::new();
        let attempt = client.open_over(io, "ws://a.example");

        let (_, request) = tokio::join!(attempt, peer.accept("", b""));

        keys.push(field(&request, "sec-websocket-key").unwrap().to_owned());
    }
    assert_ne!(keys[0], keys[1]);
}

#[tokio::test]
async fn connects_over_tcp_and_talks() {
    let (address, server) = listen(async |mut peer: Peer| {
        peer.accept("", b"").await;
        peer.echo(Setup::default()).await;
    })
    .await;

    let mut socket = connect(format!("ws://{address}/echo")).await.unwrap();
    socket.send("hello").await.unwrap();
    let message = socket.recv().await.unwrap().unwrap();
    let closed = socket.close(CloseCode::NORMAL, "").await;

    assert_eq!(message, Message::from("hello"));
    assert!(closed.is_clean());
    server.await.unwrap();
}

#[tokio::test]
async fn host_names_the_port_unless_it_is_the_default() {
    for (url, host) in [
        ("ws://a.example:80", "a.example"),
        ("ws://a.example:8080", "a.example:8080"),
        ("ws://[::1]:3000", "[::1]:3000"),
    ] {
        let (io, mut peer) = Peer::pipe();
        let client = Client::new();

        let (_, request) = tokio::join!(client.open_over(io, url), peer.accept("", b""));

        assert_eq!(field(&request, "host"), Some(host));
    }
}

#[tokio::test]
async fn user_and_password_of_the_url_are_sent_as_basic() {
    let (io, mut peer) = Peer::pipe();
    let client = Client::new();
    let attempt = client.open_over(io, "ws://Aladdin:open%20sesame@a.example/");

    let (_, request) = tokio::join!(attempt, peer.accept("", b""));

    let expected = "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==";
    assert_eq!(field(&request, "authorization"), Some(expected));
    assert_eq!(field(&request, "host"), Some("a.example"));
}

#[tokio::test]
async fn headers_and_origin_are_sent_and_authorization_beats_the_url() {
    let (io, mut peer) = Peer::pipe();
    let client = Client::new()
        .header("authorization", "Bearer secret")
        .and_then(|client| client.header("x-room", "1"))
        .and_then(|client| client.header("x-room", "2"))
        .and_then(|client| client.origin("https://app.example"))
        .unwrap();
    let attempt = client.open_over(io, "ws://user:password@a.example/");

    let (_, request) = tokio::join!(attempt, peer.accept("", b""));

    assert!(request.contains("\r\nAuthorization: Bearer secret\r\n"));
    assert!(!request.contains("Basic"));
    assert!(request.contains("\r\nX-Room: 1\r\nX-Room: 2\r\n"));
    assert!(request.contains("\r\nOrigin: https://app.example\r\n"));
    assert!(!format!("{client:?}").contains("secret"));
}

#[tokio::test]
async fn subprotocol_and_response_headers_are_handed_over() {
    let (io, mut peer) = Peer::pipe();
    let client = Client::new()
        .subprotocol("chat.v2")
        .and_then(|client| client.subprotocol("chat.v1"))
        .unwrap();
    let more = "Sec-WebSocket-Protocol: chat.v1\r\nX-Served-By: seven\r\n";
    let attempt = client.open_over(io, "ws://a.example");

    let (opened, request) = tokio::join!(attempt, peer.accept(more, b""));

    let opened = opened.unwrap();
    let offered = field(&request, "sec-websocket-protocol");
    assert_eq!(offered, Some("chat.v2, chat.v1"));
    assert_eq!(opened.socket.subprotocol(), Some("chat.v1"));
    assert_eq!(opened.response.headers()["x-served-by"], "seven");
}

#[tokio::test]
async fn frames_that_came_with_the_101_are_kept() {
    let (address, server) = listen(async |mut peer: Peer| {
        peer.accept("", b"\x81\x05Hello\x81").await;
        peer.say(b"\x02!!").await;
        peer
    })
    .await;

    let mut socket = connect(format!("ws://{address}")).await.unwrap();

    let first = socket.recv().await.unwrap().unwrap();
    let second = socket.recv().await.unwrap().unwrap();
    assert_eq!(first, Message::from("Hello"));
    assert_eq!(second, Message::from("!!"));
    drop(server.await.unwrap());
}

#[tokio::test]
async fn answer_may_come_byte_by_byte_after_interim_responses() {
    let (client_io, server_io) = tokio::io::duplex(1);
    let mut peer = Peer::new(server_io);
    let client = Client::new();
    let server = async {
        let request = peer.head().await;
        peer.say("HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n")
            .await;
        peer.say("HTTP/1.1 100 Continue\r\n\r\n").await;
        peer.say(crate::peer::switching(&request, "")).await;
    };

    let (opened, ()) = tokio::join!(client.open_over(client_io, "ws://a.example"), server);

    assert_eq!(opened.unwrap().response.status(), 101);
}

#[tokio::test]
async fn endless_interim_responses_end_the_attempt() {
    let (io, mut peer) = Peer::pipe();
    peer.say("HTTP/1.1 103 Early Hints\r\n\r\n".repeat(100))
        .await;

    let error = Client::new().over(io, "ws://a.example").await.unwrap_err();

    assert!(matches!(
        error,
        ConnectError::Malformed(HeadError::TooLarge)
    ));
}

#[tokio::test]
async fn compressed_messages_go_both_ways_when_both_want_it() {
    let config = Config::default().deflate(DeflateConfig::default());
    let (io, mut peer) = Peer::pipe();
    let client = Client::new().config(config.clone());
    let answer = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
    let more = format!("Sec-WebSocket-Extensions: {answer}\r\n");
    let attempt = client.open_over(io, "ws://a.example");

    let (opened, request) = tokio::join!(attempt, peer.accept(&more, b""));

    let opened = opened.unwrap();
    assert!(request.contains("Sec-WebSocket-Extensions: permessage-deflate;"));
    assert!(opened.deflate.is_some());
    let mut setup = Setup::default();
    setup.config = config.clone().into();
    setup.deflate = opened.deflate;
    tokio::spawn(peer.echo(setup));
    let text = "all work and no play ".repeat(1000);
    let mut socket = opened.spawn();
    socket.send(text.as_str()).await.unwrap();
    let message = socket.recv().await.unwrap().unwrap();
    assert_eq!(message, Message::from(text.as_str()));
    let stats = socket.stats();
    assert!(stats.sent.bytes < 1000, "{stats:?}");
    assert!(stats.received.bytes < 1000, "{stats:?}");
    for compression in [stats.deflated, stats.inflated] {
        assert_eq!(compression.plain, 21_000);
        assert!(compression.compressed < 1000, "{stats:?}");
        assert!(compression.ratio().is_some_and(|ratio| ratio < 0.05));
    }
}

#[tokio::test]
async fn server_may_decline_compression() {
    let (io, mut peer) = Peer::pipe();
    let config = Config::default().deflate(DeflateConfig::default());
    let client = Client::new().config(config);
    let attempt = client.open_over(io, "ws://a.example");

    let (opened, _) = tokio::join!(attempt, peer.accept("", b""));

    assert_eq!(opened.unwrap().deflate, None);
}

#[tokio::test]
async fn compression_otherwise_than_offered_fails_the_handshake() {
    let (io, mut peer) = Peer::pipe();
    let config = Config::default().deflate(DeflateConfig::default());
    let client = Client::new().config(config);
    let more = "Sec-WebSocket-Extensions: permessage-deflate; window=9\r\n";

    let (refused, _) = tokio::join!(client.over(io, "ws://a.example"), peer.accept(more, b""));

    let Err(ConnectError::Extension(error)) = refused else {
        panic!("{refused:?}");
    };
    let error = error.downcast_ref::<deflate::DeflateError>();
    assert_eq!(error, Some(&deflate::DeflateError::UnknownParameter));
}

#[tokio::test]
async fn answer_against_the_rules_is_a_violation() {
    use ResponseViolation as V;
    for (more, expected) in [
        ("Sec-WebSocket-Protocol: chat\r\n", V::SubprotocolNotOffered),
        ("Sec-WebSocket-Extensions: x\r\n", V::ExtensionNotOffered),
        ("Sec-WebSocket-Accept: x\r\n", V::AcceptRepeated),
        ("Upgrade: h2c\r\n", V::UpgradeWrong),
    ] {
        let (io, mut peer) = Peer::pipe();
        let client = Client::new();

        let (refused, _) = tokio::join!(client.over(io, "ws://a.example"), peer.accept(more, b""));

        let Err(ConnectError::Violation(violation)) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!(violation, expected);
        assert_eq!(peer.rest().await, b"", "nothing is sent to it");
    }
}

#[tokio::test]
async fn answer_to_another_key_is_a_violation() {
    let (io, mut peer) = Peer::pipe();
    peer.say(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: Oy4NRAQ13jhfONC7bP8dTKb4PTU=\r\n\r\n",
    )
    .await;

    let error = Client::new().over(io, "ws://a.example").await.unwrap_err();

    let violation = ResponseViolation::AcceptWrong;
    assert!(matches!(error, ConnectError::Violation(found) if found == violation));
}

#[tokio::test]
async fn what_is_not_http_is_malformed() {
    let (io, mut peer) = Peer::pipe();
    peer.say("SSH-2.0-OpenSSH_9.9\r\n\r\n").await;

    let error = Client::new().over(io, "ws://a.example").await.unwrap_err();

    assert!(matches!(
        error,
        ConnectError::Malformed(HeadError::StartLine)
    ));
}

#[tokio::test]
async fn head_without_end_is_malformed() {
    let (io, mut peer) = Peer::pipe();
    peer.say(format!("HTTP/1.1 101 OK\r\nX: {}", "x".repeat(20_000)))
        .await;

    let error = Client::new().over(io, "ws://a.example").await.unwrap_err();

    assert!(matches!(
        error,
        ConnectError::Malformed(HeadError::TooLarge)
    ));
}

#[tokio::test]
async fn connection_that_ends_in_the_head_is_lost() {
    let (io, mut peer) = Peer::pipe();
    peer.say("HTTP/1.1 101 Switching").await;
    drop(peer);

    let error = Client::new().over(io, "ws://a.example").await.unwrap_err();

    assert!(matches!(error, ConnectError::Lost(_)), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn silent_server_ends_the_attempt_in_time() {
    let (io, mut peer) = Peer::pipe();
    peer.say("HTTP/1.1 101 Switching").await;
    let start = tokio::time::Instant::now();

    let error = Client::new().over(io, "ws://a.example").await.unwrap_err();

    assert!(matches!(error, ConnectError::Timeout(Phase::Handshake)));
    assert_eq!(start.elapsed().as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn handshake_timeout_can_be_set() {
    let (io, _peer) = Peer::pipe();
    let start = tokio::time::Instant::now();
    let client = Client::new().handshake_timeout(Duration::from_secs(2));

    let error = client.over(io, "ws://a.example").await.unwrap_err();

    assert!(matches!(error, ConnectError::Timeout(Phase::Handshake)));
    assert_eq!(start.elapsed().as_secs(), 2);
}

#[tokio::test]
async fn timeouts_may_be_without_end() {
    let (address, server) = listen(async |mut peer: Peer| {
        peer.accept("", b"").await;
        peer
    })
    .await;
    let client = Client::new()
        .connect_timeout(Duration::MAX)
        .handshake_timeout(Duration::MAX);

    let socket = client.connect(format!("ws://{address}")).await;

    assert!(socket.is_ok(), "{socket:?}");
    drop(server.await.unwrap());
}

#[tokio::test]
async fn dropping_the_attempt_at_any_await_closes_the_transport() {
    for polls in 0.. {
        let (io, server_io) = tokio::io::duplex(16);
        let mut peer = Peer::new(server_io);
        let client = Client::new();
        let mut attempt = Box::pin(client.open_over(io, "ws://a.example"));
        let is_done = {
            let mut server = Box::pin(peer.accept("", b""));
            let mut is_served = false;
            let mut is_done = false;
            for _ in 0..polls {
                is_done = poll_once(attempt.as_mut()).await;
                is_served = is_served || poll_once(server.as_mut()).await;
                assert!(!is_done || is_served);
            }
            is_done
        };
        if is_done {
            assert!(polls > 10, "the pipe is narrow, so there are many awaits");
            return;
        }

        drop(attempt);

        let rest = tokio::time::timeout(Duration::from_secs(5), peer.rest()).await;
        assert!(
            rest.is_ok(),
            "after {polls} polls the transport is still open"
        );
    }
}

/// Polls once; whether the future is ready. A result is dropped.
async fn poll_once<F: Future>(mut future: Pin<&mut F>) -> bool {
    poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_ready())).await
}

#[tokio::test]
async fn requests_that_must_not_be_sent_cost_no_byte() {
    let repeated = Client::new()
        .subprotocol("chat")
        .and_then(|client| client.subprotocol("chat"));
    let reserved = Client::new().header("sec-websocket-key", "mine");
    for client in [repeated, reserved] {
        let (io, mut peer) = Peer::pipe();

        let error = client.unwrap().over(io, "ws://a.example").await;

        assert!(matches!(error, Err(ConnectError::Request(_))), "{error:?}");
        assert_eq!(peer.rest().await, b"");
    }
}

#[tokio::test]
async fn what_cannot_be_asked_is_told_at_once() {
    let header = Client::new().header("x", "a\r\nHost: b").unwrap_err();
    let subprotocol = Client::new().subprotocol("chat room").unwrap_err();
    let url = connect("ws://a.example/#fragment").await.unwrap_err();

    assert!(matches!(header, ConnectError::Header(_)));
    assert!(matches!(subprotocol, ConnectError::Subprotocol(_)));
    assert!(matches!(url, ConnectError::Url(_)));
}

#[tokio::test]
async fn opened_connection_is_driven_by_the_caller() {
    let (io, mut peer) = Peer::pipe();
    let client = Client::new();
    let attempt = client.open_over(io, "ws://a.example");
    let (opened, _) = tokio::join!(attempt, peer.accept("", b"\x81\x02hi"));
    let opened = opened.unwrap();
    let mut socket = opened.socket;

    let handler = async move {
        let message = socket.recv().await.unwrap().unwrap();
        assert_eq!(message, Message::from("hi"));
    };
    let (_server, drive) = peer.open(Setup::default());
    let (closed, _) = tokio::join!(opened.driver.run(handler), drive);

    assert_eq!(closed.code(), 1001, "the only handle of a client went");
}

#[test]
fn attempts_can_be_spawned_and_are_not_large() {
    const PAGE: usize = 4096;
    fn size<T: Send>(_: &T) -> usize {
        size_of::<T>()
    }
    let client = Client::new();

    let (io, _peer) = tokio::io::duplex(1);
    let sizes = [
        size(&connect("ws://a.example")),
        size(&client.open("ws://a.example")),
        size(&client.over(io, "ws://a.example")),
    ];

    assert!(sizes.iter().all(|&size| size < 2 * PAGE), "{sizes:?}");
}
