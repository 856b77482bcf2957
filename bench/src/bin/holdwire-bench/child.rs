//! Runs a server and the load generator beside it, each on its own CPU.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Resource, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use serde::de::DeserializeOwned;

use crate::servers::{self, Server};

const SERVER_CPU: usize = 0;
const LOAD_CPU: usize = 1;
const START_PATIENCE: Duration = Duration::from_secs(10);

/// A server that runs; it is killed when this is dropped.
pub(crate) struct Running {
    child: Child,
    address: String,
    pid: u32,
    is_pinned: bool,
}

/// How a server is started.
#[derive(Clone, Copy)]
pub(crate) struct Setting<'a> {
    /// A command whose argument the server is, such as a tracer.
    pub(crate) wrapper: &'a [&'a str],
    /// More arguments for the server.
    pub(crate) arguments: &'a [&'a str],
    /// Whether server and load generator have a CPU each; else both use all.
    pub(crate) is_pinned: bool,
}

impl Default for Setting<'_> {
    fn default() -> Self {
        Self {
            wrapper: &[],
            arguments: &[],
            is_pinned: true,
        }
    }
}

impl Running {
    /// Starts the server on a free port of loopback and waits until it accepts.
    pub(crate) fn start(server: &Server) -> io::Result<Self> {
        Self::start_in(server, Setting::default())
    }

    /// The same in another setting.
    pub(crate) fn start_in(server: &Server, setting: Setting<'_>) -> io::Result<Self> {
        let address = free_address()?;
        let mut words = setting.wrapper.iter().map(|word| (*word).to_owned());
        let mut server_words = server.command_line(&address).into_iter();
        let program = words.next().or_else(|| server_words.next());
        let mut command = Command::new(program.unwrap_or_default());
        command.args(words).args(server_words);
        command.args(setting.arguments);
        command.stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let cpu = setting.is_pinned.then_some(SERVER_CPU);
        let child = on_cpu(cpu, || command.spawn())?;
        let mut running = Self {
            pid: child.id(),
            child,
            address,
            is_pinned: setting.is_pinned,
        };
        running.wait_until_it_accepts()?;
        if !setting.wrapper.is_empty() {
            running.pid = only_child_of(running.child.id())?;
        }
        Ok(running)
    }

    /// The server's process.
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Loads the server and returns what the load generator reports.
    pub(crate) fn load<R: DeserializeOwned>(
        &self,
        mode: &str,
        path: &str,
        options: &str,
    ) -> io::Result<R> {
        let mut command = servers::load();
        command.arg(mode);
        command.args(["--address", &self.address, "--path", path]);
        command.args(["--server-pid", &self.pid.to_string()]);
        command.args(options.split_whitespace());
        command.stderr(Stdio::inherit());
        let cpu = self.is_pinned.then_some(LOAD_CPU);
        let output = on_cpu(cpu, || command.output())?;
        if !output.status.success() {
            return Err(io::Error::other("the load generator failed"));
        }
        serde_json::from_slice(&output.stdout).map_err(io::Error::other)
    }

    /// Kills the server only, and waits until what it was started under has ended.
    pub(crate) fn end_under(mut self) -> io::Result<()> {
        let pid = i32::try_from(self.pid).ok();
        if let Some(pid) = pid.and_then(rustix::process::Pid::from_raw) {
            rustix::process::kill_process(pid, rustix::process::Signal::KILL)?;
        }
        self.child.wait()?;
        Ok(())
    }

    fn wait_until_it_accepts(&mut self) -> io::Result<()> {
        let start = Instant::now();
        while TcpStream::connect(&self.address).is_err() {
            if self.child.try_wait()?.is_some() {
                return Err(io::Error::other("the server ended at once"));
            }
            if start.elapsed() > START_PATIENCE {
                return Err(io::Error::other("the server does not accept"));
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself, and then there is nothing to do.
        let _ended = self.child.kill();
        let _ended = self.child.wait();
    }
}

/// Allows this process, and those that it starts, as many open files as the system lets it.
pub(crate) fn raise_open_files() -> io::Result<()> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    Ok(setrlimit(Resource::Nofile, limit)?)
}

/// Starts a program that watches, where the load generator runs.
pub(crate) fn spawn_watcher(command: &mut Command) -> io::Result<Child> {
    on_cpu(Some(LOAD_CPU), || command.spawn())
}

/// Runs `start` with this thread pinned, for a child process begins where its parent is.
fn on_cpu<T>(cpu: Option<usize>, start: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    let Some(cpu) = cpu else {
        return start();
    };
    let before = sched_getaffinity(None)?;
    let mut pinned = CpuSet::new();
    pinned.set(cpu);
    sched_setaffinity(None, &pinned)?;
    let result = start();
    sched_setaffinity(None, &before)?;
    result
}

fn free_address() -> io::Result<String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?.to_string())
}

fn only_child_of(pid: u32) -> io::Result<u32> {
    fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))?
        .trim()
        .parse()
        .map_err(io::Error::other)
}
