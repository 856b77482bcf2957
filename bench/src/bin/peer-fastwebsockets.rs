//! fastwebsockets, after its own examples: hyper does the opening handshake, then the socket is
//! taken out of hyper's box, which is the cheaper way to use it. To broadcast it is split; in rooms, paths
//! below `/ws/`, by a broadcast channel of tokio for each.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Mutex, PoisonError};

use fastwebsockets::{
    FragmentCollector, FragmentCollectorRead, Frame, OpCode, Payload, Role, WebSocket,
    WebSocketError, WebSocketRead, WebSocketWrite, upgrade,
};
use holdwire_bench::peer::{self, BROADCAST_PATH, Room};
use http_body_util::Empty;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::broadcast;
use tokio::sync::mpsc::UnboundedReceiver;

static ROOM: Room<(OpCode, Bytes)> = Room::new();

fn main() -> io::Result<()> {
    peer::serve(|stream| async {
        let _ended = http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service_fn(accept))
            .with_upgrades()
            .await;
    })
}

async fn accept(mut request: Request<Incoming>) -> Result<Response<Empty<Bytes>>, WebSocketError> {
    let path = request.uri().path();
    let place = match path {
        BROADCAST_PATH => Place::Broadcast,
        _ if path.starts_with("/ws/") => Place::Room(room(path)),
        _ => Place::Echo,
    };
    let (response, websocket) = upgrade::upgrade(&mut request)?;
    tokio::spawn(tokio::task::unconstrained(async move {
        let _ended = serve(websocket, place).await;
    }));
    Ok(response)
}

async fn serve(websocket: upgrade::UpgradeFut, place: Place) -> Result<(), WebSocketError> {
    let upgraded = websocket.await?.into_inner().into_inner();
    // The load generator waits for the answer, so hyper has read nothing past the request.
    let Ok(parts) = upgraded.downcast::<TokioIo<TcpStream>>() else {
        return Err(WebSocketError::ConnectionClosed);
    };
    let websocket = WebSocket::after_handshake(parts.io.into_inner(), Role::Server);
    match place {
        Place::Broadcast => to_all_others(websocket).await,
        Place::Room(room) => in_room(websocket, room).await,
        Place::Echo => echo(FragmentCollector::new(websocket)).await,
    }
}

type Said = (OpCode, Bytes);

/// Where a connection is.
enum Place {
    Echo,
    Broadcast,
    Room(broadcast::Sender<Said>),
}

/// What may wait for the slowest of a room.
const ROOM_QUEUE: usize = 1024;

/// The room of a path.
fn room(path: &str) -> broadcast::Sender<Said> {
    static ROOMS: Mutex<BTreeMap<String, broadcast::Sender<Said>>> = Mutex::new(BTreeMap::new());
    let mut rooms = ROOMS.lock().unwrap_or_else(PoisonError::into_inner);
    rooms
        .entry(path.to_owned())
        .or_insert_with(|| broadcast::channel(ROOM_QUEUE).0)
        .clone()
}

async fn in_room(
    websocket: WebSocket<TcpStream>,
    room: broadcast::Sender<Said>,
) -> Result<(), WebSocketError> {
    let (reader, mut writer) = websocket.split(TcpStream::into_split);
    let mut said = room.subscribe();
    let speak = async {
        while let Ok((opcode, payload)) = said.recv().await {
            let frame = Frame::new(true, opcode, None, Payload::Borrowed(&payload));
            writer.write_frame(frame).await?;
        }
        Ok(())
    };
    tokio::select! {
        ended = listen(reader, |message| {
            // It has a receiver: this connection's.
            let _heard = room.send(message);
        }) => ended,
        ended = speak => ended,
    }
}

async fn echo(mut websocket: FragmentCollector<TcpStream>) -> Result<(), WebSocketError> {
    loop {
        let frame = websocket.read_frame().await?;
        match frame.opcode {
            OpCode::Text | OpCode::Binary => websocket.write_frame(frame).await?,
            OpCode::Close => return Ok(()),
            _ => {}
        }
    }
}

async fn to_all_others(websocket: WebSocket<TcpStream>) -> Result<(), WebSocketError> {
    let (reader, writer) = websocket.split(TcpStream::into_split);
    let (number, others) = ROOM.join();
    tokio::select! {
        ended = listen(reader, |message| ROOM.publish(number, &message)) => ended,
        ended = speak(writer, others) => ended,
    }
}

async fn listen(
    reader: WebSocketRead<OwnedReadHalf>,
    publish: impl Fn(Said),
) -> Result<(), WebSocketError> {
    let mut reader = FragmentCollectorRead::new(reader);
    loop {
        // The load generator neither pings nor closes on this path.
        let mut answer = |_: Frame<'_>| async { Err(WebSocketError::ConnectionClosed) };
        let frame = reader.read_frame(&mut answer).await?;
        match frame.opcode {
            OpCode::Text | OpCode::Binary => {
                let payload = Bytes::copy_from_slice(&frame.payload);
                publish((frame.opcode, payload));
            }
            OpCode::Close => return Ok(()),
            _ => {}
        }
    }
}

async fn speak(
    mut writer: WebSocketWrite<OwnedWriteHalf>,
    mut others: UnboundedReceiver<(OpCode, Bytes)>,
) -> Result<(), WebSocketError> {
    while let Some((opcode, payload)) = others.recv().await {
        let frame = Frame::new(true, opcode, None, Payload::Borrowed(&payload));
        writer.write_frame(frame).await?;
    }
    Ok(())
}
