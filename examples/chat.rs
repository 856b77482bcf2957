//! A chat that loses nothing: `cargo run -p holdwire-examples --example chat`
//!
//! Any page or terminal is a member: `holdwire connect 'ws://127.0.0.1:3000/ws/chat:lobby?format=json'`.
//! The first message is a position; whoever comes back with `&since=EPOCH:OFFSET` of the last one that
//! it saw gets what it missed, once and in order.

use std::thread::available_parallelism;
use std::time::Duration;

use holdwire::Server;
use holdwire_hub::{Hub, Namespace, Namespaces, Retention, plain};

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let mut chat = Namespace::default();
    chat.publish = true;
    chat.presence = true;
    chat.retention = Retention {
        publications: 1000,
        bytes: 1024 * 1024,
        age: Duration::from_secs(3600),
    };
    let hub = Hub::in_memory(Namespaces::new().with("chat", chat));
    Server::bind("127.0.0.1:3000")
        .await?
        .endpoint_under("/ws/", plain::endpoint(&hub, "/ws/"))
        .shards(available_parallelism()?.get())
        .run()
        .await
}
