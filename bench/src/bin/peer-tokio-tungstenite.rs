//! tokio-tungstenite; `--read-buffer BYTES` changes its read buffer, which is 128 KiB by default
//! and filled with zeros before each read.

use std::io;

use holdwire_bench::options;
use holdwire_bench::peer::{self, BROADCAST_PATH, Room};
use tokio::net::TcpStream;
use tokio_tungstenite::accept_hdr_async_with_config;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};

static ROOM: Room<Message> = Room::new();

fn main() -> io::Result<()> {
    let mut config = WebSocketConfig::default();
    if let Some(bytes) = options::option("--read-buffer") {
        config = config.read_buffer_size(bytes.parse().map_err(io::Error::other)?);
    }
    peer::serve(move |stream| async move {
        let _ended = serve(stream, config).await;
    })
}

async fn serve(stream: TcpStream, config: WebSocketConfig) -> Result<(), Error> {
    let mut is_broadcast = false;
    // The error is large, and the callback's type is the library's.
    #[expect(clippy::result_large_err)]
    let look = |request: &Request, response: Response| {
        is_broadcast = request.uri().path() == BROADCAST_PATH;
        Ok(response)
    };
    let websocket = accept_hdr_async_with_config(stream, look, Some(config)).await?;
    let is_data = |message: &Message| message.is_text() || message.is_binary();
    match is_broadcast {
        true => ROOM.serve(websocket, is_data).await,
        false => peer::echo(websocket, is_data).await,
    }
}
