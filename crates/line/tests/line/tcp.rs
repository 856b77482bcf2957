//! A line with a fixed URL, over TCP.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use holdwire::line::{Advice, Backoff, Builder, Line, Outcome, Policy, Why};
use holdwire::{CloseCode, Server, Setup};
use tokio::net::TcpListener;

use crate::peer::{Peer, field};
use crate::server::Told;

/// A line that is quick to come back.
fn quick(url: impl Into<String>) -> Builder {
    Line::to(url).policy(Policy {
        backoff: Backoff::new(Duration::from_millis(20), Duration::from_millis(50)),
        ..Policy::default()
    })
}

async fn listener() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/line", listener.local_addr().unwrap());
    (listener, url)
}

async fn arrival(listener: &TcpListener) -> Peer {
    Peer::new(listener.accept().await.unwrap().0)
}

#[tokio::test]
async fn server_of_this_crate_that_is_started_again_is_found_again() {
    let server = Server::bind("127.0.0.1:0").await.unwrap();
    let address = server.local_addresses().unwrap()[0];
    let most = Arc::new(AtomicUsize::new(0));
    let live = Arc::new(AtomicUsize::new(0));
    drop(server);
    let run = || {
        let (most, live) = (Arc::clone(&most), Arc::clone(&live));
        // A runtime of its own: with it go listener and connections, as when a process is killed.
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.spawn(async move {
            let server = Server::bind(address).await.unwrap();
            let serve = server.serve(move |mut socket, _| {
                let live = Live::begin(&live, &most);
                async move {
                    while let Some(Ok(message)) = socket.recv().await {
                        let _ = socket.send(message).await;
                    }
                    drop(live);
                }
            });
            serve.await.unwrap();
        });
        runtime
    };
    let mut running = run();
    let mut line = quick(format!("ws://{address}/")).start();

    for turn in 0..3 {
        line.up_after_losses().await;
        let receipt = line.send(format!("turn {turn}")).unwrap();
        assert_eq!(line.message().await, format!("turn {turn}"));
        assert_eq!(receipt.settled().await, Outcome::Written);
        running.shutdown_background();
        line.down().await;
        running = run();
    }

    line.up_after_losses().await;
    assert_eq!(most.load(Ordering::SeqCst), 1);
    running.shutdown_background();
}

/// One connection as long as it is there.
struct Live(Arc<AtomicUsize>);

impl Live {
    fn begin(live: &Arc<AtomicUsize>, most: &AtomicUsize) -> Self {
        let now = live.fetch_add(1, Ordering::SeqCst) + 1;
        most.fetch_max(now, Ordering::SeqCst);
        Self(Arc::clone(live))
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn unauthorized_stops_a_line_whose_credentials_never_change() {
    let (listener, url) = listener().await;
    let mut line = quick(url).start();
    let mut peer = arrival(&listener).await;
    peer.head().await;

    peer.say("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")
        .await;

    assert_eq!(line.stopped().await.0, Why::Decision);
}

#[tokio::test]
async fn advised_url_is_followed_once_if_it_was_allowed() {
    let (here, url) = listener().await;
    let (there, advised) = listener().await;
    let mut line = quick(url).follow_advice(true).start();
    let advice = Advice::default().url(advised);

    for _ in 0..2 {
        let mut peer = arrival(&here).await;
        peer.accept("", b"").await;
        let (socket, driver) = peer.open(holdwire::Setup::default());
        tokio::spawn(driver);
        socket
            .close(CloseCode::SERVICE_RESTART, &advice.to_string())
            .await;
        line.down().await;

        // It fails there, and comes back here.
        drop(arrival(&there).await);
        line.down().await;
    }
}

#[tokio::test]
async fn advised_url_is_not_followed_unless_it_was_allowed() {
    let (here, url) = listener().await;
    let (_there, advised) = listener().await;
    let mut line = quick(url).start();
    let mut peer = arrival(&here).await;
    let request = peer.accept("", b"").await;
    let (socket, driver) = peer.open(holdwire::Setup::default());
    tokio::spawn(driver);

    let advice = Advice::default().url(advised);
    socket
        .close(CloseCode::SERVICE_RESTART, &advice.to_string())
        .await;

    let (loss, _) = line.down().await;
    assert!(loss.advice.is_some());
    let again = arrival(&here).await.head().await;
    assert_eq!(field(&again, "host"), field(&request, "host"));
}

#[tokio::test]
async fn advised_url_that_leads_nowhere_does_not_stop_the_line() {
    let (elsewhere, refuses) = listener().await;
    for advised in ["/other", &refuses] {
        let (listener, url) = listener().await;
        let mut line = quick(url).follow_advice(true).start();
        let mut peer = arrival(&listener).await;
        peer.accept("", b"").await;
        let advice = Advice::default().url(advised).to_string();
        let (socket, driver) = peer.open(Setup::default());
        tokio::spawn(driver);
        let code = CloseCode::new(1012).unwrap();
        assert!(socket.close(code, &advice).await.is_clean());
        if advised == refuses {
            let mut peer = arrival(&elsewhere).await;
            peer.head().await;
            peer.say("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
                .await;
        }

        let home = async { arrival(&listener).await.accept("", b"").await };
        let home = tokio::time::timeout(Duration::from_secs(10), home).await;

        assert!(home.is_ok(), "{advised}: {:?}", line.state());
        line.up_after_losses().await;
    }
}
