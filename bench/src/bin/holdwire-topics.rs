//! holdwire's library with a bare topic for each path: the shard driver's broadcast, and no channels.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use holdwire::handshake::Origins;
use holdwire::proto::{Event, Flow, Sender};
use holdwire::shard::{Remote, Session, Topic};
use holdwire::{Endpoint, Prepared, Server};
use holdwire_bench::options::listen_address;

type Topics = Arc<Mutex<HashMap<String, Topic>>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let topics = Topics::default();
    let endpoint = Endpoint::sessions(move |request: http::Request<()>, remote| {
        let mut topics = topics.lock().unwrap_or_else(PoisonError::into_inner);
        let topic = topics.entry(request.uri().path().to_owned()).or_default();
        Speaking {
            topic: topic.clone(),
            remote,
        }
    });
    Server::bind(listen_address()?)
        .await?
        .shards(1)
        .endpoint_under("/ws/", endpoint.origins(Origins::Any))
        .run()
        .await
}

struct Speaking {
    topic: Topic,
    remote: Remote,
}

impl Session for Speaking {
    fn on_open(&mut self, _: &mut Sender<'_>) {
        self.remote.join(&self.topic);
    }

    fn on_event(&mut self, event: Event<'_>, _: &mut Sender<'_>) -> Flow {
        let message = match event {
            Event::Text(text) => Prepared::text(&text),
            Event::Binary(payload) => Prepared::binary(&payload),
            _ => return Flow::Continue,
        };
        self.topic.publish(message);
        self.topic.pace(&self.remote)
    }
}
