//! The table of each kind of row, in Markdown.

use std::fmt::Write;

use crate::heartbeat::HeartbeatResult;
use crate::keeping::Kept;
use crate::memory::MemoryResult;
use crate::report::{baseline, spread};
use crate::scale::ScaleResult;
use crate::syscalls::SyscallResult;
use crate::work::WorkResult;

/// CPU time of work in a closed loop; `unit` is what is counted.
pub(crate) fn work(results: &[WorkResult], unit: &str) -> String {
    let per_second = match unit {
        "delivery" => "deliveries/s, best | deliveries/receive",
        "handshake" => "handshakes/s, best | handshakes/CPU second",
        _ => "messages/s, best | B on the wire",
    };
    let mut table = format!(
        "| server | CPU ns/{unit}, min | median | ratio of minima | user ns/{unit}, min | pooled | \
         {per_second} | load ns/{unit} |\n|---|---:|---:|---:|---:|---:|---:|---:|---:|\n",
    );
    let baseline = baseline(results);
    for result in results {
        let ratio = baseline.map(|(one, _)| result.least_ns() / one.least_ns());
        let last = match unit {
            "delivery" => format!("{:.2}", result.units_per_receive()),
            "handshake" => format!("{:.0}", 1e9 / result.least_ns()),
            _ => result.wire_bytes().to_string(),
        };
        // Writing to a string cannot fail.
        let _infallible = writeln!(
            table,
            "| {} | {:.0} | {:.0} | {} | {} | {:.0} | {:.0} | {last} | {:.0} |",
            result.server,
            result.least_ns(),
            result.median_ns(),
            or_dash(ratio.map(|ratio| format!("{ratio:.2}"))),
            or_dash(result.least_user_ns().map(|user| format!("{user:.0}"))),
            result.pooled_user_ns(),
            result.best_rate(),
            result.least_load_ns(),
        );
    }
    if let (Some((one, _)), Some(spread)) = (baseline, spread(results)) {
        let spread = 100.0 * spread;
        let _infallible = writeln!(
            table,
            "\nA/A: the minima of the two runs of {} differ by {spread:.1} %.",
            one.server
        );
    }
    table
}

/// Memory of connections that do nothing.
pub(crate) fn memory(results: &[MemoryResult]) -> String {
    let mut table = String::from(
        "| server | base MiB | untouched, B/connection | after one echo, B/connection |\n\
         |---|---:|---:|---:|\n",
    );
    for result in results {
        let after = result.memory.after_echo_per_connection();
        let _infallible = writeln!(
            table,
            "| {} | {:.1} | {} | {} |",
            result.server,
            result.memory.base as f64 / f64::from(1 << 20),
            result.memory.untouched_per_connection(),
            or_dash(after.map(|bytes| bytes.to_string())),
        );
    }
    table
}

/// The most bytes that a heartbeat may add to a connection.
const HEARTBEAT_BYTES: u64 = 512;

/// What the heartbeat costs.
pub(crate) fn heartbeat(results: &[HeartbeatResult]) -> String {
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

/// System calls for each message.
pub(crate) fn syscalls(results: &[SyscallResult], unit: &str) -> String {
    let mut table = format!(
        "| server | receives/{unit} | sends/{unit} | other calls/{unit} | receives/readable event | \
         sends/readable event |\n|---|---:|---:|---:|---:|---:|\n",
    );
    for result in results {
        // In fan-out the events and the sends are of different connections.
        let per_event = |calls: f64| (unit == "message").then(|| format!("{calls:.3}"));
        let _infallible = writeln!(
            table,
            "| {} | {:.3} | {:.3} | {:.3} | {} | {} |",
            result.server,
            result.receives,
            result.sends,
            result.others,
            or_dash(per_event(result.receives_per_event())),
            or_dash(per_event(result.sends_per_event())),
        );
    }
    table
}

/// One server at several sizes.
pub(crate) fn scale(results: &[ScaleResult]) -> String {
    let mut table = String::from(
        "| connections | idle, B/connection | after one echo | subscribed, B/connection | \
         more than idle | CPU ns/delivery, min | user ns/delivery | deliveries/s |\n\
         |---:|---:|---:|---:|---:|---:|---:|---:|\n",
    );
    for result in results {
        let subscribed = result.subscribed;
        let bytes = subscribed.map(|idle| idle.untouched_per_connection().to_string());
        let after = result.echoing.after_echo_per_connection();
        let fanout = result.fanout;
        let rate = fanout.map(|work| work.count as f64 / work.seconds);
        let _infallible = writeln!(
            table,
            "| {} | {} | {} | {} | {} | {} | {} | {} |",
            result.connections,
            result.echoing.untouched_per_connection(),
            or_dash(after.map(|bytes| bytes.to_string())),
            or_dash(bytes),
            or_dash(result.subscription_bytes().map(|bytes| bytes.to_string())),
            or_dash(fanout.map(|work| format!("{:.0}", work.cpu_ns()))),
            or_dash(fanout.map(|work| format!("{:.0}", work.user_ns()))),
            or_dash(rate.map(|rate| format!("{rate:.0}"))),
        );
    }
    table
}

/// What the program keeps.
pub(crate) fn keeping(results: &[Kept]) -> String {
    let mut table =
        String::from("| what | how many | B of each | more than idle |\n|---|---:|---:|---:|\n");
    let idle = results.first().map_or(0, Kept::each);
    for result in results {
        let more = result.is_connection.then(|| result.each() - idle);
        let _infallible = writeln!(
            table,
            "| {} | {} | {} | {} |",
            result.what,
            result.memory.connections,
            result.each(),
            or_dash(more.map(|bytes| bytes.to_string())),
        );
    }
    table
}

fn or_dash(text: Option<String>) -> String {
    text.unwrap_or_else(|| "-".to_owned())
}
