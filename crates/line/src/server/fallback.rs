//! Ordinary HTTP on the same port, served by hyper one request at a time.
//!
//! hyper gets exactly one request: when its response is done the transport seems to end, and the
//! connection comes back to our own reader. So an upgrade that arrives second on a kept-alive
//! connection is judged by the same bytes and rules as one that arrives first.

use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::{Buf, Bytes};
use holdwire_proto::handshake::RequestHead;
use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, Request, Response};
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::Peer;
use super::endpoint::BoxFuture;
use crate::stream::Stream;

/// The body of a request that is given to the fallback service.
pub type Body = Incoming;

type BoxError = Box<dyn Error + Send + Sync>;
type BoxBody = Pin<Box<dyn HttpBody<Data = Bytes, Error = BoxError> + Send>>;

/// A tower service without its type.
pub(super) struct Fallback(Box<Serve>);

type Serve = dyn Fn(Request<Body>, Arc<Turn>) -> BoxFuture<Response<BoxBody>> + Send + Sync;

/// Where one exchange stands, known to the response's body and to the transport.
#[derive(Default)]
struct Turn {
    is_done: AtomicBool,
    closes: AtomicBool,
    reader: Mutex<Option<Waker>>,
}

impl Turn {
    /// The response is complete.
    fn finish(&self) {
        self.is_done.store(true, Ordering::Release);
        let reader = self
            .reader
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    fn poll_done(&self, cx: &Context<'_>) -> Poll<()> {
        *self.reader.lock().unwrap_or_else(PoisonError::into_inner) = Some(cx.waker().clone());
        if self.is_done.load(Ordering::Acquire) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}

impl Fallback {
    pub(super) fn new<S, B>(service: S) -> Self
    where
        S: tower_service::Service<
                Request<Body>,
                Response = Response<B>,
                Error = Infallible,
                Future: Send + 'static,
            > + Clone
            + Send
            + Sync
            + 'static,
        B: HttpBody<Data: Send, Error: Into<BoxError>> + Send + 'static,
    {
        Self(Box::new(move |request, turn| {
            let mut service = service.clone();
            Box::pin(async move {
                let ready = std::future::poll_fn(|cx| service.poll_ready(cx)).await;
                let response = match ready {
                    Ok(()) => service.call(request).await,
                    Err(never) => match never {},
                };
                let Ok(response) = response;
                if closes(response.headers()) {
                    turn.closes.store(true, Ordering::Release);
                }
                response.map(|body| -> BoxBody {
                    Box::pin(Tracked {
                        body: Box::pin(body),
                        turn,
                    })
                })
            })
        }))
    }

    /// Serves one request; gives the transport back, with what was received after the request,
    /// when the connection may go on.
    pub(super) async fn exchange(
        &self,
        stream: Stream,
        head: RequestHead,
        raw: Bytes,
        received: Vec<u8>,
        client: Peer,
        (silence, may_go_on): (Duration, bool),
    ) -> Option<(Stream, Vec<u8>)> {
        let turn = Arc::new(Turn::default());
        let length = body_length(head.request.headers());
        let transport = OneRequest {
            stream,
            head: raw,
            received,
            left: length.unwrap_or(u64::MAX),
            has_length: length.is_some(),
            turn: Arc::clone(&turn),
            body: Silence::new(silence),
            response: Silence::new(silence),
        };
        let service = service_fn(|mut request: Request<Body>| {
            request.extensions_mut().insert(client.clone());
            let response = (self.0)(request, Arc::clone(&turn));
            async move { Ok::<_, Infallible>(response.await) }
        });
        let served = http1::Builder::new()
            .half_close(true)
            .keep_alive(may_go_on)
            .serve_connection(transport, service)
            .without_shutdown()
            .await;
        let transport = match served {
            Ok(parts) => parts.io,
            Err(error) => {
                tracing::debug!(%error, "an HTTP exchange failed");
                return None;
            }
        };
        let goes_on = may_go_on
            && turn.is_done.load(Ordering::Acquire)
            && !turn.closes.load(Ordering::Acquire)
            && !head.wants_close()
            && length.is_some()
            && transport.left == 0;
        if goes_on {
            return Some((transport.stream, transport.received));
        }
        let mut stream = transport.stream;
        // The client may be gone already, which is the same end.
        drop(tokio::io::AsyncWriteExt::shutdown(&mut stream).await);
        None
    }
}

/// Whether the response says that nothing follows on this connection.
fn closes(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(CONNECTION).iter();
    lines.filter_map(|line| line.to_str().ok()).any(|line| {
        line.split(',')
            .any(|token| token.trim().eq_ignore_ascii_case("close"))
    })
}

/// The length of a request's body, if its head tells it.
fn body_length(headers: &HeaderMap) -> Option<u64> {
    if headers.contains_key(TRANSFER_ENCODING) {
        return None;
    }
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    match (lengths.next(), lengths.next()) {
        (None, _) => Some(0),
        (Some(only), None) => only.to_str().ok()?.parse().ok(),
        _ => None,
    }
}

/// A transport that carries exactly one request, and ends when the response is done.
struct OneRequest {
    stream: Stream,
    head: Bytes,
    /// What was received after the head: the body's beginning, or the next request.
    received: Vec<u8>,
    /// Bytes of the body still to come.
    left: u64,
    /// Whether the end of the body is known before it came.
    has_length: bool,
    turn: Arc<Turn>,
    /// How long the client has sent nothing of a body that it announced.
    body: Silence,
    /// How long the client has read nothing of the response.
    response: Silence,
}

/// Ends what makes no progress for too long.
struct Silence {
    limit: Duration,
    since: Option<Pin<Box<Sleep>>>,
}

impl Silence {
    fn new(limit: Duration) -> Self {
        Self { limit, since: None }
    }

    fn bound<T>(
        &mut self,
        cx: &mut Context<'_>,
        progress: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if progress.is_ready() {
            self.since = None;
            return progress;
        }
        let limit = self.limit;
        let since = self.since.get_or_insert_with(|| Box::pin(sleep(limit)));
        let is_over = since.as_mut().poll(cx);
        is_over.map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl Read for OneRequest {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut cursor: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.head.has_remaining() {
            let count = this.head.len().min(cursor.remaining());
            cursor.put_slice(&this.head.split_to(count));
            return Poll::Ready(Ok(()));
        }
        if this.turn.poll_done(cx).is_ready() {
            return Poll::Ready(Ok(()));
        }
        if this.left == 0 {
            return Poll::Pending;
        }
        let most = usize::try_from(this.left)
            .unwrap_or(usize::MAX)
            .min(cursor.remaining());
        if !this.received.is_empty() {
            let count = this.received.len().min(most);
            cursor.put_slice(&this.received[..count]);
            this.received.drain(..count);
            this.left -= count as u64;
            return Poll::Ready(Ok(()));
        }
        let mut bytes = vec![0; most.min(BODY_STEP)];
        let mut buffer = ReadBuf::new(&mut bytes);
        let read = Pin::new(&mut this.stream).poll_read(cx, &mut buffer);
        cursor.put_slice(buffer.filled());
        this.left -= buffer.filled().len() as u64;
        if this.has_length {
            this.body.bound(cx, read)
        } else {
            read
        }
    }
}

/// Bytes of a body read at once.
const BODY_STEP: usize = 8 * 1024;

impl Write for OneRequest {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write(cx, bytes);
        this.response.bound(cx, written)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = Pin::new(&mut this.stream).poll_flush(cx);
        this.response.bound(cx, flushed)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write_vectored(cx, slices);
        this.response.bound(cx, written)
    }
}

/// A response's body that says when it is done.
struct Tracked<B> {
    body: Pin<Box<B>>,
    turn: Arc<Turn>,
}

impl<B: HttpBody<Error: Into<BoxError>>> HttpBody for Tracked<B> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = self.get_mut().body.as_mut().poll_frame(cx);
        frame.map(|frame| {
            let frame = frame?.map_err(Into::into);
            Some(frame.map(|frame| frame.map_data(|mut data| data.copy_to_bytes(data.remaining()))))
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<B> Drop for Tracked<B> {
    fn drop(&mut self) {
        self.turn.finish();
    }
}
