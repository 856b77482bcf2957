//! The body of a refusal, as far as it is worth reading.

use bytes::{Buf, Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, Response, StatusCode};
use tokio::io::AsyncReadExt;
use tokio::time::{Instant, timeout_at};

use crate::stream::Stream;

use super::error::Refused;

/// A response's body is kept up to here; the rest of it is not read.
const MAX_BODY: usize = 64 * 1024;

/// Adds the body to a refusal: what of it comes until the deadline.
pub(super) async fn refused(
    stream: &mut Stream,
    response: Response<()>,
    received: BytesMut,
    deadline: Instant,
) -> Box<Refused> {
    let mut body = Body {
        framing: Framing::of(&response),
        received,
        content: BytesMut::new(),
    };
    let is_complete = timeout_at(deadline, body.read(stream))
        .await
        .unwrap_or(false);
    Box::new(Refused {
        response: response.map(|()| body.into_content()),
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
            status if status.is_informational() => Self::Length(0),
            StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED => Self::Length(0),
            _ if is_chunked(headers) => Self::Chunked,
            _ => content_length(headers).map_or(Self::UntilClose, Self::Length),
        }
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

/// A body on its way.
struct Body {
    framing: Framing,
    /// What came and is not yet content of a chunk.
    received: BytesMut,
    /// What the whole chunks held.
    content: BytesMut,
}

/// What the bytes say that came so far.
enum Progress {
    Whole,
    Partial,
    Malformed,
}

impl Body {
    /// Reads on to the end; `true` when the body is whole.
    async fn read(&mut self, stream: &mut Stream) -> bool {
        loop {
            match self.progress() {
                Progress::Whole => return self.content.len() + self.received.len() <= MAX_BODY,
                Progress::Malformed => return false,
                Progress::Partial if self.content.len() + self.received.len() >= MAX_BODY => {
                    return false;
                }
                Progress::Partial => {}
            }
            match stream.read_buf(&mut self.received).await {
                Ok(0) => return matches!(self.framing, Framing::UntilClose),
                Ok(_) => {}
                Err(_) => return false,
            }
        }
    }

    fn progress(&mut self) -> Progress {
        match self.framing {
            Framing::Length(length) if self.received.len() >= length => {
                self.received.truncate(length);
                Progress::Whole
            }
            Framing::Length(_) | Framing::UntilClose => Progress::Partial,
            Framing::Chunked => self.take_chunks(),
        }
    }

    /// Takes the chunks that are whole (RFC 9112 §7.1); trailers are dropped.
    fn take_chunks(&mut self) -> Progress {
        loop {
            match chunk_size(&self.received) {
                Ok(Some((_, 0))) => {
                    self.received.clear();
                    return Progress::Whole;
                }
                Ok(Some((start, length))) => {
                    let Some(behind) = self.received.get(start.saturating_add(length)..) else {
                        return Progress::Partial;
                    };
                    match behind {
                        [b'\r', b'\n', ..] => {}
                        [] | [b'\r'] => return Progress::Partial,
                        _ => return Progress::Malformed,
                    }
                    self.received.advance(start);
                    self.content.unsplit(self.received.split_to(length));
                    self.received.advance(2);
                }
                Ok(None) => return Progress::Partial,
                Err(_) => return Progress::Malformed,
            }
        }
    }

    fn into_content(mut self) -> Bytes {
        if matches!(self.framing, Framing::Chunked) {
            if let Ok(Some((start, length))) = chunk_size(&self.received) {
                self.received.advance(start);
                self.received.truncate(length);
                self.content.unsplit(self.received);
            }
            self.received = self.content;
        }
        self.received.truncate(MAX_BODY);
        self.received.freeze()
    }
}

/// Where a chunk's content begins, and its length.
fn chunk_size(bytes: &[u8]) -> Result<Option<(usize, usize)>, httparse::InvalidChunkSize> {
    Ok(match httparse::parse_chunk_size(bytes)? {
        httparse::Status::Complete((start, length)) => {
            Some((start, usize::try_from(length).unwrap_or(usize::MAX)))
        }
        httparse::Status::Partial => None,
    })
}
