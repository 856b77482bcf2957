//! RFC 6455 after the opening handshake, section by section, in literal bytes.
//!
//! Frames are written down without masks; each end receives them as its peer would send them.

#[path = "../common/mod.rs"]
mod common;

mod section_10_4_limits;
mod section_5_1_masking;
mod section_5_2_base_framing;
mod section_5_3_masking_key;
mod section_5_4_fragmentation;
mod section_5_5_1_close;
mod section_5_5_2_ping;
mod section_5_5_3_pong;
mod section_5_5_control;
mod section_5_6_data;
mod section_5_7_examples;
mod section_7_1_closing;
mod section_7_4_close_codes;
mod section_8_1_utf8;
