//! The opening handshake by hand: bytes become a request, rules look at it, the verdict is a response.

use std::io::{self, Error, ErrorKind, Read, Write};
use std::net::TcpStream;

use holdwire_proto::handshake::{self, Acceptance, Effective, HeadLimits, HeadReader, Rules};

/// Reads the request and says yes or no; returns the bytes that came after it.
pub fn shake_hands(socket: &mut TcpStream) -> io::Result<Vec<u8>> {
    let (mut received, mut piece) = (Vec::new(), [0; 1024]);
    let mut reader = HeadReader::new(HeadLimits::default());
    loop {
        let count = socket.read(&mut piece)?;
        received.extend_from_slice(&piece[..count]);
        if let Some(head) = reader.read_request(&received).map_err(Error::other)? {
            let offer = match Rules::default().check(&head, &Effective::plain()) {
                Ok(offer) => offer,
                Err(refusal) => {
                    socket.write_all(&handshake::encode_response(refusal.response()))?;
                    return Err(Error::other(refusal));
                }
            };
            let response = offer.accept(Acceptance::default()).map_err(Error::other)?;
            socket.write_all(&handshake::encode_response_head(&response))?;
            return Ok(received.split_off(head.length));
        } else if count == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
    }
}
