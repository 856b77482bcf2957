//! The application's side of one connection: what it does with each event.

use std::ops::Range;

use holdwire_proto::{CloseCode, Event, Flow, Sender};

use super::topic::Topic;

/// What an application does with the events of one connection.
///
/// The same session runs on a shard, whose thread serves many connections, and in a task of its
/// own (a server without shards, TLS). It is called with what the kernel had for the connection,
/// one call an event; everything that it sends during one turn leaves in one write. **It must not
/// block**: other connections wait. Work that takes time goes to a task, which comes back by a
/// [`Remote`](super::Remote).
///
/// When a call panics, the connection is closed with 1011 and the session is called no more. A
/// session is dropped when its connection is gone.
///
/// Closures of the shape of [`Session::on_event`] are sessions.
pub trait Session: Send + 'static {
    /// The connection is open; what is sent here is the first that the peer gets.
    fn on_open(&mut self, sender: &mut Sender<'_>) {
        let _ = sender;
    }

    /// Takes one event, borrowed from where it lies. After [`Flow::Pause`] nothing is read until
    /// [`Remote::resume`](super::Remote::resume), so whoever pauses must see to that: in a task of its
    /// own a session does not learn before that its peer is gone.
    fn on_event(&mut self, event: Event<'_>, sender: &mut Sender<'_>) -> Flow;

    /// Somebody called [`Remote::wake`](super::Remote::wake).
    fn on_wake(&mut self, sender: &mut Sender<'_>) {
        let _ = sender;
    }

    /// The connection has joined a topic: it gets every publication from number `next` on, and
    /// none before it; unless the answer is to leave, and then none at all.
    ///
    /// What was published before anybody asked to join is never among those that come.
    fn on_join(&mut self, topic: &Topic, next: u64, sender: &mut Sender<'_>) -> Join {
        let _ = (topic, next, sender);
        Join::Stay
    }

    /// These publications of a topic with [`Slow::Skip`](super::Slow::Skip) were left out, because
    /// the peer reads too slowly; those after them follow. None of them when only what was
    /// [said](Topic::say) between two was left out.
    fn on_skip(&mut self, topic: &Topic, skipped: Range<u64>, sender: &mut Sender<'_>) {
        let _ = (topic, skipped, sender);
    }

    /// The peer reads too slowly for a topic with [`Slow::Close`](super::Slow::Close), and is
    /// closed when this returns.
    fn on_slow(&mut self, topic: &Topic) {
        let _ = topic;
    }

    /// A topic was [closed](Topic::close), and the connection has left it. Closes the connection
    /// with the same code and reason, unless the session does something else.
    fn on_end(&mut self, topic: &Topic, code: CloseCode, reason: &str, sender: &mut Sender<'_>) {
        let _ = topic;
        sender.close(code, reason);
    }

    /// The server goes down, and it is this connection's turn: closes it with the code and the
    /// reason of the [`Drain`](crate::Drain), unless the session closes it in the words of a
    /// protocol of its own. It is closed when this returns.
    fn on_drain(&mut self, code: CloseCode, reason: &str, sender: &mut Sender<'_>) {
        sender.close(code, reason);
    }
}

/// Whether a connection is to stay in a topic that it has just joined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Join {
    /// It gets what is published from now on.
    #[default]
    Stay,
    /// It leaves before anything is published to it: it may have to do something else first.
    Leave,
}

impl<F> Session for F
where
    F: FnMut(Event<'_>, &mut Sender<'_>) -> Flow + Send + 'static,
{
    fn on_event(&mut self, event: Event<'_>, sender: &mut Sender<'_>) -> Flow {
        self(event, sender)
    }
}

/// Stands for a session that could not be made, or has been dropped.
pub(super) struct Nobody;

impl Session for Nobody {
    fn on_event(&mut self, _: Event<'_>, _: &mut Sender<'_>) -> Flow {
        Flow::Continue
    }
}
