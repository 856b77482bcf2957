//! The report: Markdown for people, JSON for programs.

use std::fmt::Write;

use serde::Serialize;

use crate::echo::EchoResult;
use crate::heartbeat::HeartbeatResult;
use crate::idle::IdleResult;
use crate::servers::{LIMIT, LIMIT_AGAIN, SERVERS};
use crate::syscalls::SyscallResult;

/// Everything that one run of the benchmark found.
#[derive(Serialize)]
pub(crate) struct Report {
    pub(crate) facts: Vec<String>,
    pub(crate) rows: Vec<RowReport>,
}

/// What one row found.
#[derive(Serialize)]
pub(crate) struct RowReport {
    pub(crate) name: &'static str,
    pub(crate) title: String,
    pub(crate) results: Results,
}

/// The results of a row, by its kind.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Results {
    Echo(Vec<EchoResult>),
    Idle(Vec<IdleResult>),
    Heartbeat(Vec<HeartbeatResult>),
    Syscalls(Vec<SyscallResult>),
}

impl Report {
    /// Writes the facts as a list.
    pub(crate) fn facts(&self) -> String {
        self.facts
            .iter()
            .map(|fact| format!("- {fact}\n"))
            .collect()
    }

    /// Writes one table of all rows: a line for each server, a column for each row.
    pub(crate) fn summary(&self) -> String {
        let mut table = String::from("\n### Summary\n\n| server |");
        let mut rule = String::from("|---|");
        let is_summed_up = |row: &&RowReport| !matches!(row.results, Results::Heartbeat(_));
        let rows: Vec<_> = self.rows.iter().filter(is_summed_up).collect();
        if rows.is_empty() {
            return String::new();
        }
        for row in &rows {
            table += &format!(" {} |", row.column());
            rule += "---:|";
        }
        table += &format!("\n{rule}\n");
        for server in SERVERS {
            let cells: Vec<_> = rows.iter().map(|row| row.cell(server.name)).collect();
            if cells.iter().any(Option::is_some) {
                let cells = cells
                    .into_iter()
                    .map(|cell| cell.unwrap_or_else(|| "-".to_owned()));
                let cells: Vec<_> = cells.collect();
                table += &format!("| {} | {} |\n", server.name, cells.join(" | "));
            }
        }
        table
    }
}

impl RowReport {
    /// Writes the row as a heading and a table.
    pub(crate) fn markdown(&self) -> String {
        let table = match &self.results {
            Results::Echo(results) => echo_table(results),
            Results::Idle(results) => idle_table(results),
            Results::Heartbeat(results) => heartbeat_table(results),
            Results::Syscalls(results) => syscall_table(results),
        };
        format!("\n### {}\n\n{table}", self.title)
    }

    fn column(&self) -> String {
        let figure = match &self.results {
            Results::Echo(_) => "ratio (user ns)",
            Results::Idle(_) => "untouched, after echo, B",
            Results::Heartbeat(_) => "CPU µs/connection/s",
            Results::Syscalls(_) => "receives + sends",
        };
        format!("{}: {figure}", self.name)
    }

    /// What the summary says of a server; `None` if it was not in this row.
    fn cell(&self, server: &str) -> Option<String> {
        match &self.results {
            Results::Echo(results) => {
                let result = results.iter().find(|result| result.server == server)?;
                let ratio = result.least_ns() / least_ns(results, LIMIT)?;
                Some(format!("{ratio:.2} ({:.0})", result.user_ns()))
            }
            Results::Idle(results) => {
                let memory = results
                    .iter()
                    .find(|result| result.server == server)?
                    .memory;
                let untouched = memory.untouched_per_connection();
                Some(format!(
                    "{untouched}, {}",
                    memory.after_echo_per_connection()
                ))
            }
            // These are not the servers of the other rows.
            Results::Heartbeat(_) => None,
            Results::Syscalls(results) => {
                let calls = results.iter().find(|result| result.server == server)?;
                Some(format!("{:.3} + {:.3}", calls.receives, calls.sends))
            }
        }
    }
}

