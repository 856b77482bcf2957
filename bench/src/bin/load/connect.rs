//! Opens connections: a socket from one of many loopback addresses, and the opening handshake.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::time::Duration;

use holdwire_bench::deflate::OFFER;
use holdwire_bench::wire::{HANDSHAKE_ACCEPT, HANDSHAKE_KEY};
use rustix::net::{AddressFamily, SocketType, bind, connect, socket, sockopt};

use crate::Target;

/// Source addresses to spread over, so that neither ports nor limits per address run out.
const SOURCES: usize = 100;
const MAX_RESPONSE: usize = 4096;
const PATIENCE: Duration = Duration::from_secs(10);

/// Opens the connection with this number; it is blocking still.
pub(crate) fn open(target: &Target, number: usize) -> io::Result<TcpStream> {
    let mut stream = dial(target, number)?;
    shake_hands(&mut stream, target)?;
    Ok(stream)
}

/// Opens the socket with this number and says nothing on it.
pub(crate) fn dial(target: &Target, number: usize) -> io::Result<TcpStream> {
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None)?;
    bind(&socket, &SocketAddrV4::new(source(number), 0))?;
    connect(&socket, &target.address)?;
    sockopt::set_tcp_nodelay(&socket, true)?;
    // Closing resets the connection, so that no port waits after a run.
    sockopt::set_socket_linger(&socket, Some(Duration::ZERO))?;
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// Asks for a WebSocket and waits until it is one.
pub(crate) fn shake_hands(stream: &mut (impl Read + Write), target: &Target) -> io::Result<()> {
    stream.write_all(request(target).as_bytes())?;
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
    if !is_accepted(&response) {
        return Err(refused(&response));
    }
    let deflates = response.contains("permessage-deflate");
    if target.deflate && !(deflates && response.contains("server_no_context_takeover")) {
        return Err(io::Error::other("the server does not compress as asked"));
    }
    Ok(())
}

/// Whether these are the bytes that open a WebSocket for the one key of the load generator.
pub(crate) fn is_accepted(response: &str) -> bool {
    response.starts_with("HTTP/1.1 101 ") && response.contains(HANDSHAKE_ACCEPT)
}

pub(crate) fn refused(response: &str) -> io::Error {
    io::Error::other(format!("the opening handshake was refused: {response}"))
}

/// The request of Chrome on Linux: what a server has to read when browsers come.
pub(crate) fn request_of_chrome(target: &Target) -> String {
    let Target { address, path, .. } = target;
    format!(
        "GET {path} HTTP/1.1\r\n\
         Host: {address}\r\n\
         Connection: Upgrade\r\n\
         Pragma: no-cache\r\n\
         Cache-Control: no-cache\r\n\
         User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) \
         Chrome/137.0.0.0 Safari/537.36\r\n\
         Upgrade: websocket\r\n\
         Origin: http://{address}\r\n\
         Sec-WebSocket-Version: 13\r\n\
         Accept-Encoding: gzip, deflate, br, zstd\r\n\
         Accept-Language: en-GB,en;q=0.9,de;q=0.8\r\n\
         Cookie: session=9f2c4a7be1d04c58b6a3e07d51\r\n\
         Sec-WebSocket-Key: {HANDSHAKE_KEY}\r\n\
         Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n"
    )
}

/// In one piece, as clients send it.
fn request(target: &Target) -> String {
    let Target { address, path, .. } = target;
    let end = if target.deflate { OFFER } else { "\r\n" };
    let name = target.subprotocol.as_ref();
    let name = name.map(|name| format!("Sec-WebSocket-Protocol: {name}\r\n"));
    let name = name.unwrap_or_default();
    format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {HANDSHAKE_KEY}\r\n{name}{end}"
    )
}

fn source(number: usize) -> Ipv4Addr {
    let last = u8::try_from(number % SOURCES).unwrap_or_default();
    Ipv4Addr::new(127, 0, 0, 2 + last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_of_a_browser_has_the_length_of_a_browsers() {
        let target = Target::new("127.0.0.1:43210".parse().unwrap());

        let length = request_of_chrome(&target).len();

        assert!((520..=600).contains(&length), "{length} bytes");
    }

    #[test]
    fn request_ends_once_with_the_offer_and_without() {
        let mut target = Target::new("127.0.0.1:43210".parse().unwrap());
        for deflate in [false, true] {
            target.deflate = deflate;

            let request = request(&target);

            assert_eq!(request.matches("\r\n\r\n").count(), 1);
            assert_eq!(request.contains("permessage-deflate"), deflate);
        }
    }
}
