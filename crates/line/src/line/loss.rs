//! How a connection or an attempt ended, and what follows from it.

use std::error::Error as StdError;
use std::fmt;
use std::time::{Duration, SystemTime};

use holdwire_proto::reconnect::{Decision, Target};
use holdwire_proto::{Advice, Violation};
use http::header::{DATE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, StatusCode};

use crate::client::{ConnectError, ProxyError, Refused};
use crate::error::{Closed, Error, Lost};

/// The end of a connection, or of an attempt to open one.
#[derive(Debug)]
#[non_exhaustive]
pub struct Loss {
    /// The number of the attempt that failed or had opened the connection.
    pub generation: u64,
    /// How long the connection was open; `None` when the attempt failed.
    pub uptime: Option<Duration>,
    /// What happened.
    pub cause: Cause,
    /// What the server said about coming back: in the close reason, or by `Retry-After`.
    pub advice: Option<Advice>,
}

/// Why a connection ended or did not come to be.
#[derive(Debug)]
#[non_exhaustive]
pub enum Cause {
    /// The server closed, with the closing handshake.
    Closed(Closed),
    /// The line died without a closing handshake.
    Lost(Lost),
    /// The server broke a rule of the protocol and was told so.
    Protocol(Violation),
    /// The attempt failed; [`ConnectError::Refused`] has the server's answer.
    Connect(ConnectError),
    /// The attempt took longer than
    /// [`Policy::connect_timeout`](super::Policy::connect_timeout).
    Timeout,
    /// The function that says where to connect to failed.
    Target(Box<dyn StdError + Send + Sync>),
}

impl Loss {
    pub(super) fn new(generation: u64, uptime: Option<Duration>, cause: Cause) -> Self {
        Self {
            generation,
            uptime,
            advice: advice(&cause),
            cause,
        }
    }

    /// The close code as a browser shows it; `None` when no connection came to be.
    #[must_use]
    pub fn code(&self) -> Option<u16> {
        match &self.cause {
            Cause::Closed(closed) => Some(closed.code()),
            Cause::Protocol(violation) => Some(violation.close_code().value()),
            Cause::Lost(_) => Some(1006),
            Cause::Connect(_) | Cause::Timeout | Cause::Target(_) => None,
        }
    }

    /// The status with which the handshake was refused, by the server or a proxy before it.
    #[must_use]
    pub fn status(&self) -> Option<StatusCode> {
        Some(refused(&self.cause)?.status())
    }

    /// Whether credentials were missing or not accepted: HTTP 401 or close code 4401.
    #[must_use]
    pub fn is_unauthorized(&self) -> bool {
        self.code() == Some(4401) || self.status() == Some(StatusCode::UNAUTHORIZED)
    }

    /// What the default table says.
    pub(super) fn decision(&self, target: Target) -> Decision {
        match &self.cause {
            Cause::Connect(error) => decision_of(error, target),
            _ => self.code().map_or(Decision::Retry, |code| {
                Decision::of_close_code(code, target)
            }),
        }
    }
}

/// What is wrong with the request stays wrong; a server that does not speak WebSocket is like one
/// that breaks its rules; everything else is the network, which may change.
fn decision_of(error: &ConnectError, target: Target) -> Decision {
    match error {
        ConnectError::Url(_)
        | ConnectError::Request(_)
        | ConnectError::Header(_)
        | ConnectError::Subprotocol(_)
        | ConnectError::Proxy(ProxyError::Url(_) | ProxyError::Credentials(_)) => Decision::Stop,
        ConnectError::Malformed(_)
        | ConnectError::Violation(_)
        | ConnectError::Extension(_)
        | ConnectError::Proxy(ProxyError::EarlyBytes) => {
            Decision::of_close_code(PROTOCOL_ERROR, target)
        }
        ConnectError::Refused(refused) | ConnectError::Proxy(ProxyError::Refused(refused)) => {
            Decision::of_status(refused.status(), target)
        }
        ConnectError::Proxy(ProxyError::Failed(error)) => decision_of(error, target),
        ConnectError::Dns(_)
        | ConnectError::Connect(_)
        | ConnectError::Timeout(_)
        | ConnectError::Tls(_)
        | ConnectError::Lost(_) => Decision::Retry,
    }
}

/// The close code for a peer that breaks the rules (RFC 6455 §7.4.1).
const PROTOCOL_ERROR: u16 = 1002;

impl Cause {
    /// The cause that lies in how a connection ended.
    pub(super) fn of(closed: Closed) -> Self {
        match Error::of(closed.ended) {
            None => Self::Closed(closed),
            Some(Error::Protocol(violation)) => Self::Protocol(violation),
            Some(Error::Lost(lost)) => Self::Lost(lost),
            Some(Error::Closed | Error::Full(_)) => Self::Lost(Lost::Eof),
        }
    }
}

fn refused(cause: &Cause) -> Option<&Refused> {
    match cause {
        Cause::Connect(
            ConnectError::Refused(refused) | ConnectError::Proxy(ProxyError::Refused(refused)),
        ) => Some(refused),
        _ => None,
    }
}

fn advice(cause: &Cause) -> Option<Advice> {
    match cause {
        Cause::Closed(closed) => Advice::parse(&closed.reason),
        _ => retry_after(refused(cause)?.headers(), SystemTime::now()).map(Advice::after),
    }
}

/// `Retry-After`: seconds, or a date (RFC 9110 §10.2.3).
///
/// A date is compared with the response's own `Date`, so that a clock that is wrong here or there
/// does no harm.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let then = httpdate::parse_http_date(value).ok()?;
    let now = date(headers, &DATE).unwrap_or(now);
    // What is in the past asks for nothing.
    Some(then.duration_since(now).unwrap_or_default())
}

fn date(headers: &HeaderMap, name: &HeaderName) -> Option<SystemTime> {
    httpdate::parse_http_date(headers.get(name)?.to_str().ok()?).ok()
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.cause.fmt(f)
    }
}

impl StdError for Loss {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.cause.source()
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed(closed) => closed.fmt(f),
            Self::Lost(lost) => lost.fmt(f),
            Self::Protocol(violation) => violation.fmt(f),
            Self::Connect(error) => error.fmt(f),
            Self::Timeout => f.write_str("the attempt took too long"),
            Self::Target(_) => f.write_str("there is no target to connect to"),
        }
    }
}

impl StdError for Cause {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Connect(error) => error.source(),
            Self::Target(error) => Some(error.as_ref()),
            Self::Closed(_) | Self::Lost(_) | Self::Protocol(_) | Self::Timeout => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
        let fields = fields
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
        fields.collect()
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:00:00 GMT").unwrap();
        let after = |fields: &[_]| retry_after(&headers(fields), now);
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        let date = ("retry-after", "Sun, 06 Nov 1994 08:00:30 GMT");

        assert_eq!(after(&[("retry-after", " 120 ")]), seconds(120));
        assert_eq!(after(&[date]), seconds(30));
        let skewed = ("date", "Sun, 06 Nov 1994 08:00:25 GMT");
        assert_eq!(after(&[date, skewed]), seconds(5));
        let past = ("retry-after", "Sun, 06 Nov 1994 07:00:00 GMT");
        assert_eq!(after(&[past]), seconds(0));
        for nonsense in ["-1", "1.5", "soon", ""] {
            assert_eq!(after(&[("retry-after", nonsense)]), None, "{nonsense}");
        }
        assert_eq!(after(&[]), None);
    }
}
