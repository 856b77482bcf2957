//! A client by hand: bytes over TCP.

use std::net::SocketAddr;

use holdwire::{Server, ServerHandle};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

/// A handshake that every server accepts.
pub const UPGRADE: &str = "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: w4v7O6xFTi36lq3RNcgctw==\r\n\r\n";

/// The handshake with another path and more header lines.
pub fn upgrade(path: &str, lines: &str) -> String {
    let request = UPGRADE.replacen("GET /", &format!("GET {path}"), 1);
    request.replacen("\r\nUpgrade", &format!("\r\n{lines}Upgrade"), 1)
}

/// A server on a free port.
pub async fn free() -> (Server, SocketAddr) {
    let server = Server::bind("127.0.0.1:0").await.unwrap();
    let address = server.local_addresses().unwrap()[0];
    (server, address)
}

/// Runs a server in a task.
pub fn run(server: Server) -> (ServerHandle, JoinHandle<std::io::Result<()>>) {
    let handle = server.handle();
    (handle, tokio::spawn(server.run()))
}

/// A TCP connection with what was read too far.
pub struct Raw {
    pub tcp: TcpStream,
    received: Vec<u8>,
}

/// A response: head and body.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Raw {
    pub async fn open(address: SocketAddr) -> Self {
        Self {
            tcp: TcpStream::connect(address).await.unwrap(),
            received: Vec::new(),
        }
    }

    /// Connects and sends.
    pub async fn send(address: SocketAddr, bytes: impl AsRef<[u8]>) -> Self {
        let mut raw = Self::open(address).await;
        raw.write(bytes).await;
        raw
    }

    pub async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        self.tcp.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Reads more; false at the end.
    async fn more(&mut self) -> bool {
        self.tcp.read_buf(&mut self.received).await.unwrap() > 0
    }

    pub async fn head(&mut self) -> String {
        loop {
            if let Some(at) = self
                .received
                .windows(4)
                .position(|four| four == b"\r\n\r\n")
            {
                let rest = self.received.split_off(at + 4);
                let head = std::mem::replace(&mut self.received, rest);
                return String::from_utf8(head).unwrap();
            }
            assert!(self.more().await, "ended in a head: {:?}", self.received);
        }
    }

    pub async fn bytes(&mut self, count: usize) -> Vec<u8> {
        while self.received.len() < count {
            assert!(self.more().await, "ended early: {:?}", self.received);
        }
        let rest = self.received.split_off(count);
        std::mem::replace(&mut self.received, rest)
    }

    /// A response whose head tells the length of its body.
    pub async fn answer(&mut self) -> Answer {
        let mut answer = self.answer_to_head().await;
        let length = answer
            .field("content-length")
            .map_or(0, |length| length.parse().unwrap());
        answer.body = String::from_utf8(self.bytes(length).await).unwrap();
        answer
    }

    /// A response without a body, whatever its head says.
    pub async fn answer_to_head(&mut self) -> Answer {
        let head = self.head().await;
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer {
            status,
            head,
            body: String::new(),
        }
    }

    /// A short frame that is not masked.
    pub async fn frame(&mut self) -> (u8, Vec<u8>) {
        let head = self.bytes(2).await;
        assert!(head[1] < 126, "a long frame");
        (head[0] & 0x0F, self.bytes(usize::from(head[1])).await)
    }

    /// Everything until the end.
    pub async fn rest(&mut self) -> Vec<u8> {
        while self.more().await {}
        std::mem::take(&mut self.received)
    }
}

impl Answer {
    pub fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }
}
