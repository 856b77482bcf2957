//! WebSocket for tokio: a server and a client that answer pings, keep deadlines, close in good
//! order and limit everything by default.
//!
//! ```text
//!   the application                         one task moves it                    the peer
//!
//!   WebSocket ── recv, send, close ──► ┌──────────────────────┐   frames
//!     │ split                          │ Driver               │ ◄──────────►  TCP, TLS, or
//!     ├─► Sender ── send, close ─────► │   proto::Connection  │               anything that
//!     └─► Receiver ── recv ──────────► │   deadlines, queue   │               reads and writes
//!                                      └──────────────────────┘
//! ```
//!
//! ```no_run
//! use holdwire::{Error, Server, WebSocket};
//!
//! async fn talk(mut socket: WebSocket) -> Result<(), Error> {
//!     socket.send("Information from the server").await?;
//!     while let Some(message) = socket.recv().await.transpose()? {
//!         println!("{message:?}");
//!     }
//!     Ok(())
//! }
//!
//! #[tokio::main]
//! async fn main() -> std::io::Result<()> {
//!     let server = Server::bind("127.0.0.1:3000").await?;
//!     server.serve(|socket, _request| talk(socket)).await
//! }
//! ```
//!
//! **Who drives.** A connection moves while its [`Driver`] is polled. A [`Server`] polls it in the
//! handler's own task, so pongs, deadlines and queued messages move on while the handler waits, and
//! all answers to one read leave in one write. A client's `connect` spawns a small task for it;
//! `Client::open` hands it to the caller. [`WebSocket::undriven`] has none.
//!
//! **Many connections.** With the feature `shard` an [`Endpoint`] may be made of sessions, which are
//! called with each event, on a thread that serves many connections without a task for any of them;
//! and a topic hands one message to all who have joined it. See the module `shard`.
//!
//! **What is limited.** Messages, frames, fragments, the send queue, every wait: see [`Limits`],
//! [`ServerLimits`] and `Client`. A peer that stops reading ends with its reason.
//!
//! **What finds a dead line.** A ping after 25 s of silence and 20 s for the answer, by default, on
//! both ends: see [`HeartbeatConfig`].
//!
//! **Coming back.** A client's `Line` is a connection that is opened again when it is lost, with a
//! receipt for every message: see the module `line`.
//!
//! The protocol itself, without I/O, is [`proto`].
//!
//! # Features
//!
//! | feature | default | what it adds |
//! |---|---|---|
//! | `client` | yes | `connect`, `Client`, `Proxy`, `Line` |
//! | `tls` | yes | `wss` for both ends, by rustls with ring: the module `tls` |
//! | `deflate` | yes | permessage-deflate (RFC 7692), off until a [`Config`] asks for it |
//! | `shard` | no | sessions, topics, and threads that serve many connections each: the module `shard` |
//! | `stream` | no | `Stream` and `Sink` for [`WebSocket`] |
//! | `fallback` | no | the rest of HTTP on the same port, by a tower service such as an axum `Router` |

#[cfg(feature = "client")]
mod client;
mod deadline;
mod driver;
mod error;
mod handle;
#[cfg(feature = "client")]
pub mod line;
mod server;
#[cfg(feature = "shard")]
pub mod shard;
#[cfg(feature = "stream")]
mod sink;
mod split;
mod state;
mod stats;
mod stream;
mod tcp;
#[cfg(feature = "tls")]
pub mod tls;
mod tools;
mod websocket;

pub use holdwire_proto as proto;
pub use holdwire_proto::{
    Advice, CloseCode, Compression, Config, Ended, HeartbeatConfig, HeartbeatWord, Limits, Message,
    Prepared, Role, Text, Violation,
};
pub use holdwire_proto::{handshake, http};

#[cfg(feature = "client")]
pub use client::{Client, ConnectError, Opened, Phase, Proxy, ProxyError, Refused, connect};
pub use driver::{Driver, Outcome};
pub use error::{Closed, Error, Lost};
#[cfg(feature = "client")]
pub use line::Line;
pub use server::{
    Accept, Drain, Endpoint, HandshakeRate, Observer, Peer, Server, ServerHandle, ServerLimits,
    TurnedAway, Upgrade,
};
pub use split::{Receiver, Sender};
pub use stats::{Stats, Traffic};
pub use stream::{Io, Stream};
pub use websocket::{Setup, WebSocket};
