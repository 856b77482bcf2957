//! The client against servers and proxies that say what a test tells them, byte for byte.
#![cfg(all(feature = "client", feature = "deflate", feature = "tls"))]
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod handshake;
mod network;
mod peer;
mod proxy;
mod refusal;
mod tls;
