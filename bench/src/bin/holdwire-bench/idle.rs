//! Memory of idle connections.

use holdwire_bench::measurement::Idle;
use serde::Serialize;

use crate::child::Running;
use crate::progress;
use crate::servers::{LIMIT_AGAIN, Server};

/// The memory of one server.
#[derive(Serialize)]
pub(crate) struct IdleResult {
    pub(crate) server: &'static str,
    pub(crate) memory: Idle,
}

/// Looks at each server once, for memory does not wobble.
pub(crate) fn run(servers: &[Server], options: &str) -> Vec<IdleResult> {
    let mut results = Vec::new();
    for server in servers.iter().filter(|server| server.name != LIMIT_AGAIN) {
        progress::show(server.name);
        match Running::start(server).and_then(|running| running.load("idle", options)) {
            Ok(memory) => results.push(IdleResult {
                server: server.name,
                memory,
            }),
            Err(error) => progress::complain(&format!("{}: {error}", server.name)),
        }
    }
    progress::show("");
    results
}
