//! What the server counts, and how `/metrics` tells it.

mod api;
mod channels;
mod hooks;

use std::sync::atomic::{AtomicI64, AtomicU64};

use self::api::Calls;
use self::channels::Channels;
pub use self::hooks::Hooks;
use holdwire::TurnedAway;
use holdwire_hub::Counts;
use http::StatusCode;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

/// The media type of [`Metrics::text`].
pub const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The counters of one server; clones of its parts are cheap, updates are single atomic steps.
///
/// # Examples
/// ```
/// use holdwire_server::metrics::Metrics;
///
/// let metrics = Metrics::new();
/// metrics.handshake(http::StatusCode::SWITCHING_PROTOCOLS);
/// metrics.connection_opened();
/// metrics.received(1, 17);
/// assert_eq!(metrics.connections(), 1);
/// assert!(metrics.text().contains("holdwire_messages_received_total 1"));
/// ```
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    connections: Gauge<i64, AtomicI64>,
    handshakes: Family<[(&'static str, String); 1], Counter>,
    turned_away: Family<[(&'static str, &'static str); 1], Counter>,
    tokens_refused: Family<[(&'static str, &'static str); 1], Counter>,
    closes: Family<[(&'static str, String); 1], Counter>,
    messages_received: Counter<u64, AtomicU64>,
    messages_sent: Counter<u64, AtomicU64>,
    bytes_received: Counter<u64, AtomicU64>,
    bytes_sent: Counter<u64, AtomicU64>,
    queue_bytes: Gauge<i64, AtomicI64>,
    channels: Channels,
    calls: Calls,
    /// Questions to a backend.
    pub hooks: Hooks,
}

impl Metrics {
    /// Counters that stand at zero.
    pub fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("holdwire"),
            connections: Gauge::default(),
            handshakes: Family::default(),
            turned_away: Family::default(),
            tokens_refused: Family::default(),
            closes: Family::default(),
            messages_received: Counter::default(),
            messages_sent: Counter::default(),
            bytes_received: Counter::default(),
            bytes_sent: Counter::default(),
            queue_bytes: Gauge::default(),
            channels: Channels::default(),
            calls: Calls::default(),
            hooks: Hooks::default(),
        };
        let registry = &mut metrics.registry;
        registry.register(
            "connections",
            "WebSocket connections open now",
            metrics.connections.clone(),
        );
        registry.register(
            "handshakes",
            "Opening handshakes by the status they were answered with",
            metrics.handshakes.clone(),
        );
        registry.register(
            "turned_away",
            "Opening handshakes that a limit of the server kept out",
            metrics.turned_away.clone(),
        );
        registry.register(
            "tokens_refused",
            "Tokens that were not accepted, by reason",
            metrics.tokens_refused.clone(),
        );
        registry.register(
            "closes",
            "Connections that ended, by the peer's close code; 1005 is a close frame without one, 1006 none",
            metrics.closes.clone(),
        );
        registry.register(
            "messages_received",
            "Messages received",
            metrics.messages_received.clone(),
        );
        registry.register(
            "messages_sent",
            "Messages sent",
            metrics.messages_sent.clone(),
        );
        registry.register_with_unit(
            "payload_received",
            "Payload of the messages received",
            Unit::Bytes,
            metrics.bytes_received.clone(),
        );
        registry.register_with_unit(
            "payload_sent",
            "Payload of the messages sent",
            Unit::Bytes,
            metrics.bytes_sent.clone(),
        );
        registry.register_with_unit(
            "queue",
            "What waits unsent in all send queues",
            Unit::Bytes,
            metrics.queue_bytes.clone(),
        );
        metrics.channels.register(registry);
        metrics.calls.register(registry);
        metrics.hooks.register(registry);
        metrics
    }

    /// Counts an opening handshake by the status it was answered with: 101 or a refusal.
    pub fn handshake(&self, status: StatusCode) {
        let labels = [("status", status.as_str().to_owned())];
        self.handshakes.get_or_create(&labels).inc();
    }

    /// Counts a call of a backend.
    pub(crate) fn api(&self, method: &str, outcome: &'static str) {
        self.calls.count(method, outcome);
    }

    /// Counts an opening handshake that a limit of the server kept out.
    pub fn turned_away(&self, why: TurnedAway) {
        self.turned_away.get_or_create(&[("why", why.name())]).inc();
    }

    /// Counts a token that was not accepted, by one of a few reasons.
    pub fn token_refused(&self, reason: &'static str) {
        let labels = [("reason", reason)];
        self.tokens_refused.get_or_create(&labels).inc();
    }

    /// Counts a connection that opened; each needs one [`connection_closed`](Self::connection_closed).
    pub fn connection_opened(&self) {
        self.connections.inc();
    }

    /// Counts the end of a connection by the close code that the peer sent, first or in answer; by
    /// the code that it was told if it broke a rule.
    ///
    /// 1005 stands for a close frame without a code; 1006 for an end without closing handshake,
    /// whatever the server sent (RFC 6455 §7.4.1).
    /// Codes of frameworks and applications are counted as `3xxx` and `4xxx`, so that peers cannot
    /// make the number of series grow.
    pub fn connection_closed(&self, code: u16) {
        let code = match code {
            1000..=1015 => code.to_string(),
            3000..=3999 => "3xxx".to_owned(),
            4000..=4999 => "4xxx".to_owned(),
            _ => "other".to_owned(),
        };
        self.connections.dec();
        self.closes.get_or_create(&[("code", code)]).inc();
    }

    /// Counts messages received and the bytes of their payload.
    pub fn received(&self, messages: u64, bytes: u64) {
        self.messages_received.inc_by(messages);
        self.bytes_received.inc_by(bytes);
    }

    /// Counts messages sent and the bytes of their payload.
    pub fn sent(&self, messages: u64, bytes: u64) {
        self.messages_sent.inc_by(messages);
        self.bytes_sent.inc_by(bytes);
    }

    /// Sets what waits unsent in all send queues, in bytes.
    pub fn set_queue(&self, bytes: usize) {
        self.queue_bytes
            .set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// Sets what the hub has counted.
    pub fn set_channels(&self, counts: &Counts) {
        self.channels.set(counts);
    }

    /// How many connections are open.
    pub fn connections(&self) -> u64 {
        u64::try_from(self.connections.get()).unwrap_or(0)
    }

    /// All counters as text, of [`MEDIA_TYPE`].
    pub fn text(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("a String takes all that is written to it");
        text
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_appear_with_their_labels() {
        let metrics = Metrics::new();

        metrics.handshake(StatusCode::SWITCHING_PROTOCOLS);
        metrics.handshake(StatusCode::FORBIDDEN);
        metrics.turned_away(TurnedAway::Rate);
        metrics.token_refused("expired");
        metrics.connection_opened();
        metrics.connection_opened();
        metrics.connection_closed(1001);
        metrics.received(2, 30);
        metrics.sent(3, 40);
        metrics.set_queue(400);

        let text = metrics.text();
        for line in [
            "holdwire_connections 1",
            "holdwire_handshakes_total{status=\"101\"} 1",
            "holdwire_handshakes_total{status=\"403\"} 1",
            "holdwire_turned_away_total{why=\"rate\"} 1",
            "holdwire_tokens_refused_total{reason=\"expired\"} 1",
            "holdwire_closes_total{code=\"1001\"} 1",
            "holdwire_messages_received_total 2",
            "holdwire_messages_sent_total 3",
            "holdwire_payload_received_bytes_total 30",
            "holdwire_payload_sent_bytes_total 40",
            "holdwire_queue_bytes 400",
            "# EOF",
        ] {
            assert!(text.lines().any(|l| l == line), "{line}\n{text}");
        }
    }

    #[test]
    fn close_codes_of_peers_make_no_more_than_a_few_series() {
        let metrics = Metrics::new();

        for code in 0..=u16::MAX {
            metrics.connection_closed(code);
        }

        let text = metrics.text();
        let series = text.lines().filter(|line| line.contains("_closes_total{"));
        assert_eq!(series.count(), 16 + 3);
    }
}
