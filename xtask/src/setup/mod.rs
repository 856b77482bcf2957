//! What a fresh machine needs before the stages can run.
//!
//! One idea: nothing is installed twice. Each part looks first whether it is satisfied: the
//! programs by looking for them, the language packages by a stamp that holds the requirements
//! they were installed from. Where we cannot install, we say what is missing and how to get it.

mod debian;
mod deny;
mod node;
mod python;
mod stamp;

pub(crate) use deny::program as deny_program;
pub(crate) use node::{own_folder as own_node, packages as node_packages};

use crate::failure::Failure;
use crate::process::Runner;
use crate::workspace::Workspace;

/// The stage.
pub(crate) fn run(workspace: &Workspace, runner: &Runner) -> Result<(), Failure> {
    components(workspace, runner)?;
    debian::run(workspace, runner)?;
    python::run(workspace, runner)?;
    node::run(workspace, runner)?;
    deny::run(workspace, runner)?;
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

/// The sources of all crates, so that no later stage spends its budget on downloads.
fn fetch(workspace: &Workspace, runner: &Runner) -> Result<(), Failure> {
    runner.run_logged(&mut workspace.cargo(&["fetch"]), &workspace.log("fetch"))
}
