//! Rounds of work over all servers, and what is kept of them.

use std::io;

use holdwire_bench::measurement::Work;
use serde::Serialize;

use crate::child::{Running, Setting};
use crate::profile::{self, Profile};
use crate::progress;
use crate::rows::Call;
use crate::servers::{Class, Server};

/// Rounds in which the user's share is sampled, after the others: sampling costs time itself.
const PROFILES: usize = 3;

/// How long and how often.
#[derive(Clone, Copy)]
pub(crate) struct Rounds {
    pub(crate) count: usize,
    pub(crate) seconds: f64,
}

/// How the rounds go.
#[derive(Clone, Copy)]
pub(crate) struct Manner {
    pub(crate) rounds: Rounds,
    /// Whether server and load generator have a CPU each.
    pub(crate) is_pinned: bool,
    /// Whether the user's share is sampled, too.
    pub(crate) is_profiled: bool,
}

/// All rounds of one server in one row.
#[derive(Serialize)]
pub(crate) struct WorkResult {
    pub(crate) server: &'static str,
    #[serde(skip)]
    pub(crate) class: Class,
    pub(crate) rounds: Vec<Work>,
    pub(crate) profiles: Vec<Profile>,
}

impl WorkResult {
    /// The least CPU time per unit that a round had, in nanoseconds.
    pub(crate) fn least_ns(&self) -> f64 {
        least(self.rounds.iter().map(Work::cpu_ns))
    }

    /// The middle round's CPU time per unit, in nanoseconds.
    pub(crate) fn median_ns(&self) -> f64 {
        let mut per_unit: Vec<_> = self.rounds.iter().map(Work::cpu_ns).collect();
        per_unit.sort_by(f64::total_cmp);
        per_unit
            .get(per_unit.len() / 2)
            .copied()
            .unwrap_or(f64::NAN)
    }

    /// The least CPU time per unit in user space, in nanoseconds; `None` if it was not sampled.
    pub(crate) fn least_user_ns(&self) -> Option<f64> {
        let user = least(self.profiles.iter().map(Profile::user_ns));
        user.is_finite().then_some(user)
    }

    /// CPU time per unit in user space over all rounds together, in nanoseconds.
    ///
    /// Of the samples, where there are any; else of the kernel's ticks, which one round has too
    /// few of: their share in all rounds is taken, of the least total.
    pub(crate) fn pooled_user_ns(&self) -> f64 {
        if !self.profiles.is_empty() {
            let users = self.profiles.iter().map(Profile::user_ns);
            return users.sum::<f64>() / self.profiles.len() as f64;
        }
        let mut all = Work::default();
        for round in &self.rounds {
            all.server_user_ticks += round.server_user_ticks;
            all.server_system_ticks += round.server_system_ticks;
        }
        let ticks = all.server_user_ticks + all.server_system_ticks;
        self.least_ns() * all.server_user_ticks as f64 / ticks.max(1) as f64
    }

    /// Most units a second.
    pub(crate) fn best_rate(&self) -> f64 {
        let rates = self.rounds.iter().map(|r| r.count as f64 / r.seconds);
        rates.fold(0.0, f64::max)
    }

    /// The least CPU time per unit of the load generator, in nanoseconds.
    pub(crate) fn least_load_ns(&self) -> f64 {
        least(
            self.rounds
                .iter()
                .map(|r| r.load_cpu_ns as f64 / r.count as f64),
        )
    }

    /// Payload of an answer on the wire, in bytes.
    pub(crate) fn wire_bytes(&self) -> u64 {
        let bytes = self.rounds.iter().map(|round| round.wire_bytes);
        bytes.max().unwrap_or_default()
    }

    /// Units that came with one receive of the load generator, over all rounds; a bound from
    /// above for those that left with one send.
    pub(crate) fn units_per_receive(&self) -> f64 {
        let units: u64 = self.rounds.iter().map(|round| round.count).sum();
        let receives: u64 = self.rounds.iter().map(|round| round.receives).sum();
        units as f64 / receives as f64
    }
}

fn least(values: impl Iterator<Item = f64>) -> f64 {
    values.fold(f64::INFINITY, f64::min)
}

/// Runs all servers in turn, then all again: what disturbs the machine disturbs them all.
///
/// Each run is a fresh process; each round begins with another server. A server that fails is
/// left out, with a word about why.
pub(crate) fn run(servers: &[Server], manner: Manner, call: &Call) -> Vec<WorkResult> {
    let mut results: Vec<WorkResult> = servers
        .iter()
        .map(|server| WorkResult {
            server: server.name,
            class: server.class,
            rounds: Vec::with_capacity(manner.rounds.count),
            profiles: Vec::new(),
        })
        .collect();
    let is_profiled = manner.is_profiled && profile::is_possible();
    let profiles = if is_profiled { PROFILES } else { 0 };
    let of = manner.rounds.count + profiles;
    for round in 0..of {
        for turn in 0..servers.len() {
            let index = (round + turn) % servers.len();
            let server = &servers[index];
            let result = &mut results[index];
            progress::show(&format!("round {} of {of}: {}", round + 1, server.name));
            let done = if round < manner.rounds.count {
                run_one(server, manner, call).map(|work| result.rounds.push(work))
            } else {
                run_profiled(server, manner, call).map(|profile| result.profiles.push(profile))
            };
            if let Err(error) = done {
                progress::complain(&format!("{}: {error}", server.name));
            }
        }
    }
    progress::show("");
    results.retain(|result| !result.rounds.is_empty());
    results
}

fn run_one(server: &Server, manner: Manner, call: &Call) -> io::Result<Work> {
    load(&start(server, manner)?, server, manner, call)
}

fn run_profiled(server: &Server, manner: Manner, call: &Call) -> io::Result<Profile> {
    let running = start(server, manner)?;
    profile::of(running.pid(), || load(&running, server, manner, call))
}

fn start(server: &Server, manner: Manner) -> io::Result<Running> {
    let setting = Setting {
        is_pinned: manner.is_pinned,
        ..Setting::default()
    };
    Running::start_in(server, setting)
}

fn load(running: &Running, server: &Server, manner: Manner, call: &Call) -> io::Result<Work> {
    let options = format!("--seconds {} {}", manner.rounds.seconds, call.options);
    running.load(call.mode, server.path(call.need), &options)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn work(count: u64, cpu: u64, user: u64, system: u64) -> Work {
        Work {
            count,
            server_cpu_ns: cpu,
            server_user_ticks: user,
            server_system_ticks: system,
            ..Work::default()
        }
    }

    #[test]
    fn minimum_and_middle_are_of_whole_rounds_and_ticks_are_pooled() {
        let result = WorkResult {
            server: "one",
            class: Class::Peer,
            rounds: vec![
                work(10, 1000, 0, 10),
                work(10, 3000, 3, 7),
                work(10, 2000, 3, 7),
            ],
            profiles: Vec::new(),
        };

        assert_eq!(result.least_ns(), 100.0);
        assert_eq!(result.median_ns(), 200.0);
        assert_eq!(result.pooled_user_ns(), 20.0);
        assert_eq!(result.least_user_ns(), None);
    }
}
