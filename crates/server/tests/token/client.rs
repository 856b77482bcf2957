//! The client for Rust, with tokens, against the program.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use holdwire_hub::client::{Client, Event, Status, Wants};

use super::*;
use crate::common::Server;

fn server(name: &str) -> Server {
    let path = format!("{}/client-{name}.toml", env!("CARGO_TARGET_TMPDIR"));
    let text = format!(
        "[namespaces.chat]\npublish = true\npresence = true\n[keys.own]\nsecret = {SECRET:?}\n"
    );
    std::fs::write(&path, text).unwrap();
    Server::start(&["--config", &path, "--token-leeway", "1s"])
}

async fn within<T>(test: impl Future<Output = T>) -> T {
    let limit = Duration::from_secs(60);
    tokio::time::timeout(limit, test).await.expect("it hangs")
}

#[tokio::test]
async fn the_token_function_is_asked_again_when_a_token_has_expired() {
    within(async {
        let server = server("expiring");
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let client = Client::to(format!("ws://{}/connection", server.address))
            .token(move |_| {
                let lives = match count.fetch_add(1, Ordering::SeqCst) {
                    0 => 1,
                    _ => 3600,
                };
                let token = signed(&secret("own"), json!({"sub": "ann", "exp": now() + lives}));
                async move { Ok(token) }
            })
            .start();
        let channel = "chat:a".parse().unwrap();
        let mut room = client.subscribe(&channel, Wants::new()).unwrap();
        let first = room.next().await;
        assert!(matches!(first, Some(Event::Subscribed { .. })), "{first:?}");

        // The first one expires, the connection with it, and the client comes back with another.
        let again = room.next().await;

        assert!(matches!(again, Some(Event::Subscribed { .. })), "{again:?}");
        assert_eq!(asked.load(Ordering::SeqCst), 2);
        let members = client.presence(&channel).await.unwrap();
        assert!(
            members.iter().all(|member| &*member.user == "ann"),
            "{members:?}"
        );
    })
    .await;
}

#[tokio::test]
async fn a_client_whose_tokens_are_not_accepted_stops() {
    within(async {
        let server = server("stopping");
        let client = Client::to(format!("ws://{}/connection", server.address))
            .token(|_| async { Ok(signed(&secret("other"), json!({"sub": "ann"}))) })
            .start();
        let mut room = client
            .subscribe(&"chat:a".parse().unwrap(), Wants::new())
            .unwrap();

        assert_eq!(room.next().await, None);

        let status = client.status();
        assert!(matches!(status, Status::Stopped { .. }), "{status:?}");
    })
    .await;
}
