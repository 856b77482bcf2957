//! Publishing to many: numbered once, handed once to each shard that has subscribers.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use holdwire_proto::{CloseCode, Flow, Prepared};

use super::mailbox::{Command, Mailbox};
use super::remote::Remote;

/// Bytes published and not handed out by some shard, above which publishers are to wait.
const CROWDED: usize = 4 * 1024 * 1024;

/// Bytes that a publication costs besides its payload, about: many without one are many bytes too.
const COST: usize = 256;

/// What is published goes to every connection that has joined, in one order for all.
///
/// A publication is numbered and encoded once, and handed once to each shard that has subscribers,
/// whatever their number. At the end of its turn a shard sends all that came with one write to each
/// of them, from memory that they share. Clones are the same topic.
///
/// # Examples
/// ```
/// use holdwire::proto::Prepared;
/// use holdwire::shard::Topic;
///
/// let news = Topic::new();
/// assert_eq!(news.publish(Prepared::text("nobody has joined yet")), 0);
/// assert_eq!(news.next(), 1);
/// ```
#[derive(Clone)]
pub struct Topic(Arc<Inner>);

struct Inner {
    slow: Slow,
    feed: Mutex<Feed>,
}

/// What becomes of a subscriber whose queue has no room for a publication.
///
/// The limit is [`send_queue`](holdwire_proto::Limits::send_queue); an empty queue takes anything.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Slow {
    /// The connection is closed: its client comes back and asks for what it missed.
    Close(CloseCode, &'static str),
    /// Whole publications are left out; the session is told which, before any later one:
    /// [`Session::on_skip`](super::Session::on_skip).
    Skip,
}

impl Default for Slow {
    /// Closes with 1013, "try again later".
    fn default() -> Self {
        Self::Close(CloseCode::TRY_AGAIN_LATER, "too slow")
    }
}

/// One publication on its way.
#[derive(Clone)]
pub(super) struct Publication {
    pub(super) number: u64,
    /// It has no number of its own: this is the next publication's.
    pub(super) is_aside: bool,
    pub(super) message: Prepared,
    /// Who does not get it.
    pub(super) except: Option<Remote>,
}

#[derive(Default)]
struct Feed {
    /// The number of the next publication.
    next: u64,
    branches: Vec<Branch>,
    /// Publishers that wait until all shards have caught up.
    waiting: Vec<Remote>,
}

/// What one shard has not taken yet.
struct Branch {
    mailbox: Arc<Mailbox>,
    publications: Vec<Publication>,
    /// What they cost.
    bytes: usize,
}

impl Topic {
    /// A topic that nobody has joined, whose slow subscribers are closed with 1013.
    #[must_use]
    pub fn new() -> Self {
        Self::with(Slow::default())
    }

    /// A topic that nobody has joined, and what becomes of its slow subscribers.
    #[must_use]
    pub fn with(slow: Slow) -> Self {
        Self(Arc::new(Inner {
            slow,
            feed: Mutex::default(),
        }))
    }

    /// The same, whose first publication has this number.
    #[must_use]
    pub fn starting_at(next: u64, slow: Slow) -> Self {
        let topic = Self::with(slow);
        topic.lock().next = next;
        topic
    }

