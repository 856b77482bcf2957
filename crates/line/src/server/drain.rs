//! Going down in good order: when each connection is closed, and when its client should return.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use holdwire_proto::{Advice, CloseCode};
use tokio::time::Instant;

use crate::deadline::bounded;

/// How a server goes down: in which time, with which close code, and what the clients are told.
///
/// Connections are closed one by one over the first four fifths of the window, at least ten a
/// second; the rest of it is for closing handshakes. The reason of each Close frame is [`Advice`]
/// when to come back, with a delay that is drawn anew for each connection. Clients that obey it
/// return as evenly as they were sent away.
///
/// # Examples
/// ```no_run
/// use std::time::Duration;
///
/// use holdwire::{Drain, ServerHandle};
///
/// # async fn example(handle: ServerHandle) {
/// // Others serve meanwhile: the clients may come back at once.
/// let drain = Drain::handover(Duration::from_secs(25)).url("wss://live.example.com/");
/// handle.drain(drain).await;
/// # }
/// ```
#[derive(Clone)]
pub struct Drain {
    pub(super) code: CloseCode,
    pub(super) window: Duration,
    is_away: bool,
    url: Option<String>,
    reason: Option<String>,
    words: Option<Words>,
}

type Words = Arc<dyn Fn(Duration) -> String + Send + Sync>;

/// The share of a window in which connections are closed; the rest is for closing handshakes.
const SPREAD: f64 = 0.8;

/// The longest time between two closings: a few connections need not take the whole window.
const MAX_GAP: Duration = Duration::from_millis(100);

/// Newcomers to a draining server are told to come back over at least this time.
const MIN_SPREAD: Duration = Duration::from_secs(1);

impl Drain {
    /// Goes down to start again: the clients are told to stay away until all are gone, so that
    /// they meet the new process and not the old one. The code is 1012.
    ///
    /// Each is away for the same time, at most the window and a little jitter.
    #[must_use]
    pub fn restart(window: Duration) -> Self {
        Self {
            code: CloseCode::SERVICE_RESTART,
            window: bounded(window),
            is_away: true,
            url: None,
            reason: Some("restarting".to_owned()),
            words: None,
        }
    }

    /// Goes down while others serve, behind a load balancer or at another
    /// [address](Self::url): the clients may come back at once, for they are sent away one by
    /// one. The code is 1012.
    #[must_use]
    pub fn handover(window: Duration) -> Self {
        Self {
            is_away: false,
            reason: None,
            ..Self::restart(window)
        }
    }

    /// Closes with this code.
    #[must_use]
    pub fn code(mut self, code: CloseCode) -> Self {
        self.code = code;
        self
    }

    /// Tells clients to connect to this address instead; they do so only if they were allowed
    /// to. What does not fit a close reason is left out: keep it below 80 bytes.
    #[must_use]
    pub fn url(mut self, url: impl Into<String>) -> Self {
        self.url = Some(url.into());
        self
    }

    /// Says why, for people and logs.
    #[must_use]
    pub fn reason(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    /// Writes close reasons of your own in place of advice, given the delay that the advice would
    /// have named; beyond 123 bytes they are cut.
    #[must_use]
    pub fn close_reason(
        mut self,
        words: impl Fn(Duration) -> String + Send + Sync + 'static,
    ) -> Self {
        self.words = Some(Arc::new(words));
        self
    }

    fn words(&self, delay: Duration) -> String {
        if let Some(words) = &self.words {
            return words(delay);
        }
        let mut advice = Advice::after(delay);
        advice.url.clone_from(&self.url);
        advice.reason.clone_from(&self.reason);
        advice.to_string()
    }
}

impl fmt::Debug for Drain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Drain")
            .field("code", &self.code)
            .field("window", &self.window)
            .field("url", &self.url)
            .field("reason", &self.reason)
            .finish_non_exhaustive()
    }
}

/// A drain that has begun, with so many connections.
#[derive(Debug)]
pub(super) struct Draining {
    drain: Drain,
    start: Instant,
    /// From one closing to the next.
    gap: Duration,
    /// From the first closing to the last.
    span: Duration,
}

impl Draining {
    pub(super) fn new(drain: Drain, start: Instant, connections: usize) -> Self {
        let count = u32::try_from(connections).unwrap_or(u32::MAX).max(1);
        let gap = (drain.window.mul_f64(SPREAD) / count).min(MAX_GAP);
        Self {
            start,
            gap,
            span: gap * (count - 1),
            drain,
        }
    }

    pub(super) const fn code(&self) -> CloseCode {
        self.drain.code
    }

    /// When the window is over.
    pub(super) fn end(&self) -> Instant {
        self.start + self.drain.window
    }

