//! Thousands of random operations, the same in each run, after which nothing is left.

use holdwire::shard::{Remote, Slow, Topic};
use holdwire::{CloseCode, Prepared};

use crate::client::Client;
use crate::site::{Arrival, Site};

everywhere! {
    after_thousands_of_random_operations_nothing_is_left,
}

/// Numbers that look random.
struct Draw(u64);

impl Draw {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit as u64).unwrap()
    }
}

async fn after_thousands_of_random_operations_nothing_is_left(shards: usize) {
    let mut site = Site::new(shards).await;
    let topics = [Topic::new(), Topic::with(Slow::Skip), Topic::new()];
    let mut draw = Draw(0x9e37_79b9_7f4a_7c15);
    let mut open: Vec<(Client, Arrival)> = Vec::new();
    let mut gone: Vec<Remote> = Vec::new();
    let verbs = ["hello", "pause", "ask 100000", "close", "panic"];

    for step in 0..4000 {
        if open.len() < 30 {
            open.push(site.connect().await);
            continue;
        }
        let at = draw.below(open.len());
        let topic = &topics[draw.below(topics.len())];
        let (client, arrival) = &mut open[at];
        match draw.below(14) {
            0..4 => {
                let verb = verbs[draw.below(verbs.len())];
                // It may be gone already.
                let _ = client.try_send(verb).await;
            }
            4 => arrival.remote.resume(),
            5 => arrival.remote.wake(),
            6 | 7 => arrival.remote.join(topic),
            8 => arrival.remote.leave(topic),
            9 => {
                let message = Prepared::text(&step.to_string());
                let _ = topic.publish_from(&arrival.remote, message);
            }
            10 => {
                topic.publish(Prepared::binary(&vec![1; draw.below(50_000)]));
            }
            11 => arrival.remote.close(CloseCode::NORMAL, "random"),
            12 => {
                let (client, arrival) = open.swap_remove(at);
                gone.push(arrival.remote.clone());
                if draw.below(2) == 0 {
                    arrival.remote.abort();
                }
                drop(client);
            }
            _ => {
                if let Some(stale) = gone.get(draw.below(gone.len().max(1))) {
                    stale.abort();
                    stale.wake();
                    stale.join(topic);
                }
            }
        }
    }

    for (client, mut arrival) in open {
        // A session that has paused does not see that its peer is gone.
        arrival.remote.resume();
        drop(client);
        arrival.remote.abort();
        arrival.gone().await;
    }
    site.empty().await;
    for topic in topics {
        while !format!("{topic:?}").contains("shards: 0") {
            tokio::task::yield_now().await;
        }
    }
}
