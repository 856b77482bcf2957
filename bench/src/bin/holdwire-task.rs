//! holdwire's library as an echo server, the way an application writes it: owned messages,
//! received and sent one by one, each connection in its own task.

use std::io;

use holdwire::handshake::Origins;
use holdwire::{Endpoint, Error, Server, WebSocket};
use holdwire_bench::options::listen_address;

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let endpoint = Endpoint::new(|mut socket: WebSocket, _| async move {
        while let Some(message) = socket.recv().await.transpose()? {
            socket.send(message).await?;
        }
        Ok::<(), Error>(())
    });
    let server = Server::bind(listen_address()?).await?;
    server
        .endpoint("/", endpoint.origins(Origins::Any))
        .run()
        .await
}
