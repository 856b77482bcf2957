//! Everything around the WebSocket library that makes the program `holdwire`.
//!
//! ```text
//!  main ──► cli ──► config ──► check_config, log, banner
//!             │
//!             ├──► serve ────► listen, endpoints, signals
//!             │        ├─────► http (pages, health, access log) ──► metrics, trouble
//!             │        └─────► proxy_headers (who the client is)
//!             ├──► token ────► keys, key set, claims: what serve asks, and make and check
//!             ├──► hook ─────► what serve asks of a backend
//!             ├──► channels ─► sub and pub: the hub's client
//!             ├──► connect ──► the library's client, terminal or pipe
//!             └──► check ────► way, link, probes ──► findings ──► text or JSON
//! ```
//!
//! The library half exists so that the program and its tests share one set of types; it is not an
//! API for others.

mod api;
pub mod banner;
pub mod channels;
pub mod check;
pub mod check_config;
pub mod cli;
pub mod config;
pub mod connect;
mod echo;
mod endpoints;
pub mod hook;
pub mod http;
pub mod listen;
pub mod log;
pub mod metrics;
mod one_line;
pub mod proxy_headers;
mod reflect;
pub mod serve;
mod signals;
pub mod token;
pub mod trouble;
