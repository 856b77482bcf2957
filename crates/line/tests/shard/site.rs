//! A server whose sessions tell the test what they are called with.

use std::future::Future;
use std::net::SocketAddr;
use std::ops::Range;
use std::time::Duration;

use holdwire::http::Request;
use holdwire::proto::{Event, Flow, Sender};
use holdwire::shard::{Join, Remote, Session, Topic};
use holdwire::{CloseCode, Config, Endpoint, Server, ServerHandle};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;

use crate::client::Client;

/// Lets a test fail instead of hang.
pub async fn within<T>(test: impl Future<Output = T>) -> T {
    let limit = Duration::from_secs(30);
    tokio::time::timeout(limit, test).await.expect("it hangs")
}

/// What a session was told.
#[derive(Debug, PartialEq, Eq)]
pub enum Told {
    Text(String),
    Binary(usize),
    Closed,
    Woken,
    Joined(u64),
    Skipped(Range<u64>),
    Slow,
    Dropped,
}

/// A session that sends back what comes, but for some verbs; it tells everything to the test.
pub struct Actor {
    remote: Remote,
    told: UnboundedSender<Told>,
    spins: bool,
    /// It panics when it is dropped, too.
    is_brittle: bool,
}

impl Actor {
    fn tell(&self, told: Told) {
        // The test need not look.
        let _ = self.told.send(told);
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        self.tell(Told::Dropped);
        if self.is_brittle {
            std::panic::resume_unwind(Box::new("as the test wants it"));
        }
    }
}

impl Session for Actor {
    fn on_event(&mut self, event: Event<'_>, sender: &mut Sender<'_>) -> Flow {
        match event {
            Event::Text(text) => {
                self.tell(Told::Text(text.to_string()));
                let (verb, number) = text.split_once(' ').unwrap_or((&text, ""));
                let _ = match verb {
                    "pause" => return Flow::Pause,
                    // Without a word on the standard error.
                    "panic" => std::panic::resume_unwind(Box::new("as the test wants it")),
                    "close" => {
                        sender.close(CloseCode::NORMAL, "asked");
                        Ok(())
                    }
                    "brittle" => {
                        self.is_brittle = true;
                        Ok(())
                    }
                    "spin" => {
                        self.spins = true;
                        self.remote.wake();
                        Ok(())
                    }
                    "ask" => sender.binary(&vec![b'x'; number.parse().unwrap()]),
                    _ => sender.text(&text),
                };
            }
            Event::Binary(payload) => {
                self.tell(Told::Binary(payload.len()));
                let _ = sender.binary(&payload);
            }
            Event::Close(_) => self.tell(Told::Closed),
            _ => {}
        }
        Flow::Continue
    }

    fn on_wake(&mut self, sender: &mut Sender<'_>) {
        if self.spins {
            return self.remote.wake();
        }
        self.tell(Told::Woken);
        let _ = sender.text("awake");
    }

    fn on_join(&mut self, _: &Topic, next: u64, sender: &mut Sender<'_>) -> Join {
        self.tell(Told::Joined(next));
        let _ = sender.text(&format!("from {next}"));
        Join::Stay
    }

    fn on_skip(&mut self, _: &Topic, skipped: Range<u64>, sender: &mut Sender<'_>) {
        let Range { start, end } = skipped;
        let _ = sender.text(&format!("skipped {start} {end}"));
        self.tell(Told::Skipped(skipped));
    }

    fn on_slow(&mut self, _: &Topic) {
        self.tell(Told::Slow);
    }
}

/// The server's side of a connection.
pub struct Arrival {
    pub remote: Remote,
    told: UnboundedReceiver<Told>,
}

impl Arrival {
    /// What the session is told next.
    pub async fn told(&mut self) -> Told {
        self.told.recv().await.expect("the session is gone")
    }

    /// Waits until the session is told this.
    pub async fn until(&mut self, awaited: Told) {
        while self.told().await != awaited {}
    }

    /// Waits until the session is gone.
    pub async fn gone(&mut self) {
        self.until(Told::Dropped).await;
    }

    /// Joins, and says from which publication on.
    pub async fn join(&mut self, topic: &Topic) -> u64 {
        self.remote.join(topic);
        loop {
            if let Told::Joined(next) = self.told().await {
                return next;
            }
        }
    }
}

/// A server of actors.
pub struct Site {
    pub address: SocketAddr,
    pub handle: ServerHandle,
    pub served: JoinHandle<std::io::Result<()>>,
    arrivals: UnboundedReceiver<Arrival>,
}

impl Site {
    pub async fn new(shards: usize) -> Self {
        Self::with(shards, config(), |server| server).await
    }

    /// A server with this configuration, changed by `adjust`.
    pub async fn with(
        shards: usize,
        config: Config,
        adjust: impl FnOnce(Server) -> Server,
    ) -> Self {
        let server = Server::bind("127.0.0.1:0").await.unwrap();
        let address = server.local_addresses().unwrap()[0];
        let (arrived, arrivals) = unbounded_channel();
        let endpoint = Endpoint::sessions(move |_: Request<()>, remote: Remote| {
            let (told, told_here) = unbounded_channel();
            let arrival = Arrival {
                remote: remote.clone(),
                told: told_here,
            };
            let _ = arrived.send(arrival);
            Actor {
                remote,
                told,
                spins: false,
                is_brittle: false,
            }
        });
        let server = server.endpoint_for_all(endpoint.config(config));
        let server = adjust(server.shards(shards));
        Self {
            address,
            handle: server.handle(),
            served: tokio::spawn(server.run()),
            arrivals,
        }
    }

    /// A connection, both ends.
    pub async fn connect(&mut self) -> (Client, Arrival) {
        self.connect_with("").await
    }

    /// A connection whose request has more header lines.
    pub async fn connect_with(&mut self, lines: &str) -> (Client, Arrival) {
        let (client, head) = Client::connect(self.address, lines).await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        (client, self.arrival().await)
    }

    /// A connection as soon as there is a place for it: the last that one gives back is its own.
    pub async fn connect_in_turn(&mut self) -> (Client, Arrival) {
        loop {
            let (client, head) = Client::connect(self.address, "").await;
            if head.starts_with("HTTP/1.1 101 ") {
                return (client, self.arrival().await);
            }
            tokio::task::yield_now().await;
        }
    }

    /// The server's side of the next connection.
    pub async fn arrival(&mut self) -> Arrival {
        self.arrivals.recv().await.unwrap()
    }

    /// Waits until no connection is open and nothing waits to be written.
    pub async fn empty(&self) {
        while self.handle.open() + self.handle.queued() > 0 {
            tokio::task::yield_now().await;
        }
    }
}

/// No deadline is near, so that what waits for one hangs.
pub fn config() -> Config {
    let mut config = Config::default().heartbeat(None);
    config.limits.write_stall = Duration::from_secs(3600);
    config.limits.close_timeout = Duration::from_secs(3600);
    config
}
