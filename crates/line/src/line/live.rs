//! The open connection of a line: messages go to it and come from it until it is lost.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use holdwire_proto::{CloseCode, Ended, SendError};
use tokio::time::Instant;

use super::event::Event;
use super::handle::{Inner, Shared};
use super::loss::Cause;
use super::receipt::Unproved;
use crate::client::Opened;
use crate::driver::Driver;
use crate::error::Closed;
use crate::websocket::WebSocket;

/// Bytes that are handed to the connection at once; the rest waits in the outbox, where it can
/// still expire and survives the connection.
const BATCH: usize = 64 * 1024;

/// A connection and its driver, polled by the line's task.
pub(super) struct Live {
    socket: WebSocket,
    driver: Driver,
    is_over: bool,
    since: Instant,
    unproved: Unproved,
    ping: Option<Ping>,
    /// What the heartbeat measured last.
    heartbeat: Option<Duration>,
}

/// The Ping that is under way.
struct Ping {
    payload: [u8; 8],
    sent: Instant,
}

impl Live {
    pub(super) fn new(opened: Opened) -> Self {
        Self {
            socket: opened.socket,
            driver: opened.driver,
            is_over: false,
            since: Instant::now(),
            unproved: Unproved::default(),
            ping: None,
            heartbeat: None,
        }
    }

    pub(super) fn subprotocol(&self) -> Option<Arc<str>> {
        self.socket.subprotocol().map(Arc::from)
    }

    /// How long it has been open.
    pub(super) fn uptime(&self) -> Duration {
        self.since.elapsed()
    }

    /// Moves messages and the connection; `Ready` when it is lost.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, shared: &Shared) -> Poll<Closed> {
        loop {
            let is_able = self.hand_over(&mut shared.lock());
            self.drive(cx);
            self.receive(cx, &mut shared.lock());
            if let Some(closed) = self.socket.closed() {
                self.receive_rest(cx, &mut shared.lock());
                // A Close frame behind messages is answered when these were taken.
                self.drive(cx);
                return Poll::Ready(closed);
            }
            if !self.note_written(&mut shared.lock()) || !is_able {
                return Poll::Pending;
            }
        }
    }

    fn drive(&mut self, cx: &mut Context<'_>) {
        if !self.is_over {
            self.is_over = Pin::new(&mut self.driver).poll(cx).is_ready();
        }
    }

    /// Hands over the next batch, once the last one was written; false when the connection takes
    /// nothing any more.
    fn hand_over(&self, inner: &mut Inner) -> bool {
        if inner.outbox.has_handed() {
            return true;
        }
        let mut state = self.socket.handle.lock();
        while state.queued() < BATCH
            && let Some(message) = inner.outbox.next()
        {
            let before = state.stats().sent.bytes + state.ahead() as u64;
            match state.send(message) {
                Ok(()) => {}
                // Other frames stand before it, and are perhaps written in this very turn.
                Err(SendError::Full) => return true,
                Err(_) => return false,
            }
            inner.outbox.hand_over(before);
        }
        true
    }

    /// Settles what was written and what a Pong proves; true when there is more to do.
    fn note_written(&mut self, inner: &mut Inner) -> bool {
        let mut state = self.socket.handle.lock();
        if let Some(ping) = self.ping.take_if(|ping| state.has_pong(ping.payload)) {
            state.forget_ping(ping.payload);
            inner.round_trip = Some(ping.sent.elapsed());
            self.unproved.prove_asked();
        }
        let heartbeat = state.stats().round_trip;
        if heartbeat != self.heartbeat {
            self.heartbeat = heartbeat;
            inner.round_trip = heartbeat;
        }
        if state.has_output() {
            return false;
        }
        inner.counters.written += inner.outbox.write(&mut self.unproved) as u64;
        // All that it is to prove has left before it.
        if self.ping.is_none() && self.unproved.ask() {
            let payload = rand::random();
            if let Ok(true) = state.ping(payload) {
                let sent = Instant::now();
                self.ping = Some(Ping { payload, sent });
                return true;
            }
        }
        inner.outbox.next().is_some()
    }

    /// Takes messages as long as the application does.
    fn receive(&self, cx: &mut Context<'_>, inner: &mut Inner) {
        while inner.events.has_room()
            && let Poll::Ready(Some(Ok(message))) = self.socket.handle.poll_recv(cx)
        {
            inner.counters.received += 1;
            inner.events.push(Event::Message(message));
        }
    }

    /// Takes the messages that came before the end.
    fn receive_rest(&self, cx: &mut Context<'_>, inner: &mut Inner) {
        while let Poll::Ready(Some(Ok(message))) = self.socket.handle.poll_recv(cx) {
            inner.counters.received += 1;
            inner.events.push(Event::Message(message));
        }
    }

    /// Lets go of a connection that is lost, and says why it is.
    ///
    /// One that ended in good order, or by the peer's fault, has our last frame on its way: its
    /// driver sees to that in the background. Any other transport is dropped.
    pub(super) fn let_go(self, closed: Closed, inner: &mut Inner) -> Cause {
        let state = self.socket.handle.lock();
        let has_output = state.has_output();
        inner.outbox.give_back(state.stats().sent.bytes);
        drop(state);
        let cause = Cause::of(closed);
        let is_told = matches!(cause, Cause::Closed(_) | Cause::Protocol(_));
        if is_told && !has_output && !self.is_over {
            tokio::spawn(self.driver);
        }
        cause
    }

    /// The closing handshake; what the peer is proved to have got by it is settled.
    pub(super) async fn close(mut self, code: CloseCode, reason: &str, shared: &Shared) {
        shared.lock().outbox.entrust(&mut self.unproved);
        let closing = self.socket.close(code, reason);
        if self.is_over {
            return;
        }
        let (closed, _) = tokio::join!(closing, self.driver);
        // Another code than ours is no answer: the peer began to close in the same moment, and may
        // have read nothing.
        if closed.ended == Ended::Clean(Some(code)) {
            self.unproved.prove();
        }
    }
}
