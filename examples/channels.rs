//! A channel that loses nothing, whatever happens to the line; stop the server and start it again:
//! `cargo run -p holdwire-examples --example channels`

use holdwire_hub::client::{Client, Event, Wants};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let client = Client::to("ws://localhost:3000/connection").start();
    let lobby = "chat:lobby".parse()?;
    let mut channel = client.subscribe(&lobby, Wants::new())?;
    // It is sent until the server answers; the receipt tells where it stands in the log.
    let receipt = client.publish(&lobby, "hello")?;
    tokio::spawn(async move {
        match receipt.await {
            Ok(published) => println!("published at {}", published.position),
            Err(why) => println!("not published: {why}"),
        }
    });
    while let Some(event) = channel.next().await {
        match event {
            Event::Publication { publication, .. } => {
                println!("{}: {:?}", publication.offset, publication.payload);
            }
            Event::Gap(gap) => println!("missing: {gap}"),
            other => println!("{other:?}"),
        }
    }
    Ok(())
}
