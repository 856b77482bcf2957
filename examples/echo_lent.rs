//! An echo that copies nothing: `cargo run -p holdwire-examples --example echo_lent`
//!
//! Messages are lent where they lie in the read buffer, and all answers to one read leave in one
//! write. When the peer does not read, the handler pauses, and so does reading from it.

use holdwire::http::Request;
use holdwire::proto::{Event, Flow, SendError, Sender};
use holdwire::{Error, Message, Server, WebSocket};

async fn echo(mut socket: WebSocket, _request: Request<()>) -> Result<(), Error> {
    while socket.closed().is_none() {
        let mut waiting: Option<Message> = None;
        let handler = |event: Event<'_>, reply: &mut Sender<'_>| {
            let sent = match &event {
                Event::Text(text) => reply.text(text),
                Event::Binary(payload) => reply.binary(payload),
                _ => Ok(()),
            };
            if sent == Err(SendError::Full) {
                waiting = event.into_message();
                return Flow::Pause;
            }
            Flow::Continue
        };
        socket.lend(handler).await?;
        if let Some(message) = waiting {
            socket.send(message).await?; // waits for room
        }
    }
    Ok(())
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    Server::bind("127.0.0.1:3000").await?.serve(echo).await
}
