//! What tests of the built program share.

#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

pub mod client;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use holdwire::handshake::Key;

/// The built program, with nothing in its environment.
pub fn holdwire(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdwire"));
    command.args(arguments).env_clear();
    command
}

/// Runs it to its end: exit code, standard output, standard error.
pub fn run(command: &mut Command) -> (Option<i32>, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = command.stdin(Stdio::null()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

/// Reads the head of a request; `None` when the client went before it was whole.
pub fn read_head(socket: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        socket.read_exact(&mut byte).ok()?;
        head.extend(byte);
    }
    Some(String::from_utf8(head).unwrap())
}

/// Answers an opening handshake with yes.
pub fn accept(head: &str, socket: &mut TcpStream) {
    let key = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("sec-websocket-key")
            .then_some(value)
    });
    let accept = Key::parse(key.unwrap().as_bytes()).unwrap().accept();
    let head = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {}\r\n\r\n",
        accept.to_str().unwrap()
    );
    socket.write_all(head.as_bytes()).unwrap();
}

/// A server of the program on a port of its own; it ends with the value.
pub struct Server {
    process: Child,
    stdout: BufReader<ChildStdout>,
    pub banner: String,
    pub address: SocketAddr,
}

impl Server {
    pub fn start(arguments: &[&str]) -> Self {
        let mut process = holdwire(&["serve", "--listen", "127.0.0.1:0"])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(process.stdout.take().unwrap());
        let mut banner = String::new();
        let address = loop {
            let before = banner.len();
            assert_ne!(stdout.read_line(&mut banner).unwrap(), 0, "{banner}");
            if let Some(address) = banner[before..].trim().strip_prefix("Listens") {
                break address.trim().parse().unwrap();
            }
        };
        Self {
            process,
            stdout,
            banner,
            address,
        }
    }

    pub fn ask(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// Ends the server; what it wrote to standard output after its address, and its log.
    pub fn stop(mut self) -> (String, String) {
        self.process.kill().unwrap();
        let (mut rest, mut log) = (String::new(), String::new());
        self.stdout.read_to_string(&mut rest).unwrap();
        let mut stderr = self.process.stderr.take().unwrap();
        stderr.read_to_string(&mut log).unwrap();
        self.process.wait().unwrap();
        (rest, log)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
