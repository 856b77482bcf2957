//! Judges what a run of clients, servers and faults has recorded: `cargo xtask chaos`.
//!
//! The run itself is `conformance/chaos`. The checker knows nothing of holdwire: it has a history,
//! pieces the logs together from it, and holds every subscriber against them.

mod checker;
mod history;
mod mutants;
#[cfg(test)]
mod tests;
mod truth;
mod verdict;

use std::fs::File;
use std::io::BufReader;
use std::process::ExitCode;

use checker::judge;
use history::{Record, read};
use mutants::mutants;
use verdict::Violation;

/// Violations that are printed.
const SHOWN: usize = 20;

const HELP: &str = "\
usage: holdwire-conformance judge HISTORY [--mutants]

  HISTORY    a file of JSON lines, as conformance/chaos writes it
  --mutants  also spoils the history in every way that there is, and wants each noticed";

/// Runs `judge` with its arguments; 0 when all holds, 1 when not, 2 for a bad call.
pub fn command(mut arguments: impl Iterator<Item = String>) -> ExitCode {
    let (path, rest) = (arguments.next(), arguments.collect::<Vec<_>>());
    let with_mutants = rest == ["--mutants"];
    let Some(path) = path.filter(|_| rest.is_empty() || with_mutants) else {
        eprintln!("{HELP}");
        return ExitCode::from(2);
    };
    let history = File::open(&path)
        .map_err(|error| error.to_string())
        .and_then(|file| read(BufReader::new(file)));
    let history = match history {
        Ok(history) => history,
        Err(problem) => {
            eprintln!("judge: {path}: {problem}");
            return ExitCode::from(2);
        }
    };
    let verdict = judge(&history);
    println!("{verdict}");
    for Violation { rule, at, text } in verdict.violations.iter().take(SHOWN) {
        println!("  at {at} ms, {rule}: {text}");
    }
    let escaped = match with_mutants {
        true => try_mutants(&history),
        false => 0,
    };
    match verdict.violations.is_empty() && escaped == 0 {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// Spoils the history in every way; gives how many were not noticed, or had nothing to spoil.
fn try_mutants(history: &[Record]) -> usize {
    let all = mutants();
    let mut escaped = 0;
    for mutant in &all {
        let Some(spoiled) = mutant.spoil(history) else {
            println!("  the history has nothing for the mutant {:?}", mutant.name);
            escaped += 1;
            continue;
        };
        if !judge(&spoiled)
            .violations
            .iter()
            .any(|found| found.rule == mutant.breaks)
        {
            println!("  the mutant {:?} was not noticed", mutant.name);
            escaped += 1;
        }
    }
    println!(
        "mutants of this history noticed: {} of {}",
        all.len() - escaped,
        all.len()
    );
    escaped
}