    /// The number of the next publication; the first has 0, unless another was asked for.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.lock().next
    }

    /// Publishes to everybody who has joined, and gives the publication's number.
    ///
    /// It is never refused: whoever publishes more than the shards can send has to hold back.
    pub fn publish(&self, message: Prepared) -> u64 {
        self.put(message, None, false).0
    }

    /// Says something between two publications to everybody who has joined: it comes in the same
    /// order, but has no number, and nobody is told when it was left out.
    pub fn say(&self, message: Prepared) {
        self.put(message, None, true);
    }

    /// Publishes to everybody but one, who published it.
    ///
    /// [`Flow::Pause`] when the shards are more than 4 MiB behind: a session returns it from
    /// [`Session::on_event`](super::Session::on_event) and is resumed when they have caught up.
    #[must_use = "a publisher that is not paused fills the memory"]
    pub fn publish_from(&self, from: &Remote, message: Prepared) -> Flow {
        let (_, is_crowded) = self.put(message, Some(from.clone()), false);
        if is_crowded {
            return Flow::Pause;
        }
        Flow::Continue
    }

    /// Whether a publisher that gets its own publications too may go on.
    ///
    /// [`Flow::Pause`] as of [`Topic::publish_from`]: asked after [`Topic::publish`], it holds for
    /// what was published by then.
    #[must_use = "a publisher that is not paused fills the memory"]
    pub fn pace(&self, publisher: &Remote) -> Flow {
        let mut feed = self.lock();
        if feed.branches.iter().any(|branch| branch.bytes > CROWDED) {
            feed.waiting.push(publisher.clone());
            return Flow::Pause;
        }
        Flow::Continue
    }

    /// Has all connections that have joined leave, after what was published before, and closes them
    /// unless their session does something else: [`Session::on_end`](super::Session::on_end).
    ///
    /// The topic goes on for those who join later.
    pub fn close(&self, code: CloseCode, reason: &str) {
        let feed = self.lock();
        let branches = feed.branches.iter();
        let mailboxes: Vec<_> = branches.map(|branch| Arc::clone(&branch.mailbox)).collect();
        drop(feed);
        for mailbox in mailboxes {
            mailbox.push(Command::Disband(self.clone(), code, reason.to_owned()));
        }
    }

    fn put(&self, message: Prepared, except: Option<Remote>, is_aside: bool) -> (u64, bool) {
        let mut feed = self.lock();
        let number = feed.next;
        feed.next += u64::from(!is_aside);
        let mut is_crowded = false;
        let mut asleep = Vec::new();
        for branch in &mut feed.branches {
            if branch.publications.is_empty() {
                asleep.push(Arc::clone(&branch.mailbox));
            }
            branch.bytes += COST + message.payload().len();
            is_crowded |= branch.bytes > CROWDED;
            branch.publications.push(Publication {
                number,
                is_aside,
                message: message.clone(),
                except: except.clone(),
            });
        }
        if is_crowded && let Some(publisher) = except {
            feed.waiting.push(publisher);
        }
        drop(feed);
        for mailbox in asleep {
            mailbox.push(Command::Deliver(self.clone()));
        }
        (number, is_crowded)
    }

    /// Moves what has been published for this shard to the end of `publications`.
    pub(super) fn take(&self, mailbox: &Mailbox, publications: &mut Vec<Publication>) {
        let mut feed = self.lock();
        if let Some(branch) = feed.branch(mailbox) {
            publications.append(&mut branch.publications);
            branch.publications.shrink_to(KEPT);
            branch.bytes = 0;
        }
        let waiting = if feed
            .branches
            .iter()
            .any(|branch| branch.bytes > CROWDED / 2)
        {
            Vec::new()
        } else {
            std::mem::take(&mut feed.waiting)
        };
        drop(feed);
        for publisher in waiting {
            publisher.resume();
        }
    }

    /// From now on this shard is handed what is published; gives the number of the first that it
    /// will be handed.
    pub(super) fn attach(&self, mailbox: &Arc<Mailbox>) -> u64 {
        let mut feed = self.lock();
        let next = feed.next;
        match feed.branch(mailbox) {
            Some(branch) => branch
                .publications
                .first()
                .map_or(next, |first| first.number),
            None => {
                feed.branches.push(Branch {
                    mailbox: Arc::clone(mailbox),
                    publications: Vec::new(),
                    bytes: 0,
                });
                next
            }
        }
    }

    /// This shard has no subscriber any more.
    pub(super) fn detach(&self, mailbox: &Mailbox) {
        let mut feed = self.lock();
        feed.branches
            .retain(|branch| branch.mailbox.number != mailbox.number);
        // Nobody else may be left to catch up.
        let waiting = std::mem::take(&mut feed.waiting);
        drop(feed);
        for publisher in waiting {
            publisher.resume();
        }
    }

    /// Whether somebody has joined.
    #[must_use]
    pub fn has_subscribers(&self) -> bool {
        !self.lock().branches.is_empty()
    }

    /// What becomes of slow subscribers.
    pub(super) fn slow(&self) -> &Slow {
        &self.0.slow
    }

    /// Where the topic lives: the same for all clones, different from all others that live.
    pub(super) fn address(&self) -> usize {
        Arc::as_ptr(&self.0).addr()
    }

    fn lock(&self) -> MutexGuard<'_, Feed> {
        self.0.feed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Feed {
    fn branch(&mut self, mailbox: &Mailbox) -> Option<&mut Branch> {
        let mut branches = self.branches.iter_mut();
        branches.find(|branch| branch.mailbox.number == mailbox.number)
    }
}

/// Publications that a branch keeps room for.
const KEPT: usize = 64;

impl Default for Topic {
    fn default() -> Self {
        Self::new()
    }
}

impl PartialEq for Topic {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Topic {}

impl fmt::Debug for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let feed = self.lock();
        f.debug_struct("Topic")
            .field("next", &feed.next)
            .field("shards", &feed.branches.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
