//! What several targets share.

#[path = "../../crates/proto/tests/common/mod.rs"]
pub mod common;
pub mod connection;
