//! What the built program is judged by, from outside, over real sockets.
//!
//! Nothing here imports holdwire's own crates: a suite that read frames with the code under test
//! would share its mistakes.

pub mod bad_inputs;
