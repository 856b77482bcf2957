//! What a hub counts, in the words of `/metrics`.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use holdwire_hub::Counts;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// The counters of a hub, as they were when they were last set.
#[derive(Debug, Default)]
pub(super) struct Channels {
    channels: Gauge<i64, AtomicI64>,
    subscriptions: Gauge<i64, AtomicI64>,
    publications: Counter<u64, AtomicU64>,
    deliveries: Counter<u64, AtomicU64>,
    replays: Counter<u64, AtomicU64>,
    gaps: Family<[(&'static str, &'static str); 1], Counter>,
    slow: Counter<u64, AtomicU64>,
    limited: Family<[(&'static str, &'static str); 1], Counter>,
}

impl Channels {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "channels",
            "Channels that somebody has subscribed to",
            self.channels.clone(),
        );
        registry.register(
            "subscriptions",
            "Subscriptions to channels",
            self.subscriptions.clone(),
        );
        registry.register(
            "publications",
            "Publications in channels",
            self.publications.clone(),
        );
        registry.register(
            "deliveries",
            "Publications handed out for subscribers, each for each",
            self.deliveries.clone(),
        );
        registry.register(
            "replays",
            "Publications that were read again for subscribers who came back",
            self.replays.clone(),
        );
        registry.register(
            "gaps",
            "Gaps that subscribers were told of, by reason",
            self.gaps.clone(),
        );
        registry.register(
            "slow_consumers",
            "Subscribers that were closed because they read too slowly",
            self.slow.clone(),
        );
        registry.register(
            "limited",
            "What limits of channels have kept out, by the limit",
            self.limited.clone(),
        );
    }

    pub(super) fn set(&self, counts: &Counts) {
        let gauge = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        self.channels.set(gauge(counts.channels));
        self.subscriptions.set(gauge(counts.subscriptions));
        // The hub has counted: these only repeat it.
        let repeat = |counter: &Counter, count| counter.inner().store(count, Ordering::Relaxed);
        repeat(&self.publications, counts.publications);
        repeat(&self.deliveries, counts.deliveries);
        repeat(&self.replays, counts.replays);
        repeat(&self.slow, counts.slow_closed);
        let limited = &counts.limited;
        for (what, count) in [
            ("commands", limited.commands),
            ("publications", limited.publications),
            ("user_commands", limited.user_commands),
            ("user_publications", limited.user_publications),
            ("channels", limited.channels),
            ("connections", limited.connections),
            ("abuse", limited.abuse),
        ] {
            repeat(&self.limited.get_or_create(&[("what", what)]), count);
        }
        for (reason, count) in [
            ("expired", counts.expired),
            ("epoch", counts.epoch),
            ("diverged", counts.diverged),
            ("slow", counts.slow),
        ] {
            repeat(&self.gaps.get_or_create(&[("reason", reason)]), count);
        }
    }
}
