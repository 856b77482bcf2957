//! Opens connections that send half of a request head and then nothing, and looks at the
//! server's memory while they hang.

use std::io::{self, Read, Write};

use clap::Args;
use holdwire_bench::measurement::Idle;

use crate::idle::settled_memory;
use crate::{Target, connect};

/// Connections that any server's queue of those to accept has room for.
const QUEUE: usize = 64;

#[derive(Args)]
pub(crate) struct Options {
    #[command(flatten)]
    target: Target,
}

pub(crate) fn run(options: &Options) -> io::Result<Idle> {
    let target = &options.target;
    // What a server allocates once, for its first connection, is not charged to the others.
    drop(connect::open(target, 0)?);
    let base = settled_memory(target)?;
    let request = connect::request_of_chrome(target);
    let half = &request.as_bytes()[..request.len() / 2];

    let mut streams = Vec::with_capacity(target.connections);
    for number in 0..target.connections {
        if number % QUEUE == 0 {
            // Answered when the server has accepted all before it: its queue never overflows,
            // which would hold us up for a second each time and past its patience.
            drop(connect::open(target, number)?);
        }
        let mut stream = connect::dial(target, number)?;
        stream.write_all(half)?;
        stream.set_nonblocking(true)?;
        streams.push(stream);
    }
    let untouched = settled_memory(target)?;

    // The memory was theirs only if all of them hang still.
    for stream in &mut streams {
        match stream.read(&mut [0]) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            _ => return Err(io::Error::other("the server did not wait for the rest")),
        }
    }
    Ok(Idle {
        connections: target.connections as u64,
        base,
        untouched,
        after_echo: None,
    })
}
