//! The command line of `bad-inputs`.

use std::net::SocketAddr;
use std::path::PathBuf;

/// What was asked for.
#[derive(Debug, Default)]
pub(crate) struct Options {
    /// The server to test.
    pub(crate) server: Option<SocketAddr>,
    /// Its process, to watch its memory.
    pub(crate) pid: Option<u32>,
    /// The binary to start instead.
    pub(crate) binary: Option<PathBuf>,
    /// Only cases whose name contains this.
    pub(crate) filter: Option<String>,
    /// Only this group.
    pub(crate) group: Option<String>,
    /// How far resident memory may grow, in MiB.
    pub(crate) memory_bound: Option<u64>,
    /// Only print the cases.
    pub(crate) list: bool,
    /// Only print the help.
    pub(crate) help: bool,
}

pub(crate) const HELP: &str = "\
usage: holdwire-conformance bad-inputs (--bin PATH | --server ADDR:PORT [--pid PID]) [options]

  --bin PATH          start this holdwire binary on a free port and watch its memory
  --server ADDR:PORT  test a server that runs already
  --pid PID           its process, to watch its memory (Linux)
  --group NAME        only this group; the floods are the group `process`
  --filter TEXT       only cases whose name contains TEXT
  --memory-bound MIB  how far resident memory may grow (default 64)
  --list              print the cases and stop";

impl Options {
    /// Reads the arguments.
    ///
    /// # Errors
    /// One line that says what to do.
    pub(crate) fn read(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self::default();
        while let Some(flag) = arguments.next() {
            match flag.as_str() {
                "--list" => options.list = true,
                "--help" | "-h" => options.help = true,
                _ => {
                    let value = arguments
                        .next()
                        .ok_or_else(|| format!("{flag} needs a value, or is not known"))?;
                    options.set(&flag, value)?;
                }
            }
        }
        let without_server = options.list || options.help;
        if !without_server && options.server.is_some() == options.binary.is_some() {
            return Err("name either --bin PATH or --server ADDR:PORT".to_owned());
        }
        Ok(options)
    }

    fn set(&mut self, flag: &str, value: String) -> Result<(), String> {
        let bad = || format!("{flag}: cannot read {value:?}");
        match flag {
            "--server" => self.server = Some(value.parse().map_err(|_| bad())?),
            "--pid" => self.pid = Some(value.parse().map_err(|_| bad())?),
            "--bin" => self.binary = Some(value.into()),
            "--filter" => self.filter = Some(value),
            "--group" => self.group = Some(value),
            "--memory-bound" => self.memory_bound = Some(value.parse().map_err(|_| bad())?),
            _ => return Err(format!("{flag} is not known; see --help")),
        }
        Ok(())
    }

    /// Whether a case is asked for.
    pub(crate) fn wants(&self, group: &str, name: &str) -> bool {
        self.group.as_deref().is_none_or(|wanted| wanted == group)
            && self
                .filter
                .as_deref()
                .is_none_or(|part| name.contains(part))
    }
}
