//! WebSocket as a state machine: RFC 6455 and RFC 7692 without I/O, clock or randomness.

#[cfg(feature = "deflate")]
pub mod deflate;
pub mod extension;
pub mod handshake;
