//! Accepting: one loop a listener, one task a connection, limits on both.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep, timeout_at};

use super::Inner;
use super::http::{self, Open, Opened, Source};
use super::rate::Handshakes;
use super::registry::Counted;
#[cfg(feature = "shard")]
use super::shards::Taken;
use crate::deadline::deadline;
use crate::stream::Stream;

/// How long to wait when the system has no more descriptors.
const EXHAUSTED: Duration = Duration::from_millis(50);

/// Connections beyond the limit that are told so, or asked whether the server lives; more are
/// not worth a task.
const EXTRA: usize = 64;

/// Accepts until the server has shut down: while it drains, newcomers are told so.
pub(super) async fn accept_all(listener: TcpListener, inner: Arc<Inner>) {
    let finished = inner.handle.finished();
    let mut finished = pin!(finished);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut finished => return,
        };
        match accepted {
            Ok((tcp, peer)) => {
                let Some(place) = inner.permits.place(inner.limits.max_connections) else {
                    tracing::debug!(%peer, "a full server leaves a connection at once");
                    continue;
                };
                // Counted before its task runs, so that a shutdown cannot overlook it; who comes
                // later does not keep the server.
                let counted = Some(inner.handle.count()).filter(|_| !inner.handle.is_draining());
                tokio::spawn(connection(tcp, peer, Arc::clone(&inner), counted, place));
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "cannot accept; trying again shortly");
                sleep(EXHAUSTED).await;
            }
        }
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset
    )
}

/// Serves one TCP connection: HTTP first, then perhaps WebSocket.
///
/// The HTTP part has much to remember, so an open connection goes on in a small task of its own.
async fn connection(
    tcp: TcpStream,
    peer: SocketAddr,
    inner: Arc<Inner>,
    counted: Option<Counted>,
    place: Place,
) {
    let deadline = deadline(inner.limits.handshake_timeout);
    // Small frames must not wait for the acknowledgement of others; a socket that cannot be told
    // so works all the same.
    drop(tcp.set_nodelay(true));
    let Some(stream) = transport(tcp, &inner, deadline).await else {
        return;
    };
    let source = Source {
        peer,
        is_tls: stream.needs_flush(),
        is_extra: place.is_extra,
    };
    match http::serve(stream, source, deadline, &inner).await {
        Some(Opened::InTask(open)) => {
            tokio::spawn(Counting {
                open,
                _counted: counted,
                _place: place,
            });
        }
        #[cfg(feature = "shard")]
        Some(Opened::ForShard(opening)) => {
            let counted = counted.unwrap_or_else(|| inner.handle.count());
            inner.shards.take(opening, Taken { counted, place });
        }
        None => {}
    }
}

/// An open connection that counts.
struct Counting {
    open: Open,
    _counted: Option<Counted>,
    _place: Place,
}

impl Future for Counting {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.open).poll(cx)
    }
}

/// The transport that HTTP runs over: TLS if the server speaks it.
#[cfg_attr(
    not(feature = "tls"),
    expect(clippy::unused_async, reason = "TLS awaits")
)]
async fn transport(tcp: TcpStream, inner: &Inner, deadline: Instant) -> Option<Stream> {
    #[cfg(feature = "tls")]
    if let Some(acceptor) = &inner.tls {
        // Boxed: what a handshake needs is not kept while a request is waited for.
        return match Box::pin(timeout_at(deadline, acceptor.accept(tcp))).await {
            Ok(Ok(tls)) => Some(tls),
            Ok(Err(error)) => {
                tracing::debug!(%error, "TLS handshake failed");
                None
            }
            Err(_) => {
                tracing::debug!("TLS handshake was not finished in time");
                None
            }
        };
    }
    #[cfg(not(feature = "tls"))]
    let _ = (inner, deadline, timeout_at::<std::future::Ready<()>>);
    Some(tcp.into())
}

