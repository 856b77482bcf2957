//! The table of stages: choosing from it, running it to its end, and printing how it went.

use std::fmt::Write;
use std::time::{Duration, Instant};

use crate::failure::Failure;
use crate::process::{Interrupted, Runner};
use crate::workspace::Workspace;

/// What a stage does.
pub(crate) type Work = Box<dyn Fn(&Workspace, &Runner) -> Result<(), Failure>>;

/// One named part of the gate.
pub(crate) struct Stage {
    /// The name on the command line and in the table.
    pub(crate) name: &'static str,
    /// The budget; whoever passes it is killed and has failed.
    pub(crate) minutes: u64,
    /// What it proves, in a few words.
    pub(crate) about: &'static str,
    /// What it does.
    pub(crate) work: Work,
}

/// How one stage went.
struct Outcome {
    name: &'static str,
    result: Result<(), Failure>,
    time: Duration,
    budget: Duration,
}

/// The stages named in `only` (all, when it is empty) without those in `skip`, in their order.
///
/// # Errors
/// A name that no stage has: a misspelt stage must not pass for a good one.
pub(crate) fn select(
    stages: Vec<Stage>,
    only: &[String],
    skip: &[String],
) -> Result<Vec<Stage>, Failure> {
    for name in only.iter().chain(skip) {
        if !stages.iter().any(|stage| stage.name == name) {
            let known: Vec<&str> = stages.iter().map(|stage| stage.name).collect();
            let known = known.join(", ");
            return Err(Failure::new(format!("no stage {name}; there are: {known}")));
        }
    }
    let is_in = |names: &[String], stage: &Stage| names.iter().any(|name| name == stage.name);
    let chosen: Vec<Stage> = stages
        .into_iter()
        .filter(|stage| only.is_empty() || is_in(only, stage))
        .filter(|stage| !is_in(skip, stage))
        .collect();
    if chosen.is_empty() {
        return Err(Failure::new("no stage is left to run"));
    }
    Ok(chosen)
}

/// Runs every stage, also after one has failed; prints the table; `true` when all passed.
///
/// # Errors
/// Only when interrupted.
pub(crate) fn run_all(
    stages: &[Stage],
    workspace: &Workspace,
    interrupted: &Interrupted,
) -> Result<bool, Failure> {
    let mut outcomes = Vec::new();
    for stage in stages {
        println!(
            "\n==> {}: {} (budget {} min)",
            stage.name, stage.about, stage.minutes
        );
        let budget = Duration::from_secs(stage.minutes * 60);
        let started = Instant::now();
        let runner = Runner::new(budget, interrupted);
        let result = (stage.work)(workspace, &runner).and_then(|()| runner.check());
        if result == Err(Failure::Interrupted) {
            return Err(Failure::Interrupted);
        }
        let time = started.elapsed();
        match &result {
            Ok(()) => println!("<== {}: passed in {}", stage.name, minutes(time)),
            Err(failure) => println!("<== {}: FAILED in {}: {failure}", stage.name, minutes(time)),
        }
        outcomes.push(Outcome {
            name: stage.name,
            result,
            time,
            budget,
        });
    }
    print!("\n{}", report(&outcomes));
    Ok(outcomes.iter().all(|outcome| outcome.result.is_ok()))
}

/// The stages with their budgets, a line each.
pub(crate) fn listing(stages: &[Stage]) -> String {
    let mut text = String::new();
    for stage in stages {
        let _ = writeln!(
            text,
            "{:<16}{:>3} min  {}",
            stage.name, stage.minutes, stage.about
        );
    }
    let sum: u64 = stages.iter().map(|stage| stage.minutes).sum();
    let _ = writeln!(text, "{:<16}{sum:>3} min", "all budgets");
    text
}

/// The closing table and the closing line.
fn report(outcomes: &[Outcome]) -> String {
    let mut text = format!(
        "{:<16}{:<10}{:>8}{:>8}\n",
        "stage", "result", "time", "budget"
    );
    for outcome in outcomes {
        let result = match &outcome.result {
            Ok(()) => "passed",
            Err(Failure::TimedOut(_)) => "TIMED OUT",
            Err(_) => "FAILED",
        };
        let (time, budget) = (minutes(outcome.time), minutes(outcome.budget));
        let _ = writeln!(text, "{:<16}{result:<10}{time:>8}{budget:>8}", outcome.name);
    }
    let total: Duration = outcomes.iter().map(|outcome| outcome.time).sum();
    let _ = writeln!(text, "{:<26}{:>8}", "all", minutes(total));
    let failed: Vec<&Outcome> = outcomes
        .iter()
        .filter(|outcome| outcome.result.is_err())
        .collect();
    for outcome in &failed {
        if let Err(failure) = &outcome.result {
            let _ = writeln!(text, "{}: {failure}", outcome.name);
        }
    }
    let passed = outcomes.len() - failed.len();
    let _ = writeln!(text, "\n{passed} passed, {} failed", failed.len());
    text
}

