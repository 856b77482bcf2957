//! One request and its answer over HTTP/1.1, before the bytes mean something else.

use std::io;

use bytes::{Buf, BytesMut};
use holdwire_proto::handshake::{HeadError, HeadLimits, HeadReader, ResponseHead};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout_at};

use crate::stream::Stream;

use super::error::{ConnectError, Phase};

/// Interim responses that a server may send before the real one.
const MAX_INTERIM: usize = 16;

/// Sends a request and reads the head of the answer; what came after it stays in `received`.
pub(super) async fn ask(
    stream: &mut Stream,
    request: &[u8],
    received: &mut BytesMut,
    (phase, deadline): (Phase, Instant),
) -> Result<ResponseHead, ConnectError> {
    timeout_at(deadline, ask_unbounded(stream, request, received))
        .await
        .unwrap_or(Err(ConnectError::Timeout(phase)))
}

async fn ask_unbounded(
    stream: &mut Stream,
    request: &[u8],
    received: &mut BytesMut,
) -> Result<ResponseHead, ConnectError> {
    stream
        .write_all(request)
        .await
        .map_err(ConnectError::Lost)?;
    stream.flush().await.map_err(ConnectError::Lost)?;

    let mut reader = HeadReader::new(HeadLimits::default());
    let mut interim = 0;
    loop {
        match reader.read_response(received) {
            Err(error) => return Err(ConnectError::Malformed(error)),
            Ok(Some(head)) => {
                received.advance(head.length);
                if !head.is_interim() {
                    return Ok(head);
                }
                interim += 1;
                if interim > MAX_INTERIM {
                    return Err(ConnectError::Malformed(HeadError::TooLarge));
                }
            }
            Ok(None) => match stream.read_buf(received).await {
                Ok(0) => return Err(ConnectError::Lost(io::ErrorKind::UnexpectedEof.into())),
                Ok(_) => {}
                Err(error) => return Err(ConnectError::Lost(error)),
            },
        }
    }
}
