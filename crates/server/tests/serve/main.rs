//! `holdwire serve`, the built program, used as its users use it: over TCP, by flags, environment
//! and signals, with its log and its metrics read.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "../common/mod.rs"]
mod common;

mod channels;
mod deadlines;
mod endpoints;
mod health;
mod heartbeat;
mod hooks;
mod limits;
mod logs;
mod metrics;
mod origins;
mod peer;
mod permissions;
mod proxies;
mod robustness;
mod running;
mod signals;
mod tls;
mod tokens;
mod trouble;
