//! holdwire's library as an echo server on its lending path: every message goes back from where
//! it lies, without an allocation; what came in parts without a copy.

use std::borrow::Cow;
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
        Event::Text(Cow::Borrowed(text)) => reply.text(text),
        Event::Binary(Cow::Borrowed(payload)) => reply.binary(payload),
        event => event
            .into_message()
            .map_or(Ok(()), |message| reply.message(message)),
    };
    Flow::Continue
}
