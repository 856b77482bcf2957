//! yawc behind hyper, as in its own example; `--tuned` gives it the buffers of its own benchmark.
//! Who offers permessage-deflate gets it without context takeover, its states shared in a pool.

use std::io;

use futures_util::StreamExt;
use holdwire_bench::options::has_flag;
use holdwire_bench::peer::{self, BROADCAST_PATH, Room};
use http_body_util::Empty;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use yawc::{DeflatePool, Frame, OpCode, Options, UpgradeFut, WebSocket, WebSocketError};

static ROOM: Room<Frame> = Room::new();

/// As many as compress at the same moment: there is one thread.
const DEFLATE_STATES: usize = 1;

fn main() -> io::Result<()> {
    let mut options = Options::default()
        .with_balanced_compression()
        .server_no_context_takeover()
        .client_no_context_takeover()
        .with_deflate_pool(DeflatePool::new(DEFLATE_STATES));
    if has_flag("--tuned") {
        options = options
            .with_read_buffer_capacity(128 * 1024)
            .with_backpressure_boundary(64 * 1024);
    }
    peer::serve(move |stream| {
        let options = options.clone();
        async move {
            let accept = service_fn(move |request| accept(request, options.clone()));
            let _ended = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), accept)
                .with_upgrades()
                .await;
        }
    })
}

async fn accept(
    mut request: Request<Incoming>,
    options: Options,
) -> Result<Response<Empty<Bytes>>, WebSocketError> {
    let is_broadcast = request.uri().path() == BROADCAST_PATH;
    let (response, websocket) = WebSocket::upgrade_with_options(&mut request, options)?;
    tokio::spawn(async move {
        let _ended = serve(websocket, is_broadcast).await;
    });
    Ok(response)
}

async fn serve(websocket: UpgradeFut, is_broadcast: bool) -> Result<(), WebSocketError> {
    let Ok(websocket) = websocket.await else {
        return Err(WebSocketError::ConnectionClosed);
    };
    let websocket = websocket.map(Ok);
    let is_data = |frame: &Frame| matches!(frame.opcode(), OpCode::Text | OpCode::Binary);
    match is_broadcast {
        true => ROOM.serve(websocket, is_data).await,
        false => peer::echo(websocket, is_data).await,
    }
}
