//! sockudo-ws: its `WebSocketStream` with the default configuration, behind the opening handshake
//! of its own example, and its own `PubSub`. Who offers permessage-deflate gets it without context
//! takeover.

use std::io;
use std::sync::LazyLock;

use bytes::BytesMut;
use futures_util::{Sink, Stream};
use holdwire_bench::peer::{self, BROADCAST_PATH};
use sockudo_ws::deflate::negotiate_server_deflate;
use sockudo_ws::handshake::{build_response, generate_accept_key, parse_request};
use sockudo_ws::pubsub::PubSub;
use sockudo_ws::{
    CompressedWebSocketStream, Config, DeflateConfig, Error, Message, WebSocketStream, init_clock,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc::unbounded_channel;

static ROOM: LazyLock<PubSub> = LazyLock::new(PubSub::new);

fn main() -> io::Result<()> {
    init_clock();
    peer::serve(|stream| async {
        let _ended = accept(stream).await;
    })
}

/// What the opening handshake settled.
struct Settled {
    is_broadcast: bool,
    deflate: Option<DeflateConfig>,
}

async fn accept(mut stream: TcpStream) -> Result<(), Error> {
    let settled = shake_hands(&mut stream).await?;
    let config = Config::default();
    match settled.deflate {
        None => {
            serve(
                WebSocketStream::server(stream, config),
                settled.is_broadcast,
            )
            .await
        }
        Some(deflate) => {
            let websocket = CompressedWebSocketStream::server(stream, config, deflate);
            serve(websocket, settled.is_broadcast).await
        }
    }
}

async fn shake_hands(stream: &mut TcpStream) -> Result<Settled, Error> {
    let policy = DeflateConfig {
        server_no_context_takeover: true,
        client_no_context_takeover: true,
        ..DeflateConfig::default()
    };
    let mut head = BytesMut::with_capacity(4096);
    loop {
        if stream.read_buf(&mut head).await? == 0 {
            return Err(Error::ConnectionClosed);
        }
        if let Some((request, _)) = parse_request(&head)? {
            let offers = request.extensions.unwrap_or_default();
            let deflate = negotiate_server_deflate(offers, &policy);
            let extensions = deflate.as_ref().map(|deflate| deflate.to_response_header());
            let accept_key = generate_accept_key(request.key);
            stream
                .write_all(&build_response(&accept_key, None, extensions.as_deref()))
                .await?;
            return Ok(Settled {
                is_broadcast: request.path == BROADCAST_PATH,
                deflate: deflate.map(|deflate| deflate.config),
            });
        }
    }
}

async fn serve<S>(websocket: S, is_broadcast: bool) -> Result<(), Error>
where
    S: Stream<Item = Result<Message, Error>> + Sink<Message, Error = Error> + Unpin,
{
    let is_data = |message: &Message| matches!(message, Message::Text(_) | Message::Binary(_));
    if !is_broadcast {
        return peer::echo(websocket, is_data).await;
    }
    let (sender, others) = unbounded_channel();
    let member = ROOM.create_subscriber(sender);
    ROOM.subscribe(member, BROADCAST_PATH);
    let ended = peer::broadcast(websocket, is_data, others, |message| {
        ROOM.publish_excluding(member, BROADCAST_PATH, message);
    });
    let ended = ended.await;
    ROOM.remove_subscriber(member);
    ended
}
