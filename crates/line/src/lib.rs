//! WebSocket for tokio that keeps the line open.

#[cfg(feature = "client")]
mod client;
mod driver;
mod error;
mod handle;
mod server;
#[cfg(feature = "stream")]
mod sink;
mod split;
mod state;
mod stats;
mod stream;
#[cfg(feature = "tls")]
pub mod tls;
mod tools;
mod websocket;

pub use holdwire_proto as proto;
pub use holdwire_proto::{
    CloseCode, Config, Ended, Limits, Message, Prepared, Role, Text, Violation,
};
pub use holdwire_proto::{handshake, http};

#[cfg(feature = "client")]
pub use client::{Client, ConnectError, Opened, Phase, Proxy, ProxyError, Refused, connect};
pub use driver::{Driver, Outcome};
pub use error::{Closed, Error, Lost};
pub use server::{Accept, Endpoint, Observer, Peer, Server, ServerHandle, ServerLimits, Upgrade};
pub use split::{Receiver, Sender};
pub use stats::{Stats, Traffic};
pub use stream::{Io, Stream};
pub use websocket::{Setup, WebSocket};
