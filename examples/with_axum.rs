//! Pages by axum and WebSocket at /ws on one port:
//! `cargo run -p holdwire-examples --example with_axum`, then open http://127.0.0.1:3000

use axum::Router;
use axum::response::Html;
use axum::routing::get;
use holdwire::http::Request;
use holdwire::{Endpoint, Error, Server, WebSocket};

const PAGE: &str = r#"<!doctype html>
<title>holdwire and axum</title>
<script>
  const socket = new WebSocket(`ws://${location.host}/ws`);
  socket.onopen = () => socket.send("Hello WebSockets!");
  socket.onmessage = (event) => document.body.append(event.data);
</script>"#;

async fn echo(mut socket: WebSocket, _request: Request<()>) -> Result<(), Error> {
    while let Some(message) = socket.recv().await.transpose()? {
        socket.send(message).await?;
    }
    Ok(())
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let pages = Router::new().route("/", get(async || Html(PAGE)));
    Server::bind("127.0.0.1:3000")
        .await?
        .endpoint("/ws", Endpoint::new(echo))
        .fallback(pages)
        .run()
        .await
}
