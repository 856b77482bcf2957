//! WebSocket as a state machine: RFC 6455 and RFC 7692 without I/O, clock or randomness.
//!
//! It opens no socket, reads no clock, draws no random number, spawns nothing. Whoever drives it
//! lends it bytes, the time and a source of masking keys:
//!
//! ```text
//!             received bytes                            frames to write
//!   socket ──────────────────► ┌──────────────────┐ ──────────────────────► socket
//!                              │    Connection    │
//!     time ──────────────────► │ (about 110 bytes,│ ──────────────────────► next deadline
//!                              │  no heap if idle)│
//!                verbs ──────► └──────────────────┘ ──────► events
//!              (Sender)            application              (Handler)
//! ```
//!
//! **The contract**: call [`Connection::handle_opened`] first; after every call write what is in the [`Output`], tell
//! [`Connection::handle_written`], and ask [`Connection::poll_timeout`] when to call
//! [`Connection::handle_timeout`].
//!
//! ```
//! use holdwire_proto::time::Tick;
//! use holdwire_proto::{Config, Connection, Context, Event, Flow, Output, Role, Scratch, Sender};
//!
//! // One of each for a whole thread. A server masks nothing; a client draws keys from a CSPRNG.
//! let config = Config::default();
//! let mut output = Output::default();
//! let mut scratch = Scratch::new(Box::new(|| [0; 4]));
//! // One for each connection, when its opening handshake is done (see `handshake`).
//! let mut connection = Connection::new(Role::Server);
//!
//! // "Hello" arrives, masked (RFC 6455 §5.7); the handler sends it back.
//! let mut read = *b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
//! let now = Tick::from_millis(0);
//! let mut cx = Context { now, config: &config, output: &mut output, scratch: &mut scratch };
//! connection.handle_opened(&mut cx);
//! connection.receive(&mut read, &mut cx, &mut |event: Event<'_>, reply: &mut Sender<'_>| {
//!     if let Event::Text(text) = event {
//!         reply.text(&text).expect("the queue is empty");
//!     }
//!     Flow::Continue
//! });
//!
//! // The driver writes; here the socket takes everything.
//! let waiting = output.len();
//! let written = holdwire_proto::bytes::Buf::copy_to_bytes(&mut output, waiting);
//! connection.handle_written(written.len(), output.len(), now, &config);
//! assert_eq!(&written[..], b"\x81\x05Hello");
//! ```
//!
//! When [`Connection::ended`] says how it ended, the driver writes what is left, shuts down its
//! write side if [`Connection::wants_half_close`], reads on (the bytes are discarded, so that no
//! TCP reset eats our last frame), and closes the transport when [`Connection::is_over`].

mod advice;
mod backoff;
pub mod close;
pub mod config;
mod connection;
#[cfg(feature = "deflate")]
pub mod deflate;
pub mod error;
pub mod extension;
pub mod frame;
pub mod handshake;
mod heartbeat;
pub mod mask;
mod message;
mod output;
pub mod reconnect;
pub mod time;
pub mod utf8;

pub use bytes;
pub use http;

pub use advice::Advice;
pub use close::{CloseCode, Closing};
pub use config::{Config, Limits};
pub use connection::{
    Compression, Connection, Context, Event, Flow, Handler, Keys, Prepared, Role, Scratch, Sender,
    Sent, Variant,
};
pub use error::{Ended, SendError, Violation};
pub use heartbeat::{BadWord, HeartbeatConfig, HeartbeatError, HeartbeatWord};
pub use message::{Message, Text};
pub use output::Output;
