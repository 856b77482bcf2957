//! Counts system calls per message with `strace`: exact, whatever else the machine does.

use std::env;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::process;
use std::thread;
use std::time::Duration;

use holdwire_bench::measurement::Work;
use serde::Serialize;

use crate::child::{Running, Setting};
use crate::progress;
use crate::rows::Call;
use crate::servers::{Class, LIMIT_AGAIN, Server};

const RECEIVES: &[&str] = &["read", "readv", "recvfrom", "recvmsg", "recvmmsg"];
const SENDS: &[&str] = &["write", "writev", "sendto", "sendmsg", "sendmmsg"];
/// Batches on each connection in a short and a long run: their difference has no start, no
/// handshakes and no end in it.
const SHORT: u64 = 8;
const LONG: u64 = 108;
/// Time for the server to see that all connections are closed, so that both runs end alike.
const SETTLE: Duration = Duration::from_millis(300);

/// System calls of one server in one row.
#[derive(Serialize)]
pub(crate) struct SyscallResult {
    pub(crate) server: &'static str,
    #[serde(skip)]
    pub(crate) class: Class,
    /// Receives per message or delivery.
    pub(crate) receives: f64,
    /// Sends per message or delivery.
    pub(crate) sends: f64,
    /// All other calls per message or delivery: waiting, waking, memory.
    pub(crate) others: f64,
    /// Messages that come with one write, which is what makes a socket readable once.
    pub(crate) in_flight: usize,
}

impl SyscallResult {
    /// Receives for each time that a socket becomes readable.
    pub(crate) fn receives_per_event(&self) -> f64 {
        self.receives * self.in_flight as f64
    }

    /// Sends for each time that a socket becomes readable.
    pub(crate) fn sends_per_event(&self) -> f64 {
        self.sends * self.in_flight as f64
    }
}

/// Counts for each server.
pub(crate) fn run(servers: &[Server], call: &Call) -> Vec<SyscallResult> {
    let mut results = Vec::new();
    for server in servers.iter().filter(|server| server.name != LIMIT_AGAIN) {
        progress::show(&format!("counting system calls: {}", server.name));
        match count(server, call) {
            Ok(result) => results.push(result),
            Err(error) => progress::complain(&format!("{}: {error}", server.name)),
        }
    }
    progress::show("");
    results
}

fn count(server: &Server, call: &Call) -> io::Result<SyscallResult> {
    let (short_messages, short) = trace(server, call, SHORT)?;
    let (long_messages, long) = trace(server, call, LONG)?;
    let messages = long_messages.saturating_sub(short_messages).max(1) as f64;
    let per_message =
        |part: fn(&Calls) -> u64| (part(&long) as f64 - part(&short) as f64) / messages;
    Ok(SyscallResult {
        server: server.name,
        class: server.class,
        in_flight: call.in_flight,
        receives: per_message(|calls| calls.receives),
        sends: per_message(|calls| calls.sends),
        others: per_message(|calls| calls.others),
    })
}

fn trace(server: &Server, call: &Call, batches: u64) -> io::Result<(u64, Calls)> {
    let summary: PathBuf = env::temp_dir().join(format!("holdwire-bench-{}", process::id()));
    let path = summary.to_string_lossy();
    let setting = Setting {
        wrapper: &["strace", "-f", "-c", "-o", &path],
        ..Setting::default()
    };
    let running = Running::start_in(server, setting)?;
    let options = format!("--batches {batches} {}", call.options);
    let work: Work = running.load(call.mode, server.path(call.need), &options)?;
    thread::sleep(SETTLE);
    running.end_under()?;
    let text = fs::read_to_string(&summary)?;
    fs::remove_file(&summary)?;
    Ok((work.count, Calls::read(&text)))
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Calls {
    receives: u64,
    sends: u64,
    others: u64,
}

impl Calls {
    /// Reads the table of `strace -c`: share, seconds, time per call, calls, perhaps errors, name.
    fn read(summary: &str) -> Self {
        let mut calls = Self::default();
        for line in summary.lines() {
            let fields: Vec<_> = line.split_whitespace().collect();
            let (Some(name), Some(Ok(number))) = (
                fields.last(),
                fields.get(3).map(|field| field.parse::<u64>()),
            ) else {
                continue;
            };
            match *name {
                "total" => {}
                name if RECEIVES.contains(&name) => calls.receives += number,
                name if SENDS.contains(&name) => calls.sends += number,
                _ => calls.others += number,
            }
        }
        calls
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summary_is_read_with_and_without_errors() {
        let summary = "\
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 55,10    0,302000          15     20000       100 recvfrom
 40.00    0.200000          10     19900           sendto
  4.90    0.010000          10       250           epoll_wait
------ ----------- ----------- --------- --------- ----------------
100.00    0.512000          12     40150       100 total
";

        let calls = Calls::read(summary);

        let expected = Calls {
            receives: 20_000,
            sends: 19_900,
            others: 250,
        };
        assert_eq!(calls, expected);
    }
}
