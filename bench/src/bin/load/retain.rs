//! Publishes into one channel that keeps everything, and looks at the server's memory.

use std::io::{self, Read, Write};

use clap::Args;
use holdwire_bench::measurement::Idle;

use crate::idle::settled_memory;
use crate::message::Message;
use crate::{Target, connect};

/// Publications with one write.
const BATCH: usize = 100;

#[derive(Args)]
pub(crate) struct Options {
    #[command(flatten)]
    target: Target,
    /// How many publications, a multiple of 100.
    #[arg(long)]
    publications: usize,
}

/// In place of connections the result counts publications.
pub(crate) fn run(options: &Options) -> io::Result<Idle> {
    let target = &options.target;
    let message = Message::of(target)?;
    let mut stream = connect::open(target, 0)?;
    // One that is kept already: the channel is there.
    let header = message.exchange(&mut stream)?;
    let base = settled_memory(target)?;

    let batch = message.frame.repeat(BATCH);
    let mut answers = vec![0; BATCH * (header.length + header.payload)];
    for _ in 0..options.publications / BATCH {
        stream.write_all(&batch)?;
        stream.read_exact(&mut answers)?;
    }
    Ok(Idle {
        connections: (options.publications / BATCH * BATCH) as u64,
        base,
        untouched: settled_memory(target)?,
        after_echo: None,
    })
}
