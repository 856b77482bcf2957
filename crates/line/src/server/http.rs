//! The HTTP part of a connection: every request head passes one strict reader, whether it is the
//! first or comes later on a kept-alive connection.

#[cfg(feature = "shard")]
use std::any::Any;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use holdwire_proto::Role;
use holdwire_proto::handshake::{HeadReader, Reason, Refusal, RequestHead, encode_response_head};
use http::StatusCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout, timeout_at};

use super::Inner;
use super::accept::IpPermit;
use super::admit::{Upgraded, admit};
use super::endpoint::{Does, Running};
use super::refuse::refuse;
use super::registry::{Phase, Registered};
use crate::deadline::deadline;
use crate::driver::Run;
#[cfg(feature = "shard")]
use crate::shard::{Opening, run_alone};
use crate::stream::Stream;
use crate::websocket::WebSocket;

/// Room made for a request head at a time.
const READ_STEP: usize = 1024;

/// An open WebSocket connection with what has to live as long: a task of its own.
pub(super) struct Open {
    run: Run<Running>,
    watch: Option<Box<Watch>>,
    _registered: Registered,
    _permit: Option<Box<IpPermit>>,
}

/// Where an open connection goes on.
pub(super) enum Opened {
    InTask(Open),
    #[cfg(feature = "shard")]
    ForShard(Box<Opening>),
}

/// What the observer is told at the end.
struct Watch {
    observer: Arc<dyn super::Observer>,
    opened: Instant,
}

impl Future for Open {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let closed = std::task::ready!(Pin::new(&mut self.run).poll(cx));
        tracing::debug!(%closed, "connection closed");
        if let Some(watch) = &self.watch {
            let stats = self.run.shared().lock().stats();
            let open = watch.opened.elapsed();
            watch.observer.closed(&closed, &stats, open);
        }
        Poll::Ready(())
    }
}

/// Where a connection's requests come from.
#[derive(Clone, Copy)]
pub(super) struct Source {
    pub(super) peer: SocketAddr,
    pub(super) is_tls: bool,
    /// Whether it is beyond the limit: for one ordinary request, or to be told so.
    pub(super) is_extra: bool,
}

/// Serves requests until one becomes a WebSocket connection or the client is done.
pub(super) async fn serve(
    mut stream: Stream,
    source: Source,
    mut deadline: Instant,
    inner: &Arc<Inner>,
) -> Option<Opened> {
    let mut received = Vec::new();
    // Who connects to a draining server is told so: a health check gets its answer.
    let mut may_leave = !inner.handle.is_draining();
    loop {
        let head = read_head(&mut stream, &mut received, deadline, may_leave, inner).await;
        may_leave = true;
        let head = match head {
            Ok(head) => head?,
            Err(refusal) => {
                inner.count(refusal.response().status());
                Box::pin(refuse(
                    stream,
                    refusal.into(),
                    source.peer.ip(),
                    None,
                    inner,
                ))
                .await;
                return None;
            }
        };
        let rest = received.split_off(head.length);
        let raw = Bytes::from(std::mem::replace(&mut received, rest));
        // Boxed, as is a refusal: who has connected and says nothing holds no place for it.
        match Box::pin(exchange(stream, head, raw, received, source, inner)).await {
            Next::Open(opened) => return Some(opened),
            Next::Over => return None,
            Next::Request(same, rest) => {
                (stream, received) = (same, rest);
                deadline = self::deadline(inner.limits.keep_alive);
            }
        }
    }
}

/// What follows a request.
enum Next {
    Open(Opened),
    #[cfg_attr(
        not(feature = "fallback"),
        expect(dead_code, reason = "only ordinary HTTP goes on")
    )]
    Request(Stream, Vec<u8>),
    Over,
}

