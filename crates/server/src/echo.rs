//! Sends every message back, at either end of a connection.

use holdwire::proto::{Event, Flow, SendError, Sender};
use holdwire::{Error, WebSocket};

/// Sends every message back as it came, without a copy of our own, until the connection ends.
///
/// When the peer does not read, reading from it pauses. `count` is given the size of each message
/// that is sent back.
///
/// # Errors
/// When the connection did not end with a closing handshake.
pub(crate) async fn echo(mut socket: WebSocket, count: impl Fn(u64)) -> Result<(), Error> {
    loop {
        let mut waiting = None;
        socket
            .lend(|event: Event<'_>, reply: &mut Sender<'_>| {
                let sent = match &event {
                    Event::Text(text) => reply.text(text).map(|()| text.len()),
                    Event::Binary(payload) => reply.binary(payload).map(|()| payload.len()),
                    _ => return Flow::Continue,
                };
                match sent {
                    Ok(bytes) => {
                        count(bytes as u64);
                        Flow::Continue
                    }
                    Err(SendError::Full) => {
                        waiting = event.into_message();
                        Flow::Pause
                    }
                    Err(_) => Flow::Continue,
                }
            })
            .await?;
        let Some(message) = waiting else {
            return Ok(());
        };
        let bytes = message.len() as u64;
        match socket.send(message).await {
            Ok(()) => count(bytes),
            // The peer's Close frame came meanwhile: how it ends is told by the next turn.
            Err(Error::Closed) => {}
            Err(error) => return Err(error),
        }
    }
}
