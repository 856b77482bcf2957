//! What becomes of questions to a backend.

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// Upper bounds in seconds.
const BUCKETS: [f64; 11] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 3.0,
];

type Named<T, F = fn() -> T> = Family<[(&'static str, &'static str); 1], T, F>;

/// The counters of webhooks.
#[derive(Debug)]
pub struct Hooks {
    calls: Family<[(&'static str, &'static str); 2], Counter>,
    duration: Named<Histogram>,
    open: Named<Gauge>,
}

impl Default for Hooks {
    fn default() -> Self {
        Self {
            calls: Family::default(),
            duration: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            open: Family::new_with_constructor(Gauge::default),
        }
    }
}

impl Hooks {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "hook_calls",
            "Questions to the backend, by what has come of them",
            self.calls.clone(),
        );
        registry.register_with_unit(
            "hook_duration",
            "How long an answer of the backend took, repeats included",
            Unit::Seconds,
            self.duration.clone(),
        );
        registry.register(
            "hook_resting",
            "1 while the backend is not asked because it has not answered",
            self.open.clone(),
        );
    }

    /// Counts a question, by one of a few outcomes.
    pub fn asked(&self, hook: &'static str, outcome: &'static str) {
        let labels = [("hook", hook), ("outcome", outcome)];
        self.calls.get_or_create(&labels).inc();
    }

    /// Notes how long it took.
    pub fn took(&self, hook: &'static str, time: Duration) {
        let histogram = self.duration.get_or_create(&[("hook", hook)]);
        histogram.observe(time.as_secs_f64());
    }

    /// Notes whether the backend is left alone.
    pub fn set_open(&self, hook: &'static str, is_open: bool) {
        self.open
            .get_or_create(&[("hook", hook)])
            .set(i64::from(is_open));
    }
}