async fn exchange(
    mut stream: Stream,
    head: RequestHead,
    raw: Bytes,
    received: Vec<u8>,
    source: Source,
    inner: &Arc<Inner>,
) -> Next {
    let client = inner.peer(source.peer, head.request.headers(), source.is_tls);
    #[cfg(feature = "fallback")]
    if let Some(fallback) = &inner.fallback
        && !head.wants_websocket()
    {
        if let Err(refusal) = inner.check_host(&head.request) {
            let path = head.request.uri().path();
            refuse(
                stream,
                refusal.into(),
                client.address.ip(),
                Some(path),
                inner,
            )
            .await;
            return Next::Over;
        }
        let bounds = (inner.limits.keep_alive, !source.is_extra);
        let next = tokio::select! {
            next = fallback.exchange(stream, head, raw, received, client, bounds) => next,
            () = over(inner) => None,
        };
        return match next {
            Some((stream, received)) => Next::Request(stream, received),
            None => Next::Over,
        };
    }
    drop(raw);
    let address = client.address.ip();
    let upgraded = tokio::select! {
        upgraded = admit(&head, client, source.is_extra, inner) => upgraded,
        () = over(inner) => return Next::Over,
    };
    let Upgraded {
        response,
        mut setup,
        request,
        endpoint,
        permit,
    } = match upgraded {
        Ok(upgraded) => upgraded,
        Err(rejected) => {
            inner.count(rejected.status());
            let path = head.request.uri().path();
            refuse(stream, rejected, address, Some(path), inner).await;
            return Next::Over;
        }
    };
    let response = encode_response_head(&response);
    let written = timeout(inner.limits.handshake_timeout, async {
        stream.write_all(&response).await?;
        stream.flush().await
    });
    if !matches!(written.await, Ok(Ok(()))) {
        return Next::Over;
    }
    inner.count(StatusCode::SWITCHING_PROTOCOLS);
    if let Some(observer) = &inner.observer {
        observer.opened(&request);
    }
    #[cfg(feature = "shard")]
    let stream = match (&endpoint.does, stream.into_tcp()) {
        (Does::Session(make), Ok(tcp)) if inner.shards.emptiest().is_some() => {
            return match tcp.into_std() {
                Ok(socket) => Next::Open(Opened::ForShard(Box::new(Opening {
                    socket,
                    connection: setup.connection(Role::Server),
                    config: setup.config,
                    request,
                    make: Arc::clone(make),
                    received,
                    guard: permit.map(|permit| Box::new(permit) as Box<dyn Any + Send>),
                }))),
                Err(_) => Next::Over,
            };
        }
        (_, tcp) => tcp.map_or_else(|stream| stream, Stream::from),
    };
    setup.received = Bytes::from(received);
    let (socket, driver) = WebSocket::over_stream(stream, Role::Server, setup);
    let shared = driver.shared();
    driver.will_run();
    let handler = match &endpoint.does {
        Does::Handler(handle) => handle(socket, request),
        #[cfg(feature = "shard")]
        Does::Session(make) => {
            let owner = Arc::clone(&inner.owner);
            Running::new(run_alone(socket, Arc::clone(make), request, owner))
        }
    };
    // Only now: a session is there that can be told of a shutdown.
    let registered = inner.handle.register(&shared);
    // A shutdown that began between the last look and the registration.
    match inner.handle.now() {
        Phase::Serving => {}
        Phase::Draining(draining) => {
            let reason = draining.reason_of_newcomer(Instant::now(), rand::random());
            shared.drain(draining.code(), reason);
        }
        Phase::Over => shared.lock().cut(),
    }
    let watch = inner.observer.clone().map(|observer| {
        Box::new(Watch {
            observer,
            opened: Instant::now(),
        })
    });
    Next::Open(Opened::InTask(Open {
        run: Run::new(driver, handler),
        watch,
        _registered: registered,
        _permit: permit.map(Box::new),
    }))
}

/// Reads the next request head; `None` when the client is done or the server is, which may leave
/// a silent client when it drains.
async fn read_head(
    stream: &mut Stream,
    received: &mut Vec<u8>,
    deadline: Instant,
    may_leave: bool,
    inner: &Inner,
) -> Result<Option<RequestHead>, Refusal> {
    let mut reader = HeadReader::new(inner.limits.head);
    let mut deadline = deadline;
    loop {
        if let Some(head) = reader.read_request(received)? {
            return Ok(Some(head));
        }
        received.reserve(READ_STEP);
        let received_before = received.len();
        let read = tokio::select! {
            // What has come is answered, even if only to say that the server is leaving.
            biased;
            read = timeout_at(deadline, stream.read_buf(received)) => read,
            () = over(inner) => return Ok(None),
            () = draining(inner), if may_leave && received_before == 0 => return Ok(None),
        };
        match read {
            Ok(Ok(0) | Err(_)) => return Ok(None),
            // A kept-alive connection may be silent for longer than a head may take.
            Ok(Ok(count)) if count == received.len() => {
                deadline = deadline.min(self::deadline(inner.limits.handshake_timeout));
            }
            Ok(Ok(_)) => {}
            Err(_) if received.is_empty() => return Ok(None),
            Err(_) => return Err(Refusal::new(Reason::Timeout)),
        }
    }
}

/// Waits until the server is shutting down, so that a client who asks for nothing need not stay.
async fn draining(inner: &Inner) {
    let mut phase = inner.handle.phase();
    drop(phase.wait_for(|phase| !phase.is_serving()).await);
}

/// Waits for the end of the server.
async fn over(inner: &Inner) {
    let mut phase = inner.handle.phase();
    // An error means that the server is gone, which is the same.
    drop(phase.wait_for(Phase::is_over).await);
}
