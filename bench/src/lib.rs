//! What the programs of the benchmark share: the frames on the wire, a look at another process,
//! and the loop that every peer's echo server stands in.
//!
//! The programs are `holdwire-bench` (the runner), `load` (the load generator), `limit-epoll`
//! (the least a server can cost) and one `peer-…` for each other library.

pub mod deflate;
pub mod measurement;
pub mod options;
pub mod peer;
pub mod process;
pub mod wire;
