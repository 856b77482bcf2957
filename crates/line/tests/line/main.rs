//! `Line`: a connection that comes back, against servers that do what a test tells them.
#![cfg(all(feature = "client", feature = "deflate", feature = "tls"))]
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod coming_back;
mod decisions;
mod events;
#[path = "../client/peer.rs"]
#[allow(dead_code, reason = "shared with the tests of the client")]
mod peer;
mod receipts;
mod server;
mod stopping;
mod tcp;
