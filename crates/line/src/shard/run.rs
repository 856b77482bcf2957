//! The thread of a shard: waits for its poller, and gives the shard its turns.

use std::io;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};
use std::thread;
use std::time::Duration;

use mio::{Events, Token};
use tokio::runtime::Handle;

use super::mailbox::Mailbox;
use super::opening::Owner;
use super::turn::Shard;

/// Events taken from the poller at a time.
const EVENTS: usize = 1024;

/// Commands that room is kept for between two turns.
const COMMANDS: usize = 256;

/// How often a turn looks for commands, each time for those that the ones before have caused.
const ROUNDS: usize = 4;

/// What the poller calls the bell; no connection has this place.
const BELL: Token = Token(usize::MAX);

/// Starts a shard, whose sessions may spawn tasks on `runtime`. It ends when it is told to stop and
/// has no connection.
///
/// # Errors
/// When there can be no poller or no thread.
pub(crate) fn start(runtime: Handle, owner: Arc<dyn Owner>) -> io::Result<Arc<Mailbox>> {
    let mailbox = Mailbox::new();
    let poll = mio::Poll::new()?;
    let bell = Arc::new(Bell(mio::Waker::new(poll.registry(), BELL)?));
    let registry = poll.registry().try_clone()?;
    let own = Arc::clone(&mailbox);
    let name = format!("shard-{}", mailbox.number);
    thread::Builder::new().name(name).spawn(move || {
        let _entered = runtime.enter();
        let shard = Shard::new(registry, Arc::clone(&own), owner);
        if let Err(error) = run(poll, shard, &own, &bell.into()) {
            tracing::error!(%error, "a shard failed; its connections are lost");
        }
    })?;
    Ok(mailbox)
}

fn run(mut poll: mio::Poll, mut shard: Shard, mailbox: &Mailbox, bell: &Waker) -> io::Result<()> {
    let mut events = Events::with_capacity(EVENTS);
    let mut commands = Vec::new();
    let cx = Context::from_waker(bell);
    // The first turn only asks to be woken.
    let mut timeout = Some(Duration::ZERO);
    loop {
        match poll.poll(&mut events, timeout) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        mailbox.wake_up();
        shard.begin();
        for event in events.iter().filter(|event| event.token() != BELL) {
            shard.on_event(event);
        }
        shard.go_on();
        // What the sessions of this turn have published goes out with it; sessions that ask for
        // something each time they are called do not keep everybody else from their turn.
        let mut is_empty = false;
        for _ in 0..ROUNDS {
            is_empty = mailbox.poll_take(&cx, &mut commands).is_pending();
            if is_empty {
                break;
            }
            for command in commands.drain(..) {
                shard.obey(command);
            }
        }
        commands.shrink_to(COMMANDS);
        shard.keep_time();
        let deadline = shard.end();
        if shard.is_done() {
            return Ok(());
        }
        timeout = if is_empty && !shard.is_busy() {
            deadline
        } else {
            Some(Duration::ZERO)
        };
    }
}

/// Wakes the shard's thread out of its poller.
struct Bell(mio::Waker);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        if let Err(error) = self.0.wake() {
            tracing::error!(%error, "a shard cannot be woken");
        }
    }
}
