//! The engine in memory keeps the contract, and engines that are slightly wrong do not.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod flawed;
mod flaws;
mod paused;
mod sweeping;

use std::sync::Arc;

use holdwire_hub::engine::Memory;
use holdwire_hub::engine::contract;

use crate::paused::Paused;

/// Random sequences of operations; one takes about two milliseconds.
const CASES: u32 = 700;

#[test]
fn engine_in_memory_keeps_the_contract() {
    keeps_the_contract(false);
}

#[test]
fn engine_in_memory_that_is_swept_keeps_the_contract() {
    keeps_the_contract(true);
}

fn keeps_the_contract(is_swept: bool) {
    let open = |namespaces| Paused::new(Memory::new(Arc::new(namespaces))).swept(is_swept);

    let report = contract::run(&open, CASES);

    assert!(report.is_kept(), "{report}");
    assert_eq!(report.untried().collect::<Vec<_>>(), [""; 0]);
}
