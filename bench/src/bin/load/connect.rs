//! Opens connections: a socket from one of many loopback addresses, and the opening handshake.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::time::Duration;

use holdwire_bench::wire::{HANDSHAKE_ACCEPT, HANDSHAKE_KEY};
use rustix::net::{AddressFamily, SocketType, bind, connect, socket, sockopt};

use crate::Target;

/// Source addresses to spread over, so that neither ports nor limits per address run out.
const SOURCES: usize = 100;
const MAX_RESPONSE: usize = 4096;
const PATIENCE: Duration = Duration::from_secs(10);

/// Opens the connection with this number; it is blocking still.
pub(crate) fn open(target: &Target, number: usize) -> io::Result<TcpStream> {
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None)?;
    bind(&socket, &SocketAddrV4::new(source(number), 0))?;
    connect(&socket, &target.address)?;
    sockopt::set_tcp_nodelay(&socket, true)?;
    // Closing resets the connection, so that no port waits after a run.
    sockopt::set_socket_linger(&socket, Some(Duration::ZERO))?;
    let mut stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE))?;
    shake_hands(&mut stream, target)?;
    Ok(stream)
}

/// Sends `request` and compares what comes back with `expected`, byte by byte.
pub(crate) fn exchange(stream: &mut TcpStream, request: &[u8], expected: &[u8]) -> io::Result<()> {
    let mut answer = vec![0; expected.len()];
    stream.write_all(request)?;
    stream.read_exact(&mut answer)?;
    if answer == expected {
        Ok(())
    } else {
        Err(io::Error::other("the server's answer is not the echo"))
    }
}

fn source(number: usize) -> Ipv4Addr {
    let last = u8::try_from(number % SOURCES).unwrap_or_default();
    Ipv4Addr::new(127, 0, 0, 2 + last)
}

fn shake_hands(stream: &mut TcpStream, target: &Target) -> io::Result<()> {
    let Target { address, path, .. } = target;
    // In one piece, as clients send it.
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {HANDSHAKE_KEY}\r\n\r\n"
    );
    stream.write_all(request.as_bytes())?;
    let mut response = Vec::new();
    while !response.ends_with(b"\r\n\r\n") {
        let mut part = [0; MAX_RESPONSE];
        let received = stream.read(&mut part)?;
        if received == 0 || response.len() > MAX_RESPONSE {
            break;
        }
        response.extend_from_slice(&part[..received]);
    }
    let response = String::from_utf8_lossy(&response);
    if response.starts_with("HTTP/1.1 101 ") && response.contains(HANDSHAKE_ACCEPT) {
        Ok(())
    } else {
        Err(io::Error::other(format!(
            "the opening handshake was refused: {response}"
        )))
    }
}
