//! sockudo-ws as an echo server: its `WebSocketStream` with the default configuration, behind
//! the opening handshake of its own example.

use std::io;

use bytes::BytesMut;
use holdwire_bench::peer;
use sockudo_ws::handshake::{build_response, generate_accept_key, parse_request};
use sockudo_ws::{Config, Error, Message, WebSocketStream, init_clock};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

fn main() -> io::Result<()> {
    init_clock();
    peer::serve(|stream| async {
        if let Ok(stream) = accept(stream).await {
            let websocket = WebSocketStream::server(stream, Config::default());
            let is_data =
                |message: &Message| matches!(message, Message::Text(_) | Message::Binary(_));
            let _ended = peer::echo(websocket, is_data).await;
        }
    })
}

async fn accept(mut stream: TcpStream) -> Result<TcpStream, Error> {
    let mut head = BytesMut::with_capacity(4096);
    loop {
        if stream.read_buf(&mut head).await? == 0 {
            return Err(Error::ConnectionClosed);
        }
        if let Some((request, _)) = parse_request(&head)? {
            let accept_key = generate_accept_key(request.key);
            stream
                .write_all(&build_response(&accept_key, None, None))
                .await?;
            return Ok(stream);
        }
    }
}
