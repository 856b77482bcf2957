//! The engine in memory keeps the contract, and engines that are slightly wrong do not.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod flawed;
mod flaws;
mod paused;

use std::sync::Arc;

use holdwire_hub::engine::Memory;
use holdwire_hub::engine::contract;

use crate::paused::Paused;

/// Random sequences of operations; one takes about a millisecond.
const CASES: u32 = 1000;

#[test]
fn engine_in_memory_keeps_the_contract() {
    let report = contract::run(
        &|namespaces| Paused::new(Memory::new(Arc::new(namespaces))),
        CASES,
    );

    assert!(report.is_kept(), "{report}");
    assert_eq!(report.untried().collect::<Vec<_>>(), [""; 0]);
}
