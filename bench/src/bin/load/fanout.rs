//! Publications that go to everybody else on the path, or to everybody in a room, in rounds: each publisher sends with one
//! write, and the next round begins when every message has come everywhere.
//!
//! With one publication under way that is a closed loop. With more, the publishers send one right
//! after the other while the server sleeps, so that it finds them together when it wakes; how
//! well that went is what a receive brings.

use std::cmp::Ordering;
use std::io;
use std::mem;
use std::net::TcpStream;
use std::process;
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use holdwire_bench::measurement::Work;
use holdwire_bench::process::CpuTime;
use holdwire_bench::wire::RECEIVE_BUFFER;
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};

use crate::message::Message;
use crate::{PATIENCE, Target, Window, connect};

/// Time for the server to have let in everybody whose handshake it has answered.
const SETTLE: Duration = Duration::from_millis(300);

#[derive(Args)]
pub(crate) struct Options {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    window: Window,
    /// Connections that publish, besides those that only listen.
    #[arg(long, default_value_t = 1)]
    publishers: usize,
    /// Messages that each publisher sends with one write.
    #[arg(long, default_value_t = 1)]
    in_flight: usize,
    /// So many rooms, each at the path and its number and with connections and a publisher of its
    /// own, to whom its publications come, too.
    #[arg(long, conflicts_with = "publishers")]
    rooms: Option<usize>,
}

pub(crate) fn run(options: &Options) -> io::Result<Work> {
    let mut load = Load::open(options)?;
    let window = &options.window;
    if window.batches.is_none() {
        load.run_for(Duration::from_secs_f64(window.warm_up))?;
    }
    let (deliveries, receives) = (load.deliveries, load.receives);
    let start = Instant::now();
    let server = CpuTime::of(options.target.server_pid)?;
    let own = CpuTime::of(process::id())?;

    match window.batches {
        None => load.run_for(Duration::from_secs_f64(window.seconds))?,
        Some(rounds) => (0..rounds).try_for_each(|_| load.round())?,
    }

    let mut work = Work {
        count: load.deliveries - deliveries,
        wire_bytes: load.wire_bytes,
        receives: load.receives - receives,
        seconds: start.elapsed().as_secs_f64(),
        load_cpu_ns: CpuTime::of(process::id())?.nanoseconds_since(&own),
        ..Work::default()
    };
    CpuTime::of(options.target.server_pid)?.since(&server, &mut work);
    Ok(work)
}

struct Load {
    epoll: OwnedFd,
    /// The publishers, and behind them those that only listen.
    connections: Vec<Connection>,
    publishers: usize,
    /// What each publisher writes.
    batch: Vec<u8>,
    deliveries_of_a_round: u64,
    wire_bytes: u64,
    buffer: Vec<u8>,
    deliveries: u64,
    receives: u64,
    events: Vec<Event>,
}

struct Connection {
    stream: TcpStream,
    /// Bytes that come to it in a round.
    expected: usize,
    received: usize,
}

impl Load {
    /// Opens all connections and checks one publication on each.
    fn open(options: &Options) -> io::Result<Self> {
        let message = Message::of(&options.target)?;
        let in_flight = options.in_flight;
        let targets: Vec<_> = match options.rooms {
            None => vec![options.target.clone()],
            Some(rooms) => (0..rooms).map(|room| options.target.room(room)).collect(),
        };
        let publishers = options.rooms.unwrap_or(options.publishers);
        let all = publishers + targets.len() * options.target.connections;
        let mut connections = (0..all)
            .map(|number| {
                Ok(Connection {
                    stream: connect::open(&targets[number % targets.len()], number)?,
                    expected: 0,
                    received: 0,
                })
            })
            .collect::<io::Result<Vec<_>>>()?;
        thread::sleep(SETTLE);
        let (frame, wire_bytes) = match options.rooms {
            None => check(&mut connections, &message)?,
            Some(rooms) => check_rooms(&mut connections, rooms, &message)?,
        };

        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        for (number, connection) in connections.iter_mut().enumerate() {
            let senders = match options.rooms {
                None => publishers - usize::from(number < publishers),
                Some(_) => 1,
            };
            connection.expected = senders * in_flight * frame;
            connection.stream.set_nonblocking(true)?;
            let data = EventData::new_u64(number as u64);
            epoll::add(&epoll, &connection.stream, data, EventFlags::IN)?;
        }
        Ok(Self {
            epoll,
            connections,
            publishers,
            batch: message.frame.repeat(in_flight),
            deliveries_of_a_round: match options.rooms {
                None => publishers * in_flight * (all - 1),
                Some(_) => in_flight * all,
            } as u64,
            wire_bytes,
            buffer: vec![0; RECEIVE_BUFFER],
            deliveries: 0,
            receives: 0,
            events: Vec::with_capacity(1024),
        })
    }

