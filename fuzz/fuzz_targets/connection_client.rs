//! A client receives whatever it may be.
#![no_main]

use holdwire_proto::Role;

libfuzzer_sys::fuzz_target!(|data: &[u8]| holdwire_fuzz::connection::run(Role::Client, data));
