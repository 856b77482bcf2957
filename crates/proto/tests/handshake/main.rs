//! The opening handshake: a module per RFC section, the shared vectors, and arbitrary bytes.

mod arbitrary;
mod rfc6455_section_10_2;
mod rfc6455_section_4_1;
mod rfc6455_section_4_2_1;
mod rfc6455_section_4_2_2;
mod rfc6455_section_4_4;
mod rfc8441_section_5;
mod rfc9112_section_2;
mod vectors;

use holdwire_proto::handshake::{
    Effective, HeadError, HeadLimits, HeadReader, Offer, Refusal, RequestHead, Rules,
};

/// The example request of RFC 6455 §1.3, without subprotocol and origin.
const REQUEST: &str = "GET /chat HTTP/1.1\r\n\
    Host: server.example.com\r\n\
    Upgrade: websocket\r\n\
    Connection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n\
    \r\n";

/// The example request with more lines in its head.
fn request_with(lines: &str) -> String {
    format!(
        "{}{lines}\r\n",
        REQUEST
            .strip_suffix("\r\n")
            .expect("ends with an empty line")
    )
}

/// Reads a request's head that is whole and legal.
fn head(bytes: &str) -> RequestHead {
    read(bytes.as_bytes()).expect("legal").expect("whole")
}

fn read(bytes: &[u8]) -> Result<Option<RequestHead>, HeadError> {
    HeadReader::new(HeadLimits::default()).read_request(bytes)
}

/// What a server with these rules says to a request over plain TCP.
fn check(rules: &Rules, bytes: &str) -> Result<Offer, Refusal> {
    rules.check(&head(bytes), &Effective::plain())
}
