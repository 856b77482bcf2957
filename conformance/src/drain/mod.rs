//! A server goes down under a thousand clients and comes back: told, in time, and without a storm.
//!
//! The clients are holdwire's own [`Line`](holdwire::Line)s, because what is proved is that both
//! ends keep to the same rules. Beside them, at a second server, are a thousand clients with a
//! fixed delay of 4 s that read no advice; what they do is printed and judged by nobody.

mod fixed;
mod lines;
mod newcomers;
mod program;
mod spread;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use lines::{Fleet, Left};
use newcomers::knock;
use program::Program;
use spread::Spread;

/// Clients of each kind.
const CLIENTS: usize = 1000;

/// The window that a server is given to go down in.
const WINDOW: Duration = Duration::from_secs(10);
const DRAIN: [&str; 2] = ["--drain", "10s"];

/// Handshakes a second of the servers that they come back to.
const RATE: usize = 200;
const SLOW: [&str; 2] = ["--handshakes-per-second", "200"];

/// What a busy machine may add to a time that is judged.
const TOLERANCE: Duration = Duration::from_secs(2);

/// How long anything may take that is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// How much the busiest second may stand above the mean of the time in which the lines return.
const MAX_PEAK: f64 = 3.0;

const HELP: &str = "\
usage: holdwire-conformance drain --bin PATH

  --bin PATH  the holdwire binary to start, to end with SIGTERM and to start again";

/// Runs `drain` with its arguments; 0 when all passed, 1 when not, 2 for a bad call.
pub fn command(mut arguments: impl Iterator<Item = String>) -> ExitCode {
    let binary = match (arguments.next().as_deref(), arguments.next()) {
        (Some("--bin"), Some(binary)) => PathBuf::from(binary),
        _ => {
            eprintln!("{HELP}");
            return ExitCode::from(2);
        }
    };
    let done = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())
        .and_then(|runtime| runtime.block_on(run(&binary)));
    match done {
        Ok(report) => report.finish(),
        Err(problem) => {
            eprintln!("drain: {problem}");
            ExitCode::from(2)
        }
    }
}

async fn run(binary: &Path) -> Result<Report, String> {
    let beside = tokio::spawn(compare(binary.to_owned()));
    let report = judge(binary).await?;
    let fixed = beside.await.map_err(|error| error.to_string())?;
    let fixed = fixed.unwrap_or_else(|problem| format!(" {problem}"));
    println!("for comparison, clients with a fixed delay of 4 s:{fixed}");
    Ok(report)
}

/// Takes the lines through a drain, a crash, and a return from each.
async fn judge(binary: &Path) -> Result<Report, String> {
    let mut report = Report::default();
    let mut program = Program::start(binary, None, &DRAIN).await?;
    let mut fleet = Fleet::start(program.address, CLIENTS);
    fleet.all_up(PATIENCE).await?;
    // Long enough for messages to be on their way in both directions everywhere.
    tokio::time::sleep(Duration::from_secs(1)).await;
    drain(&mut program, &mut fleet, binary, &mut report).await?;
    crash(&mut program, &mut fleet, binary, &mut report).await?;
    fleet.stop();
    Ok(report)
}

/// SIGTERM, and the same again: told, in time, and back evenly.
async fn drain(
    program: &mut Program,
    fleet: &mut Fleet,
    binary: &Path,
    report: &mut Report,
) -> Result<(), String> {
    let address = program.address;
    let told = Instant::now();
    program.terminate().await?;
    let newcomers = tokio::spawn(knock(address));
    let status = program.ended(PATIENCE).await?;
    let took = told.elapsed();
    let newcomers = newcomers.await.map_err(|error| error.to_string())?;
    *program = Program::start(binary, Some(address), &SLOW).await?;
    let left = fleet.all_left(PATIENCE).await?;
    let back = fleet.all_up(PATIENCE).await?;

    report.check(
        "every connection was closed with 1012 and advice",
        left.iter().all(Left::is_advised),
        format!("{} of {CLIENTS}", count(&left, Left::is_advised)),
    );
    let is_in_time = |left: &Left| left.at.duration_since(told) <= WINDOW + TOLERANCE;
    let last = left.iter().map(|left| left.at.duration_since(told)).max();
    report.check(
        "within the window",
        left.iter().all(is_in_time),
        format!("the last after {:.1} s", seconds(last)),
    );
    report.check(
        "the program ended with 0 within the window",
        status.success() && took <= WINDOW + TOLERANCE,
        format!("{status} after {:.1} s", took.as_secs_f64()),
    );
    // The first to go have no time for another message.
    let flowing = count(&left, |left| left.received_in_drain > 0);
    report.check(
        "messages flowed until then",
        flowing >= CLIENTS / 2,
        format!("{flowing} lines got some while others were closed"),
    );
    newcomers.check(report);
    let early = back.iter().map(|up| up.duration_since(told)).min();
    println!(
        "     closings: {}",
        Spread::of(left.iter().map(|left| left.at))
    );
    let returns = Spread::of(back);
    println!(
        "     returns: {returns}; the first {:.1} s after the signal; {:.2} attempts each",
        seconds(early),
        each(&fleet.attempts_since(told))
    );
    report.check(
        "the lines came back evenly",
        returns.peak_to_mean() <= MAX_PEAK,
        format!("peak {:.1} times the mean", returns.peak_to_mean()),
    );
    report.check_open("each of them once", program).await?;
    Ok(())
}