    /// When the connection with this number is closed.
    pub(super) fn closing(&self, index: u32) -> Instant {
        self.start + self.gap * index
    }

    /// The reason of a connection that is closed in its turn; `random` is from 0 to 1.
    ///
    /// In a restart the delay is that of the last one to go and its closing handshake, so the
    /// first returns when all are gone, and they return in the order and the rhythm of the
    /// closings. The jitter fills the gaps.
    pub(super) fn reason(&self, random: f64) -> String {
        let away = match self.drain.is_away {
            true => self.length(),
            false => Duration::ZERO,
        };
        self.drain.words(away + self.gap.mul_f64(random))
    }

    /// How long one should wait who comes while the server drains.
    pub(super) fn delay_of_newcomer(&self, now: Instant, random: f64) -> Duration {
        let spread = self.span.max(MIN_SPREAD).mul_f64(random);
        let away = match self.drain.is_away {
            true => (self.start + self.length()).saturating_duration_since(now),
            false => Duration::ZERO,
        };
        away + spread
    }

    /// The close reason for one who comes while the server drains.
    pub(super) fn reason_of_newcomer(&self, now: Instant, random: f64) -> String {
        self.drain.words(self.delay_of_newcomer(now, random))
    }

    /// How long the drain takes, closing handshakes included.
    fn length(&self) -> Duration {
        self.span + self.drain.window.mul_f64(1.0 - SPREAD)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_secs(25);

    fn delay(reason: &str) -> Duration {
        let advice = Advice::parse(reason).expect("advice");
        advice.retry_after.expect("a delay")
    }

    #[test]
    fn whoever_obeys_returns_after_the_drain_as_evenly_as_it_was_closed() {
        let start = Instant::now();
        let draining = Draining::new(Drain::restart(WINDOW), start, 1000);
        let gap = Duration::from_millis(20);

        let returns = (0..1000).map(|index| {
            let random = f64::from(index * 7919 % 1000) / 1000.0;
            draining.closing(index) + delay(&draining.reason(random)) - start
        });
        let returns: Vec<Duration> = returns.collect();

        let last = draining.closing(999) - start;
        assert_eq!(last, gap * 999);
        assert!(returns[0] >= last + Duration::from_secs(5));
        for two in returns.windows(2) {
            assert!(two[1] + Duration::from_millis(1) >= two[0]);
            assert!(two[1] - two[0].min(two[1]) <= gap * 2);
        }
    }

    #[test]
    fn a_few_connections_are_closed_soon_and_not_sent_away_for_the_window() {
        let start = Instant::now();
        let draining = Draining::new(Drain::restart(WINDOW), start, 3);

        assert_eq!(draining.closing(2) - start, MAX_GAP * 2);
        let delay = delay(&draining.reason(1.0));
        assert!(
            delay <= Duration::from_secs(5) + MAX_GAP * 3 + Duration::from_millis(1),
            "{delay:?}"
        );
    }

    #[test]
    fn in_a_handover_clients_may_return_at_once() {
        let start = Instant::now();
        let drain = Drain::handover(WINDOW).url("wss://b.example/ws");
        let draining = Draining::new(drain, start, 1000);

        let advice = Advice::parse(&draining.reason(0.5)).expect("advice");

        assert_eq!(advice.retry_after, Some(Duration::from_millis(10)));
        assert_eq!(advice.url.as_deref(), Some("wss://b.example/ws"));
        assert!(draining.delay_of_newcomer(start, 1.0) <= Duration::from_secs(20));
    }

    #[test]
    fn newcomers_are_told_to_come_when_it_is_over_and_spread() {
        let start = Instant::now();
        let draining = Draining::new(Drain::restart(WINDOW), start, 1000);
        let later = start + Duration::from_secs(10);

        let first = draining.delay_of_newcomer(later, 0.0);
        let last = draining.delay_of_newcomer(later, 1.0);

        let rest = Duration::from_millis(15_000 - 20);
        assert!(first.abs_diff(rest) < Duration::from_millis(1), "{first:?}");
        assert!(last - first > Duration::from_secs(19));
        let after = draining.delay_of_newcomer(start + WINDOW * 2, 0.0);
        assert_eq!(after, Duration::ZERO);
    }

    #[test]
    fn words_of_ones_own_replace_the_advice() {
        let start = Instant::now();
        let drain = Drain::restart(WINDOW).close_reason(|_| "bye".to_owned());
        let draining = Draining::new(drain, start, 0);

        assert_eq!(draining.reason(0.0), "bye");
        assert_eq!(draining.reason_of_newcomer(start, 0.0), "bye");
    }
}
