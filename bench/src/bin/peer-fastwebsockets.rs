//! fastwebsockets as an echo server, after its own example: hyper does the opening handshake,
//! then the socket is taken out of hyper's box, which is the cheaper way to use it.

use std::io;

use fastwebsockets::{FragmentCollector, OpCode, Role, WebSocket, WebSocketError, upgrade};
use holdwire_bench::peer;
use http_body_util::Empty;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

fn main() -> io::Result<()> {
    peer::serve(|stream| async {
        let _ended = http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service_fn(accept))
            .with_upgrades()
            .await;
    })
}

async fn accept(mut request: Request<Incoming>) -> Result<Response<Empty<Bytes>>, WebSocketError> {
    let (response, websocket) = upgrade::upgrade(&mut request)?;
    tokio::spawn(tokio::task::unconstrained(async {
        let _ended = echo(websocket).await;
    }));
    Ok(response)
}

async fn echo(websocket: upgrade::UpgradeFut) -> Result<(), WebSocketError> {
    let upgraded = websocket.await?.into_inner().into_inner();
    // The load generator waits for the answer, so hyper has read nothing past the request.
    let Ok(parts) = upgraded.downcast::<TokioIo<TcpStream>>() else {
        return Err(WebSocketError::ConnectionClosed);
    };
    let websocket = WebSocket::after_handshake(parts.io.into_inner(), Role::Server);
    let mut websocket = FragmentCollector::new(websocket);
    loop {
        let frame = websocket.read_frame().await?;
        match frame.opcode {
            OpCode::Text | OpCode::Binary => websocket.write_frame(frame).await?,
            OpCode::Close => return Ok(()),
            _ => {}
        }
    }
}
