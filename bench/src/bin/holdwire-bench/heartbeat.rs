//! What the heartbeat costs while nobody speaks: memory and CPU time, with it and without.

use holdwire_bench::measurement::Heartbeat;
use serde::Serialize;

use crate::child::Running;
use crate::progress;
use crate::servers::{HEARTBEAT_SERVERS, Need, Server};

/// The cost of one setting.
#[derive(Serialize)]
pub(crate) struct HeartbeatResult {
    pub(crate) server: &'static str,
    pub(crate) cost: Heartbeat,
}

/// Looks at the program without a heartbeat and with one.
pub(crate) fn run(options: &str) -> Vec<HeartbeatResult> {
    let mut results = Vec::new();
    for server in HEARTBEAT_SERVERS {
        progress::show(server.name);
        match measure(server, options) {
            Ok(cost) => results.push(HeartbeatResult {
                server: server.name,
                cost,
            }),
            Err(error) => progress::complain(&format!("{}: {error}", server.name)),
        }
    }
    progress::show("");
    results
}

fn measure(server: &Server, options: &str) -> std::io::Result<Heartbeat> {
    Running::start(server)?.load("heartbeat", server.path(Need::Echo), options)
}
