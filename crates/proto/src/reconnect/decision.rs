//! What a loss means for coming back: one table, by close code and by HTTP status.

use http::StatusCode;

/// What to do after a loss.
///
/// [`of_close_code`](Self::of_close_code) and [`of_status`](Self::of_status) are the default
/// table; an application that knows its server better decides otherwise. A loss with neither a
/// code nor a status (unreachable, reset, timed out, given up by the heartbeat) is a [`Retry`],
/// the default value.
///
/// [`Retry`]: Self::Retry
///
/// # Examples
/// ```
/// use holdwire_proto::http::StatusCode;
/// use holdwire_proto::reconnect::{Decision, Target};
///
/// assert_eq!(Decision::of_close_code(1012, Target::Fixed), Decision::Retry);
/// assert_eq!(Decision::of_close_code(4403, Target::Fixed), Decision::Stop);
/// // A new token may help, but only once.
/// assert_eq!(Decision::of_close_code(4401, Target::Asked), Decision::StopAfter(2));
/// assert_eq!(Decision::of_status(StatusCode::NOT_FOUND, Target::Fixed), Decision::Stop);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Decision {
    /// Come back after the usual delay.
    #[default]
    Retry,
    /// Come back after at least half of the longest delay: the server is overloaded.
    Later,
    /// Come back, but stop at the n-th loss of this kind without a connection between them that
    /// was up for long enough. Different kinds count together.
    StopAfter(u32),
    /// Stop: coming back would end the same way.
    Stop,
}

impl Decision {
    /// The default decision for a close code, from the peer or as a word for what happened (1005
    /// no code, 1006 no Close frame, 1015 TLS failed).
    ///
    /// A close that the application itself asked for is not a loss and never comes here.
    #[must_use]
    pub const fn of_close_code(code: u16, target: Target) -> Self {
        match code {
            1013 => Self::Later,
            // We broke a rule, or say what the server does not take: perhaps a message that went
            // out once, perhaps the one that goes out first on every connection.
            1002 | 1003 | 1007..=1010 => Self::StopAfter(3),
            4401 => target.unauthorized(),
            4400..=4499 => Self::Stop,
            _ => Self::Retry,
        }
    }

    /// The default decision for the status of a refused opening handshake.
    ///
    /// A browser does not show it; it sees close code 1006.
    #[must_use]
    pub fn of_status(status: StatusCode, target: Target) -> Self {
        match status.as_u16() {
            401 => target.unauthorized(),
            408 | 425 | 429 | 500..=599 => Self::Retry,
            _ => Self::Stop,
        }
    }
}

/// How the next attempt learns its URL, headers and subprotocols.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// They are the same for every attempt.
    Fixed,
    /// A function is asked before each attempt and may bring, say, a new token.
    Asked,
}

impl Target {
    const fn unauthorized(self) -> Decision {
        match self {
            Self::Fixed => Decision::Stop,
            Self::Asked => Decision::StopAfter(2),
        }
    }
}
