//! Calls of backends, in the words of `/metrics`.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

/// The methods that are counted by their names.
const METHODS: [&str; 13] = [
    "publish",
    "broadcast",
    "batch",
    "history",
    "history_remove",
    "presence",
    "presence_stats",
    "subscribe",
    "unsubscribe",
    "disconnect",
    "refresh",
    "channels",
    "info",
];

/// The counters of the interface for backends.
#[derive(Debug, Default)]
pub(super) struct Calls(Family<[(&'static str, &'static str); 2], Counter>);

impl Calls {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "api_calls",
            "Calls of the interface for backends, by method and outcome",
            self.0.clone(),
        );
    }

    /// What there is no method for is counted as `other`: names come from outside.
    pub(super) fn count(&self, method: &str, outcome: &'static str) {
        let known = METHODS.iter().find(|known| **known == method);
        let labels = [("method", *known.unwrap_or(&"other")), ("outcome", outcome)];
        self.0.get_or_create(&labels).inc();
    }
}
