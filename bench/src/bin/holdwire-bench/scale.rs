//! What a connection, a subscription and a delivery cost one server at several sizes.

use std::io;

use holdwire_bench::measurement::{Idle, Work};
use serde::Serialize;

use crate::child::Running;
use crate::progress;
use crate::rows::{Call, fan_out};
use crate::servers::{Need, SERVE, Server};
use crate::work::Rounds;

/// One size.
#[derive(Serialize)]
pub(crate) struct ScaleResult {
    /// Connections, or subscribers.
    pub(crate) connections: usize,
    /// On the path that echoes.
    pub(crate) echoing: Idle,
    /// On the path that broadcasts; `None` if there is no such path.
    pub(crate) subscribed: Option<Idle>,
    /// The round of fan-out with the least CPU time for each delivery.
    pub(crate) fanout: Option<Work>,
}

impl ScaleResult {
    /// What a connection that broadcasts has more than one that echoes, in bytes.
    pub(crate) fn subscription_bytes(&self) -> Option<i64> {
        let subscribed = self.subscribed?.untouched_per_connection();
        let echoing = self.echoing.untouched_per_connection();
        Some(i64::try_from(subscribed).ok()? - i64::try_from(echoing).ok()?)
    }
}

/// Looks at the program at each size.
pub(crate) fn run(sizes: &[usize], rounds: Rounds) -> Vec<ScaleResult> {
    let mut results = Vec::new();
    for &connections in sizes {
        progress::show(&format!("{connections} connections"));
        match measure(connections, rounds) {
            Ok(result) => results.push(result),
            Err(error) => progress::complain(&format!("{connections} connections: {error}")),
        }
    }
    progress::show("");
    results
}

fn measure(connections: usize, rounds: Rounds) -> io::Result<ScaleResult> {
    let server = &SERVE;
    let idle = |need: Need, options: &str| -> io::Result<Idle> {
        let options = format!("--connections {connections} {options}");
        Running::start(server)?.load("idle", server.path(need), &options)
    };
    let echoing = idle(Need::Echo, "--payload 1024")?;
    let complain = |error: io::Error| progress::complain(&format!("fan-out: {error}"));
    let subscribed = idle(Need::Broadcast, "--no-echo").map_err(complain).ok();
    let call = fan_out(
        Need::Broadcast,
        format!("--payload 100 --connections {connections}"),
    );
    let mut fanout: Option<Work> = None;
    if subscribed.is_some() {
        for _ in 0..rounds.count {
            let work = publish(server, &call, rounds.seconds)?;
            if fanout.is_none_or(|least| work.cpu_ns() < least.cpu_ns()) {
                fanout = Some(work);
            }
        }
    }
    Ok(ScaleResult {
        connections,
        echoing,
        subscribed,
        fanout,
    })
}

fn publish(server: &Server, call: &Call, seconds: f64) -> io::Result<Work> {
    let options = format!("--seconds {seconds} {}", call.options);
    Running::start(server)?.load(call.mode, server.path(call.need), &options)
}
