//! The load generator: costs less than any server it drives.
//!
//! One thread on one raw epoll set. The frames are masked before the clock starts; answers are
//! counted by their bytes, and only the first on each connection is compared.

mod connect;
mod echo;
mod fanout;
mod hang;
mod heartbeat;
mod idle;
mod message;
mod retain;
mod storm;

use std::io;
use std::net::SocketAddrV4;

use clap::{Args, Parser, Subcommand};
use rustix::event::Timespec;

/// How long a server may be silent on all connections before the run fails.
const PATIENCE: Timespec = Timespec {
    tv_sec: 10,
    tv_nsec: 0,
};

#[derive(Parser)]
#[command(about = "Drives a WebSocket server and measures what it costs")]
struct Command {
    #[command(subcommand)]
    mode: Mode,
}

#[derive(Subcommand)]
enum Mode {
    /// Echoes messages in a closed loop and prints how many, and the server's CPU time.
    Echo(echo::Options),
    /// Publishes to everybody on a path and prints how often it arrived, and the server's CPU time.
    Fanout(fanout::Options),
    /// Opens and closes connections and prints how many, and the server's CPU time.
    Storm(storm::Options),
    /// Holds connections that never end their request and prints the server's resident memory.
    Hang(hang::Options),
    /// Holds idle connections and prints the server's resident memory.
    Idle(idle::Options),
    /// Publishes into a channel that keeps it and prints the server's resident memory.
    Retain(retain::Options),
    /// Holds idle connections, answers pings, and prints the server's CPU time and memory.
    Heartbeat(heartbeat::Options),
}

/// Where the server is.
#[derive(Args, Clone)]
struct Target {
    /// Address of the server.
    #[arg(long)]
    address: SocketAddrV4,
    /// Path of the endpoint.
    #[arg(long, default_value = "/")]
    path: String,
    /// Process whose CPU time or memory is read.
    #[arg(long)]
    server_pid: u32,
    /// How many connections.
    #[arg(long)]
    connections: usize,
    /// Payload of each message in bytes.
    #[arg(long, default_value_t = 0)]
    payload: usize,
    /// Offers permessage-deflate without context takeover, and sends a compressed JSON document
    /// of 1 KiB instead of the payload.
    #[arg(long)]
    deflate: bool,
    /// The subprotocol that is offered.
    #[arg(long)]
    subprotocol: Option<String>,
}

impl Target {
    /// The same server, at the path of a room.
    fn room(&self, number: usize) -> Self {
        Self {
            path: format!("{}{number}", self.path),
            ..self.clone()
        }
    }
}

/// How long is measured.
#[derive(Args)]
struct Window {
    /// Length of the measured window in seconds.
    #[arg(long, default_value_t = 1.2)]
    seconds: f64,
    /// Seconds of load before the window.
    #[arg(long, default_value_t = 0.2)]
    warm_up: f64,
    /// Ends after this many batches on each connection instead, and leaves none under way; the
    /// window is the whole run. A storm knows no batches.
    #[arg(long)]
    batches: Option<u64>,
}

#[cfg(test)]
impl Target {
    fn new(address: SocketAddrV4) -> Self {
        Self {
            address,
            path: "/".to_owned(),
            server_pid: 0,
            connections: 1,
            payload: 0,
            deflate: false,
            subprotocol: None,
        }
    }
}

fn main() -> io::Result<()> {
    let report = match Command::parse().mode {
        Mode::Echo(options) => serde_json::to_string(&echo::run(&options)?),
        Mode::Fanout(options) => serde_json::to_string(&fanout::run(&options)?),
        Mode::Storm(options) => serde_json::to_string(&storm::run(&options)?),
        Mode::Hang(options) => serde_json::to_string(&hang::run(&options)?),
        Mode::Idle(options) => serde_json::to_string(&idle::run(&options)?),
        Mode::Retain(options) => serde_json::to_string(&retain::run(&options)?),
        Mode::Heartbeat(options) => serde_json::to_string(&heartbeat::run(&options)?),
    };
    println!("{}", report?);
    Ok(())
}
