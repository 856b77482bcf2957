//! The stated Rust version builds every crate.

use crate::failure::Failure;
use crate::process::Runner;
use crate::workspace::{Workspace, members, text};

/// A Rust version as major, minor, patch; a part left out is 0.
type Version = [u32; 3];

/// The stage: with the compiler at hand when it is that version, else with rustup's.
pub(crate) fn run(workspace: &Workspace, runner: &Runner) -> Result<(), Failure> {
    let metadata = workspace.metadata(runner)?;
    let mut stated: Vec<&str> = members(&metadata)
        .map(|package| text(package, "rust_version"))
        .collect();
    stated.sort_unstable();
    stated.dedup();
    let [stated] = stated[..] else {
        return Err(Failure::new(format!(
            "crates state different versions: {stated:?}"
        )));
    };
    let wanted = version(stated)
        .ok_or_else(|| Failure::new(format!("rust-version {stated:?} is no version")))?;
    let printed = runner.output(workspace.command("rustc").arg("--version"))?;
    let current = printed.split_whitespace().nth(1).and_then(version);
    let current = current.ok_or_else(|| Failure::new(format!("no version in {printed:?}")))?;

    let check = ["check", "--workspace", "--all-features"];
    if current[..2] == wanted[..2] {
        println!("  Rust {stated} is the compiler at hand: it builds every stage");
        return runner.run(&mut workspace.cargo(&check));
    }
    if current < wanted {
        return Err(Failure::new(format!(
            "Rust {stated} is wanted, here is {printed}"
        )));
    }
    let [major, minor, patch] = wanted;
    let toolchain = format!("{major}.{minor}.{patch}");
    let mut probe = workspace.command("rustup");
    probe.args(["run", &toolchain, "rustc", "--version"]);
    if !runner.succeeds(&mut probe)? {
        let mut install = workspace.command("rustup");
        install.args(["toolchain", "install", "--profile", "minimal", &toolchain]);
        runner.run_logged(&mut install, &workspace.log("rustup"))?;
    }
    let mut command = workspace.command("rustup");
    command.args(["run", &toolchain, "cargo"]).args(check);
    runner.run(command.env("CARGO_TARGET_DIR", workspace.target("msrv")))
}

fn version(text: &str) -> Option<Version> {
    let number = text.split(['-', '+']).next()?;
    let mut version = Version::default();
    let mut parts = number.split('.');
    for place in &mut version {
        if let Some(part) = parts.next() {
            *place = part.parse().ok()?;
        }
    }
    parts.next().is_none().then_some(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_with_and_without_a_patch() {
        assert_eq!(version("1.95"), Some([1, 95, 0]));
        assert_eq!(version("1.95.2"), Some([1, 95, 2]));
        assert_eq!(version("1.97.0-nightly"), Some([1, 97, 0]));
        assert_eq!(version(""), None);
        assert_eq!(version("stable"), None);
        assert_eq!(version("1.2.3.4"), None);
    }
}
