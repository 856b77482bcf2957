//! tokio-tungstenite as an echo server; `--read-buffer BYTES` changes its read buffer, which is
//! 128 KiB by default and filled with zeros before each read.

use std::io;

use holdwire_bench::{options, peer};
use tokio_tungstenite::accept_async_with_config;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

fn main() -> io::Result<()> {
    let mut config = WebSocketConfig::default();
    if let Some(bytes) = options::option("--read-buffer") {
        config = config.read_buffer_size(bytes.parse().map_err(io::Error::other)?);
    }
    peer::serve(move |stream| async move {
        if let Ok(websocket) = accept_async_with_config(stream, Some(config)).await {
            let is_data = |message: &Message| message.is_text() || message.is_binary();
            let _ended = peer::echo(websocket, is_data).await;
        }
    })
}
