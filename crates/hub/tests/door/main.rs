//! The plain door and the session protocol over real sockets, each behaviour in tasks of their own, on one shard and on two:
//! nothing sleeps.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

/// Runs each of these, given the number of shards, where sessions can run.
macro_rules! everywhere {
    ($($name:ident),* $(,)?) => {
        $(mod $name {
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn in_tasks() {
                crate::site::within(super::$name(0)).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_one_shard() {
                crate::site::within(super::$name(1)).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_two_shards() {
                crate::site::within(super::$name(2)).await;
            }
        })*
    };
}

mod centrifuge;
mod client;
mod joining;
mod meddling;
mod orders;
mod presence;
mod publishing;
mod refusing;
mod resuming;
mod sessions;
mod site;
mod slow;
mod speaking;
mod stranger;
mod subscribing;
mod tokens;
