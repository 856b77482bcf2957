//! Packages of Python and Node, each installed again only when its requirements have changed.

use std::path::Path;

use crate::failure::Failure;
use crate::process::Runner;
use crate::workspace::Workspace;

/// The virtual environment in the target directory, from `conformance/requirements.txt`.
pub(super) fn python(workspace: &Workspace, runner: &Runner) -> Result<(), Failure> {
    let requirements = workspace.path("conformance/requirements.txt");
    if !requirements.exists() {
        return Ok(());
    }
    let venv = workspace.venv();
    let program = venv.join("bin/python");
    let version = runner.output(workspace.command("python3").arg("--version"))?;
    let wanted = version + &read(&requirements)?;
    let stamp = venv.join("installed");
    if program.exists() && is_satisfied(&stamp, &wanted) {
        println!("  the Python packages are here");
        return Ok(());
    }
    let mut create = workspace.command("python3");
    create.args(["-m", "venv", "--clear"]).arg(&venv);
    runner.run_logged(&mut create, &workspace.log("venv"))?;
    let mut install = workspace.command(program);
    install
        .args(["-m", "pip", "install", "--disable-pip-version-check", "-r"])
        .arg(&requirements);
    runner.run_logged(&mut install, &workspace.log("pip"))?;
    write(&stamp, &wanted)
}

/// The oldest Node that the packages of `conformance/` run on.
const NODE_MAJOR: u32 = 20;

/// `npm ci` from `conformance/package-lock.json`; no script of a package is run.
pub(super) fn node(workspace: &Workspace, runner: &Runner) -> Result<(), Failure> {
    let lock = workspace.path("conformance/package-lock.json");
    if !lock.exists() {
        return Ok(());
    }
    let version = runner.output(workspace.command("node").arg("--version"))?;
    if major(&version).is_none_or(|major| major < NODE_MAJOR) {
        let found = version.trim();
        let hint = "Debian 13 has it as nodejs; on an older system take it from nodejs.org";
        return Err(Failure::new(format!(
            "Node {NODE_MAJOR} is wanted, here is {found}: {hint}"
        )));
    }
    let folder = workspace.path("conformance");
    let wanted = read(&lock)?;
    let stamp = folder.join("node_modules/.installed");
    if is_satisfied(&stamp, &wanted) {
        println!("  the Node packages are here");
        return Ok(());
    }
    let mut install = workspace.command("npm");
    install
        .args(["ci", "--no-audit", "--no-fund", "--ignore-scripts"])
        .current_dir(folder);
    runner.run_logged(&mut install, &workspace.log("npm"))?;
    write(&stamp, &wanted)
}

/// The first number of a version such as `v20.19.2`.
fn major(version: &str) -> Option<u32> {
    version
        .trim()
        .strip_prefix('v')?
        .split('.')
        .next()?
        .parse()
        .ok()
}

/// Whether what is installed came from just these requirements.
fn is_satisfied(stamp: &Path, wanted: &str) -> bool {
    std::fs::read_to_string(stamp).is_ok_and(|installed| installed == wanted)
}

fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(Failure::io(path.display()))
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text).map_err(Failure::io(path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn major_version_of_node_is_read() {
        assert_eq!(major("v20.19.2\n"), Some(20));
        assert_eq!(major("v8"), Some(8));
        assert_eq!(major("twenty"), None);
    }

    #[test]
    fn stamp_holds_only_for_the_requirements_it_was_written_for() {
        let stamp = std::env::temp_dir().join(format!("xtask-stamp-{}", std::process::id()));

        assert!(!is_satisfied(&stamp, "ws 8"));
        write(&stamp, "ws 8").expect("a temporary file");
        assert!(is_satisfied(&stamp, "ws 8"));
        assert!(!is_satisfied(&stamp, "ws 9"));

        std::fs::remove_file(&stamp).expect("the file is ours");
    }
}
