//! A catalogue of bad inputs, and good ones at the edge, sent to a server over TCP.
//!
//! What is expected comes from the RFCs and from holdwire's own stated rules, never from a
//! program's output. While the cases and the floods run, the server's memory stays bounded.

mod catalogue;
mod extension;
mod floods;
mod frame;
mod judge;
mod line;
mod options;
mod payload;
mod process;
mod reader;
mod report;
mod request;
mod response;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Mutex;

use catalogue::{Case, Group, load};
use judge::{Verdict, judge};
use options::{HELP, Options};
use process::{Memory, Started};
use report::{Report, Told};

/// Runs `bad-inputs` with its arguments; 0 when all passed, 1 when not, 2 for a bad call.
pub fn command(arguments: impl Iterator<Item = String>) -> ExitCode {
    let done = Options::read(arguments).and_then(|options| {
        if options.help {
            println!("{HELP}");
            return Ok(true);
        }
        let groups = load()?;
        if options.list {
            list(&groups, &options);
            return Ok(true);
        }
        run(&groups, &options)
    });
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(problem) => {
            eprintln!("bad-inputs: {problem}");
            ExitCode::from(2)
        }
    }
}

fn list(groups: &[Group], options: &Options) {
    let mut count = 0;
    for (group, case) in wanted(groups, options) {
        println!("{group:<14} {} [{}]", case.name, case.section);
        count += 1;
    }
    for flood in floods::FLOODS {
        if options.wants(floods::GROUP, flood.name) {
            println!("{:<14} {} [{}]", floods::GROUP, flood.name, flood.section);
            count += 1;
        }
    }
    println!("{count} cases");
}

fn wanted<'a>(
    groups: &'a [Group],
    options: &'a Options,
) -> impl Iterator<Item = (&'a str, &'a Case)> {
    groups
        .iter()
        .flat_map(|group| group.cases.iter().map(|case| (group.group.as_str(), case)))
        .filter(|(group, case)| options.wants(group, &case.name))
}

fn run(groups: &[Group], options: &Options) -> Result<bool, String> {
    let cases: Vec<_> = wanted(groups, options).collect();
    let flood_count = floods::FLOODS
        .iter()
        .filter(|flood| options.wants(floods::GROUP, flood.name))
        .count();
    if cases.is_empty() && flood_count == 0 {
        return Err("no case matches; see --list".to_owned());
    }
    let started = options.binary.as_deref().map(Started::new).transpose()?;
    let server = started
        .as_ref()
        .map(|started| started.server)
        .or(options.server)
        .ok_or("no server")?;
    let pid = started.as_ref().map(Started::pid).or(options.pid);
    let bound = options.memory_bound.unwrap_or(MEMORY_BOUND_MIB);
    let mut memory = pid.map(|pid| Memory::watch(pid, bound)).transpose()?;

    println!("{} cases against {server}", cases.len());
    let mut report = Report::default();
    for (told, verdict) in run_cases(cases, server) {
        report.add(told, verdict);
    }
    if let Some(memory) = &mut memory {
        report.add(
            Told {
                group: floods::GROUP,
                name: "The memory of the process stays bounded while the catalogue runs",
                section: "holdwire: limits",
            },
            floods::memory_verdict(memory),
        );
        for flood in floods::FLOODS {
            if options.wants(floods::GROUP, flood.name) {
                let told = Told {
                    group: floods::GROUP,
                    name: flood.name,
                    section: flood.section,
                };
                report.add(told, flood.run(server, memory));
            }
        }
        println!("{}", memory.summary());
    }
    if let Some(started) = &started {
        let told = Told {
            group: floods::GROUP,
            name: "The server does not panic, whatever it is sent",
            section: "holdwire: no panic from anything a peer can send",
        };
        let verdict = match started.panics().first() {
            None => Verdict::Passed,
            Some(line) => Verdict::Failed(judge::Mismatch::new("no panic", line)),
        };
        report.add(told, verdict);
    }
    Ok(report.print())
}

/// Runs the cases: a few threads for most, and one each for those that wait for a deadline.
fn run_cases<'a>(cases: Vec<(&'a str, &'a Case)>, server: SocketAddr) -> Vec<(Told<'a>, Verdict)> {
    let verdicts = Mutex::new(vec![None; cases.len()]);
    let record = |index: usize, verdict| {
        if let Ok(mut verdicts) = verdicts.lock() {
            verdicts[index] = Some(verdict);
        }
    };
    let (slow, quick): (Vec<usize>, Vec<usize>) =
        (0..cases.len()).partition(|index| cases[*index].1.is_slow());
    let queue = Mutex::new(quick.into_iter());
    std::thread::scope(|scope| {
        let (record, cases, queue) = (&record, &cases, &queue);
        for index in slow {
            scope.spawn(move || record(index, judge(cases[index].1, server)));
        }
        for _ in 0..THREADS {
            scope.spawn(move || {
                while let Some(index) = queue.lock().ok().and_then(|mut queue| queue.next()) {
                    record(index, judge(cases[index].1, server));
                }
            });
        }
    });
    let verdicts = verdicts.into_inner().unwrap_or_default();
    cases
        .into_iter()
        .zip(verdicts)
        .map(|((group, case), verdict)| {
            let told = Told {
                group,
                name: &case.name,
                section: &case.section,
            };
            let lost = judge::Mismatch::new("a verdict", "the runner lost it");
            (told, verdict.unwrap_or(Verdict::Failed(lost)))
        })
        .collect()
}

const THREADS: usize = 8;
const MEMORY_BOUND_MIB: u64 = 64;
