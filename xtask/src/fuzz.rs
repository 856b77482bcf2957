//! Fuzz targets, built and run without cargo-fuzz.
//!
//! `fuzz/` has cargo-fuzz's layout, so that tool works too. The gate spares itself its install:
//! what it does is a build with sanitizer coverage for an explicit target (the flags then leave
//! build scripts alone) and a run of the binary, which is libFuzzer. The flags for
//! AddressSanitizer are unstable; `RUSTC_BOOTSTRAP` lets a stable compiler take them.

use std::path::PathBuf;
use std::time::Duration;

use crate::failure::Failure;
use crate::process::Runner;
use crate::workspace::{Workspace, array, text};

/// How long each target runs in the gate.
const SHORT: Duration = Duration::from_secs(6);

/// One input that takes longer is a finding: a peer could hold a thread with it.
const SECONDS_PER_INPUT: u32 = 10;

/// A process that grows past this is a finding: a peer could fill the memory.
const MEBIBYTES: u32 = 1024;

const FLAGS: &[&str] = &[
    "--cfg=fuzzing",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Ccodegen-units=1",
    "-Cdebug-assertions",
    "-Coverflow-checks",
    "-Zsanitizer=address",
];

/// The stage of the gate.
pub(crate) fn short(workspace: &Workspace, runner: &Runner) -> Result<(), Failure> {
    run(workspace, runner, SHORT, &[])
}

/// Builds all targets and runs each for a time; only those in `only`, unless it is empty.
///
/// What libFuzzer learns is kept in the target directory and used by the next run; it starts
/// with the inputs in `fuzz/seeds/TARGET`, and an input that fails is written to
/// `fuzz/artifacts/TARGET`.
pub(crate) fn run(
    workspace: &Workspace,
    runner: &Runner,
    each: Duration,
    only: &[String],
) -> Result<(), Failure> {
    let targets = targets(workspace, runner)?;
    if let Some(unknown) = only.iter().find(|name| !targets.contains(name)) {
        let known = targets.join(", ");
        return Err(Failure::new(format!(
            "no fuzz target {unknown}; there are: {known}"
        )));
    }
    let triple = host(workspace, runner)?;
    let folder = workspace.target("fuzz");
    let mut build = workspace.cargo(&["build", "--release", "--bins", "--target", &triple]);
    build
        .arg("--manifest-path")
        .arg(manifest(workspace))
        .env("CARGO_TARGET_DIR", &folder)
        .env("RUSTFLAGS", FLAGS.join(" "))
        .env("RUSTC_BOOTSTRAP", "1");
    runner.run(&mut build)?;

    let mut failed = Vec::new();
    for name in targets
        .iter()
        .filter(|name| only.is_empty() || only.contains(name))
    {
        let program = folder.join(&triple).join("release").join(name);
        let artifacts = workspace.path(&format!("fuzz/artifacts/{name}"));
        let corpus = folder.join("corpus").join(name);
        for folder in [&artifacts, &corpus] {
            std::fs::create_dir_all(folder).map_err(Failure::io(folder.display()))?;
        }
        let mut command = workspace.command(program);
        command
            .arg(format!("-max_total_time={}", each.as_secs()))
            .arg(format!("-timeout={SECONDS_PER_INPUT}"))
            .arg(format!("-rss_limit_mb={MEBIBYTES}"))
            .arg("-detect_leaks=0")
            .arg(format!("-artifact_prefix={}/", artifacts.display()))
            .arg(&corpus);
        let seeds = workspace.path(&format!("fuzz/seeds/{name}"));
        if seeds.is_dir() {
            command.arg(seeds);
        }
        let log = workspace.log(&format!("fuzz-{name}"));
        match runner.run_logged(&mut command, &log) {
            Ok(()) => println!("    {}", last_line(&log)),
            Err(Failure::Failed(reason)) => failed.push(format!("{name}: {reason}")),
            Err(ended) => return Err(ended),
        }
    }
    Failure::unless_empty("fuzz targets found something", &failed)
}

fn manifest(workspace: &Workspace) -> PathBuf {
    workspace.path("fuzz/Cargo.toml")
}

fn targets(workspace: &Workspace, runner: &Runner) -> Result<Vec<String>, Failure> {
    let metadata = workspace.metadata_of(&manifest(workspace), runner)?;
    let mut names = Vec::new();
    for package in array(&metadata, "packages") {
        for target in array(package, "targets") {
            if array(target, "kind").any(|kind| kind == "bin") {
                names.push(text(target, "name").to_owned());
            }
        }
    }
    if names.is_empty() {
        return Err(Failure::new("fuzz/ has no targets"));
    }
    Ok(names)
}

/// The triple of this machine.
fn host(workspace: &Workspace, runner: &Runner) -> Result<String, Failure> {
    let printed = runner.output(workspace.command("rustc").arg("-vV"))?;
    let host = printed.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned)
        .ok_or_else(|| Failure::new("rustc names no host"))
}

/// libFuzzer's own summary: how many runs in how many seconds.
fn last_line(log: &std::path::Path) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    text.lines()
        .rev()
        .find(|line| !line.is_empty())
        .unwrap_or_default()
        .to_owned()
}
