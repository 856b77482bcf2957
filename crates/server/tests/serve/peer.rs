//! A WebSocket peer that shares no code with the product: bytes in, bytes out.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;

pub const TEXT: u8 = 0x1;
pub const BINARY: u8 = 0x2;
pub const CLOSE: u8 = 0x8;
pub const PING: u8 = 0x9;
pub const PONG: u8 = 0xA;
pub const FIN: u8 = 0x80;
pub const RSV1: u8 = 0x40;

/// What the RFC's own example answers to the key below (RFC 6455 §1.3).
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A frame from the server.
#[derive(Debug, PartialEq, Eq)]
pub struct Frame {
    /// FIN, reserved bits and opcode.
    pub first: u8,
    pub payload: Vec<u8>,
}

impl Frame {
    /// The code of a Close frame.
    #[track_caller]
    pub fn code(&self) -> u16 {
        assert_eq!(self.first, FIN | CLOSE, "{self:?}");
        u16::from_be_bytes([self.payload[0], self.payload[1]])
    }

    /// The reason of a Close frame, which is JSON.
    #[track_caller]
    pub fn advice(&self) -> serde_json::Value {
        assert_eq!(self.first, FIN | CLOSE, "{self:?}");
        serde_json::from_slice(&self.payload[2..]).unwrap()
    }
}

pub struct Peer {
    pub stream: TcpStream,
}

impl Peer {
    /// Asks for an upgrade with these header lines besides those of WebSocket; the connection if
    /// it is open, and the head of the answer, with its body when it is a refusal.
    pub fn handshake(mut stream: TcpStream, path: &str, lines: &str) -> (Option<Self>, String) {
        let request = format!(
            "GET {path} HTTP/1.1\r\n{lines}Upgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut head = read_head(&mut stream);
        if head.starts_with(b"HTTP/1.1 101 ") {
            let head = String::from_utf8(head).unwrap();
            assert!(head.contains(ACCEPT), "{head}");
            return (Some(Self { stream }), head);
        }
        stream.read_to_end(&mut head).unwrap();
        (None, String::from_utf8(head).unwrap())
    }

    /// Takes a connection whose request is sent already.
    pub fn answered(mut stream: TcpStream) -> Self {
        let head = read_head(&mut stream);
        assert!(head.starts_with(b"HTTP/1.1 101 "), "{head:?}");
        Self { stream }
    }

    /// A masked frame with this first byte.
    pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![first];
        match payload.len() {
            short @ 0..=125 => bytes.push(0x80 | u8::try_from(short).unwrap()),
            medium @ 126..=0xffff => {
                bytes.push(0x80 | 126);
                bytes.extend(u16::try_from(medium).unwrap().to_be_bytes());
            }
            long => {
                bytes.push(0x80 | 127);
                bytes.extend((long as u64).to_be_bytes());
            }
        }
        bytes.extend(MASK);
        let masked = payload.iter().zip(MASK.iter().cycle());
        bytes.extend(masked.map(|(byte, mask)| byte ^ mask));
        bytes
    }

    pub fn send(&mut self, first: u8, payload: &[u8]) {
        self.stream.write_all(&Self::frame(first, payload)).unwrap();
    }

    pub fn say(&mut self, text: &str) {
        self.send(FIN | TEXT, text.as_bytes());
    }

    /// The next frame.
    #[track_caller]
    pub fn next(&mut self) -> Frame {
        let mut head = [0; 2];
        self.stream.read_exact(&mut head).unwrap();
        assert_eq!(head[1] & 0x80, 0, "a server does not mask (RFC 6455 §5.1)");
        let length = match head[1] {
            126 => {
                let mut bytes = [0; 2];
                self.stream.read_exact(&mut bytes).unwrap();
                u64::from(u16::from_be_bytes(bytes))
            }
            127 => {
                let mut bytes = [0; 8];
                self.stream.read_exact(&mut bytes).unwrap();
                u64::from_be_bytes(bytes)
            }
            short => u64::from(short),
        };
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        self.stream.read_exact(&mut payload).unwrap();
        Frame {
            first: head[0],
            payload,
        }
    }

    /// The next frame, which is a whole text message.
    #[track_caller]
    pub fn text(&mut self) -> String {
        let frame = self.next();
        assert_eq!(frame.first, FIN | TEXT, "{frame:?}");
        String::from_utf8(frame.payload).unwrap()
    }

    /// Waits until the server ends the TCP connection, whatever it still says.
    #[track_caller]
    pub fn wait_for_end(&mut self) {
        let mut rest = Vec::new();
        match self.stream.read_to_end(&mut rest) {
            Err(error) if error.kind() != ErrorKind::ConnectionReset => panic!("{error}"),
            _ => {}
        }
    }

    /// Does the closing handshake from this side; the frame that answers.
    pub fn close(mut self, code: u16) -> Frame {
        self.send(FIN | CLOSE, &code.to_be_bytes());
        loop {
            let frame = self.next();
            if frame.first == FIN | CLOSE {
                return frame;
            }
        }
    }
}

fn read_head(stream: &mut TcpStream) -> Vec<u8> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if let Err(error) = stream.read_exact(&mut byte) {
            panic!("{error} after {:?}", String::from_utf8_lossy(&head));
        }
        head.push(byte[0]);
    }
    head
}
