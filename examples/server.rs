//! The smallest server: `cargo run -p holdwire-examples --example server`

use holdwire::http::Request;
use holdwire::{Error, Server, WebSocket};

async fn talk(mut socket: WebSocket, _request: Request<()>) -> Result<(), Error> {
    socket.send("Information from the server").await?;
    while let Some(message) = socket.recv().await.transpose()? {
        println!("{message:?}");
    }
    Ok(())
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    Server::bind("127.0.0.1:3000").await?.serve(talk).await
}
