//! What holds for every input, every split of it and every conversation.

#[path = "../common/mod.rs"]
mod common;

mod advice;
mod conversation;
mod garbage;
mod heartbeat;
mod splitting;
mod stream;
mod truncation;
