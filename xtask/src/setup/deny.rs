//! cargo-deny, of the version that `deny.toml` is written for.

use std::path::{Path, PathBuf};

use crate::failure::Failure;
use crate::process::Runner;
use crate::workspace::Workspace;

const VERSION: &str = "0.20.2";

/// Builds it into the target directory where it is missing.
///
/// Without optimisation that takes about a minute and a half of CPU, and its check of this
/// workspace still takes only a second or two.
pub(super) fn run(workspace: &Workspace, runner: &Runner) -> Result<(), Failure> {
    if found(workspace, runner)?.is_some() {
        println!("  cargo-deny is here");
        return Ok(());
    }
    let version = format!("cargo-deny@{VERSION}");
    let mut install = workspace.cargo(&["install", "--locked", "--debug", "--force", &version]);
    install
        .arg("--root")
        .arg(workspace.target("tools"))
        .env("CARGO_TARGET_DIR", workspace.target("tools/build"))
        .env("CARGO_PROFILE_DEV_DEBUG", "0");
    runner.run_logged(&mut install, &workspace.log("cargo-deny"))
}

/// The program to run.
pub(crate) fn program(workspace: &Workspace, runner: &Runner) -> Result<PathBuf, Failure> {
    found(workspace, runner)?.ok_or_else(|| {
        Failure::new(format!(
            "cargo-deny {VERSION} is missing: cargo xtask setup installs it"
        ))
    })
}

/// The one on the path, or our own, if it has the version.
fn found(workspace: &Workspace, runner: &Runner) -> Result<Option<PathBuf>, Failure> {
    let own = workspace.target("tools/bin/cargo-deny");
    for program in [Path::new("cargo-deny"), &own] {
        let printed = runner.output_if_good(workspace.command(program).arg("--version"))?;
        let version = printed
            .as_deref()
            .and_then(|text| text.split_whitespace().nth(1));
        if version == Some(VERSION) {
            return Ok(Some(program.to_owned()));
        }
    }
    Ok(None)
}
