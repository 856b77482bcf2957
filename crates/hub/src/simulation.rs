//! Clients, a server and the network between them, all in one thread under a seeded schedule.
//!
//! The machines of both ends are the real ones, and so is the engine in memory. Commands and pushes
//! are delayed, connections are cut, the server learns of it late, it restarts with nothing, logs
//! fork, and clients are killed and come back with the position that they had kept. What each client was told is compared
//! with what was published. A failing seed is printed: `HOLDWIRE_SEED=… cargo test -p holdwire-hub
//! simulation` runs it alone, `HOLDWIRE_SEEDS=…` so many.

mod checking;
mod random;
mod server;
mod world;

use std::panic::catch_unwind;

use self::world::{Flaw, World};

/// Seeds of an ordinary run.
const SEEDS: u64 = 2000;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn nobody_loses_doubles_or_swaps_anything() {
    if let Some(seed) = number("HOLDWIRE_SEED") {
        World::new(seed, None).run().unwrap();
        return;
    }
    let (mut deliveries, mut gaps) = (0, 0);
    for seed in 0..number("HOLDWIRE_SEEDS").unwrap_or(SEEDS) {
        let run = catch_unwind(|| World::new(seed, None).run());
        let seen = match run {
            Ok(Ok(seen)) => seen,
            Ok(Err(wrong)) => panic!("HOLDWIRE_SEED={seed}: {wrong}"),
            Err(_) => panic!("HOLDWIRE_SEED={seed}"),
        };
        deliveries += seen.deliveries;
        gaps += seen.gaps;
    }
    println!("{deliveries} deliveries, {gaps} gaps");
    assert!(deliveries > 0 && gaps > 0, "nothing has happened");
}

/// Whether some seed finds it.
fn is_found(flaw: Flaw) -> bool {
    let find = |seed| catch_unwind(|| World::new(seed, Some(flaw)).run());
    (0..SEEDS).any(|seed| !matches!(find(seed), Ok(Ok(_))))
}

#[test]
fn position_that_moves_before_delivery_is_found() {
    assert!(is_found(Flaw::PositionMovesEarly));
}

#[test]
fn subscriber_that_joins_without_closing_the_hole_is_found() {
    assert!(is_found(Flaw::JoinsLate));
}

#[test]
fn repetition_that_is_not_recognised_is_found() {
    assert!(is_found(Flaw::NoDuplicates));
}

#[test]
fn late_message_of_an_old_connection_is_found() {
    assert!(is_found(Flaw::OldMessages));
}

#[test]
fn gap_that_is_not_told_is_found() {
    assert!(is_found(Flaw::SilentGap));
}
