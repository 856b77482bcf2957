//! wtx, as in its own example of an echo server. Who offers permessage-deflate gets it without
//! context takeover, which is all that it has; a message that shrinks very much breaks the
//! connection.
//!
//! It does not broadcast: a frame to send wants its payload to itself.

use std::io;

use holdwire_bench::peer;
use tokio::net::TcpStream;
use wtx::collection::Vector;
use wtx::web_socket::compression::Flate2;
use wtx::web_socket::{OpCode, WebSocketAcceptor, WebSocketPayloadOrigin};

fn main() -> io::Result<()> {
    peer::serve(|stream| async {
        let _ended = serve(stream).await;
    })
}

async fn serve(stream: TcpStream) -> wtx::Result<()> {
    let acceptor = WebSocketAcceptor::default().compression(Flate2::default());
    let mut websocket = acceptor.accept(stream).await?;
    let (mut common, mut reader, mut writer) = websocket.split_mut();
    let mut buffer = Vector::new();
    loop {
        let origin = WebSocketPayloadOrigin::Adaptive;
        let mut frame = reader.read_frame(&mut buffer, &mut common, origin).await?;
        match frame.op_code() {
            OpCode::Text | OpCode::Binary => writer.write_frame(&mut common, &mut frame).await?,
            OpCode::Close => return Ok(()),
            _ => {}
        }
    }
}
