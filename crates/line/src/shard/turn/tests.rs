//! A shard whose turns the test gives: real sockets, no thread, nothing that waits for the time.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream as Client};
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;
use std::task::{Context, Poll, Waker};

use holdwire_proto::{CloseCode, Connection, Event, Flow, Prepared, Role, Sender};
use http::Request;

use super::*;
use crate::error::Closed;
use crate::shard::Session;
use crate::shard::opening::Ticket;
use crate::stats::Traffic;

/// What the shard has told whoever owns its connections.
#[derive(Default)]
struct Told {
    moved: Mutex<(Traffic, Traffic)>,
    closed: Mutex<Vec<Closed>>,
}

impl Owner for Told {
    fn welcome(&self) -> Welcome {
        Welcome::Stay
    }

    fn moved(&self, received: &Traffic, sent: &Traffic) {
        let mut moved = self.moved.lock().unwrap();
        moved.0 += received;
        moved.1 += sent;
    }

    fn closed(&self, closed: &Closed, _: &Stats, _: Duration) {
        self.closed.lock().unwrap().push(closed.clone());
    }
}

/// A ticket that says when it was given back.
struct Taken(Arc<AtomicUsize>);

impl Ticket for Taken {
    fn keep(self: Box<Self>) {
        std::mem::forget(self);
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A shard and everything around it.
struct Ground {
    poll: mio::Poll,
    shard: Shard,
    mailbox: Arc<Mailbox>,
    told: Arc<Told>,
    listener: TcpListener,
    config: Arc<Config>,
    given_back: Arc<AtomicUsize>,
}

impl Ground {
    fn new() -> Self {
        let poll = mio::Poll::new().unwrap();
        let (mailbox, told) = (Mailbox::new(), Arc::<Told>::default());
        let registry = poll.registry().try_clone().unwrap();
        Self {
            shard: Shard::new(registry, Arc::clone(&mailbox), Arc::clone(&told) as _),
            poll,
            mailbox,
            told,
            listener: TcpListener::bind("127.0.0.1:0").unwrap(),
            config: Arc::new(Config::default().heartbeat(None)),
            given_back: Arc::default(),
        }
    }

    /// A connection on its way to the shard, its client, and how others reach it.
    fn opening<S: Session>(
        &self,
        make: impl Fn(Remote) -> S + Send + Sync + 'static,
    ) -> (Box<Opening>, Client) {
        let client = Client::connect(self.listener.local_addr().unwrap()).unwrap();
        // Only to fail instead of hanging.
        client
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        let (socket, _) = self.listener.accept().unwrap();
        socket.set_nonblocking(true).unwrap();
        let opening = Opening {
            socket,
            connection: Connection::new(Role::Server),
            config: Arc::clone(&self.config),
            request: Request::new(()),
            make: Arc::new(move |_, remote| Box::new(make(remote))),
            received: Vec::new(),
            guard: None,
        };
        (Box::new(opening), client)
    }

    fn ticket(&self) -> Box<dyn Ticket> {
        Box::new(Taken(Arc::clone(&self.given_back)))
    }

    /// Opens a connection with this session at once.
    fn open<S: Session>(
        &mut self,
        make: impl Fn(Remote) -> S + Send + Sync + 'static,
    ) -> (Remote, Client) {
        let id = self.shard.slab.next_id();
        let (opening, client) = self.opening(make);
        self.mailbox.open.fetch_add(1, Ordering::Relaxed);
        self.shard.obey(Command::Open(opening, self.ticket()));
        (Remote::new(Arc::clone(&self.mailbox), id), client)
    }

    /// What the poller has, and what was not done.
    fn poll(&mut self, timeout: Duration) {
        let mut events = mio::Events::with_capacity(64);
        self.poll.poll(&mut events, Some(timeout)).unwrap();
        self.shard.begin();
        for event in &events {
            self.shard.on_event(event);
        }
        self.shard.go_on();
        self.shard.end();
    }

    /// Does what has been asked for.
    fn obey(&mut self) {
        let mut commands = Vec::new();
        let cx = Context::from_waker(Waker::noop());
        while self.mailbox.poll_take(&cx, &mut commands) == Poll::Ready(()) {
            for command in commands.drain(..) {
                self.shard.obey(command);
            }
        }
        self.shard.end();
    }

    /// Gives turns until this is so.
    fn until(&mut self, is_so: impl Fn(&mut Self) -> bool) {
        for _ in 0..1000 {
            if is_so(self) {
                return;
            }
            self.poll(Duration::from_millis(20));
            self.obey();
        }
        panic!("it never comes about");
    }
}

/// Sends back what comes, and its name when it is woken.
struct Echo(&'static str);

impl Session for Echo {
    fn on_event(&mut self, event: Event<'_>, sender: &mut Sender<'_>) -> Flow {
        if let Event::Text(text) = event {
            let _ = sender.text(&text);
        }
        Flow::Continue
    }

    fn on_wake(&mut self, sender: &mut Sender<'_>) {
        let _ = sender.text(self.0);
    }

    fn on_join(&mut self, _: &Topic, next: u64, sender: &mut Sender<'_>) -> Join {
        let _ = sender.text(&format!("from {next}"));
        Join::Stay
    }
}

fn echo(_: Remote) -> Echo {
    Echo("awake")
}

/// A text message, masked by zeros.
fn text(text: &str) -> Vec<u8> {
    let length = 0x80 | u8::try_from(text.len()).unwrap();
    [&[0x81, length, 0, 0, 0, 0], text.as_bytes()].concat()
}

/// A short text message of a server.
fn read(client: &mut Client) -> String {
    let mut head = [0; 2];
    client.read_exact(&mut head).unwrap();
    assert_eq!(head[0], 0x81);
    let mut payload = vec![0; usize::from(head[1])];
    client.read_exact(&mut payload).unwrap();
    String::from_utf8(payload).unwrap()
}

#[test]
fn a_peer_that_floods_has_one_turn_in_each_of_the_shard() {
    let mut ground = Ground::new();
    ground.shard.tools.input = vec![0; 16].into();
    let (remote, mut client) = ground.open(|_| |_: Event<'_>, _: &mut Sender<'_>| Flow::Continue);
    client.write_all(&text("flood").repeat(1000)).unwrap();
    ground.until(|ground| ground.shard.is_busy());

    for _ in 0..10 {
        remote.wake();
        ground.obey();
        ground.shard.go_on();
        assert_eq!(ground.shard.tools.moved.received.bytes, 16);
        ground.shard.end();
    }
}

#[test]
fn a_new_connection_gets_what_the_last_one_at_its_place_published() {
    let (mut ground, topic) = (Ground::new(), Topic::new());
    let (subscriber, mut other) = ground.open(echo);
    let (publisher, _gone) = ground.open(echo);
    subscriber.join(&topic);
    ground.obey();

    ground.shard.obey(Command::To(publisher.id, Order::Cut));
    let (newcomer, mut client) = ground.open(echo);
    assert_eq!(newcomer.id.index, publisher.id.index);
    ground
        .shard
        .obey(Command::To(newcomer.id, Order::Join(topic.clone())));
    assert_eq!(
        topic.publish_from(&publisher, Prepared::text("news")),
        Flow::Continue
    );
    ground.obey();
    newcomer.wake();
    ground.obey();

    assert_eq!(read(&mut client), "from 0");
    assert_eq!(read(&mut client), "news");
    assert_eq!(
        (read(&mut other), read(&mut other)),
        ("from 0".into(), "news".into())
    );
}

#[test]
fn who_joins_gets_nothing_of_what_others_wait_for() {
    let (mut ground, topic) = (Ground::new(), Topic::new());
    let (subscriber, mut other) = ground.open(echo);
    let (newcomer, mut client) = ground.open(echo);
    subscriber.join(&topic);
    ground.obey();

    topic.publish(Prepared::text("old"));
    ground
        .shard
        .obey(Command::To(newcomer.id, Order::Join(topic.clone())));
    topic.publish(Prepared::text("new"));
    ground.obey();

    let read_all =
        |client: &mut Client, count| (0..count).map(|_| read(client)).collect::<Vec<_>>();
    assert_eq!(read_all(&mut client, 2), ["from 1", "new"]);
    assert_eq!(read_all(&mut other, 3), ["from 0", "old", "new"]);
}

#[test]
fn a_publisher_does_not_get_its_own_and_all_others_get_everything_in_order() {
    let (mut ground, topic) = (Ground::new(), Topic::new());
    let mut all: Vec<(Remote, Client)> = (0..3).map(|_| ground.open(echo)).collect();
    for (remote, _) in &all {
        remote.join(&topic);
    }
    ground.obey();

    for round in 0..100 {
        for (index, (remote, _)) in all.iter().enumerate() {
            let message = Prepared::text(&format!("{index}.{round}"));
            assert_eq!(topic.publish_from(remote, message), Flow::Continue);
        }
    }
    ground.obey();

    for (own, (_, client)) in all.iter_mut().enumerate() {
        assert_eq!(read(client), "from 0");
        for round in 0..100 {
            for index in (0..3).filter(|index| *index != own) {
                assert_eq!(read(client), format!("{index}.{round}"));
            }
        }
    }
}

#[test]
fn a_remote_of_a_connection_that_is_gone_does_nothing_to_the_next_at_its_place() {
    let mut ground = Ground::new();
    let (gone, _old) = ground.open(echo);
    ground.shard.obey(Command::To(gone.id, Order::Cut));
    let (present, mut client) = ground.open(|_| Echo("the new one"));
    assert_eq!(gone.id.index, present.id.index);

    gone.wake();
    gone.close(CloseCode::NORMAL, "");
    gone.abort();
    gone.join(&Topic::new());
    present.wake();
    ground.obey();

    assert_eq!(read(&mut client), "the new one");
    assert_eq!(ground.shard.slab.len(), 1);
}

#[test]
fn when_all_are_gone_nothing_is_left_behind() {
    let (mut ground, topic) = (Ground::new(), Topic::new());
    ground.config = Arc::new(Config::default());
    let mut clients = Vec::new();
    for _ in 0..200 {
        let (remote, client) = ground.open(echo);
        remote.join(&topic);
        clients.push(client);
    }
    ground.obey();
    assert!(ground.shard.end().is_some(), "heartbeats");

    drop(clients);
    ground.until(|ground| ground.shard.slab.len() == 0);

    assert_eq!(ground.shard.end(), None, "no deadline");
    assert_eq!(ground.mailbox.open.load(Ordering::Relaxed), 0);
    assert_eq!(ground.mailbox.queued.load(Ordering::Relaxed), 0);
    assert_eq!(ground.told.closed.lock().unwrap().len(), 200);
    assert!(ground.shard.guards.is_empty());
    assert_eq!(format!("{topic:?}"), "Topic { next: 0, shards: 0, .. }");
}

#[test]
fn a_shard_that_ends_early_gives_back_the_connections_on_their_way_to_it() {
    let mut ground = Ground::new();
    let (_, _open) = ground.open(echo);
    let (opening, _client) = ground.opening(echo);
    ground.mailbox.open(opening, ground.ticket());

    let (mailbox, given_back) = (Arc::clone(&ground.mailbox), Arc::clone(&ground.given_back));
    drop(ground.shard);
    assert_eq!(given_back.load(Ordering::Relaxed), 1);
    assert_eq!(mailbox.open.load(Ordering::Relaxed), 0);
}
