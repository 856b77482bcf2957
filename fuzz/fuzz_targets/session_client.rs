//! A server of the session protocol that says anything.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| holdwire_hub::fuzz::client(text));
