//! Programs that come from the operating system: on Debian by apt-get, elsewhere by a request.

use std::path::Path;

use crate::failure::Failure;
use crate::process::Runner;
use crate::workspace::Workspace;

/// What the suites drive, one package a line.
const LIST: &str = "conformance/debian-packages.txt";

/// Programs that every machine may have from elsewhere, and the package that has each.
const PROGRAMS: &[(&str, &str)] = &[
    ("c++", "g++"),
    ("git", "git"),
    ("node", "nodejs"),
    ("npm", "npm"),
    ("ps", "procps"),
    ("python3", "python3"),
];

/// What makes machines and wires out of namespaces, and what counts: only Linux has them.
const LINUX_PROGRAMS: &[(&str, &str)] = &[
    ("ip", "iproute2"),
    ("nft", "nftables"),
    ("strace", "strace"),
    ("unshare", "util-linux"),
    ("valgrind", "valgrind"),
];

/// Installs what is missing, or says what is.
pub(super) fn run(workspace: &Workspace, runner: &Runner) -> Result<(), Failure> {
    let mut missing = Vec::new();
    let linux = match cfg!(target_os = "linux") {
        true => LINUX_PROGRAMS,
        false => &[],
    };
    for (program, package) in PROGRAMS.iter().chain(linux) {
        if !is_on_path(workspace, runner, program)? {
            missing.push((*package).to_owned());
        }
    }
    let mut can_make_venv = workspace.command("python3");
    can_make_venv.args(["-c", "import ensurepip, venv"]);
    if !runner.succeeds(&mut can_make_venv)? {
        missing.push("python3-venv".to_owned());
    }
    let is_debian = Path::new("/etc/debian_version").exists();
    for package in listed(workspace)? {
        let is_here = match is_debian {
            true => is_installed(workspace, runner, &package)?,
            false => is_on_path(workspace, runner, program_of(&package))?,
        };
        if !is_here {
            missing.push(package);
        }
    }
    if missing.is_empty() {
        println!("  all system packages are here");
        return Ok(());
    }
    let wanted = missing.join(" ");
    if !is_debian {
        let hint = "install them with this system's package manager (the names are Debian's)";
        return Err(Failure::new(format!("missing: {wanted}; {hint}")));
    }
    if runner.output(workspace.command("id").arg("-u"))?.trim() != "0" {
        let hint = format!("sudo apt-get install --no-install-recommends {wanted}");
        return Err(Failure::new(format!("missing: {wanted}; run: {hint}")));
    }
    install(workspace, runner, &missing)
}

/// Installs with the package lists at hand, and only if that fails with fresh ones.
fn install(workspace: &Workspace, runner: &Runner, packages: &[String]) -> Result<(), Failure> {
    let apt = |arguments: &[&str]| {
        let mut command = workspace.command("apt-get");
        command
            .args(arguments)
            .env("DEBIAN_FRONTEND", "noninteractive");
        command
    };
    let install = || {
        let mut command = apt(&["install", "-y", "--no-install-recommends"]);
        command.args(packages);
        command
    };
    let log = workspace.log("apt-install");
    println!("  missing: {}", packages.join(" "));
    match runner.run_logged(&mut install(), &log) {
        Err(Failure::Failed(_)) => {
            println!("  trying again with fresh package lists");
            runner.run_logged(&mut apt(&["update"]), &workspace.log("apt-update"))?;
            runner.run_logged(&mut install(), &log)
        }
        ended => ended,
    }
}

fn listed(workspace: &Workspace) -> Result<Vec<String>, Failure> {
    let path = workspace.path(LIST);
    let text = std::fs::read_to_string(&path).map_err(Failure::io(path.display()))?;
    Ok(names(&text))
}

/// The package names of a list; `#` begins a comment.
fn names(list: &str) -> Vec<String> {
    list.lines()
        .filter_map(|line| line.split('#').next())
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

/// The program that a package is wanted for: `nginx-light` is one of several with `nginx`.
fn program_of(package: &str) -> &str {
    package.split('-').next().unwrap_or(package)
}

fn is_installed(workspace: &Workspace, runner: &Runner, package: &str) -> Result<bool, Failure> {
    let mut query = workspace.command("dpkg-query");
    query.args(["--show", "--showformat", "${db:Status-Status}", package]);
    Ok(runner.output_if_good(&mut query)?.as_deref() == Some("installed"))
}

/// Looks also where a user's path may not: servers stand in `/usr/sbin`.
fn is_on_path(workspace: &Workspace, runner: &Runner, program: &str) -> Result<bool, Failure> {
    let mut command = workspace.command("sh");
    command.args([
        "-c",
        "PATH=$PATH:/usr/sbin; command -v \"$1\"",
        "sh",
        program,
    ]);
    runner.succeeds(&mut command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_blank_lines_name_no_package() {
        assert_eq!(
            names("# browsers\nchromium\n\n  haproxy # a proxy\n"),
            ["chromium", "haproxy"]
        );
    }

    #[test]
    fn variant_of_a_package_is_wanted_for_its_program() {
        assert_eq!(program_of("nginx-light"), "nginx");
        assert_eq!(program_of("chromium"), "chromium");
    }
}
