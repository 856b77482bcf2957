//! What every engine must do, as tests: a new engine is done when it passes.
//!
//! The engine's own tests say how to make one, a [`Subject`], and call [`run`]: first come
//! behaviours, each a sentence; then random operations, of which every outcome is compared with the
//! [`Model`](crate::model::Model).
//!
//! # Examples
//! ```
//! use std::sync::Arc;
//!
//! use holdwire_hub::Namespaces;
//! use holdwire_hub::engine::contract::{Subject, run};
//! use holdwire_hub::engine::{Engine, Memory};
//!
//! struct InMemory(Memory, tokio::runtime::Runtime);
//!
//! impl Subject for InMemory {
//!     fn nodes(&self) -> [&dyn Engine; 2] {
//!         [&self.0, &self.0]
//!     }
//!
//!     fn block_on<F: Future>(&self, future: F) -> F::Output {
//!         self.1.block_on(future)
//!     }
//! }
//!
//! let runtime = || tokio::runtime::Builder::new_current_thread().build();
//! let open = |namespaces| InMemory(Memory::new(Arc::new(namespaces)), runtime().unwrap());
//! let report = run(&open, 10);
//! assert!(report.is_kept(), "{report}");
//! println!("{report}"); // With what was not tried, for this subject has no hooks.
//! ```

use std::fmt;
use std::panic::{self, AssertUnwindSafe};
use std::time::Duration;

use self::failure::{Failure, Tried};
use super::Engine;
use crate::channel::ChannelName;
use crate::namespaces::Namespaces;

mod channel;
mod concurrency;
mod failure;
mod following;
mod forking;
mod presence;
mod publishing;
mod random;
mod reading;
mod world;

/// An engine that is tried, and what can be done to it.
///
/// A hook that is left out leaves out what needs it, and the [`Report`] says so.
pub trait Subject: Sync {
    /// The engine as two nodes have it. They share one storage; an engine without a network is the
    /// same one twice.
    fn nodes(&self) -> [&dyn Engine; 2];

    /// Runs what asks the engine, from any thread.
    fn block_on<F: Future>(&self, future: F) -> F::Output;

    /// Returns when each follower has been told what has happened so far. Default: an engine tells
    /// it before it answers.
    fn settle(&self) {}

    /// Has the storage lose what is after this offset of a channel, and the engine notice it.
    ///
    /// # Errors
    /// When it cannot be done.
    fn fork(&self, _channel: &ChannelName, _offset: u64) -> Result<(), Unable> {
        Err(Unable)
    }

    /// Has the storage lose all of a channel, and the engine notice it.
    ///
    /// # Errors
    /// When it cannot be done.
    fn lose(&self, _channel: &ChannelName) -> Result<(), Unable> {
        Err(Unable)
    }

    /// Has time pass, but does not wait for it.
    ///
    /// # Errors
    /// When it cannot be done.
    fn advance(&self, _time: Duration) -> Result<(), Unable> {
        Err(Unable)
    }
}

/// A [`Subject`] does not have this hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unable;

/// Tries an engine in every way: the behaviours, and so many random sequences of operations.
///
/// Each begins with a new engine, which keeps what its namespaces say and nothing yet. The random
/// sequences are the same ones in every run.
pub fn run<S: Subject>(open: &dyn Fn(Namespaces) -> S, cases: u32) -> Report {
    let behaviours = behaviours().into_iter();
    let mut findings: Vec<_> = behaviours
        .map(|(name, behaviour)| Finding::new(name, unless_panicked(|| behaviour(open))))
        .collect();
    let name = "whatever_is_done_the_engine_answers_as_the_model";
    findings.extend(
        random::run(open, cases)
            .into_iter()
            .map(|tried| Finding::new(name, tried)),
    );
    Report { findings }
}

/// An engine that panics is wrong.
fn unless_panicked(behaviour: impl FnOnce() -> Tried) -> Tried {
    let panicked = |_| Err(Failure::Broken("it panics".to_owned()));
    panic::catch_unwind(AssertUnwindSafe(behaviour)).unwrap_or_else(panicked)
}

/// What [`run`] has found.
#[derive(Clone, Debug)]
pub struct Report {
    findings: Vec<Finding>,
}

#[derive(Clone, Debug)]
struct Finding {
    behaviour: String,
    outcome: Tried,
}

