//! The suites that drive the built program: what it costs, bad inputs, other people's clients, SDKs and
//! servers, a browser, wires that are cut, proxies, Autobahn.
//!
//! A script gets two environment variables: `HOLDWIRE_BIN`, the program under test, and
//! `HOLDWIRE_VENV`, the Python environment that `setup` made. It exits with 0 when all is well.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::Failure;
use crate::process::Runner;
use crate::setup;
use crate::workspace::Workspace;

/// One suite that is a stage of the gate.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Suite {
    /// The stage's name.
    pub(crate) name: &'static str,
    /// The stage's budget.
    pub(crate) minutes: u64,
    /// What it proves.
    pub(crate) about: &'static str,
    /// The file or folder below `conformance/` that it is there with.
    source: &'static str,
    arguments: &'static [&'static str],
}

impl Suite {
    /// All suites, in the order they run.
    pub(crate) fn all() -> [Self; 13] {
        [
            Self {
                name: "counts",
                minutes: 2,
                about: "instructions, system calls and memory against bounds",
                source: "counts",
                arguments: &[],
            },
            Self {
                name: "bad-inputs",
                minutes: 2,
                about: "the catalogue of bad inputs over TCP",
                source: "src/bad_inputs",
                arguments: &[],
            },
            Self {
                name: "drain",
                minutes: 3,
                about: "a thousand clients through a drain, a crash, and back",
                source: "src/drain",
                arguments: &[],
            },
            Self {
                name: "peers",
                minutes: 3,
                about: "other implementations as client and server",
                source: "peers",
                arguments: &[],
            },
            Self {
                name: "browser",
                minutes: 4,
                about: "a real browser",
                source: "browser",
                arguments: &[],
            },
            Self {
                name: "reconnect",
                minutes: 4,
                about: "a real browser beside the flaws of the classic style",
                source: "reconnect",
                arguments: &[],
            },
            Self {
                name: "centrifuge",
                minutes: 3,
                about: "SDKs of the Centrifuge protocol, and commands that none would send",
                source: "centrifuge",
                arguments: &[],
            },
            Self {
                name: "guides",
                minutes: 2,
                about: "the backends of the guide, as they stand there, in a real browser",
                source: "guides",
                arguments: &[],
            },
            Self {
                name: "namespaces",
                minutes: 3,
                about: "a wire that is cut, slow or loses packets",
                source: "namespaces",
                arguments: &[],
            },
            Self {
                name: "chaos",
                minutes: 5,
                about: "channels read and published by all kinds of clients under faults, judged",
                source: "chaos",
                arguments: &[],
            },
            Self {
                name: "api",
                minutes: 3,
                about: "libraries of backends, curl and made-up calls against the HTTP interface",
                source: "api",
                arguments: &[],
            },
            Self {
                name: "proxies",
                minutes: 1,
                about: "reverse proxies and CONNECT",
                source: "proxies",
                arguments: &[],
            },
            Self {
                name: "autobahn-quick",
                minutes: 2,
                about: "Autobahn without 12 and 13, both roles",
                source: "autobahn",
                arguments: &["--role", "both", "--quick"],
            },
        ]
    }

    /// Whether the repository has the suite.
    pub(crate) fn exists(self, workspace: &Workspace) -> bool {
        self.path(workspace).exists()
    }

    /// Runs it against the release binary, which must be built.
    pub(crate) fn run(self, workspace: &Workspace, runner: &Runner) -> Result<(), Failure> {
        let mut command = if self.source.starts_with("src/") {
            let program = workspace.target("release/holdwire-conformance");
            let mut command = with_environment(workspace, workspace.command(program))?;
            command
                .arg(self.name)
                .arg("--bin")
                .arg(program_under_test(workspace));
            command
        } else {
            script(workspace, &entry(&self.path(workspace))?)?
        };
        runner.run(command.args(self.arguments))
    }

    fn path(self, workspace: &Workspace) -> PathBuf {
        workspace.path("conformance").join(self.source)
    }
}

/// All Autobahn cases in both roles; the release binary must be built.
pub(crate) fn autobahn_full(
    workspace: &Workspace,
    runner: &Runner,
    arguments: &[String],
) -> Result<(), Failure> {
    let run = workspace.path("conformance/autobahn/run.py");
    runner.run(
        script(workspace, &run)?
            .args(["--role", "both"])
            .args(arguments),
    )
}

