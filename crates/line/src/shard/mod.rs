//! Many connections on one thread, without a task, a buffer or a timer of their own.
//!
//! A [`Server`](crate::Server) with [shards](crate::Server::shards) accepts connections on its
//! runtime, and hands those whose endpoint is made of [sessions](crate::Endpoint::sessions) to the
//! shard that has the fewest. There a connection is a place in a slab, 200 bytes while idle, and
//! everything else is shared: the poller, the read buffer, the codecs, one wheel for all deadlines.
//!
//! ```text
//!  a shard (one thread, a poller of its own)
//!  ┌─────────────────────────────────────────────────────────────────────────────┐
//!  │ turn:  poller ──► read once ──► Connection ──► Session ──► write once       │
//!  │        mailbox ─► new connections, what others ask, what was published      │
//!  │        topics ──► one batch, one write to each subscriber                   │
//!  │        wheel ───► deadlines                                                 │
//!  └─────────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! Over TLS, and in a server without shards, the same session runs in a task of its own.

mod counters;
mod fanout;
mod lender;
mod mailbox;
mod opening;
mod remote;
mod run;
mod session;
mod slab;
mod slot;
mod socket;
mod solo;
mod topic;
mod turn;
mod wheel;

pub(crate) use self::mailbox::{Command, Mailbox, Order};
pub(crate) use self::opening::{Make, Opening, Owner, Ticket, Welcome};
pub use self::remote::Remote;
pub(crate) use self::run::start;
pub use self::session::{Join, Session};
pub(crate) use self::slab::Id;
pub(crate) use self::solo::run as run_alone;
pub use self::topic::{Slow, Topic};
