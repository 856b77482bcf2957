//! Random operations, of which every outcome is compared with the model.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};

use super::failure::{Failure, Tried};
use super::{Subject, world};
use crate::channel::Namespace;
use crate::log::Retention;
use crate::namespaces::Namespaces;

/// What is done in one step, at one of two nodes, to one of two channels.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) channel: usize,
    pub(super) node: usize,
    pub(super) act: Act,
}

/// What is done.
#[derive(Clone, Debug)]
pub(super) enum Act {
    /// Publish something of this many bytes more than its number has.
    Publish(usize),
    /// Publish with one of a few keys; rarely another payload than the key has.
    Named {
        key: u8,
        is_other: bool,
    },
    /// Publish as one of a few publishers, with a number so far from the last; the next is 1.
    Numbered {
        publisher: u8,
        step: i64,
    },
    /// Read at most so many.
    Read(From, usize),
    /// Follow at that node, or do not any more.
    FollowOrGo,
    Enter {
        client: u8,
        user: u8,
    },
    Leave {
        client: u8,
    },
    Clear,
    /// Lose so many of the newest.
    Fork(u64),
    Lose,
    Advance(Duration),
}

/// From where a step reads.
#[derive(Clone, Debug)]
pub(super) enum From {
    Newest,
    Oldest,
    /// A position that the engine has given before.
    Given(prop::sample::Index),
    /// One beside it: with so many more generations and offsets.
    Beside(prop::sample::Index, i64, i64),
}

/// Tries so many sequences, the same ones in every run; tells of the shortest that fails, or else
/// what no sequence could do to this subject.
pub(super) fn run<S: Subject>(open: &dyn Fn(Namespaces) -> S, cases: u32) -> Vec<Tried> {
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    let random = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(config, random);
    let unable = RefCell::new(BTreeSet::new());
    let outcome = runner.run(
        &(retentions(), vec(steps(), 1..60)),
        |(retention, steps)| {
            let namespace = Namespace {
                retention,
                ..Namespace::default()
            };
            let subject = open(Namespaces::new().with("random", namespace.clone()));
            let cannot = world::play(&subject, &namespace, &steps)
                .map_err(|failure| TestCaseError::fail(failure.to_string()))?;
            unable.borrow_mut().extend(cannot);
            Ok(())
        },
    );
    match outcome {
        Ok(()) => {
            let unable = unable.into_inner().into_iter();
            let unable = unable.map(|why| Err(Failure::Unable(why)));
            unable.chain([Ok(())]).collect()
        }
        Err(TestError::Fail(why, (retention, steps))) => {
            let steps = steps.iter().map(|step| format!("\n  {step:?}"));
            let steps: String = steps.collect();
            let why = format!("{why}, with {retention:?}, after{steps}");
            vec![Err(Failure::Broken(why))]
        }
        Err(TestError::Abort(why)) => vec![Err(Failure::Broken(why.to_string()))],
    }
}

fn retentions() -> impl Strategy<Value = Retention> {
    let publications = prop_oneof![1 => Just(0), 4 => 1_usize..6, 4 => Just(1000)];
    let bytes = prop_oneof![1 => Just(0), 3 => 1_usize..40, 6 => Just(1 << 30)];
    let seconds = prop_oneof![1 => Just(0), 4 => Just(60), 4 => Just(100_000)];
    (publications, bytes, seconds).prop_map(|(publications, bytes, seconds)| Retention {
        publications,
        bytes,
        age: Duration::from_secs(seconds),
    })
}

fn steps() -> impl Strategy<Value = Step> {
    let channel = prop_oneof![5 => Just(0_usize), 1 => Just(1)];
    (channel, 0_usize..2, acts()).prop_map(|(channel, node, act)| Step { channel, node, act })
}

fn acts() -> impl Strategy<Value = Act> {
    let is_other = prop::bool::weighted(0.15);
    let step = prop_oneof![6 => Just(1_i64), 3 => -3_i64..=0, 1 => 2_i64..4];
    let user = 0_u8..3;
    let seconds = prop::sample::select(vec![1, 29, 31, 60, 240, 299, 300, 301]);
    prop_oneof![
        8 => (0_usize..12).prop_map(Act::Publish),
        6 => (0_u8..3, is_other).prop_map(|(key, is_other)| Act::Named { key, is_other }),
        8 => (0_u8..2, step).prop_map(|(publisher, step)| Act::Numbered { publisher, step }),
        8 => (from(), prop_oneof![0_usize..4, Just(1000)])
            .prop_map(|(from, limit)| Act::Read(from, limit)),
        4 => Just(Act::FollowOrGo),
        3 => (0_u8..3, user).prop_map(|(client, user)| Act::Enter { client, user }),
        3 => (0_u8..3).prop_map(|client| Act::Leave { client }),
        1 => Just(Act::Clear),
        3 => (0_u64..6).prop_map(Act::Fork),
        1 => Just(Act::Lose),
        3 => seconds.prop_map(|seconds| Act::Advance(Duration::from_secs(seconds))),
    ]
}

fn from() -> impl Strategy<Value = From> {
    let given = any::<prop::sample::Index>;
    prop_oneof![
        1 => Just(From::Newest),
        1 => Just(From::Oldest),
        4 => given().prop_map(From::Given),
        4 => (given(), -2_i64..3, -4_i64..5)
            .prop_map(|(index, generations, offsets)| From::Beside(index, generations, offsets)),
    ]
}