/// A page with the classic heartbeat, left open for minutes; the release binary must be built.
pub(crate) fn endure(
    workspace: &Workspace,
    runner: &Runner,
    arguments: &[String],
) -> Result<(), Failure> {
    let endure = workspace.path("conformance/reconnect/endure.py");
    runner.run(script(workspace, &endure)?.args(arguments))
}

/// Readers and publishers of all kinds under faults; the release binaries must be built.
pub(crate) fn chaos(
    workspace: &Workspace,
    runner: &Runner,
    arguments: &[String],
) -> Result<(), Failure> {
    let run = workspace.path("conformance/chaos/run.py");
    runner.run(script(workspace, &run)?.args(arguments))
}

/// Whether the benchmarks are only asked what they can do, which needs no server.
pub(crate) fn measures_nothing(arguments: &[String]) -> bool {
    let asks = |argument: &String| matches!(argument.as_str(), "--help" | "-h" | "--list");
    arguments.iter().any(asks)
}

/// The benchmarks: a workspace of its own with its own target directory, run in its folder.
pub(crate) fn bench(
    workspace: &Workspace,
    runner: &Runner,
    arguments: &[String],
) -> Result<(), Failure> {
    let cargo = |first: &[&str]| {
        let command = outside(workspace, "bench", first);
        with_environment(workspace, command)
    };
    if measures_nothing(arguments) {
        return runner.run(cargo(&["run", "--release", "--quiet", "--"])?.args(arguments));
    }
    setup::node_packages(workspace, runner, "bench/js", "npm-bench")?;
    runner.run(&mut cargo(&["build", "--release", "--bins"])?)?;
    runner.run(cargo(&["run", "--release", "--"])?.args(arguments))?;
    runner.run(&mut cargo(&["bench", "--bench", "codec"])?)
}

/// The TypeScript client's own check; the release binary must be built.
pub(crate) fn typescript(workspace: &Workspace, runner: &Runner) -> Result<(), Failure> {
    let mut check = script(workspace, &workspace.path("client/scripts/check.mjs"))?;
    runner.run(check.current_dir(workspace.path("client")))
}

/// Cargo in a folder that is a workspace of its own.
pub(crate) fn outside(workspace: &Workspace, folder: &str, arguments: &[&str]) -> Command {
    let mut command = workspace.cargo(arguments);
    command.current_dir(workspace.path(folder));
    command.env("CARGO_TARGET_DIR", workspace.target(folder));
    command
}

/// The one entry script of a folder.
fn entry(folder: &Path) -> Result<PathBuf, Failure> {
    let names = ["run.py", "run.mjs"];
    let found = names
        .iter()
        .map(|name| folder.join(name))
        .find(|path| path.exists());
    found.ok_or_else(|| {
        let names = names.join(" or ");
        Failure::new(format!("{} has no {names}", folder.display()))
    })
}

/// A command that runs a Python or Node script with the two variables set.
fn script(workspace: &Workspace, path: &Path) -> Result<Command, Failure> {
    let is_python = path.extension().is_some_and(|extension| extension == "py");
    let interpreter = match is_python {
        true => workspace.venv().join("bin/python"),
        false => PathBuf::from("node"),
    };
    let mut command = with_environment(workspace, workspace.command(interpreter))?;
    command.arg(path);
    Ok(command)
}

fn with_environment(workspace: &Workspace, mut command: Command) -> Result<Command, Failure> {
    let program = program_under_test(workspace);
    if !program.exists() {
        let missing = program.display();
        return Err(Failure::new(format!(
            "{missing} is not built: the stage build makes it"
        )));
    }
    let system = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(setup::own_node(workspace)).chain(std::env::split_paths(&system));
    let path = std::env::join_paths(folders).map_err(|error| Failure::new(error.to_string()))?;
    command
        .env("PATH", path)
        .env("HOLDWIRE_BIN", program)
        .env("HOLDWIRE_VENV", workspace.venv());
    Ok(command)
}

fn program_under_test(workspace: &Workspace) -> PathBuf {
    workspace.target("release/holdwire")
}
