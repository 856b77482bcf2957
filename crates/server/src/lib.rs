//! Everything around the WebSocket library that makes the program `holdwire`.
//!
//! ```text
//!  main ──► cli ──► config ──► banner, log
//!             │
//!             ├──► serve ────► http (pages, health, host check, access log) ──► metrics
//!             └──► connect     proxy_headers (who the client is behind a proxy)
//! ```
//!
//! The library half exists so that the wiring, the tests and the tools share one set of types; it
//! is not an API for others.

pub mod cli;
pub mod config;
pub mod log;
pub mod metrics;
pub mod proxy_headers;