/// A time as minutes and seconds.
fn minutes(time: Duration) -> String {
    let seconds = time.as_secs();
    format!("{}:{:02}", seconds / 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::rc::Rc;

    fn stage(name: &'static str, work: Work) -> Stage {
        Stage {
            name,
            minutes: 1,
            about: "a stage of a test",
            work,
        }
    }

    fn passing(name: &'static str) -> Stage {
        stage(name, Box::new(|_, _| Ok(())))
    }

    fn names(stages: &[Stage]) -> Vec<&str> {
        stages.iter().map(|stage| stage.name).collect()
    }

    fn owned(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn workspace() -> Workspace {
        Workspace::find().expect("xtask stands in the repository")
    }

    #[test]
    fn stages_run_on_after_a_failed_one_and_the_gate_fails() {
        let ran = Rc::new(RefCell::new(Vec::new()));
        let work = |name: &'static str, result: Result<(), Failure>| {
            let ran = Rc::clone(&ran);
            stage(
                name,
                Box::new(move |_, _| {
                    ran.borrow_mut().push(name);
                    result.clone()
                }),
            )
        };
        let stages = [
            work("first", Ok(())),
            work("second", Err(Failure::new("says no"))),
            work("third", Ok(())),
        ];

        let all_passed = run_all(&stages, &workspace(), &Interrupted::default());

        assert_eq!(all_passed, Ok(false));
        assert_eq!(*ran.borrow(), ["first", "second", "third"]);
    }

    #[test]
    fn stage_over_its_budget_has_failed() {
        let mut hanging = stage(
            "hanging",
            Box::new(|workspace, runner| runner.run(workspace.command("sleep").arg("600"))),
        );
        hanging.minutes = 0;

        let all_passed = run_all(&[hanging], &workspace(), &Interrupted::default());

        assert_eq!(all_passed, Ok(false));
    }

    #[test]
    fn report_closes_with_the_counts_of_stages() {
        let outcome = |name, result| Outcome {
            name,
            result,
            time: Duration::from_secs(61),
            budget: Duration::from_secs(120),
        };
        let outcomes = [
            outcome("fmt", Ok(())),
            outcome("tests", Err(Failure::new("cargo: exit status: 101"))),
            outcome("docs", Err(Failure::TimedOut(Duration::from_secs(120)))),
        ];

        let text = report(&outcomes);

        let row = |name: &str| {
            let line = text.lines().find(|line| line.starts_with(name));
            let words = line.expect("the stage has a row").split_whitespace();
            words.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(row("fmt"), "fmt passed 1:01 2:00");
        assert_eq!(row("tests"), "tests FAILED 1:01 2:00");
        assert_eq!(row("docs"), "docs TIMED OUT 1:01 2:00");
        assert_eq!(text.lines().last(), Some("1 passed, 2 failed"));
    }

    #[test]
    fn only_and_skip_keep_the_order_of_the_gate() {
        let gate = || vec![passing("fmt"), passing("clippy"), passing("tests")];

        let only = select(gate(), &owned(&["tests", "fmt"]), &[]).expect("both exist");
        let skip = select(gate(), &[], &owned(&["clippy"])).expect("it exists");

        assert_eq!(names(&only), ["fmt", "tests"]);
        assert_eq!(names(&skip), ["fmt", "tests"]);
    }

    #[test]
    fn misspelt_stage_is_refused() {
        assert!(select(vec![passing("fmt")], &owned(&["ftm"]), &[]).is_err());
        assert!(select(vec![passing("fmt")], &[], &owned(&["ftm"])).is_err());
    }

    #[test]
    fn choice_that_leaves_no_stage_is_refused() {
        assert!(select(vec![passing("fmt")], &[], &owned(&["fmt"])).is_err());
    }
}
