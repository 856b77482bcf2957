//! The tasks of this repository, run as `cargo xtask COMMAND`.
//!
//! One idea: the gate is a table of [`stage::Stage`]s, each with a budget of minutes that is
//! enforced. `cargo xtask test` sets up what the stages need and runs all of them; the other
//! commands are single pieces of the same table, or the long forms of its short stages.

mod failure;
mod features;
mod fuzz;
mod gate;
mod layers;
mod links;
mod msrv;
mod options;
mod process;
mod scripts;
mod setup;
mod sources;
mod stage;
mod workspace;

use std::process::ExitCode;
use std::time::Duration;

use failure::Failure;
use options::{Command, Options};
use process::Runner;
use stage::Stage;
use workspace::Workspace;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let options = match Options::parse(&arguments) {
        Ok(options) => options,
        Err(message) => {
            eprintln!("{message}\n\n{}", options::USAGE);
            return ExitCode::from(2);
        }
    };
    match run(&options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

/// Carries out one command; `false` when a stage failed.
fn run(options: &Options) -> Result<bool, Failure> {
    let workspace = Workspace::find()?;
    let interrupted = process::watch_interrupt()?;
    let runner = |minutes: u64| Runner::new(Duration::from_secs(minutes * 60), &interrupted);
    let gate = gate::stages(&workspace);
    match &options.command {
        Command::Help => println!("{}", options::USAGE),
        Command::List => print!("{}", stage::listing(&gate)),
        Command::Test => {
            let chosen = stage::select(gate, &options.only, &options.skip)?;
            return stage::run_all(&chosen, &workspace, &interrupted);
        }
        Command::Lint => return named(gate, gate::LINT, &workspace, &interrupted),
        Command::Layers => return named(gate, &["layers"], &workspace, &interrupted),
        Command::Setup => return named(gate, &["setup"], &workspace, &interrupted),
        Command::Conformance => {
            gate::build(&workspace, &runner(20))?;
            scripts::autobahn_full(&workspace, &runner(240), &options.rest)?;
        }
        Command::Fuzz => {
            let each = Duration::from_secs(options.minutes.unwrap_or(10) * 60);
            fuzz::run(&workspace, &runner(24 * 60), each, &options.rest)?;
        }
        Command::Bench => {
            if !scripts::measures_nothing(&options.rest) {
                gate::build(&workspace, &runner(20))?;
            }
            scripts::bench(&workspace, &runner(120), &options.rest)?;
        }
        Command::Endure => {
            gate::build(&workspace, &runner(20))?;
            scripts::endure(&workspace, &runner(24 * 60), &options.rest)?;
        }
        Command::Chaos => {
            gate::build(&workspace, &runner(20))?;
            scripts::chaos(&workspace, &runner(24 * 60), &options.rest)?;
        }
    }
    Ok(true)
}

/// Runs the stages of these names, in the gate's order.
fn named(
    gate: Vec<Stage>,
    names: &[&str],
    workspace: &Workspace,
    interrupted: &process::Interrupted,
) -> Result<bool, Failure> {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let chosen = stage::select(gate, &names, &[])?;
    stage::run_all(&chosen, workspace, interrupted)
}
