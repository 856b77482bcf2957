//! A message of the session protocol, of either side.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| holdwire_hub::fuzz::session_message(text));
