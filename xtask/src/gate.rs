//! The gate: every stage, in order, with its budget.
//!
//! The cheap stages that read text come first. A stage whose files are not in the repository is
//! not in the table.

use crate::failure::Failure;
use crate::process::Runner;
use crate::scripts::{self, Suite};
use crate::stage::Stage;
use crate::workspace::Workspace;
use crate::{features, fuzz, layers, links, msrv, setup};

/// The stages of `cargo xtask lint`.
pub(crate) const LINT: &[&str] = &["fmt", "layers", "links", "clippy", "docs"];

/// Every stage that this repository has files for.
pub(crate) fn stages(workspace: &Workspace) -> Vec<Stage> {
    let stage = |name, minutes, about, work: Work| Stage {
        name,
        minutes,
        about,
        work: Box::new(work),
    };
    let mut stages = vec![
        stage("setup", 8, "what the stages need is installed", setup::run),
        stage("fmt", 1, "the code is formatted", fmt),
        stage("layers", 1, "no crate imports one above it", layers::run),
        stage(
            "links",
            1,
            "relative links in documents lead somewhere",
            links::run,
        ),
        stage(
            "clippy",
            4,
            "no warning in any target with all features",
            clippy,
        ),
        stage(
            "features",
            3,
            "features build alone, together and not at all",
            features::run,
        ),
        stage("msrv", 2, "the stated Rust version builds it", msrv::run),
        stage("docs", 2, "documentation builds, no broken link", docs),
        stage(
            "deny",
            1,
            "licences, sources and bans of dependencies",
            deny,
        ),
        stage("tests", 7, "unit and behaviour tests", tests),
        stage(
            "doc-tests",
            2,
            "the examples in the documentation run",
            doc_tests,
        ),
        stage("build", 6, "the release binaries", build),
        stage(
            "typescript",
            3,
            "the TypeScript client: types, tests, size, package",
            scripts::typescript,
        ),
    ];
    for suite in Suite::all() {
        if suite.exists(workspace) {
            let work = move |workspace: &Workspace, runner: &Runner| suite.run(workspace, runner);
            stages.push(Stage {
                name: suite.name,
                minutes: suite.minutes,
                about: suite.about,
                work: Box::new(work),
            });
        }
    }
    if has_package(workspace, "bench") {
        stages.push(stage(
            "bench-builds",
            3,
            "the benchmarks compile without a warning",
            bench_builds,
        ));
    }
    if has_package(workspace, "fuzz") {
        stages.push(stage(
            "fuzz-short",
            8,
            "each fuzz target for a short time",
            fuzz::short,
        ));
    }
    stages
}

/// Builds the release binaries that the suites drive.
pub(crate) fn build(workspace: &Workspace, runner: &Runner) -> Result<(), Failure> {
    let packages = ["-p", "holdwire-server", "-p", "holdwire-conformance"];
    runner.run(workspace.cargo(&["build", "--release"]).args(packages))
}

type Work = fn(&Workspace, &Runner) -> Result<(), Failure>;

/// The folders that are workspaces of their own.
const OUTSIDE: &[&str] = &["bench", "fuzz"];

/// The workspace, and those outside of it.
fn fmt(workspace: &Workspace, runner: &Runner) -> Result<(), Failure> {
    let check = ["fmt", "--all", "--check"];
    runner.run(&mut workspace.cargo(&check))?;
    for folder in OUTSIDE {
        if has_package(workspace, folder) {
            runner.run(&mut scripts::outside(workspace, folder, &check))?;
        }
    }
    Ok(())
}

fn has_package(workspace: &Workspace, folder: &str) -> bool {
    workspace.path(folder).join("Cargo.toml").exists()
}

fn clippy(workspace: &Workspace, runner: &Runner) -> Result<(), Failure> {
    let scope = ["clippy", "--workspace", "--all-targets", "--all-features"];
    runner.run(workspace.cargo(&scope).args(["--", "-D", "warnings"]))
}

/// The binaries first: the library and the program are both named `holdwire`, so documented in one
/// go they would write the same pages.
fn docs(workspace: &Workspace, runner: &Runner) -> Result<(), Failure> {
    for kind in ["--bins", "--lib"] {
        let arguments = ["doc", "--no-deps", "--workspace", "--all-features", kind];
        runner.run(
            workspace
                .cargo(&arguments)
                .env("RUSTDOCFLAGS", "-D warnings"),
        )?;
    }
    Ok(())
}

/// cargo-nextest runs the test binaries side by side and prints the counts; `cargo test` does the
/// same work more slowly where it is missing.
fn tests(workspace: &Workspace, runner: &Runner) -> Result<(), Failure> {
    let scope = ["--workspace", "--all-features", "--no-fail-fast"];
    if runner.succeeds(&mut workspace.cargo(&["nextest", "--version"]))? {
        let quiet = ["--status-level", "slow", "--final-status-level", "slow"];
        return runner.run(workspace.cargo(&["nextest", "run"]).args(scope).args(quiet));
    }
    let targets = ["--lib", "--bins", "--tests"];
    runner.run(workspace.cargo(&["test"]).args(scope).args(targets))
}

/// Checked and not linked: their peers take minutes to optimise.
fn bench_builds(workspace: &Workspace, runner: &Runner) -> Result<(), Failure> {
    let arguments = [
        "clippy",
        "--locked",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ];
    runner.run(&mut scripts::outside(workspace, "bench", &arguments))
}

fn doc_tests(workspace: &Workspace, runner: &Runner) -> Result<(), Failure> {
    let arguments = [
        "test",
        "--doc",
        "--workspace",
        "--all-features",
        "--no-fail-fast",
    ];
    runner.run(&mut workspace.cargo(&arguments))
}

/// Advisories are left out: their database is a download that a closed network refuses.
fn deny(workspace: &Workspace, runner: &Runner) -> Result<(), Failure> {
    let mut command = workspace.command(setup::deny_program(workspace, runner)?);
    command.args([
        "--all-features",
        "check",
        "--hide-inclusion-graph",
        "licenses",
        "bans",
        "sources",
    ]);
    runner.run(&mut command)
}

#[cfg(test)]
mod tests_of_the_table {
    use super::*;
    use std::collections::HashSet;

    /// What one CI run may take in all.
    const CI_MINUTES: u64 = 90;

    fn gate() -> Vec<Stage> {
        stages(&Workspace::find().expect("xtask stands in the repository"))
    }

    #[test]
    fn budgets_together_fit_into_ci() {
        let sum: u64 = gate().iter().map(|stage| stage.minutes).sum();

        assert!(sum < CI_MINUTES, "{sum} minutes");
    }

    #[test]
    fn every_stage_has_its_own_name_and_a_budget() {
        let gate = gate();

        let names: HashSet<&str> = gate.iter().map(|stage| stage.name).collect();
        assert_eq!(names.len(), gate.len());
        assert!(gate.iter().all(|stage| stage.minutes > 0));
    }

    #[test]
    fn stages_of_lint_exist() {
        let gate = gate();

        for name in LINT {
            assert!(gate.iter().any(|stage| stage.name == *name), "{name}");
        }
    }

    #[test]
    fn setup_comes_first() {
        assert_eq!(gate()[0].name, "setup");
    }
}