fn echo_table(results: &[EchoResult]) -> String {
    let mut table = String::from(
        "| server | CPU ns/message, min | median | ratio of minima | user ns/message | \
         messages/s, best | load ns/message |\n|---|---:|---:|---:|---:|---:|---:|\n",
    );
    let limit = least_ns(results, LIMIT);
    for result in results {
        let ratio = limit.map(|limit| format!("{:.2}", result.least_ns() / limit));
        // Writing to a string cannot fail.
        let _infallible = writeln!(
            table,
            "| {} | {:.0} | {:.0} | {} | {:.0} | {:.0} | {:.0} |",
            result.server,
            result.least_ns(),
            result.median_ns(),
            ratio.as_deref().unwrap_or("-"),
            result.user_ns(),
            result.best_rate(),
            result.least_load_ns(),
        );
    }
    if let (Some(one), Some(other)) = (limit, least_ns(results, LIMIT_AGAIN)) {
        let spread = 100.0 * (one - other).abs() / one.min(other);
        let _infallible = writeln!(
            table,
            "\nA/A: the minima of the two limit-epoll differ by {spread:.1} %."
        );
    }
    table
}

fn least_ns(results: &[EchoResult], name: &str) -> Option<f64> {
    let result = results.iter().find(|result| result.server == name)?;
    Some(result.least_ns())
}

fn idle_table(results: &[IdleResult]) -> String {
    let mut table = String::from(
        "| server | base MiB | untouched, B/connection | after one echo, B/connection |\n\
         |---|---:|---:|---:|\n",
    );
    for result in results {
        let _infallible = writeln!(
            table,
            "| {} | {:.1} | {} | {} |",
            result.server,
            result.memory.base as f64 / f64::from(1 << 20),
            result.memory.untouched_per_connection(),
            result.memory.after_echo_per_connection(),
        );
    }
    table
}

/// The most bytes that a heartbeat may add to a connection.
const HEARTBEAT_BYTES: u64 = 512;

fn heartbeat_table(results: &[HeartbeatResult]) -> String {
    let mut table = String::from(
        "| server | B/connection | pings | CPU µs/connection/s | user ticks | system ticks |\n\
         |---|---:|---:|---:|---:|---:|\n",
    );
    for result in results {
        let cost = &result.cost;
        let _infallible = writeln!(
            table,
            "| {} | {} | {} | {:.3} | {} | {} |",
            result.server,
            cost.bytes_per_connection(),
            cost.pings,
            cost.cpu_microseconds(),
            cost.server_user_ticks,
            cost.server_system_ticks,
        );
    }
    if let [off, on] = results {
        let (off, on) = (&off.cost, &on.cost);
        let more = on
            .bytes_per_connection()
            .saturating_sub(off.bytes_per_connection());
        let verdict = match more <= HEARTBEAT_BYTES {
            true => "within",
            false => "NOT within",
        };
        let a_ping = (on.server_cpu_ns.saturating_sub(off.server_cpu_ns)) as f64
            / 1000.0
            / on.pings.max(1) as f64;
        let core = on.server_cpu_ns as f64 / 1e7 / on.seconds;
        let _infallible = writeln!(
            table,
            "\nThe heartbeat adds {more} B to a connection, {verdict} the {HEARTBEAT_BYTES} that are promised. \
             A ping with its pong costs {a_ping:.1} µs; all together {core:.2} % of one core.",
        );
    }
    table
}

fn syscall_table(results: &[SyscallResult]) -> String {
    let mut table = String::from(
        "| server | receives/message | sends/message | other calls/message |\n|---|---:|---:|---:|\n",
    );
    for result in results {
        let _infallible = writeln!(
            table,
            "| {} | {:.3} | {:.3} | {:.3} |",
            result.server, result.receives, result.sends, result.others,
        );
    }
    table
}
