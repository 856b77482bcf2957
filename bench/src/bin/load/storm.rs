//! A storm of opening handshakes: each slot connects, asks as Chrome does, and closes as soon as
//! the answer is there; then it begins again.

use std::io::{self, Write};
use std::mem;
use std::net::TcpStream;
use std::process;
use std::time::{Duration, Instant};

use clap::Args;
use holdwire_bench::measurement::Work;
use holdwire_bench::process::CpuTime;
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::fd::OwnedFd;
use rustix::net::{RecvFlags, recv};

use crate::{PATIENCE, Target, Window, connect};

const MAX_RESPONSE: usize = 4096;

#[derive(Args)]
pub(crate) struct Options {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    window: Window,
}

pub(crate) fn run(options: &Options) -> io::Result<Work> {
    let target = &options.target;
    let mut storm = Storm {
        request: connect::request_of_chrome(target),
        target,
        epoll: epoll::create(CreateFlags::CLOEXEC)?,
        slots: Vec::with_capacity(target.connections),
        opened: 0,
        done: 0,
        events: Vec::with_capacity(1024),
    };
    for index in 0..target.connections {
        let slot = storm.ask(index)?;
        storm.slots.push(slot);
    }
    storm.run_for(Duration::from_secs_f64(options.window.warm_up))?;
    let (done, start) = (storm.done, Instant::now());
    let server = CpuTime::of(target.server_pid)?;
    let own = CpuTime::of(process::id())?;

    storm.run_for(Duration::from_secs_f64(options.window.seconds))?;

    let mut work = Work {
        count: storm.done - done,
        seconds: start.elapsed().as_secs_f64(),
        load_cpu_ns: CpuTime::of(process::id())?.nanoseconds_since(&own),
        ..Work::default()
    };
    CpuTime::of(target.server_pid)?.since(&server, &mut work);
    Ok(work)
}

struct Storm<'a> {
    target: &'a Target,
    request: String,
    epoll: OwnedFd,
    slots: Vec<Slot>,
    opened: usize,
    done: u64,
    events: Vec<Event>,
}

/// A handshake under way.
struct Slot {
    stream: TcpStream,
    response: Vec<u8>,
}

impl Storm<'_> {
    /// Connects and asks. On loopback the connection is there at once.
    fn ask(&mut self, index: usize) -> io::Result<Slot> {
        self.opened += 1;
        let mut stream = connect::dial(self.target, self.opened)?;
        stream.write_all(self.request.as_bytes())?;
        let data = EventData::new_u64(index as u64);
        epoll::add(&self.epoll, &stream, data, EventFlags::IN)?;
        Ok(Slot {
            stream,
            response: Vec::with_capacity(MAX_RESPONSE),
        })
    }

    fn run_for(&mut self, window: Duration) -> io::Result<()> {
        let start = Instant::now();
        while start.elapsed() < window {
            let mut events = mem::take(&mut self.events);
            epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&PATIENCE))?;
            if events.is_empty() {
                return Err(io::Error::other("the server has fallen silent"));
            }
            for event in events.drain(..) {
                let index = usize::try_from(event.data.u64()).map_err(io::Error::other)?;
                self.receive(index)?;
            }
            self.events = events;
        }
        Ok(())
    }

    fn receive(&mut self, index: usize) -> io::Result<()> {
        let Slot { stream, response } = &mut self.slots[index];
        let room = spare_capacity(response);
        let received = recv(&*stream, room, RecvFlags::empty())?.1;
        let is_whole = response.ends_with(b"\r\n\r\n");
        if !is_whole && received > 0 && response.len() < MAX_RESPONSE {
            return Ok(());
        }
        let text = String::from_utf8_lossy(response);
        if !is_whole || !connect::is_accepted(&text) {
            return Err(connect::refused(&text));
        }
        self.done += 1;
        self.slots[index] = self.ask(index)?;
        Ok(())
    }
}
