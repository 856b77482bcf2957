//! Measures what a message and an idle connection cost a server: holdwire, its peers, and the
//! least that is possible, in turn on the same machine.

mod child;
mod echo;
mod heartbeat;
mod idle;
mod machine;
mod progress;
mod report;
mod rows;
mod servers;
mod syscalls;

use std::env;
use std::fs;
use std::io;
use std::path::PathBuf;

use clap::Parser;

use crate::echo::Rounds;
use crate::report::{Report, Results, RowReport};
use crate::rows::{Load, ROWS, Row};
use crate::servers::{LIMIT, LIMIT_AGAIN, SERVERS, Server};

/// Measures holdwire and its peers against the least that an echo server can cost.
#[derive(Parser)]
#[command(name = "holdwire-bench")]
struct Options {
    /// Three rounds of half a second: to see that it runs, not to believe the numbers.
    #[arg(long)]
    quick: bool,
    /// Rounds over all servers [default: 7].
    #[arg(long)]
    rounds: Option<usize>,
    /// Seconds of each run [default: 1.2].
    #[arg(long)]
    seconds: Option<f64>,
    /// Only the rows with these names, separated by commas.
    #[arg(long, value_delimiter = ',')]
    rows: Vec<String>,
    /// Only the limit and servers whose name contains one of these, separated by commas.
    #[arg(long, value_delimiter = ',')]
    servers: Vec<String>,
    /// Count system calls per message instead (needs strace).
    #[arg(long)]
    syscalls: bool,
    /// Where the results go as JSON [default: holdwire-bench.json beside the binaries].
    #[arg(long)]
    json: Option<PathBuf>,
}

impl Options {
    fn rounds(&self) -> Rounds {
        let (count, seconds) = if self.quick { (3, 0.5) } else { (7, 1.2) };
        Rounds {
            count: self.rounds.unwrap_or(count),
            seconds: self.seconds.unwrap_or(seconds),
        }
    }
}

fn main() -> io::Result<()> {
    let options = Options::parse();
    child::raise_open_files()?;
    let servers = usable_servers(&options.servers);
    let mut report = Report {
        facts: machine::facts(),
        rows: Vec::new(),
    };
    println!("{}", report.facts());
    let is_wanted =
        |row: &&Row| options.rows.is_empty() || options.rows.iter().any(|name| name == row.name);
    for row in ROWS.iter().filter(is_wanted) {
        if let Some(results) = measure(row, &servers, &options) {
            let row = RowReport {
                name: row.name,
                title: row.title(),
                results,
            };
            println!("{}", row.markdown());
            report.rows.push(row);
        }
    }
    println!("{}", report.summary());
    let path = match options.json {
        Some(path) => path,
        None => env::current_exe()?.with_file_name("holdwire-bench.json"),
    };
    fs::write(&path, serde_json::to_vec_pretty(&report)?)?;
    eprintln!("the same as JSON, every round in it: {}", path.display());
    Ok(())
}

/// Measures one row; `None` if it has no such figure.
fn measure(row: &Row, servers: &[Server], options: &Options) -> Option<Results> {
    match row.load {
        Load::Echo {
            payload,
            connections,
            in_flight,
        } => {
            let load =
                format!("--payload {payload} --connections {connections} --in-flight {in_flight}");
            Some(if options.syscalls {
                Results::Syscalls(syscalls::run(servers, &load))
            } else {
                Results::Echo(echo::run(servers, options.rounds(), &load))
            })
        }
        Load::Idle { .. } | Load::Heartbeat { .. } if options.syscalls => None,
        Load::Heartbeat {
            connections,
            seconds,
        } => {
            // Long enough for one ping on each connection.
            let seconds = if options.quick { 27.0 } else { seconds };
            let load = format!("--payload 64 --connections {connections} --seconds {seconds}");
            Some(Results::Heartbeat(heartbeat::run(&load)))
        }
        Load::Idle {
            payload,
            connections,
        } => {
            let load = format!("--payload {payload} --connections {connections}");
            Some(Results::Idle(idle::run(servers, &load)))
        }
    }
}

/// The servers that are asked for and have been built; the limit is always among them, for a
/// figure without it says nothing.
fn usable_servers(wanted: &[String]) -> Vec<Server> {
    let is_wanted = |server: &&Server| {
        let is_limit = server.name == LIMIT || server.name == LIMIT_AGAIN;
        let is_named = wanted
            .iter()
            .any(|part| server.name.contains(part.as_str()));
        wanted.is_empty() || is_limit || is_named
    };
    let wanted = SERVERS.iter().filter(is_wanted);
    let (built, missing): (Vec<Server>, Vec<Server>) =
        wanted.copied().partition(|server| server.binary().exists());
    for server in missing {
        let binary = server.binary();
        eprintln!(
            "{} is left out: build {} first",
            server.name,
            binary.display()
        );
    }
    built
}
