//! tokio-websockets, without limits as in its own example of an echo server.

use std::io;

use holdwire_bench::peer::{self, BROADCAST_PATH, Room};
use tokio::net::TcpStream;
use tokio_websockets::{Config, Error, Limits, Message, ServerBuilder};

static ROOM: Room<Message> = Room::new();

fn main() -> io::Result<()> {
    peer::serve(|stream| async {
        let _ended = serve(stream).await;
    })
}

async fn serve(stream: TcpStream) -> Result<(), Error> {
    let (request, websocket) = ServerBuilder::new()
        .config(Config::default().frame_size(usize::MAX))
        .limits(Limits::unlimited())
        .accept(stream)
        .await?;
    let is_data = |message: &Message| message.is_text() || message.is_binary();
    match request.uri().path() == BROADCAST_PATH {
        true => ROOM.serve(websocket, is_data).await,
        false => peer::echo(websocket, is_data).await,
    }
}