impl Report {
    /// Whether everything that could be tried is as it must be.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.broken().next().is_none()
    }

    /// The behaviours that are not as they must be, as sentences.
    pub fn broken(&self) -> impl Iterator<Item = &str> {
        let is_broken = |finding: &&Finding| matches!(finding.outcome, Err(Failure::Broken(_)));
        let broken = self.findings.iter().filter(is_broken);
        broken.map(|finding| finding.behaviour.as_str())
    }

    /// The behaviours that were not tried, for the subject has no hook for them.
    pub fn untried(&self) -> impl Iterator<Item = &str> {
        let is_untried = |finding: &&Finding| matches!(finding.outcome, Err(Failure::Unable(_)));
        let untried = self.findings.iter().filter(is_untried);
        untried.map(|finding| finding.behaviour.as_str())
    }
}

impl Finding {
    fn new(name: &str, outcome: Tried) -> Self {
        Self {
            behaviour: name.replace('_', " "),
            outcome,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Finding { behaviour, outcome } in &self.findings {
            match outcome {
                Ok(()) => writeln!(f, "kept: {behaviour}")?,
                Err(Failure::Unable(why)) => writeln!(f, "not tried: {behaviour}: {why}")?,
                Err(Failure::Broken(why)) => writeln!(f, "BROKEN: {behaviour}: {why}")?,
            }
        }
        Ok(())
    }
}

/// A behaviour, which opens engines and tries them.
type Behaviour<S> = fn(&dyn Fn(Namespaces) -> S) -> Tried;

/// Gives each function of a module with its name.
macro_rules! named {
    ($($module:ident: $($name:ident)*;)*) => {
        vec![$($((stringify!($name), $module::$name as Behaviour<S>),)*)*]
    };
}

fn behaviours<S: Subject>() -> Vec<(&'static str, Behaviour<S>)> {
    named! {
        reading:
            new_channel_is_empty_and_begins_at_zero
            reader_gets_what_follows_its_position
            pages_give_what_one_reading_gives
            reader_at_the_top_is_live_even_when_nothing_is_kept
            reader_from_the_newest_gets_nothing_and_from_the_oldest_all_that_is_kept
            reader_whose_next_publication_is_removed_is_told_which_are_missing
            reader_just_before_the_oldest_misses_nothing
            bytes_bound_what_is_kept
            age_bounds_what_is_kept
            publication_is_kept_for_as_long_as_it_must_be
            reader_beyond_the_newest_has_diverged_there
            reader_of_another_log_is_told_that_the_epoch_is_another
            cleared_channel_keeps_its_offsets_and_says_what_is_missing
            channels_have_logs_of_their_own;
        publishing:
            offsets_begin_at_one_and_leave_none_out
            repeated_key_gives_the_first_position_and_adds_nothing
            key_with_another_payload_is_an_error_and_adds_nothing
            key_is_known_after_its_publication_is_removed
            key_is_forgotten_after_its_window_and_not_before
            unknown_publisher_begins_anywhere_and_leaves_no_number_out
            repeated_number_gives_the_position_it_had
            number_further_back_than_is_remembered_is_an_error
            publisher_that_goes_on_is_remembered_for_a_window_from_its_last_publication
            keys_and_publishers_belong_to_one_channel;
        following:
            all_followers_are_told_the_same_in_the_order_of_the_log
            follower_is_told_from_its_position_on_until_it_goes
            follower_that_comes_back_is_told_nothing_of_the_time_between
            what_is_refused_or_a_repetition_is_told_to_nobody
            follower_is_told_nothing_of_other_channels
            follower_of_a_channel_that_keeps_nothing_is_told_everything
            follower_is_told_of_what_happens_after_a_day_of_silence;
        forking:
            reader_beyond_a_fork_is_told_where_it_was
            reader_before_a_fork_gets_everything_and_knows_of_no_gap
            reader_of_an_old_generation_is_judged_by_the_lowest_fork_since
            followers_are_told_of_a_fork_before_its_first_publication
            lost_publication_can_be_published_again_and_a_kept_one_not
            lost_number_comes_again_and_is_the_one_that_is_expected
            key_published_again_after_a_fork_is_remembered_for_its_whole_window
            log_that_lost_everything_has_a_new_epoch
            followers_are_told_of_a_loss_before_the_first_publication_of_the_new_log
            what_was_lost_with_everything_can_be_published_again;
        presence:
            client_that_enters_is_there_on_every_node_and_told_once
            client_that_enters_again_is_replaced_and_not_told
            client_that_leaves_is_told_once_as_it_was_last
            whoever_is_there_stays_when_the_history_goes
            whoever_is_there_stays_for_a_day;
        concurrency:
            concurrent_publishers_share_one_order_without_holes
            follower_that_joins_a_stream_misses_nothing_and_gets_nothing_twice
            concurrent_repetitions_add_one_publication;
    }
}
