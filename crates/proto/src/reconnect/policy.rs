//! The settings of coming back, each with its unit, its default and its reason.

use std::time::Duration;

use crate::backoff::Backoff;

/// How eagerly to come back, and when to give up.
///
/// # Examples
/// ```
/// use holdwire_proto::reconnect::{Backoff, Policy};
/// use std::time::Duration;
///
/// let policy = Policy {
///     backoff: Backoff::new(Duration::from_millis(200), Duration::from_secs(5)),
///     max_attempts: Some(10),
///     ..Policy::default()
/// };
/// assert_eq!(policy.min_uptime, Duration::from_secs(10));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The delays between attempts. Default: 500 ms, doubled up to 20 s, full jitter.
    pub backoff: Backoff,
    /// How long a connection must have been open for its loss to begin a new count. Default 10 s;
    /// a server that accepts and closes at once is so backed off from like one that refuses.
    pub min_uptime: Duration,
    /// How long an attempt may take. Default 10 s.
    pub connect_timeout: Duration,
    /// The most attempts without a connection that was open for
    /// [`min_uptime`](Self::min_uptime). Default none: it never gives up.
    pub max_attempts: Option<u32>,
    /// The longest delay that a server's advice can ask for. Default 5 min; longer advice is cut
    /// to it, so that no server can send a client away for ever.
    pub max_advice: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            backoff: Backoff::default(),
            min_uptime: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(10),
            max_attempts: None,
            max_advice: Duration::from_secs(5 * 60),
        }
    }
}
