//! RFC 7692 through a connection of each role, section by section.
#![cfg(feature = "deflate")]

#[path = "../common/mod.rs"]
mod common;

mod agreed;
mod prepared;
mod section_6_frames;
mod section_7_1_context;
mod section_7_2_messages;
mod section_8_limits;
