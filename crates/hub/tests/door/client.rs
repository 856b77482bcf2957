//! A client by hand, which reads when the test wants it to.

use std::net::SocketAddr;

use bytes::{Buf as _, Bytes, BytesMut};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

/// A WebSocket connection of the test.
pub struct Client {
    reading: OwnedReadHalf,
    writing: Option<OwnedWriteHalf>,
    received: BytesMut,
}

/// The first byte of a frame and its payload.
pub type Frame = (u8, Bytes);

impl Client {
    /// Asks for this target; gives the response's head too.
    pub async fn connect(address: SocketAddr, target: &str) -> (Self, String) {
        Self::connect_with(address, target, "").await
    }

    /// The same with these header fields, each with its end of line.
    pub async fn connect_with(address: SocketAddr, target: &str, more: &str) -> (Self, String) {
        let socket = TcpSocket::new_v4().unwrap();
        // What a client does not read is to wait at the server.
        socket.set_recv_buffer_size(16 * 1024).unwrap();
        let tcp = socket.connect(address).await.unwrap();
        tcp.set_nodelay(true).unwrap();
        let (reading, writing) = tcp.into_split();
        let mut client = Self {
            reading,
            writing: Some(writing),
            received: BytesMut::new(),
        };
        let request = format!(
            "GET {target} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: w4v7O6xFTi36lq3RNcgctw==\r\n\
             {more}\r\n"
        );
        client.write(request).await;
        let length = loop {
            let received = &client.received;
            if let Some(at) = received.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            assert!(client.more().await, "ended in the handshake");
        };
        let head = client.received.split_to(length);
        (client, String::from_utf8(head.to_vec()).unwrap())
    }

    pub async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        let writing = self.writing.as_mut().expect("not taken");
        writing.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Takes the writing half.
    pub fn split(mut self) -> (Self, OwnedWriteHalf) {
        let writing = self.writing.take().expect("not taken");
        (self, writing)
    }

    pub async fn send(&mut self, text: &str) {
        self.write(frame(0x81, text.as_bytes())).await;
    }

    async fn more(&mut self) -> bool {
        self.received.reserve(64 * 1024);
        matches!(self.reading.read_buf(&mut self.received).await, Ok(1..))
    }

    async fn bytes(&mut self, count: usize) -> Option<Bytes> {
        while self.received.len() < count {
            if !self.more().await {
                return None;
            }
        }
        Some(self.received.split_to(count).freeze())
    }

    /// The next frame; `None` at the end.
    pub async fn frame(&mut self) -> Option<Frame> {
        let head = self.bytes(2).await?;
        let length = match head[1] {
            126 => usize::from(self.bytes(2).await?.get_u16()),
            127 => usize::try_from(self.bytes(8).await?.get_u64()).unwrap(),
            short => usize::from(short),
        };
        Some((head[0], self.bytes(length).await?))
    }

    /// The next frame, which is a text.
    pub async fn text(&mut self) -> String {
        match self.frame().await {
            Some((0x81, payload)) => String::from_utf8(payload.to_vec()).unwrap(),
            other => panic!("no text: {other:?}"),
        }
    }

    /// Reads texts until the Close frame; gives them, its code and its reason.
    pub async fn texts_until_closed(&mut self) -> (Vec<String>, u16, String) {
        let mut texts = Vec::new();
        loop {
            match self.frame().await {
                Some((0x81, text)) => texts.push(String::from_utf8(text.to_vec()).unwrap()),
                Some((0x88, mut payload)) => {
                    let code = payload.get_u16();
                    return (texts, code, String::from_utf8(payload.to_vec()).unwrap());
                }
                other => panic!("neither text nor Close frame: {other:?}"),
            }
        }
    }

    /// The next message, which is JSON.
    pub async fn json(&mut self) -> Value {
        serde_json::from_str(&self.text().await).unwrap()
    }

    /// Closes in good order.
    pub async fn close(mut self) {
        self.write(frame(0x88, &1000_u16.to_be_bytes())).await;
        while self.more().await {}
    }
}

/// A frame with this first byte, masked by zeros.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        length @ 0..=125 => frame.push(0x80 | u8::try_from(length).unwrap()),
        length @ 126..=0xFFFF => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&u16::try_from(length).unwrap().to_be_bytes());
        }
        length => {
            frame.push(0x80 | 127);
            frame.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(payload);
    frame
}
