//! A request to the plain door, and texts of positions and names.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| holdwire_hub::fuzz::entrance(text));
