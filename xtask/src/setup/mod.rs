//! What a fresh machine needs before the stages can run.
//!
//! One idea: nothing is installed twice. Each part looks first whether it is satisfied: the
//! programs by looking for them, the language packages by a stamp that holds the requirements
//! they were installed from. Where we cannot install, we say what is missing and how to get it.

mod debian;
mod node;
mod python;
mod stamp;

use std::path::PathBuf;

pub(crate) use node::own_folder as own_node;

use crate::failure::Failure;
use crate::process::Runner;
use crate::workspace::Workspace;

/// The version of cargo-deny that `deny.toml` is written for.
const CARGO_DENY: &str = "0.20.2";

/// The stage.
pub(crate) fn run(workspace: &Workspace, runner: &Runner) -> Result<(), Failure> {
    components(workspace, runner)?;
    debian::run(workspace, runner)?;
    python::run(workspace, runner)?;
    node::run(workspace, runner)?;
    deny_program(workspace, runner)?;
    fetch(workspace, runner)
}

/// rustfmt and clippy: a minimal toolchain has neither.
fn components(workspace: &Workspace, runner: &Runner) -> Result<(), Failure> {
    for (command, component) in [("fmt", "rustfmt"), ("clippy", "clippy")] {
        if !runner.succeeds(&mut workspace.cargo(&[command, "--version"]))? {
            let mut add = workspace.command("rustup");
            add.args(["component", "add", component]);
            runner.run_logged(&mut add, &workspace.log("rustup"))?;
        }
    }
    Ok(())
}

/// cargo-deny from the path, or our own in the target directory, built when it is missing.
///
/// Built without optimisation it takes about a minute and a half of CPU, and its check of this
/// workspace still takes a second or two.
pub(crate) fn deny_program(workspace: &Workspace, runner: &Runner) -> Result<PathBuf, Failure> {
    let own = workspace.target("tools/bin/cargo-deny");
    for program in [PathBuf::from("cargo-deny"), own.clone()] {
        if is_wanted_deny(workspace, runner, &program)? {
            return Ok(program);
        }
    }
    let root = workspace.target("tools");
    let version = format!("cargo-deny@{CARGO_DENY}");
    let mut install = workspace.cargo(&["install", "--locked", "--debug", "--force", &version]);
    install
        .arg("--root")
        .arg(root)
        .env("CARGO_TARGET_DIR", workspace.target("tools/build"))
        .env("CARGO_PROFILE_DEV_DEBUG", "0");
    runner.run_logged(&mut install, &workspace.log("cargo-deny"))?;
    Ok(own)
}

fn is_wanted_deny(
    workspace: &Workspace,
    runner: &Runner,
    program: &PathBuf,
) -> Result<bool, Failure> {
    let mut command = workspace.command(program);
    command.arg("--version");
    if !runner.succeeds(&mut command)? {
        return Ok(false);
    }
    let mut command = workspace.command(program);
    let printed = runner.output(command.arg("--version"))?;
    Ok(printed.split_whitespace().nth(1) == Some(CARGO_DENY))
}

/// The sources of all crates, so that no later stage spends its budget on downloads.
fn fetch(workspace: &Workspace, runner: &Runner) -> Result<(), Failure> {
    runner.run_logged(&mut workspace.cargo(&["fetch"]), &workspace.log("fetch"))
}
