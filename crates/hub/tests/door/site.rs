//! A server with channels.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use holdwire::{CloseCode, Config, Server, ServerHandle};
use holdwire_hub::engine::{Engine, Memory};
use holdwire_hub::{ChannelName, Hub, Namespace, Namespaces, Position, Retention, plain, session};
use serde_json::Value;

use crate::client::Client;
use crate::speaking::Desk;

/// Lets a test fail instead of hang.
pub async fn within<T>(test: impl Future<Output = T>) -> T {
    let limit = Duration::from_secs(30);
    tokio::time::timeout(limit, test).await.expect("it hangs")
}

/// A server whose one namespace is `chat`.
pub struct Site {
    pub address: SocketAddr,
    pub hub: Hub,
    pub memory: Arc<Memory>,
    pub channel: ChannelName,
    handle: ServerHandle,
}

impl Site {
    /// A namespace that keeps a thousand publications and allows everything.
    pub async fn new(shards: usize) -> Self {
        Self::with(shards, |_| {}, |_| {}).await
    }

    /// The same, changed.
    pub async fn with(
        shards: usize,
        change: impl FnOnce(&mut Namespace),
        adjust: impl FnOnce(&mut Config),
    ) -> Self {
        Self::over(shards, change, adjust, |memory| memory).await
    }

    /// The same over another engine, which stands before the memory.
    pub async fn over(
        shards: usize,
        change: impl FnOnce(&mut Namespace),
        adjust: impl FnOnce(&mut Config),
        wrap: impl FnOnce(Arc<Memory>) -> Arc<dyn Engine>,
    ) -> Self {
        let mut namespace = Namespace::default();
        namespace.retention = keeping(1000);
        namespace.publish = true;
        namespace.presence = true;
        namespace.grace = Duration::ZERO;
        change(&mut namespace);
        let namespaces = Arc::new(Namespaces::new().with("chat", namespace));
        let memory = Arc::new(Memory::new(Arc::clone(&namespaces)));
        let hub = Hub::new(wrap(memory.clone()), namespaces);
        let mut config = Config::default().heartbeat(None);
        // No deadline is near, so that what waits for one hangs.
        config.limits.write_stall = Duration::from_secs(3600);
        config.limits.close_timeout = Duration::from_secs(3600);
        adjust(&mut config);
        let server = Server::bind("127.0.0.1:0").await.unwrap();
        let address = server.local_addresses().unwrap()[0];
        let door = plain::guarded(&hub, "/ws/", Desk, Some("pass"))
            .refuse_after_open()
            .config(config.clone());
        let sessions = session::endpoint(&hub, Desk).config(config.clone());
        let pinged = session::centrifuge(&hub, Desk, Some(Duration::from_secs(1)));
        let strangers = session::centrifuge(&hub, Desk, None).config(config);
        let server = server
            .endpoint_under("/ws/", door)
            .endpoint("/connection", sessions)
            .endpoint("/connection/pinged", pinged)
            .endpoint("/connection/websocket", strangers);
        let handle = server.handle();
        tokio::spawn(server.shards(shards).run());
        Self {
            address,
            hub,
            memory,
            channel: "chat:a".parse().unwrap(),
            handle,
        }
    }

    /// A connection to the channel.
    pub async fn connect(&self, query: &str) -> Client {
        connect(self.address, query).await
    }

    /// A connection with JSON, and where it begins.
    pub async fn json(&self, query: &str) -> (Client, Value) {
        let mut client = self.connect(&format!("format=json&{query}")).await;
        let first = client.json().await;
        (client, first)
    }

    /// Publishes texts, each its own number, and gives the position after them.
    pub async fn publish(&self, numbers: impl IntoIterator<Item = u64>) -> Position {
        let mut last = None;
        for number in numbers {
            let published = self.hub.publish(&self.channel, &*number.to_string()).await;
            last = Some(published.unwrap().position);
        }
        last.expect("something was published")
    }

    /// Tells everybody that the server goes down.
    pub fn go_down(&self) {
        let handle = self.handle.clone();
        let window = Duration::from_secs(3600);
        tokio::spawn(async move { handle.shutdown(CloseCode::SERVICE_RESTART, window).await });
    }

    /// Waits until nobody has subscribed.
    pub async fn empty(&self) {
        while self.hub.counts().channels + self.hub.counts().subscriptions > 0 {
            tokio::task::yield_now().await;
        }
    }
}

/// A connection to the channel of a site.
pub async fn connect(address: SocketAddr, query: &str) -> Client {
    let (client, head) = Client::connect(address, &format!("/ws/chat:a?{query}")).await;
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    client
}

pub fn keeping(publications: usize) -> Retention {
    Retention {
        publications,
        bytes: usize::MAX,
        age: Duration::from_secs(3600),
    }
}

/// The position in a message, as `since` takes it.
pub fn since(message: &Value) -> String {
    let (epoch, offset) = (message["epoch"].as_str().unwrap(), offset(message));
    format!("since={epoch}:{offset}")
}

pub fn offset(message: &Value) -> u64 {
    message["offset"].as_u64().unwrap()
}
