//! Holds many connections that do nothing, and looks at the server's memory.

use std::io;
use std::thread;
use std::time::Duration;

use clap::Args;
use holdwire_bench::measurement::Idle;
use holdwire_bench::process::resident_memory;
use holdwire_bench::wire::{masked_message, unmasked_message};

use crate::{Target, connect};

/// Time for the server to finish what it does after the last byte, before its memory is read.
const SETTLE: Duration = Duration::from_millis(300);

#[derive(Args)]
pub(crate) struct Options {
    #[command(flatten)]
    target: Target,
}

pub(crate) fn run(options: &Options) -> io::Result<Idle> {
    let target = &options.target;
    let payload = vec![b'*'; target.payload];
    let (request, expected) = (masked_message(&payload), unmasked_message(&payload));
    // What a server allocates once, for its first connection, is not charged to the others.
    connect::exchange(&mut connect::open(target, 0)?, &request, &expected)?;
    let base = settled_memory(target)?;

    let mut streams = (0..target.connections)
        .map(|number| connect::open(target, number))
        .collect::<io::Result<Vec<_>>>()?;
    let untouched = settled_memory(target)?;

    for stream in &mut streams {
        connect::exchange(stream, &request, &expected)?;
    }
    let after_echo = settled_memory(target)?;
    Ok(Idle {
        connections: target.connections as u64,
        base,
        untouched,
        after_echo,
    })
}

/// The server's memory, once it has done what it does after the last byte.
pub(crate) fn settled_memory(target: &Target) -> io::Result<u64> {
    thread::sleep(SETTLE);
    resident_memory(target.server_pid)
}
