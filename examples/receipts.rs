//! What became of every message, through drops and returns; stop the server and start it again:
//! `cargo run -p holdwire-examples --example receipts`

use std::time::Duration;

use holdwire::Line;
use holdwire::line::{Event, Handle};

/// Sends the time once a second, whether the server is there or not.
async fn tick(line: Handle) {
    for second in 0.. {
        match line.send(format!("second {second}")) {
            // Tells later what became of the message.
            Ok(receipt) => drop(tokio::spawn(async move {
                println!("second {second}: {}", receipt.settled().await);
            })),
            Err(error) => println!("second {second}: {error}"),
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

#[tokio::main]
async fn main() {
    let mut line = Line::to("ws://localhost:3000/echo").start();
    tokio::spawn(tick(line.handle()));
    while let Some(event) = line.next().await {
        match event {
            Event::Connecting { attempt, .. } => println!("attempt {attempt}"),
            Event::Up { .. } => println!("up"),
            Event::Message(message) => println!("{message:?}"),
            Event::Down { loss, next_in } => println!("down: {loss}; again in {next_in:?}"),
            Event::Stopped { why, .. } => println!("stopped: {why:?}"),
            _ => {}
        }
    }
}
