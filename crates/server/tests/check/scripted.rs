//! Servers of a few bytes, for any number of connections.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use crate::common::{accept, read_head};

/// A server; each connection's request and socket go to the script, on a thread of their own.
pub fn serve(script: impl Fn(&str, &mut TcpStream) + Send + Sync + Clone + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let (mut socket, script) = (socket.unwrap(), script.clone());
            std::thread::spawn(move || {
                if let Some(head) = read_head(&mut socket) {
                    script(&head, &mut socket);
                }
            });
        }
    });
    format!("ws://{address}/")
}

/// Opens the connection as it should be: another version is refused.
///
/// # Returns
/// Whether it is open.
pub fn open(head: &str, socket: &mut TcpStream) -> bool {
    if head.contains("Sec-WebSocket-Version: 13\r\n") {
        accept(head, socket);
        return true;
    }
    answer(socket, "426 Upgrade Required\r\nSec-WebSocket-Version: 13");
    false
}

/// Answers with this status, and no body.
pub fn answer(socket: &mut TcpStream, status: &str) {
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    socket.write_all(head.as_bytes()).unwrap();
}

/// A frame of a client.
pub struct Frame {
    /// Its first byte.
    pub first: u8,
    pub payload: Vec<u8>,
}

pub const TEXT: u8 = 0x81;
pub const CLOSE: u8 = 0x88;
pub const PING: u8 = 0x89;
const PONG: u8 = 0x8a;

/// Reads a short frame; `None` when none comes any more.
pub fn read(socket: &mut TcpStream) -> Option<Frame> {
    let mut head = [0; 6];
    socket.read_exact(&mut head).ok()?;
    let mut payload = vec![0; usize::from(head[1] & 0x7f)];
    socket.read_exact(&mut payload).ok()?;
    for (byte, mask) in payload.iter_mut().zip(head[2..].iter().cycle()) {
        *byte ^= mask;
    }
    Some(Frame {
        first: head[0],
        payload,
    })
}

/// Writes a short frame.
pub fn write(socket: &mut TcpStream, first: u8, payload: &[u8]) {
    let length = u8::try_from(payload.len()).unwrap();
    // A client that is gone reads nothing.
    let _ = socket.write_all(&[&[first, length], payload].concat());
}

/// Answers a ping or a Close frame as a server should; whether the connection goes on.
pub fn obey(socket: &mut TcpStream, frame: &Frame) -> bool {
    match frame.first {
        PING => write(socket, PONG, &frame.payload),
        CLOSE => write(socket, CLOSE, &frame.payload),
        _ => {}
    }
    frame.first != CLOSE
}

/// Obeys until the connection ends.
pub fn behave(socket: &mut TcpStream) {
    while read(socket).is_some_and(|frame| obey(socket, &frame)) {}
}
