//! What one says, all hear: `cargo run -p holdwire-examples --example broadcast`
//!
//! A message is encoded once, whatever the number of listeners. One that does not keep up with the
//! others misses messages here; it never holds them up.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use holdwire::http::Request;
use holdwire::{Error, Message, Prepared, Sender, Server, WebSocket};
use tokio::time::timeout;

#[derive(Clone, Default)]
struct Room(Arc<Mutex<Vec<Sender>>>);

impl Room {
    /// Changes the list; the lock is never held across an await.
    fn with<T>(&self, act: impl FnOnce(&mut Vec<Sender>) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn say(&self, message: &Message) {
        let prepared = match message {
            Message::Text(text) => Prepared::text(text),
            Message::Binary(payload) => Prepared::binary(payload),
        };
        for listener in self.with(|listeners| listeners.clone()) {
            // No time to wait: where the queue is full, or the line gone, the message is dropped.
            drop(timeout(Duration::ZERO, listener.send_prepared(&prepared)).await);
        }
    }

    async fn join(self, socket: WebSocket, _request: Request<()>) -> Result<(), Error> {
        let (sender, mut receiver) = socket.split();
        self.with(|listeners| listeners.push(sender));
        let ended = loop {
            match receiver.recv().await.transpose() {
                Ok(Some(message)) => self.say(&message).await,
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        self.with(|listeners| listeners.retain(|listener| listener.closed().is_none()));
        ended
    }
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let room = Room::default();
    let server = Server::bind("127.0.0.1:3000").await?;
    let join = move |socket, request| room.clone().join(socket, request);
    server.serve(join).await
}
