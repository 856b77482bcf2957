//! Refusals that a page can see, and those of the handshake rate.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::close;
use common::raw::{Raw, free, run, upgrade};
use holdwire::handshake::{Refusal, forbidden, too_many_requests, unauthorized, unavailable};
use holdwire::http::{HeaderValue, Request, StatusCode};
use holdwire::{
    Advice, CloseCode, Endpoint, HandshakeRate, Observer, Server, ServerHandle, ServerLimits,
    TurnedAway, Upgrade, WebSocket,
};

/// The origin of the server's own pages, as the requests of these tests name it.
const PAGE: &str = "Origin: http://localhost\r\n";

/// Notes what the observer is told.
#[derive(Default)]
struct Log(Mutex<Vec<String>>);

impl Log {
    fn add(&self, line: String) {
        self.0.lock().unwrap().push(line);
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl Observer for Log {
    fn handshake(&self, status: StatusCode) {
        self.add(format!("handshake {}", status.as_u16()));
    }

    fn refused(&self, refusal: &Refusal) {
        self.add(format!("refused {}", refusal.response().status().as_u16()));
    }

    fn turned_away(&self, why: TurnedAway) {
        self.add(format!("turned away: {}", why.name()));
    }

    fn opened(&self, _: &Request<()>) {
        self.add("opened".to_owned());
    }
}

struct Served {
    address: SocketAddr,
    handle: ServerHandle,
    log: Arc<Log>,
}

/// Serves an endpoint that answers as the path says, and refuses after the 101.
async fn serve(limits: ServerLimits) -> Served {
    let wait = |mut socket: WebSocket, _: Request<()>| async move {
        while let Some(Ok(_)) = socket.recv().await {}
    };
    let hook = async |upgrade: Upgrade| match upgrade.request.uri().path() {
        "/401" => Err(unauthorized(HeaderValue::from_static("Bearer"))),
        "/403" => Err(forbidden()),
        "/400" => Err(upgrade.refuse(StatusCode::BAD_REQUEST)),
        "/404" => Err(upgrade.refuse(StatusCode::NOT_FOUND)),
        "/409" => Err(upgrade.refuse(StatusCode::CONFLICT)),
        "/429" => Err(too_many_requests(Duration::from_secs(60))),
        "/503" => Err(unavailable(Duration::from_secs(7))),
        _ => Ok(upgrade.accept()),
    };
    let endpoint = Endpoint::new(wait).on_upgrade(hook).refuse_after_open();
    start(endpoint, limits).await
}

async fn start(endpoint: Endpoint, limits: ServerLimits) -> Served {
    let (server, address): (Server, _) = free().await;
    let log = Arc::new(Log::default());
    let server = server
        .endpoint_for_all(endpoint)
        .limits(limits)
        .observe(Arc::clone(&log) as Arc<dyn Observer>);
    let (handle, _) = run(server);
    Served {
        address,
        handle,
        log,
    }
}

impl Served {
    /// The status of a program's handshake, and what `Retry-After` says.
    async fn program(&self, path: &str) -> (u16, Option<u64>) {
        let answer = Raw::send(self.address, upgrade(path, "")).await;
        let answer = { answer }.answer_to_head().await;
        let retry_after = answer.field("retry-after");
        (
            answer.status,
            retry_after.map(|seconds| seconds.parse().unwrap()),
        )
    }

    /// The code and reason that a page is told, right after the 101.
    async fn page(&self, path: &str) -> (u16, String) {
        let mut raw = Raw::send(self.address, upgrade(path, PAGE)).await;
        let answer = raw.answer_to_head().await;
        assert_eq!(answer.status, 101, "{}", answer.head);
        let (opcode, payload) = raw.frame().await;
        assert_eq!(opcode, 0x8);
        let (code, reason) = payload.split_first_chunk().unwrap();
        let (code, reason) = (u16::from_be_bytes(*code), reason.to_vec());
        raw.write(close(code, "")).await;
        assert_eq!(raw.rest().await, b"", "nothing follows the Close frame");
        (code, String::from_utf8(reason).unwrap())
    }

    async fn advice(&self, path: &str) -> (u16, Advice) {
        let (code, reason) = self.page(path).await;
        (code, Advice::parse(&reason).expect("advice"))
    }
}

#[tokio::test]
async fn a_page_is_told_why_it_is_refused() {
    let served = serve(ServerLimits::default()).await;

    let (code, reason) = served.page("/401").await;
    assert_eq!(code, 4401);
    assert!(reason.contains("log in"), "{reason}");
    for (path, code) in [("/400", 4400), ("/403", 4403), ("/404", 4404)] {
        assert_eq!(served.page(path).await.0, code);
    }
    for (path, seconds) in [("/429", 60), ("/503", 7)] {
        let (code, advice) = served.advice(path).await;
        assert_eq!(code, 1013);
        assert_eq!(advice.retry_after, Some(Duration::from_secs(seconds)));
    }
}

#[tokio::test]
async fn it_counts_as_refused_and_the_handler_is_not_called() {
    let served = serve(ServerLimits::default()).await;

    served.page("/401").await;

    assert_eq!(served.log.take(), ["handshake 401", "refused 401"]);
    assert_eq!(served.handle.open(), 0);
}

#[tokio::test]
async fn a_program_gets_the_status() {
    let served = serve(ServerLimits::default()).await;

    assert_eq!(served.program("/401").await, (401, None));
    assert_eq!(served.program("/403").await, (403, None));
    assert_eq!(served.program("/404").await, (404, None));
    assert_eq!(served.program("/429").await, (429, Some(60)));
    assert_eq!(served.program("/503").await, (503, Some(7)));
}

#[tokio::test]
async fn other_refusals_of_a_page_stay_before_the_101() {
    let served = serve(ServerLimits::default()).await;
    let status = async |path: &str, lines: &str| {
        let mut raw = Raw::send(served.address, upgrade(path, lines)).await;
        raw.answer_to_head().await.status
    };

    assert_eq!(
        status("/401", "Origin: https://evil.example\r\n").await,
        403
    );
    assert_eq!(status("/409", PAGE).await, 409);
    let twice = format!("{PAGE}Sec-WebSocket-Version: 13\r\n");
    assert_eq!(status("/401", &twice).await, 400);
}

#[tokio::test]
async fn it_is_off_unless_asked_for() {
    let wait = |_: WebSocket, _: Request<()>| async {};
    let hook = async |_: Upgrade| Err(forbidden());
    let endpoint = Endpoint::new(wait).on_upgrade(hook);
    let served = start(endpoint, ServerLimits::default()).await;

    let mut raw = Raw::send(served.address, upgrade("/", PAGE)).await;

    assert_eq!(raw.answer_to_head().await.status, 403);
}

#[tokio::test]
async fn the_101_of_a_refusal_names_an_offered_subprotocol() {
    let served = serve(ServerLimits::default()).await;
    let lines = format!("{PAGE}Sec-WebSocket-Protocol: chat.v2, chat.v1\r\n");

    let mut raw = Raw::send(served.address, upgrade("/403", &lines)).await;

    let answer = raw.answer_to_head().await;
    assert_eq!(answer.status, 101);
    assert_eq!(answer.field("sec-websocket-protocol"), Some("chat.v2"));
}

#[tokio::test]
async fn a_full_server_tells_pages_when_to_come_back() {
    let served = serve(ServerLimits {
        max_connections: 1,
        ..ServerLimits::default()
    })
    .await;
    let mut open = Raw::send(served.address, upgrade("/", "")).await;
    assert_eq!(open.answer_to_head().await.status, 101);
    served.log.take();

    let (code, advice) = served.advice("/").await;

    assert_eq!(code, 1013);
    let delay = advice.retry_after.unwrap();
    assert!((5..=10).contains(&delay.as_secs()), "{delay:?}");
    assert_eq!(
        served.log.take(),
        ["handshake 503", "refused 503", "turned away: full"]
    );
    let (status, retry_after) = served.program("/").await;
    assert_eq!(status, 503);
    assert!((5..=10).contains(&retry_after.unwrap()));
}

#[tokio::test]
async fn an_address_with_too_many_connections_is_told_so() {
    let served = serve(ServerLimits {
        max_connections_per_ip: 1,
        ..ServerLimits::default()
    })
    .await;
    let mut open = Raw::send(served.address, upgrade("/", "")).await;
    assert_eq!(open.answer_to_head().await.status, 101);

    assert_eq!(served.advice("/").await.0, 1013);
    assert_eq!(served.program("/").await.0, 429);
    assert!(
        served
            .log
            .take()
            .contains(&"turned away: address".to_owned())
    );
}

#[tokio::test]
async fn a_draining_server_tells_pages_when_it_is_back() {
    let served = serve(ServerLimits::default()).await;
    let mut open = Raw::send(served.address, upgrade("/", "")).await;
    assert_eq!(open.answer_to_head().await.status, 101);
    let window = Duration::from_secs(20);
    let draining = {
        let handle = served.handle.clone();
        tokio::spawn(async move {
            handle.shutdown(CloseCode::SERVICE_RESTART, window).await;
        })
    };
    assert_eq!(open.frame().await.0, 0x8);

    let (code, advice) = served.advice("/").await;

    assert_eq!(code, 1012);
    assert_eq!(advice.reason.as_deref(), Some("restarting"));
    assert!(advice.retry_after.unwrap() <= window / 2);
    let (status, retry_after) = served.program("/").await;
    assert_eq!(status, 503);
    assert!((1..=10).contains(&retry_after.unwrap()));
    assert!(
        served
            .log
            .take()
            .contains(&"turned away: draining".to_owned())
    );
    draining.abort();
}

#[tokio::test]
async fn handshakes_beyond_the_rate_are_told_to_come_one_after_the_other() {
    // Two, and then one in ten seconds.
    let served = serve(ServerLimits {
        handshake_rate: Some(HandshakeRate::new(6, Duration::from_secs(60)).burst(2)),
        ..ServerLimits::default()
    })
    .await;
    // Refused by the application or not, both count.
    let mut open = Raw::send(served.address, upgrade("/", "")).await;
    assert_eq!(open.answer_to_head().await.status, 101);
    assert_eq!(served.program("/403").await.0, 403);
    served.log.take();

    let (code, first) = served.advice("/").await;
    let (status, second) = served.program("/").await;

    assert_eq!((code, status), (1013, 503));
    let (first, second) = (first.retry_after.unwrap(), second.unwrap());
    // One place, and up to twice that; the second waits for the first too.
    assert!((10..=20).contains(&first.as_secs()), "{first:?}");
    assert!((11..=40).contains(&second), "{second}");
    assert_eq!(
        served.log.take(),
        [
            "handshake 503",
            "refused 503",
            "turned away: rate",
            "handshake 503",
            "refused 503",
            "turned away: rate"
        ]
    );
}

#[tokio::test]
async fn handshakes_that_break_the_rules_do_not_use_up_the_rate() {
    let served = serve(ServerLimits {
        handshake_rate: Some(HandshakeRate::new(1, Duration::from_secs(60))),
        ..ServerLimits::default()
    })
    .await;

    for _ in 0..3 {
        let lines = "Origin: https://evil.example\r\n";
        let mut raw = Raw::send(served.address, upgrade("/", lines)).await;
        assert_eq!(raw.answer_to_head().await.status, 403);
    }

    assert_eq!(served.program("/").await.0, 101);
}
