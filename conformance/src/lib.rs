//! What the built program is judged by, from outside, over real sockets.
//!
//! [`bad_inputs`] imports nothing of holdwire's own: a suite that read frames with the code under
//! test would share its mistakes, and so does [`chaos`], which judges recorded histories. [`drain`] uses holdwire's clients, because it proves what the two
//! ends do together.

pub mod bad_inputs;
pub mod chaos;
pub mod drain;
