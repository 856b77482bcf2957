//! What others ask of a shard: a queue that any thread may put into.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use holdwire_proto::{CloseCode, Message};
use tokio::sync::oneshot;

use super::opening::{Opening, Ticket};
use super::slab::Id;
use super::topic::Topic;
use crate::error::Error;

/// Something that a shard is to do in its next turn.
pub(crate) enum Command {
    /// Take over a connection.
    Open(Box<Opening>, Box<dyn Ticket>),
    /// Do something with one connection.
    To(Id, Order),
    /// Hand out what was published.
    Deliver(Topic),
    /// Close all who have joined.
    Disband(Topic, CloseCode, String),
    /// Name all connections.
    Name(oneshot::Sender<Vec<Id>>),
    /// Close all transports at once.
    CutAll,
    /// End as soon as there is no connection: nobody will bring one.
    Stop,
}

/// Something that is to be done with one connection.
pub(crate) enum Order {
    /// Send a message when there is room, and say so.
    Send(Message, oneshot::Sender<Result<(), Error>>),
    Close(CloseCode, String),
    /// The same in words that the session may choose.
    Drain(CloseCode, String),
    /// Close the transport at once.
    Cut,
    /// Leave the transport alone for so long.
    PlayDead(Duration),
    /// Hand on what came after the session paused.
    Resume,
    /// Tell the session that something it waits for has happened.
    Wake,
    /// The same when nothing waits to be written.
    WakeWhenSent,
    Join(Topic),
    Leave(Topic),
}

/// The queue of one shard, or of a connection that has a task of its own.
pub(crate) struct Mailbox {
    /// Which one this is, among all of the process.
    pub(crate) number: u32,
    queue: Mutex<Queue>,
    /// Connections of the shard, those on their way to it included.
    pub(crate) open: AtomicUsize,
    /// Bytes that wait to be written on all of them.
    pub(crate) queued: AtomicUsize,
}

#[derive(Default)]
struct Queue {
    commands: Vec<Command>,
    waker: Option<Waker>,
    /// The shard is gone: nobody will ever look.
    is_closed: bool,
}

impl Mailbox {
    pub(crate) fn new() -> Arc<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        Arc::new(Self {
            number: NUMBER.fetch_add(1, Ordering::Relaxed),
            queue: Mutex::default(),
            open: AtomicUsize::new(0),
            queued: AtomicUsize::new(0),
        })
    }

    /// Hands a connection over.
    pub(crate) fn open(&self, opening: Box<Opening>, ticket: Box<dyn Ticket>) {
        self.open.fetch_add(1, Ordering::Relaxed);
        self.push(Command::Open(opening, ticket));
    }

    /// Puts a command in and wakes the shard if it sleeps; what nobody will do is dropped.
    pub(crate) fn push(&self, command: Command) {
        let mut queue = self.lock();
        let refused = if queue.is_closed {
            Some(command)
        } else {
            queue.commands.push(command);
            None
        };
        let waker = queue.waker.take();
        drop(queue);
        if let Some(command) = refused {
            self.leave_undone(command);
        }
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Moves all commands to the end of `commands`; when there is none, wakes the task of `cx` for
    /// the next.
    pub(super) fn poll_take(&self, cx: &Context<'_>, commands: &mut Vec<Command>) -> Poll<()> {
        let mut queue = self.lock();
        if queue.commands.is_empty() {
            match &mut queue.waker {
                Some(waker) => waker.clone_from(cx.waker()),
                None => queue.waker = Some(cx.waker().clone()),
            }
            return Poll::Pending;
        }
        commands.append(&mut queue.commands);
        queue.commands.shrink_to(KEPT);
        Poll::Ready(())
    }

    /// The shard is awake and will look before it sleeps: nobody need wake it.
    pub(super) fn wake_up(&self) {
        self.lock().waker = None;
    }

    /// Whether the shard is gone.
    pub(crate) fn is_closed(&self) -> bool {
        self.lock().is_closed
    }

    /// Takes nothing more.
    pub(crate) fn close(&self) {
        let mut queue = self.lock();
        queue.is_closed = true;
        let left = std::mem::take(&mut queue.commands);
        drop(queue);
        for command in left {
            self.leave_undone(command);
        }
    }

    /// Drops what nobody will do: outside of the lock, for what is dropped may ask for the mailbox
    /// itself. A connection that was on its way does not arrive.
    fn leave_undone(&self, command: Command) {
        if matches!(command, Command::Open(..)) {
            self.open.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Commands that the queue keeps room for.
const KEPT: usize = 64;
