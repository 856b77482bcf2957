//! Rounds of echoes over all servers, and what is kept of them.

use std::io;

use holdwire_bench::measurement::Echo;
use serde::Serialize;

use crate::child::Running;
use crate::progress;
use crate::servers::Server;

/// How long and how often.
#[derive(Clone, Copy)]
pub(crate) struct Rounds {
    pub(crate) count: usize,
    pub(crate) seconds: f64,
}

/// All rounds of one server in one row.
#[derive(Serialize)]
pub(crate) struct EchoResult {
    pub(crate) server: &'static str,
    pub(crate) rounds: Vec<Echo>,
}

impl EchoResult {
    /// The least CPU time per message that a round had, in nanoseconds.
    pub(crate) fn least_ns(&self) -> f64 {
        let per_message = self.rounds.iter().map(cpu_ns_per_message);
        per_message.fold(f64::INFINITY, f64::min)
    }

    /// The middle round's CPU time per message, in nanoseconds.
    pub(crate) fn median_ns(&self) -> f64 {
        let mut per_message: Vec<_> = self.rounds.iter().map(cpu_ns_per_message).collect();
        per_message.sort_by(f64::total_cmp);
        per_message
            .get(per_message.len() / 2)
            .copied()
            .unwrap_or(f64::NAN)
    }

    /// CPU time per message in user space, in nanoseconds.
    ///
    /// The kernel samples it by the tick, so one round knows it badly: the share of all rounds
    /// together is taken, of the least total.
    pub(crate) fn user_ns(&self) -> f64 {
        let user: u64 = self
            .rounds
            .iter()
            .map(|round| round.server_user_ticks)
            .sum();
        let system: u64 = self
            .rounds
            .iter()
            .map(|round| round.server_system_ticks)
            .sum();
        self.least_ns() * user as f64 / (user + system).max(1) as f64
    }

    /// Most messages a second.
    pub(crate) fn best_rate(&self) -> f64 {
        let rates = self.rounds.iter().map(|r| r.messages as f64 / r.seconds);
        rates.fold(0.0, f64::max)
    }

    /// The least CPU time per message of the load generator, in nanoseconds.
    pub(crate) fn least_load_ns(&self) -> f64 {
        let per_message = self
            .rounds
            .iter()
            .map(|r| r.load_cpu_ns as f64 / r.messages as f64);
        per_message.fold(f64::INFINITY, f64::min)
    }
}

fn cpu_ns_per_message(round: &Echo) -> f64 {
    round.server_cpu_ns as f64 / round.messages as f64
}

/// Runs all servers in turn, then all again: what disturbs the machine disturbs them all.
///
/// Each run is a fresh process; each round begins with another server. A server that fails is
/// left out, with a word about why.
pub(crate) fn run(servers: &[Server], rounds: Rounds, options: &str) -> Vec<EchoResult> {
    let mut results: Vec<EchoResult> = servers
        .iter()
        .map(|server| EchoResult {
            server: server.name,
            rounds: Vec::with_capacity(rounds.count),
        })
        .collect();
    for round in 0..rounds.count {
        for turn in 0..servers.len() {
            let index = (round + turn) % servers.len();
            let server = &servers[index];
            let of = rounds.count;
            progress::show(&format!("round {} of {of}: {}", round + 1, server.name));
            match run_one(server, rounds.seconds, options) {
                Ok(echo) => results[index].rounds.push(echo),
                Err(error) => progress::complain(&format!("{}: {error}", server.name)),
            }
        }
    }
    progress::show("");
    results.retain(|result| !result.rounds.is_empty());
    results
}

fn run_one(server: &Server, seconds: f64, options: &str) -> io::Result<Echo> {
    Running::start(server)?.load("echo", &format!("--seconds {seconds} {options}"))
}