    fn run_for(&mut self, window: Duration) -> io::Result<()> {
        let start = Instant::now();
        while start.elapsed() < window {
            self.round()?;
        }
        Ok(())
    }

    /// Publishes, and waits until everything has come everywhere.
    fn round(&mut self) -> io::Result<()> {
        for connection in &mut self.connections {
            connection.received = 0;
        }
        for publisher in &self.connections[..self.publishers] {
            let sent = send(&publisher.stream, &self.batch, SendFlags::NOSIGNAL)?;
            if sent < self.batch.len() {
                return Err(io::Error::other("a publication found no room"));
            }
        }
        let is_waiting = |connection: &&Connection| connection.expected > 0;
        let mut waiting = self.connections.iter().filter(is_waiting).count();
        let mut events = mem::take(&mut self.events);
        while waiting > 0 {
            epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&PATIENCE))?;
            if events.is_empty() {
                return Err(io::Error::other("a message did not come everywhere"));
            }
            for event in events.drain(..) {
                let index = usize::try_from(event.data.u64()).map_err(io::Error::other)?;
                waiting -= usize::from(self.receive(index)?);
            }
        }
        self.events = events;
        self.deliveries += self.deliveries_of_a_round;
        Ok(())
    }

    /// Receives once; true if the connection has everything now.
    fn receive(&mut self, index: usize) -> io::Result<bool> {
        let connection = &mut self.connections[index];
        let flags = RecvFlags::empty();
        let received = match recv(&connection.stream, &mut self.buffer[..], flags) {
            Ok((_, 0)) => return Err(io::Error::other("the server closed a connection")),
            Ok((_, received)) => received,
            Err(Errno::AGAIN) => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        self.receives += 1;
        connection.received += received;
        match connection.received.cmp(&connection.expected) {
            Ordering::Less => Ok(false),
            Ordering::Equal => Ok(true),
            Ordering::Greater => Err(io::Error::other("the server sent too much")),
        }
    }
}

/// The first publication in each room: everybody there must get it, the publisher too. Returns the
/// bytes of its frame, all and in the payload.
fn check_rooms(
    connections: &mut [Connection],
    rooms: usize,
    message: &Message,
) -> io::Result<(usize, u64)> {
    for publisher in &mut connections[..rooms] {
        io::Write::write_all(&mut publisher.stream, &message.frame)?;
    }
    let mut frame = None;
    for connection in connections {
        let header = message.receive(&mut connection.stream)?;
        if *frame.get_or_insert(header) != header {
            return Err(io::Error::other("the server's frames differ in length"));
        }
    }
    match frame {
        Some(frame) => Ok((frame.length + frame.payload, frame.payload as u64)),
        None => Err(io::Error::other("somebody has to listen")),
    }
}

/// The first publication: everybody else must get it, and nobody anything else. Returns the bytes
/// of its frame, all and in the payload.
fn check(connections: &mut [Connection], message: &Message) -> io::Result<(usize, u64)> {
    let Some((publisher, others)) = connections.split_first_mut() else {
        return Err(io::Error::other("somebody has to publish"));
    };
    io::Write::write_all(&mut publisher.stream, &message.frame)?;
    let mut frame = None;
    for other in others {
        let header = message.receive(&mut other.stream)?;
        if *frame.get_or_insert(header) != header {
            return Err(io::Error::other("the server's frames differ in length"));
        }
    }
    match frame {
        Some(frame) => Ok((frame.length + frame.payload, frame.payload as u64)),
        None => Err(io::Error::other("somebody has to listen")),
    }
}
