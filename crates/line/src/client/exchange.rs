//! One request and its answer over HTTP/1.1, before the bytes mean something else.

use std::io;

use bytes::{Buf, Bytes, BytesMut};
use holdwire_proto::handshake::{HeadError, HeadLimits, HeadReader, ResponseHead};
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, Response, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout_at};

use crate::stream::Stream;

use super::error::{ConnectError, Phase, Refused};

/// A response's body is kept up to here; the rest of it is not read.
const MAX_BODY: usize = 64 * 1024;

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

/// Adds the body to a refusal: what of it comes until the deadline.
pub(super) async fn refused(
    stream: &mut Stream,
    response: Response<()>,
    mut received: BytesMut,
    deadline: Instant,
) -> Box<Refused> {
    let framing = Framing::of(&response);
    let is_complete = timeout_at(deadline, framing.read(stream, &mut received))
        .await
        .unwrap_or(false);
    let body = framing.body(received);
    Box::new(Refused {
        response: response.map(|()| body),
        is_complete,
    })
}

/// How the end of a body is known (RFC 9112 §6.3).
enum Framing {
    Length(usize),
    Chunked,
    UntilClose,
}

impl Framing {
    fn of(response: &Response<()>) -> Self {
        let headers = response.headers();
        match response.status() {
            StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED | StatusCode::SWITCHING_PROTOCOLS => {
                Self::Length(0)
            }
            _ if is_chunked(headers) => Self::Chunked,
            _ => content_length(headers).map_or(Self::UntilClose, Self::Length),
        }
    }

    /// Reads the body; `true` when it is whole.
    async fn read(&self, stream: &mut Stream, received: &mut BytesMut) -> bool {
        loop {
            match self {
                Self::Length(length) if received.len() >= *length => return *length <= MAX_BODY,
                Self::Chunked => match dechunk(received) {
                    (_, Chunks::Partial) => {}
                    (_, end) => return matches!(end, Chunks::Whole),
                },
                Self::Length(_) | Self::UntilClose => {}
            }
            if received.len() >= MAX_BODY {
                return false;
            }
            match stream.read_buf(received).await {
                Ok(0) => return matches!(self, Self::UntilClose),
                Ok(_) => {}
                Err(_) => return false,
            }
        }
    }

    fn body(&self, mut received: BytesMut) -> Bytes {
        let mut body = match self {
            Self::Length(length) => {
                received.truncate(*length);
                received.freeze()
            }
            Self::Chunked => dechunk(&received).0,
            Self::UntilClose => received.freeze(),
        };
        body.truncate(MAX_BODY);
        body
    }
}

fn is_chunked(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get_all(TRANSFER_ENCODING).iter().next_back() else {
        return false;
    };
    let last = value.as_bytes().rsplit(|&byte| byte == b',').next();
    last.is_some_and(|coding| coding.trim_ascii().eq_ignore_ascii_case(b"chunked"))
}

fn content_length(headers: &HeaderMap) -> Option<usize> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// How a chunked body ends as far as it was received.
enum Chunks {
    Whole,
    Partial,
    Malformed,
}

/// The content of the chunks that came (RFC 9112 §7.1); trailers are left alone.
fn dechunk(mut received: &[u8]) -> (Bytes, Chunks) {
    let mut content = BytesMut::new();
    loop {
        match httparse::parse_chunk_size(received) {
            Ok(httparse::Status::Complete((_, 0))) => return (content.freeze(), Chunks::Whole),
            Ok(httparse::Status::Complete((start, length))) => {
                received = &received[start..];
                let length = usize::try_from(length).unwrap_or(usize::MAX);
                let available = length.min(received.len());
                content.extend_from_slice(&received[..available]);
                let Some(rest) = received[available..].strip_prefix(b"\r\n") else {
                    let is_partial = received.len() < length.saturating_add(2);
                    let end = if is_partial {
                        Chunks::Partial
                    } else {
                        Chunks::Malformed
                    };
                    return (content.freeze(), end);
                };
                received = rest;
            }
            Ok(httparse::Status::Partial) => return (content.freeze(), Chunks::Partial),
            Err(_) => return (content.freeze(), Chunks::Malformed),
        }
    }
}
