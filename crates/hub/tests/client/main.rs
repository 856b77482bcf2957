//! The Rust client against the session protocol of a real server, over lines that are cut.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod asking;
mod publishing;
mod reading;
mod site;
