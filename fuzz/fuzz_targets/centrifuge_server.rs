//! A client of the Centrifuge client protocol that says anything.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| holdwire_hub::fuzz::centrifuge_server(text));
