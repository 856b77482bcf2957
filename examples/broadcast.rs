//! What one says, all others hear: `cargo run -p holdwire-examples --example broadcast`
//!
//! A message is encoded once and written to each listener from memory that they share. Who does not
//! keep up is closed with 1013; who says more than the others can hear is not read for a while.

use std::thread::available_parallelism;

use holdwire::proto::{Event, Flow, Sender};
use holdwire::shard::{Remote, Session, Topic};
use holdwire::{Endpoint, Prepared, Server};

struct Listener {
    room: Topic,
    remote: Remote,
}

impl Session for Listener {
    fn on_open(&mut self, _: &mut Sender<'_>) {
        self.remote.join(&self.room);
    }

    fn on_event(&mut self, event: Event<'_>, _: &mut Sender<'_>) -> Flow {
        let message = match event {
            Event::Text(text) => Prepared::text(&text),
            Event::Binary(payload) => Prepared::binary(&payload),
            _ => return Flow::Continue,
        };
        self.room.publish_from(&self.remote, message)
    }
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let room = Topic::new();
    let listener = move |_request, remote| Listener {
        room: room.clone(),
        remote,
    };
    Server::bind("127.0.0.1:3000")
        .await?
        .endpoint("/", Endpoint::sessions(listener))
        .shards(available_parallelism()?.get())
        .run()
        .await
}
