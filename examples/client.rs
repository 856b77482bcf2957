//! The smallest client, for a server on port 3000: `cargo run -p holdwire-examples --example client`

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut socket = holdwire::connect("ws://localhost:3000").await?;
    socket.send("Hello WebSockets!").await?;
    while let Some(message) = socket.recv().await.transpose()? {
        println!("{message:?}");
    }
    println!("{:?}", socket.closed());
    Ok(())
}
