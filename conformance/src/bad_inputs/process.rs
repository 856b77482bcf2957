//! The server's process: started when asked for, and its resident memory watched (Linux).

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::line::Line;
use super::response::{Reply, read_response};

/// A server that this program started, and ends.
#[derive(Debug)]
pub(crate) struct Started {
    child: Child,
    pub(crate) server: SocketAddr,
    panics: Arc<Mutex<Vec<String>>>,
}

impl Started {
    /// Starts `binary serve` on a free port and waits until it is ready.
    ///
    /// # Errors
    /// One line about what went wrong.
    pub(crate) fn new(binary: &Path) -> Result<Self, String> {
        let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .and_then(|listener| listener.local_addr())
            .map_err(|error| format!("no free port: {error}"))?;
        let mut command = Command::new(binary);
        // The defaults are under test, not the settings of whoever runs it.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("HOLDWIRE_") {
                command.env_remove(name);
            }
        }
        let mut child = command
            .args(["serve", "--listen", &server.to_string()])
            .env("RUST_LOG", "error")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("cannot start {}: {error}", binary.display()))?;
        let panics = Arc::new(Mutex::new(Vec::new()));
        if let Some(stderr) = child.stderr.take() {
            let panics = Arc::clone(&panics);
            std::thread::spawn(move || relay(stderr, &panics));
        }
        let mut started = Self {
            child,
            server,
            panics,
        };
        let until = Instant::now() + READY_WITHIN;
        while Instant::now() < until {
            if let Ok(Some(status)) = started.child.try_wait() {
                return Err(format!("{} ended: {status}", binary.display()));
            }
            if get_is_ok(server, "/health/ready") {
                return Ok(started);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Err(format!("{} was not ready in time", binary.display()))
    }

    /// What the server's panics said.
    pub(crate) fn panics(&self) -> Vec<String> {
        self.panics.lock().map(|it| it.clone()).unwrap_or_default()
    }

    /// The process to watch.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// Passes the server's errors on and keeps those lines that tell of a panic.
fn relay(stderr: ChildStderr, panics: &Mutex<Vec<String>>) {
    for line in BufReader::new(stderr).lines().map_while(Result::ok) {
        eprintln!("{line}");
        if line.contains("panicked at")
            && let Ok(mut panics) = panics.lock()
        {
            panics.push(line);
        }
    }
}

/// Whether a GET of the page is answered 200.
pub(crate) fn get_is_ok(server: SocketAddr, target: &str) -> bool {
    let Ok(mut line) = Line::open(server) else {
        return false;
    };
    line.send(
        format!("GET {target} HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\n\r\n").as_bytes(),
    );
    let deadline = Instant::now() + Duration::from_secs(5);
    matches!(read_response(&mut line, "GET", deadline), Reply::Response(it) if it.status == 200)
}

/// Watches how far a process' resident memory grows.
#[derive(Debug)]
pub(crate) struct Memory {
    pid: u32,
    start: u64,
    highest: u64,
    bound: u64,
}

impl Memory {
    /// Takes today's resident memory as the start.
    ///
    /// # Errors
    /// When the process is not there or the system has no `/proc`.
    pub(crate) fn watch(pid: u32, bound_mib: u64) -> Result<Self, String> {
        let start = kibibytes(pid, "VmRSS:")?;
        Ok(Self {
            pid,
            start,
            highest: start,
            bound: bound_mib * 1024,
        })
    }

    /// Sees that the highest point since the last look is within the bound.
    ///
    /// Each look starts a new highest point, so that a failure stays with what caused it.
    ///
    /// # Errors
    /// A sentence with the numbers, or that the process is gone.
    pub(crate) fn check(&mut self) -> Result<(), String> {
        let peak = kibibytes(self.pid, "VmHWM:")?;
        self.highest = self.highest.max(peak);
        // Without the right to do this the peak stays, which is only stricter.
        let _refused = std::fs::write(format!("/proc/{}/clear_refs", self.pid), RESET_PEAK);
        if peak.saturating_sub(self.start) <= self.bound {
            return Ok(());
        }
        Err(format!(
            "{} KiB at the start, {peak} KiB at the peak",
            self.start
        ))
    }

    /// The line to print at the end.
    pub(crate) fn summary(&self) -> String {
        format!(
            "resident memory: {} KiB at the start, {} KiB at the peak, may grow by {} KiB",
            self.start, self.highest, self.bound
        )
    }
}

fn kibibytes(pid: u32, name: &str) -> Result<u64, String> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))
        .map_err(|error| format!("process {pid} cannot be watched: {error}"))?;
    status
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .and_then(|rest| rest.trim().trim_end_matches(" kB").parse().ok())
        .ok_or_else(|| format!("process {pid} tells no {name} (has it ended?)"))
}

const RESET_PEAK: &str = "5"; // proc(5), clear_refs
const READY_WITHIN: Duration = Duration::from_secs(15);
