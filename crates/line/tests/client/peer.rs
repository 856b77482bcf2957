//! The other end, scripted.

use std::net::SocketAddr;

use holdwire::proto::handshake::Key;
use holdwire::{Driver, Io, Role, Setup, Stream, WebSocket};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// One connection, seen from the other end.
pub struct Peer {
    io: Stream,
    read: Vec<u8>,
}

impl Peer {
    pub fn new(io: impl Io) -> Self {
        Self {
            io: Stream::new(io),
            read: Vec::new(),
        }
    }

    /// A client's end of a pipe, and the peer at the other.
    pub fn pipe() -> (DuplexStream, Self) {
        let (client, server) = tokio::io::duplex(256 * 1024);
        (client, Self::new(server))
    }

    /// The next head, its empty line included.
    pub async fn head(&mut self) -> String {
        let end = loop {
            let end = self.read.windows(4).position(|bytes| bytes == b"\r\n\r\n");
            if let Some(end) = end {
                break end + 4;
            }
            assert_ne!(
                self.io.read_buf(&mut self.read).await.unwrap(),
                0,
                "no head"
            );
        };
        String::from_utf8(self.read.drain(..end).collect()).unwrap()
    }

    /// All that still comes until the client closes.
    pub async fn rest(&mut self) -> Vec<u8> {
        let mut rest = std::mem::take(&mut self.read);
        self.io.read_to_end(&mut rest).await.unwrap();
        rest
    }

    pub async fn say(&mut self, bytes: impl AsRef<[u8]>) {
        self.io.write_all(bytes.as_ref()).await.unwrap();
        self.io.flush().await.unwrap();
    }

    /// Answers a handshake as it should be answered, with more header lines and the bytes after
    /// it; returns the request.
    pub async fn accept(&mut self, more: &str, after: &[u8]) -> String {
        let request = self.head().await;
        let mut answer = switching(&request, more).into_bytes();
        answer.extend_from_slice(after);
        self.say(answer).await;
        request
    }

    /// What follows, as a server's connection.
    pub fn open(self, setup: Setup) -> (WebSocket, Driver) {
        assert!(self.read.is_empty());
        WebSocket::over_stream(self.io, Role::Server, setup)
    }

    /// Sends every message back until the client closes.
    pub async fn echo(self, setup: Setup) {
        let (mut socket, driver) = self.open(setup);
        let echo = async move {
            while let Some(Ok(message)) = socket.recv().await {
                socket.send(message).await.unwrap();
            }
        };
        driver.run(echo).await;
    }

    pub fn into_io(self) -> Stream {
        assert!(self.read.is_empty());
        self.io
    }
}

/// The 101 to a request, with more header lines, each with its line end.
pub fn switching(request: &str, more: &str) -> String {
    let key = field(request, "sec-websocket-key").expect("there is a key");
    let accept = Key::parse(key.as_bytes()).expect("the key is one").accept();
    let accept = accept.to_str().unwrap();
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n{more}\r\n"
    )
}

/// The value of a header.
pub fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().skip(1).find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// Listens on 127.0.0.1 and plays the script with the first connection; its result is the task's.
pub async fn listen<F, S>(script: F) -> (SocketAddr, JoinHandle<S::Output>)
where
    F: FnOnce(Peer) -> S + Send + 'static,
    S: Future<Output: Send + 'static> + Send,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(async move {
        let (tcp, _) = listener.accept().await.unwrap();
        script(Peer::new(tcp)).await
    });
    (address, task)
}