/// Counts connections: in all, and of each address.
#[derive(Default)]
pub(super) struct Permits {
    pub(super) total: Total,
    extra: Total,
    pub(super) per_ip: PerIp,
    /// Refusals under way that are Close frames.
    pub(super) after_open: Total,
    pub(super) handshakes: Handshakes,
}

impl Permits {
    /// A place for one more connection: one of `most`, or one of the few beyond them.
    fn place(&self, most: usize) -> Option<Place> {
        let regular = self.total.take(most);
        let is_extra = regular.is_none();
        let permit = regular.or_else(|| self.extra.take(EXTRA))?;
        Some(Place { is_extra, permit })
    }
}

/// The place of one connection; given back when dropped.
pub(super) struct Place {
    is_extra: bool,
    #[cfg_attr(
        not(feature = "shard"),
        expect(dead_code, reason = "dropped with the place")
    )]
    permit: TotalPermit,
}

#[cfg(feature = "shard")]
impl Place {
    /// Stays taken until [`Total::give_back`].
    pub(super) fn keep(self) {
        std::mem::forget(self.permit);
    }
}

/// Connections in all.
#[derive(Clone, Default)]
pub(super) struct Total(Arc<AtomicUsize>);

impl Total {
    pub(super) fn take(&self, most: usize) -> Option<TotalPermit> {
        let permit = TotalPermit(Arc::clone(&self.0));
        (self.0.fetch_add(1, Ordering::AcqRel) < most).then_some(permit)
    }

    /// Gives back what [`Place::keep`] kept.
    #[cfg(feature = "shard")]
    pub(super) fn give_back(&self) {
        drop(TotalPermit(Arc::clone(&self.0)));
    }
}

/// One connection of all; given back when dropped.
pub(super) struct TotalPermit(Arc<AtomicUsize>);

impl Drop for TotalPermit {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Connections of each address; an IPv6 one counts by its /64.
#[derive(Clone, Default)]
pub(super) struct PerIp(Arc<Mutex<HashMap<IpAddr, usize>>>);

impl PerIp {
    /// Counts a connection of `address`; `None` when it has `most` already.
    pub(super) fn take(&self, address: IpAddr, most: usize) -> Option<Option<IpPermit>> {
        if most == usize::MAX {
            return Some(None);
        }
        let address = network(address);
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(address).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        Some(Some(IpPermit {
            per_ip: self.clone(),
            address,
        }))
    }
}

/// One connection of an address; given back when dropped.
pub(super) struct IpPermit {
    per_ip: PerIp,
    address: IpAddr,
}

impl Drop for IpPermit {
    fn drop(&mut self) {
        let mut counts = self.per_ip.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.address);
            }
        }
    }
}

/// What counts as one address: a host commonly has a whole IPv6 /64 to itself.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.into(),
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_of_one_address_are_counted_and_given_back() {
        let per_ip = PerIp::default();
        let ann: IpAddr = "192.0.2.1".parse().unwrap();
        let bob: IpAddr = "192.0.2.2".parse().unwrap();

        let first = per_ip.take(ann, 1);
        assert!(first.is_some());
        assert!(per_ip.take(ann, 1).is_none());
        assert!(per_ip.take(bob, 1).is_some());
        drop(first);

        assert!(per_ip.take(ann, 1).is_some());
        assert_eq!(
            per_ip.0.lock().unwrap().len(),
            0,
            "nothing is kept for those who left"
        );
    }

    #[test]
    fn an_ipv6_network_counts_as_one_address() {
        let a: IpAddr = "2001:db8:1:2::1".parse().unwrap();
        let b: IpAddr = "2001:db8:1:2:ffff::9".parse().unwrap();

        assert_eq!(network(a), network(b));
        assert_eq!(
            network("::ffff:192.0.2.1".parse().unwrap()),
            "192.0.2.1".parse::<IpAddr>().unwrap()
        );
    }

    #[test]
    fn a_refused_connection_does_not_count() {
        let total = Total::default();

        let first = total.take(1);
        assert!(total.take(1).is_none());
        drop(first);

        assert!(total.take(1).is_some());
    }
}
