//! A client that comes back; stop the server and start it again:
//! `cargo run -p holdwire-examples --example line`

use holdwire::Line;
use holdwire::line::{Event, SendError};

#[tokio::main]
async fn main() -> Result<(), SendError> {
    let mut line = Line::to("ws://localhost:3000").start();
    // Kept until there is a connection; the receipt tells what became of it.
    let _receipt = line.handle().send("Hello WebSockets!")?;
    while let Some(event) = line.next().await {
        match event {
            Event::Message(message) => println!("{message:?}"),
            Event::Down { loss, next_in } => println!("{loss}; again in {next_in:?}"),
            other => println!("{other:?}"),
        }
    }
    Ok(())
}
