//! Holds many connections on which nobody but the server's heartbeat speaks.

use std::io;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use clap::Args;
use holdwire_bench::measurement::Heartbeat;
use holdwire_bench::process::{CpuTime, resident_memory};
use holdwire_bench::wire::{masked_pong, pings};
use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};

use crate::idle::settled_memory;
use crate::message::Message;
use crate::{Target, connect};

/// How long one wait may take; the window is over at most so much later.
const TURN: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 20_000_000,
};

/// Room for the frames that a server sends unasked: pings.
const RECEIVE_BUFFER: usize = 4096;

#[derive(Args)]
pub(crate) struct Options {
    #[command(flatten)]
    target: Target,
    /// Length of the measured window in seconds.
    #[arg(long, default_value_t = 60.0)]
    seconds: f64,
}

pub(crate) fn run(options: &Options) -> io::Result<Heartbeat> {
    let target = &options.target;
    let message = Message::of(target)?;
    // What a server allocates once, for its first connection, is not charged to the others.
    message.exchange(&mut connect::open(target, 0)?)?;
    let base = settled_memory(target)?;
    let mut held = Held::open(target)?;
    let before = settled_memory(target)?;

    let start = Instant::now();
    let cpu = CpuTime::of(target.server_pid)?;
    let end = start + Duration::from_secs_f64(options.seconds);
    while Instant::now() < end {
        held.answer_pings()?;
    }
    let now = CpuTime::of(target.server_pid)?;
    let (server_user_ticks, server_system_ticks) = now.ticks_since(&cpu);
    Ok(Heartbeat {
        connections: target.connections as u64,
        seconds: start.elapsed().as_secs_f64(),
        pings: held.pings,
        base,
        before,
        after: resident_memory(target.server_pid)?,
        server_cpu_ns: now.nanoseconds_since(&cpu),
        server_user_ticks,
        server_system_ticks,
    })
}

/// Connections that are held open.
struct Held {
    epoll: OwnedFd,
    streams: Vec<TcpStream>,
    events: Vec<Event>,
    buffer: Vec<u8>,
    pings: u64,
}

impl Held {
    fn open(target: &Target) -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let mut streams = Vec::with_capacity(target.connections);
        for number in 0..target.connections {
            let stream = connect::open(target, number)?;
            stream.set_nonblocking(true)?;
            epoll::add(
                &epoll,
                &stream,
                EventData::new_u64(number as u64),
                EventFlags::IN,
            )?;
            streams.push(stream);
        }
        Ok(Self {
            epoll,
            streams,
            events: Vec::with_capacity(1024),
            buffer: vec![0; RECEIVE_BUFFER],
            pings: 0,
        })
    }

    /// Waits a little, and answers the pings that have come by then.
    fn answer_pings(&mut self) -> io::Result<()> {
        epoll::wait(&self.epoll, spare_capacity(&mut self.events), Some(&TURN))?;
        for event in self.events.drain(..) {
            let index = usize::try_from(event.data.u64()).map_err(io::Error::other)?;
            let stream = &self.streams[index];
            let received = match recv(stream, &mut self.buffer[..], RecvFlags::empty()) {
                Ok((_, 0)) => return Err(io::Error::other("the server closed a connection")),
                Ok((_, received)) => received,
                Err(Errno::AGAIN) => continue,
                Err(error) => return Err(error.into()),
            };
            let (payloads, whole) = pings(&self.buffer[..received]);
            if whole < received {
                return Err(io::Error::other(
                    "the server sent something else than pings",
                ));
            }
            for payload in payloads {
                let pong = masked_pong(payload);
                if send(stream, &pong, SendFlags::NOSIGNAL)? < pong.len() {
                    return Err(io::Error::other("a pong found no room"));
                }
                self.pings += 1;
            }
        }
        Ok(())
    }
}
