//! A server with channels behind a relay that can be cut.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use holdwire::Server;
use holdwire::line::{Backoff, Policy};
use holdwire_hub::client::{Builder, Client, Event, Subscription, Wants};
use holdwire_hub::engine::Answer;
use holdwire_hub::session::{self, Denied, Guest, Question};
use holdwire_hub::{ChannelName, Hub, Member, Namespace, Namespaces, Retention};
use serde_json::value::RawValue;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Lets a test fail instead of hang.
pub async fn within<T>(test: impl Future<Output = T>) -> T {
    let limit = Duration::from_secs(60);
    tokio::time::timeout(limit, test).await.expect("it hangs")
}

/// The channel of most tests.
pub fn channel() -> ChannelName {
    "chat:a".parse().unwrap()
}

/// Takes everybody with the token `good`, or with none.
struct Desk;

impl session::Policy for Desk {
    fn connect(&self, _: &Member, token: Option<&str>) -> Answer<Result<Guest, Denied>> {
        let user = |user: &str| Guest::new(Member::new(user));
        Answer::Now(match token {
            None => Ok(user("")),
            Some("good") => Ok(user("ann")),
            Some(_) => Err(Denied::unauthorized("this is no token of ours")),
        })
    }

    fn rpc(&self, ask: Question<'_>) -> Answer<Result<Box<RawValue>, Denied>> {
        let data = ask.data.map_or("null", RawValue::get).to_owned();
        Answer::Now(RawValue::from_string(data).map_err(|_| Denied::bad_request("no JSON")))
    }
}

/// A server that can be replaced, and the way to it.
pub struct Site {
    pub hub: Hub,
    relay: Relay,
}

impl Site {
    /// A namespace that keeps so many publications and allows everything.
    pub async fn new(kept: usize) -> Self {
        let (hub, address) = serve(kept).await;
        let relay = Relay::to(address).await;
        Self { hub, relay }
    }

    /// A client that comes back at once.
    pub fn builder(&self) -> Builder {
        let moment = Duration::from_millis(5);
        let policy = Policy {
            backoff: Backoff::new(moment, moment),
            ..Policy::default()
        };
        Client::to(format!("ws://{}/connection", self.relay.address)).policy(policy)
    }

    /// The same, started.
    pub fn client(&self) -> Client {
        self.builder().start()
    }

    /// A client and its subscription, which has begun.
    pub async fn subscribed(&self) -> (Client, Subscription) {
        let client = self.client();
        let mut room = client.subscribe(&channel(), Wants::new()).unwrap();
        let first = room.next().await;
        assert!(matches!(first, Some(Event::Subscribed { .. })), "{first:?}");
        (client, room)
    }

    /// Cuts every connection.
    pub fn cut(&self) {
        self.relay.cut();
    }

    /// Another server takes the place of this one, which knew everything.
    pub async fn replace(&mut self, kept: usize) {
        let (hub, address) = serve(kept).await;
        self.hub = hub;
        *self.relay.target.lock().unwrap() = address;
        self.relay.cut();
    }

    /// Publishes numbers as texts.
    pub async fn publish(&self, numbers: impl IntoIterator<Item = u64>) {
        for number in numbers {
            let published = self.hub.publish(&channel(), &*number.to_string()).await;
            published.unwrap();
        }
    }
}

async fn serve(kept: usize) -> (Hub, SocketAddr) {
    let mut namespace = Namespace::default();
    namespace.retention = Retention {
        publications: kept,
        bytes: usize::MAX,
        age: Duration::from_secs(3600),
    };
    namespace.publish = true;
    namespace.history = true;
    namespace.presence = true;
    namespace.page = 50;
    let hub = Hub::in_memory(Namespaces::new().with("chat", namespace));
    let server = Server::bind("127.0.0.1:0").await.unwrap();
    let address = server.local_addresses().unwrap()[0];
    let sessions = session::endpoint(&hub, Desk);
    tokio::spawn(server.endpoint("/connection", sessions).shards(1).run());
    (hub, address)
}

/// Passes bytes on until it is cut.
struct Relay {
    address: SocketAddr,
    target: Arc<Mutex<SocketAddr>>,
    passing: Arc<Mutex<JoinSet<()>>>,
}

impl Relay {
    async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let target = Arc::new(Mutex::new(target));
        let passing: Arc<Mutex<JoinSet<()>>> = Arc::default();
        let (to, all) = (Arc::clone(&target), Arc::clone(&passing));
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let target = *to.lock().unwrap();
                all.lock().unwrap().spawn(async move {
                    if let Ok(mut server) = TcpStream::connect(target).await {
                        let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
                    }
                });
            }
        });
        Self {
            address,
            target,
            passing,
        }
    }

    fn cut(&self) {
        self.passing.lock().unwrap().abort_all();
    }
}

/// What a reader has, told whole: each number once and in order, or a gap before the next.
pub async fn numbers(room: &mut Subscription, last: u64) -> Vec<u64> {
    let mut numbers = Vec::new();
    while numbers.last() != Some(&last) {
        match room.next().await.expect("it goes on") {
            Event::Publication { publication, .. } => {
                let text = String::from_utf8(publication.payload.as_bytes().to_vec());
                numbers.push(text.unwrap().parse().unwrap());
            }
            Event::Gap(gap) => panic!("{gap}"),
            _ => {}
        }
    }
    numbers
}
