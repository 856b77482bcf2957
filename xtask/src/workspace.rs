//! Where things are: the root, the target directory, and what cargo says about the packages.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::failure::Failure;
use crate::process::Runner;

/// The folders that the stages work in.
#[derive(Debug, Clone)]
pub(crate) struct Workspace {
    root: PathBuf,
    target: PathBuf,
}

impl Workspace {
    /// Finds the repository that this program was built from.
    pub(crate) fn find() -> Result<Self, Failure> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .ok_or_else(|| Failure::new("xtask stands in no folder"))?
            .to_owned();
        let target = match std::env::var_os("CARGO_TARGET_DIR") {
            Some(folder) => std::path::absolute(PathBuf::from(folder))
                .map_err(Failure::io("CARGO_TARGET_DIR"))?,
            None => root.join("target"),
        };
        Ok(Self { root, target })
    }

    /// A path below the root of the repository.
    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    /// A path below the target directory.
    pub(crate) fn target(&self, relative: &str) -> PathBuf {
        self.target.join(relative)
    }

    /// The file that the output of one install goes to.
    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.target(&format!("xtask/{name}.log"))
    }

    /// The virtual environment of the Python scripts.
    pub(crate) fn venv(&self) -> PathBuf {
        self.target("venv")
    }

    /// A command that runs in the root of the repository.
    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.root);
        command
    }

    /// `cargo` with these arguments, from the toolchain that built us.
    pub(crate) fn cargo(&self, arguments: &[&str]) -> Command {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = self.command(cargo);
        command
            .args(arguments)
            .env("CARGO_TARGET_DIR", &self.target);
        command
    }

    /// `cargo metadata` of the workspace, every feature on, dependencies resolved.
    pub(crate) fn metadata(&self, runner: &Runner) -> Result<Value, Failure> {
        let mut command = self.cargo(&["metadata", "--format-version", "1", "--all-features"]);
        parse(&runner.output(&mut command)?)
    }

    /// `cargo metadata` of a package that is a workspace of its own, without its dependencies.
    pub(crate) fn metadata_of(&self, manifest: &Path, runner: &Runner) -> Result<Value, Failure> {
        let mut command = self.cargo(&["metadata", "--format-version", "1", "--no-deps"]);
        parse(&runner.output(command.arg("--manifest-path").arg(manifest))?)
    }
}

fn parse(text: &str) -> Result<Value, Failure> {
    serde_json::from_str(text).map_err(|error| Failure::new(format!("cargo metadata: {error}")))
}

/// The array under a key; nothing where the key is missing.
pub(crate) fn array<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value[key].as_array().into_iter().flatten()
}

/// The text under a key; empty where the key is missing.
pub(crate) fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

/// The packages of the workspace itself.
pub(crate) fn members(metadata: &Value) -> impl Iterator<Item = &Value> {
    array(metadata, "packages").filter(|package| package["source"].is_null())
}
