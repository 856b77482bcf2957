//! The closed loop: each connection sends its batch of messages with one write and the next
//! batch when the last byte of the answers is there.

use std::cmp::Ordering;
use std::io;
use std::mem;
use std::net::TcpStream;
use std::process;
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

#[derive(Args)]
pub(crate) struct Options {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    window: Window,
    /// Messages in flight on each connection.
    #[arg(long, default_value_t = 1)]
    in_flight: usize,
}

pub(crate) fn run(options: &Options) -> io::Result<Work> {
    let mut load = Load::open(options)?;
    for index in 0..load.connections.len() {
        load.start_batch(index)?;
    }
    let window = &options.window;
    if window.batches.is_none() {
        load.run_for(Duration::from_secs_f64(window.warm_up))?;
    }
    let (messages, receives) = (load.messages, load.receives);
    let start = Instant::now();
    let server = CpuTime::of(options.target.server_pid)?;
    let own = CpuTime::of(process::id())?;

    match window.batches {
        None => load.run_for(Duration::from_secs_f64(window.seconds))?,
        Some(_) => load.run_to_the_end()?,
    }

    let mut work = Work {
        count: load.messages - messages,
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
    connections: Vec<Connection>,
    /// One batch of masked frames, the same for all connections.
    batch: Vec<u8>,
    batch_messages: u64,
    /// Bytes of the answers to one batch.
    answer: usize,
    wire_bytes: u64,
    buffer: Vec<u8>,
    messages: u64,
    receives: u64,
    /// Connections that have batches to send or answers to wait for.
    busy: usize,
    events: Vec<Event>,
}

struct Connection {
    stream: TcpStream,
    /// Bytes of the batch that are sent.
    sent: usize,
    /// Bytes of its answers that have come.
    received: usize,
    awaits_room: bool,
    /// Batches to send, the one under way included.
    batches: u64,
}

impl Load {
    /// Opens all connections and checks one echo on each.
    fn open(options: &Options) -> io::Result<Self> {
        let message = Message::of(&options.target)?;
        let mut answer = None;
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let mut connections = Vec::with_capacity(options.target.connections);
        for number in 0..options.target.connections {
            let mut stream = connect::open(&options.target, number)?;
            answer = Some(message.exchange(&mut stream)?);
            stream.set_nonblocking(true)?;
            let data = EventData::new_u64(number as u64);
            epoll::add(&epoll, &stream, data, EventFlags::IN)?;
            connections.push(Connection {
                stream,
                sent: 0,
                received: 0,
                awaits_room: false,
                batches: options.window.batches.unwrap_or(u64::MAX),
            });
        }
        let Some(answer) = answer else {
            return Err(io::Error::other("no connection, no echo"));
        };
        Ok(Self {
            epoll,
            busy: connections.len(),
            connections,
            batch: message.frame.repeat(options.in_flight),
            batch_messages: options.in_flight as u64,
            answer: (answer.length + answer.payload) * options.in_flight,
            wire_bytes: answer.payload as u64,
            buffer: vec![0; RECEIVE_BUFFER],
            messages: 0,
            receives: 0,
            events: Vec::with_capacity(1024),
        })
    }

    fn run_for(&mut self, window: Duration) -> io::Result<()> {
        let start = Instant::now();
        while start.elapsed() < window {
            self.turn()?;
        }
        Ok(())
    }

    fn run_to_the_end(&mut self) -> io::Result<()> {
        while self.busy > 0 {
            self.turn()?;
        }
        Ok(())
    }

    /// Waits for sockets that are ready and serves each once.
    fn turn(&mut self) -> io::Result<()> {
        let mut events = mem::take(&mut self.events);
        epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&PATIENCE))?;
        if events.is_empty() {
            return Err(io::Error::other("the server has fallen silent"));
        }
        for event in events.drain(..) {
            let index = usize::try_from(event.data.u64()).map_err(io::Error::other)?;
            if self.connections[index].awaits_room {
                self.send_rest(index)?;
            }
            let flags = event.flags;
            if flags.intersects(EventFlags::IN | EventFlags::HUP) {
                self.receive(index)?;
            }
        }
        self.events = events;
        Ok(())
    }

    fn receive(&mut self, index: usize) -> io::Result<()> {
        let connection = &mut self.connections[index];
        let flags = RecvFlags::empty();
        let received = match recv(&connection.stream, &mut self.buffer[..], flags) {
            Ok((_, 0)) => return Err(io::Error::other("the server closed a connection")),
            Ok((_, received)) => received,
            Err(Errno::AGAIN) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        self.receives += 1;
        connection.received += received;
        match connection.received.cmp(&self.answer) {
            Ordering::Less => Ok(()),
            Ordering::Greater => Err(io::Error::other("the server sent too much")),
            Ordering::Equal => {
                self.messages += self.batch_messages;
                connection.batches -= 1;
                if connection.batches > 0 {
                    return self.start_batch(index);
                }
                self.busy -= 1;
                Ok(())
            }
        }
    }

    fn start_batch(&mut self, index: usize) -> io::Result<()> {
        self.connections[index].sent = 0;
        self.connections[index].received = 0;
        self.send_rest(index)
    }

    /// Sends once; waits for room in the socket only while it is full.
    fn send_rest(&mut self, index: usize) -> io::Result<()> {
        let connection = &mut self.connections[index];
        let rest = &self.batch[connection.sent..];
        connection.sent += match send(&connection.stream, rest, SendFlags::NOSIGNAL) {
            Ok(sent) => sent,
            Err(Errno::AGAIN) => 0,
            Err(error) => return Err(error.into()),
        };
        let awaits_room = connection.sent < self.batch.len();
        if awaits_room != connection.awaits_room {
            connection.awaits_room = awaits_room;
            let mut interest = EventFlags::IN;
            interest.set(EventFlags::OUT, awaits_room);
            let data = EventData::new_u64(index as u64);
            epoll::modify(&self.epoll, &connection.stream, data, interest)?;
        }
        Ok(())
    }
}
