//! A server of the program that runs for one test, and ends with it whatever happens.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use crate::common::holdwire;
use crate::peer::Peer;

/// How long anything may take that should happen at once.
pub const SOON: Duration = Duration::from_secs(10);

pub struct Running {
    process: Child,
    log: Receiver<String>,
    seen: String,
    pub banner: String,
    pub address: SocketAddr,
}

impl Running {
    /// `holdwire serve` on a free loopback port, with these flags.
    pub fn start(flags: &[&str]) -> Self {
        let mut command = holdwire(&["serve", "--listen", "127.0.0.1:0"]);
        command.args(flags);
        Self::spawn(&mut command)
    }

    /// On a free port of all addresses, as behind a reverse proxy on another machine.
    pub fn start_open(flags: &[&str]) -> Self {
        let mut command = holdwire(&["serve", "--listen", "0.0.0.0:0"]);
        command.args(flags);
        Self::spawn(&mut command)
    }

    pub fn spawn(command: &mut Command) -> Self {
        let mut process = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (lines, log) = mpsc::channel();
        let mut stderr = BufReader::new(process.stderr.take().unwrap());
        // The log is read all the time: a full pipe would stop the server.
        std::thread::spawn(move || {
            let mut line = Vec::new();
            while stderr.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
                let text = String::from_utf8_lossy(&line).into_owned();
                if lines.send(text).is_err() {
                    return;
                }
                line.clear();
            }
        });
        let mut stdout = BufReader::new(process.stdout.take().unwrap());
        let mut banner = String::new();
        let mut address = None;
        // The banner ends with an empty line after the limits.
        while address.is_none() || !banner.ends_with("\n\n") {
            let before = banner.len();
            if stdout.read_line(&mut banner).unwrap() == 0 {
                let _ = process.kill();
                let _ = process.wait();
                let log: String = log.iter().collect();
                panic!("the server did not start: {banner}{log}");
            }
            if let Some(bound) = banner[before..].trim().strip_prefix("Listens") {
                let mut bound: SocketAddr = bound.trim().parse().unwrap();
                if bound.ip().is_unspecified() {
                    bound.set_ip([127, 0, 0, 1].into());
                }
                address = Some(bound);
            }
        }
        Self {
            process,
            log,
            seen: String::new(),
            banner,
            address: address.unwrap(),
        }
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        stream.set_write_timeout(Some(SOON)).unwrap();
        stream
    }

    /// Opens a WebSocket connection; panics when it is refused.
    pub fn open(&self, path: &str) -> Peer {
        let (peer, head) = Peer::handshake(self.connect(), path, &self.host());
        peer.unwrap_or_else(|| panic!("{head}"))
    }

    /// The answer to a handshake with these header lines, each ending with CRLF.
    pub fn upgrade(&self, path: &str, lines: &str) -> (Option<Peer>, String) {
        Peer::handshake(self.connect(), path, lines)
    }

    /// The status of such an answer.
    pub fn status(&self, path: &str, lines: &str) -> u16 {
        status(&self.upgrade(path, lines).1)
    }

    /// The `Host` line of a client on this machine.
    pub fn host(&self) -> String {
        format!("Host: localhost:{}\r\n", self.address.port())
    }

    /// The whole answer to a request that ends its connection.
    pub fn ask(&self, method: &str, path: &str) -> String {
        let request = format!(
            "{method} {path} HTTP/1.1\r\n{}Connection: close\r\n\r\n",
            self.host()
        );
        self.ask_raw(&request)
    }

    pub fn get(&self, path: &str) -> String {
        self.ask("GET", path)
    }

    pub fn ask_raw(&self, request: &str) -> String {
        String::from_utf8(self.ask_bytes(request.as_bytes())).unwrap()
    }

    pub fn ask_bytes(&self, request: &[u8]) -> Vec<u8> {
        let mut stream = self.connect();
        stream.write_all(request).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        answer
    }

    /// A value of `/metrics`; 0 when it is not there yet.
    pub fn metric(&self, name: &str) -> u64 {
        let text = self.get("/metrics");
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.map_or(0, |value| value.trim().parse().unwrap())
    }

    /// Asks for a value until it is as expected.
    #[track_caller]
    pub fn await_metric(&self, name: &str, is_expected: impl Fn(u64) -> bool) -> u64 {
        let start = Instant::now();
        loop {
            let value = self.metric(name);
            if is_expected(value) {
                return value;
            }
            assert!(start.elapsed() < SOON, "{name} stays {value}");
        }
    }

    /// Waits for a log line with all of these parts.
    #[track_caller]
    pub fn await_log(&mut self, parts: &[&str]) -> String {
        let has_all = |line: &&str| parts.iter().all(|part| line.contains(part));
        let end = Instant::now() + SOON;
        loop {
            if let Some(line) = self.seen.lines().find(has_all) {
                return line.to_owned();
            }
            match self.log.recv_timeout(end - Instant::now().min(end)) {
                Ok(line) => self.seen.push_str(&line),
                Err(_) => panic!("no line with {parts:?} in:\n{}", self.seen),
            }
        }
    }

    /// The header lines of a page of this server, opened from this machine.
    pub fn page(&self) -> String {
        let port = self.address.port();
        format!("{}Origin: http://localhost:{port}\r\n", self.host())
    }

    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Sends a signal: `TERM`, `INT`.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args(["-s", name, &self.id().to_string()])
            .status();
        assert!(status.unwrap().success());
    }

    /// Waits until the process ends by itself.
    #[track_caller]
    pub fn wait(&mut self) -> ExitStatus {
        let start = Instant::now();
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                return status;
            }
            assert!(start.elapsed() < SOON, "the process does not end");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    pub fn is_running(&mut self) -> bool {
        self.process.try_wait().unwrap().is_none()
    }

    /// Resident memory, in KiB.
    pub fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.unwrap().trim().split(' ').next();
        number.unwrap().parse().unwrap()
    }

    /// Ends the server; its whole log.
    pub fn log(mut self) -> String {
        self.process.kill().unwrap();
        let rest: String = self.log.iter().collect();
        std::mem::take(&mut self.seen) + &rest
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The status of an answer.
pub fn status(answer: &str) -> u16 {
    let status = answer
        .strip_prefix("HTTP/1.")
        .and_then(|rest| rest.get(2..5));
    status
        .unwrap_or_else(|| panic!("{answer:?}"))
        .parse()
        .unwrap()
}

/// The value of a header field of an answer.
pub fn field<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    let head = answer.split("\r\n\r\n").next()?;
    head.lines().skip(1).find_map(|line| {
        let (own, value) = line.split_once(':')?;
        own.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}
