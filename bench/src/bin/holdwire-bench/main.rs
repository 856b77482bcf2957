//! Measures what a message, a delivery, a handshake and an idle connection cost a server:
//! holdwire, its peers, and the least that is possible, in turn on the same machine.

mod certificate;
mod child;
mod goals;
mod heartbeat;
mod keeping;
mod machine;
mod memory;
mod profile;
mod progress;
mod report;
mod rows;
mod scale;
mod servers;
mod syscalls;
mod tables;
mod work;

use std::env;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use crate::report::{Report, Results, RowReport};
use crate::rows::{Field, Load, ROWS, Row};
use crate::servers::{LIMIT, LIMIT_AGAIN, ROOM_SERVERS, SERVERS, SHARD_SERVERS, Server};
use crate::work::{Manner, Rounds};

/// Measures holdwire and its peers against the least that a server can cost.
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
    /// Only the rows with these names, separated by commas; the beginning of a name up to a
    /// hyphen will do.
    #[arg(long, value_delimiter = ',')]
    rows: Vec<String>,
    /// Only the limit and servers whose name contains one of these, separated by commas.
    #[arg(long, value_delimiter = ',')]
    servers: Vec<String>,
    /// Count system calls per message instead (needs strace).
    #[arg(long)]
    syscalls: bool,
    /// Fail if something that is counted and not timed misses its goal: system calls, bytes.
    #[arg(long)]
    gate: bool,
    /// Print the names of the rows and what they do, and measure nothing.
    #[arg(long)]
    list: bool,
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

    fn wants(&self, row: &Row) -> bool {
        self.rows.is_empty() || self.rows.iter().any(|name| row.is_named(name))
    }
}

fn main() -> io::Result<ExitCode> {
    let options = Options::parse();
    if options.list {
        for row in ROWS {
            println!("{}", row.title());
        }
        return Ok(ExitCode::SUCCESS);
    }
    child::raise_open_files()?;
    let servers = usable_servers(&options.servers);
    let mut report = Report {
        facts: machine::facts(),
        rows: Vec::new(),
    };
    println!("{}", report.facts());
    for row in ROWS.iter().filter(|row| options.wants(row)) {
        let (able, unable) = able(row, &servers);
        if let Some(results) = measure(row, &able, &options)? {
            let row = RowReport::new(row, results, &able, unable);
            println!("{}", row.markdown());
            report.rows.push(row);
        }
    }
    println!("{}", report.summary());
    println!("{}", report.goals());
    let path = match options.json {
        Some(path) => path,
        None => env::current_exe()?.with_file_name("holdwire-bench.json"),
    };
    fs::write(&path, serde_json::to_vec_pretty(&report)?)?;
    eprintln!("the same as JSON, every round in it: {}", path.display());
    let misses = report.counted_misses();
    if options.gate && misses > 0 {
        eprintln!("{misses} of the goals that are counted and not timed are missed");
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

/// Measures one row; `None` if it has no such figure.
fn measure(row: &Row, servers: &[Server], options: &Options) -> io::Result<Option<Results>> {
    if let Some(call) = row.call() {
        return Ok(if !options.syscalls {
            let manner = Manner {
                rounds: options.rounds(),
                is_pinned: row.field != Field::Shards,
                is_profiled: row.is_profiled(),
            };
            Some(Results::Work(work::run(servers, manner, &call)))
        } else if row.counts.is_empty() {
            None
        } else {
            Some(Results::Syscalls(syscalls::run(servers, &call)))
        });
    }
    if options.syscalls {
        return Ok(None);
    }
    Ok(Some(match row.load {
        Load::Heartbeat {
            connections,
            seconds,
        } => {
            // Long enough for one ping on each connection.
            let seconds = if options.quick { 27.0 } else { seconds };
            let load = format!("--payload 64 --connections {connections} --seconds {seconds}");
            Results::Heartbeat(heartbeat::run(&load))
        }
        Load::Idle {
            payload,
            connections,
        } => {
            let load = format!("--payload {payload} --connections {connections}");
            Results::Memory(memory::run(servers, "idle", &load))
        }
        Load::IdleTls {
            payload,
            connections,
        } => {
            let load = format!("--payload {payload} --connections {connections}");
            Results::Memory(memory::run_tls(servers, &load)?)
        }
        Load::Hang { connections } => {
            let load = format!("--connections {connections}");
            Results::Memory(memory::run(servers, "hang", &load))
        }
        Load::Keeping { count } => Results::Keeping(keeping::run(count)),
        Load::Scale { sizes } => Results::Scale(scale::run(sizes, options.rounds())),
        Load::Echo { .. }
        | Load::DeflateEcho { .. }
        | Load::Fanout { .. }
        | Load::Rooms { .. }
        | Load::DeflateFanout { .. }
        | Load::Connect { .. } => return Ok(None),
    }))
}

/// The servers of a row that can do what it asks for, and the names of the others.
fn able(row: &Row, servers: &[Server]) -> (Vec<Server>, Vec<&'static str>) {
    let servers = match row.field {
        Field::All => servers.to_vec(),
        Field::Shards => built(SHARD_SERVERS.iter()),
        Field::Rooms => built(ROOM_SERVERS.iter()),
    };
    let can = |server: &Server| server.can(row.need());
    let (able, unable): (Vec<Server>, Vec<Server>) = servers.into_iter().partition(can);
    (able, unable.iter().map(|server| server.name).collect())
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
    built(SERVERS.iter().filter(is_wanted))
}

fn built<'a>(servers: impl Iterator<Item = &'a Server>) -> Vec<Server> {
    let (built, missing): (Vec<Server>, Vec<Server>) = servers
        .copied()
        .partition(|server| server.binary().exists());
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
