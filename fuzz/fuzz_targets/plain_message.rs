//! A message of the plain door's JSON.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| holdwire_hub::fuzz::plain_message(text));
