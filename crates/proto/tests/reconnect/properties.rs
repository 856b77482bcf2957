//! What holds in every order of events, with stale generations and timers that fire when they like.

use std::time::Duration;

use holdwire_proto::reconnect::{Backoff, Decision, Loss, Policy, State};
use proptest::prelude::*;

use crate::world::{Step, World, policy, steps};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// At most one transport, one attempt for each loss, nothing after the end, delays within
    /// their bounds: the world checks it at every step.
    #[test]
    fn no_order_of_events_breaks_a_rule(policy in policy(), steps in steps()) {
        let mut world = World::new(policy);
        for step in steps {
            world.step(step);
        }
    }

    #[test]
    fn whatever_happened_a_machine_that_may_comes_back(steps in steps()) {
        let mut world = World::new(Policy::default());
        for step in steps {
            world.step(step);
        }

        world.recover();
    }

    #[test]
    fn after_a_stop_nothing_happens(policy in policy(), before in steps(), after in steps()) {
        let mut world = World::new(policy);
        for step in before {
            world.step(step);
        }

        world.step(Step::Stop);

        for step in after {
            world.step(step);
            prop_assert_eq!(world.reconnect.state(), State::Stopped);
            prop_assert_eq!(world.reconnect.poll_timeout(), None);
        }
    }

    #[test]
    fn a_delay_grows_with_its_random_number_and_stays_below_its_ceiling(
        first in 0_u64..100_000,
        cap in 0_u64..100_000,
        losses in any::<u32>(),
        (less, more) in (any::<u32>(), any::<u32>()).prop_map(|(a, b)| (a.min(b), a.max(b))),
    ) {
        let backoff = Backoff::new(Duration::from_millis(first), Duration::from_millis(cap));

        let delays = [less, more].map(|random| backoff.delay(losses, random));

        prop_assert!(delays[0] <= delays[1]);
        let ceiling = backoff.ceiling(losses);
        prop_assert!(delays[1] < ceiling || ceiling.is_zero());
        prop_assert!(ceiling <= backoff.cap());
        prop_assert!(ceiling >= backoff.ceiling(losses.saturating_sub(1)));
    }
}

#[test]
fn fifty_drops_in_a_row_are_fifty_attempts() {
    let mut world = World::new(Policy::default());
    world.step(Step::Start);
    world.step(Step::Opened(0));

    for drop in 1..=50_u32 {
        world.step(Step::Pass(30_000));
        let loss = Loss {
            abandon: drop % 2 == 0,
            ..Loss::default()
        };
        let random = drop.wrapping_mul(2_654_435_769);
        world.step(Step::Lost(0, loss, Decision::Retry, random));
        world.step(Step::Lost(0, loss, Decision::Retry, random));
        world.recover();
    }

    assert_eq!((world.connects, world.downs), (51, 50));
    assert_eq!(world.reconnect.state(), State::Open);
}

#[test]
fn a_thousand_clients_that_are_lost_at_once_come_back_spread() {
    let mut early = 0;
    for client in 0..1000_u32 {
        let random = client.wrapping_mul(2_654_435_769);
        let delay = Policy::default().backoff.delay(10, random);
        early += u32::from(delay < Duration::from_secs(1));
    }

    // The mean of a second is 50 where the window is 20 s.
    assert!((40..=60).contains(&early), "{early} in the first second");
}
