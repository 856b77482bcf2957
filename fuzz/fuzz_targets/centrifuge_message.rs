//! A message of the Centrifuge client protocol, in either encoding.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| holdwire_hub::fuzz::centrifuge_message(bytes));
