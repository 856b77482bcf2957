//! holdwire's library as an echo server on its lending path: every message goes back from where
//! it lies, without a copy or an allocation.

use std::io;

use holdwire::handshake::Origins;
use holdwire::proto::{Event, Flow, Sender};
use holdwire::{Endpoint, Server, WebSocket};
use holdwire_bench::options::listen_address;

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let endpoint = Endpoint::new(|mut socket: WebSocket, _| async move { socket.lend(echo).await });
    let server = Server::bind(listen_address()?).await?;
    server
        .endpoint("/", endpoint.origins(Origins::Any))
        .run()
        .await
}

fn echo(event: Event<'_>, reply: &mut Sender<'_>) -> Flow {
    // The load keeps less in flight than the queue holds, and waits for every answer.
    let _sent = match event {
        Event::Text(text) => reply.text(&text),
        Event::Binary(payload) => reply.binary(&payload),
        _ => Ok(()),
    };
    Flow::Continue
}
