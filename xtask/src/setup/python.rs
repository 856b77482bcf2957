//! The Python packages: a virtual environment in the target directory.

use super::stamp;
use crate::failure::Failure;
use crate::process::Runner;
use crate::workspace::Workspace;

/// Installs `conformance/requirements.txt`, again only when it or Python has changed.
pub(super) fn run(workspace: &Workspace, runner: &Runner) -> Result<(), Failure> {
    let requirements = workspace.path("conformance/requirements.txt");
    let venv = workspace.venv();
    let program = venv.join("bin/python");
    let version = runner.output(workspace.command("python3").arg("--version"))?;
    let wanted = version + &stamp::read(&requirements)?;
    let stamp = venv.join("installed");
    if program.exists() && stamp::is_satisfied(&stamp, &wanted) {
        println!("  the Python packages are here");
        return Ok(());
    }
    let mut create = workspace.command("python3");
    create.args(["-m", "venv", "--clear"]).arg(&venv);
    runner.run_logged(&mut create, &workspace.log("venv"))?;
    let mut install = workspace.command(program);
    install.args(["-m", "pip", "install", "--disable-pip-version-check", "-r"]);
    runner.run_logged(install.arg(&requirements), &workspace.log("pip"))?;
    stamp::write(&stamp, &wanted)
}