/// No Close frame and no advice: all come at once, and the rate of handshakes parts them.
async fn crash(
    program: &mut Program,
    fleet: &mut Fleet,
    binary: &Path,
    report: &mut Report,
) -> Result<(), String> {
    let crashed = Instant::now();
    program.crash().await?;
    *program = Program::start(binary, Some(program.address), &SLOW).await?;
    let back = fleet.all_up(PATIENCE).await?;

    let attempts = fleet.attempts_since(crashed);
    let accepts = Spread::of(back);
    println!(
        "     after a crash, at {RATE} handshakes a second: {accepts}; {:.2} attempts each, {} of them in the busiest second",
        each(&attempts),
        Spread::of(attempts.iter().copied()).peak()
    );
    let turned_away = program
        .metric("holdwire_turned_away_total{why=\"rate\"}")
        .await?;
    report.check(
        "after a crash those beyond the rate were told to come later",
        turned_away > 0,
        format!("{turned_away} handshakes"),
    );
    // A second's worth after the pause, and what a second lets in; more is the clients' clock.
    report.check(
        "and no more came in than the rate allows",
        accepts.peak() <= RATE * 5 / 2,
        format!("{} in the busiest second", accepts.peak()),
    );
    report
        .check_open("each of them once again", program)
        .await?;
    Ok(())
}

/// Takes the clients with a fixed delay through the same, for comparison.
async fn compare(binary: PathBuf) -> Result<String, String> {
    let mut told = String::new();
    let mut program = Program::start(&binary, None, &DRAIN).await?;
    let address = program.address;
    let fleet = fixed::Fleet::start(address, CLIENTS);
    fleet.all_up(1, PATIENCE).await?;
    for (times, name) in [(2, "after a drain"), (3, "after a crash")] {
        let start = Instant::now();
        if times == 2 {
            program.terminate().await?;
            program.ended(PATIENCE).await?;
        } else {
            program.crash().await?;
        }
        program = Program::start(&binary, Some(address), &SLOW).await?;
        let returns = Spread::of(fleet.all_up(times, PATIENCE).await?);
        let attempts = fleet.attempts_since(start);
        let _ = write!(
            told,
            "\n     {name}: {returns}; {:.2} attempts each, {} of them in the busiest second",
            each(&attempts),
            Spread::of(attempts.iter().copied()).peak()
        );
    }
    Ok(told)
}

/// Attempts of each client.
fn each(attempts: &[Instant]) -> f64 {
    attempts.len() as f64 / CLIENTS as f64
}

fn count<T>(all: &[T], is_right: impl Fn(&T) -> bool) -> usize {
    all.iter().filter(|one| is_right(one)).count()
}

fn seconds(time: Option<Duration>) -> f64 {
    time.unwrap_or_default().as_secs_f64()
}

/// Counts and prints the checks.
#[derive(Default)]
struct Report {
    passed: usize,
    failed: usize,
}

impl Report {
    fn check(&mut self, name: &str, is_right: bool, detail: String) {
        let word = if is_right { "ok  " } else { "FAIL" };
        println!("{word} {name}: {detail}");
        if is_right {
            self.passed += 1;
        } else {
            self.failed += 1;
        }
    }

    /// Each client has one connection, and no more.
    async fn check_open(&mut self, name: &str, program: &Program) -> Result<(), String> {
        let end = Instant::now() + TOLERANCE;
        let open = loop {
            let open = program.metric("holdwire_connections").await?;
            // The client may know of it before the server has counted it.
            if open == CLIENTS || Instant::now() > end {
                break open;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        let detail = format!("the new server has {open} connections");
        self.check(name, open == CLIENTS, detail);
        Ok(())
    }

    fn finish(self) -> ExitCode {
        println!("{} passed, {} failed", self.passed, self.failed);
        ExitCode::from(u8::from(self.failed > 0))
    }
}
