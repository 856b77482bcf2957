//! An echo that copies nothing: `cargo run -p holdwire-examples --example echo_lent`
//!
//! Messages are lent where they lie in the read buffer, and all answers to one read leave in one
//! write. When the peer does not read its answers, nothing more is read from it.

use holdwire::proto::{Event, Flow, Sender};
use holdwire::{Error, Server, WebSocket};

async fn echo(mut socket: WebSocket) -> Result<(), Error> {
    let echo = |event: Event<'_>, reply: &mut Sender<'_>| {
        // The connection answers pings and Close frames itself; an error means that it is closing.
        let _ = match event {
            Event::Text(text) => reply.text(&text),
            Event::Binary(payload) => reply.binary(&payload),
            _ => Ok(()),
        };
        Flow::Continue
    };
    socket.lend(echo).await
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let server = Server::bind("127.0.0.1:3000").await?;
    server.serve(|socket, _request| echo(socket)).await
}
