//! The smallest server: `cargo run -p holdwire-examples --example server`

use holdwire::{Error, Server, WebSocket};

async fn talk(mut socket: WebSocket) -> Result<(), Error> {
    socket.send("Information from the server").await?;
    while let Some(message) = socket.recv().await.transpose()? {
        println!("{message:?}");
    }
    Ok(())
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let server = Server::bind("127.0.0.1:3000").await?;
    server.serve(|socket, _request| talk(socket)).await
}
