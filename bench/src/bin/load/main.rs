//! The load generator: costs less than any server it drives.
//!
//! One thread on one raw epoll set. The frames are masked before the clock starts; answers are
//! counted by their bytes, and only the first on each connection is compared.

mod connect;
mod echo;
mod heartbeat;
mod idle;

use std::io;
use std::net::SocketAddrV4;

use clap::{Args, Parser, Subcommand};

#[derive(Parser)]
#[command(about = "Drives a WebSocket echo server and measures what it costs")]
struct Command {
    #[command(subcommand)]
    mode: Mode,
}

#[derive(Subcommand)]
enum Mode {
    /// Echoes messages in a closed loop and prints how many, and the server's CPU time.
    Echo(echo::Options),
    /// Holds idle connections and prints the server's resident memory.
    Idle(idle::Options),
    /// Holds idle connections, answers pings, and prints the server's CPU time and memory.
    Heartbeat(heartbeat::Options),
}

/// Where the server is.
#[derive(Args)]
struct Target {
    /// Address of the server.
    #[arg(long)]
    address: SocketAddrV4,
    /// Path of the echo endpoint.
    #[arg(long, default_value = "/")]
    path: String,
    /// Process whose CPU time or memory is read.
    #[arg(long)]
    server_pid: u32,
    /// How many connections.
    #[arg(long)]
    connections: usize,
    /// Payload of each message in bytes.
    #[arg(long)]
    payload: usize,
}

fn main() -> io::Result<()> {
    let report = match Command::parse().mode {
        Mode::Echo(options) => serde_json::to_string(&echo::run(&options)?),
        Mode::Idle(options) => serde_json::to_string(&idle::run(&options)?),
        Mode::Heartbeat(options) => serde_json::to_string(&heartbeat::run(&options)?),
    };
    println!("{}", report?);
    Ok(())
}
