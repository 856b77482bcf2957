//! Advice: what a server tells a client about coming back, in the reason of a Close frame.

mod json;

use core::fmt;
use core::time::Duration;

use self::json::Value;
use crate::close::MAX_CLOSE_REASON;

/// When and where a client should come back, and why it was sent away.
///
/// A server writes it as JSON into the reason of a Close frame, a client reads it from there:
/// `{"retry_after_ms":3200,"url":"wss://b.example/ws","reason":"restarting"}`. At least one member
/// is there; members that a reader does not know are ignored; a reason that is anything else is
/// just a reason. The advice is a request: a client bounds the delay, and does not follow a
/// `url` unless it was told to.
///
/// # Examples
/// ```
/// use std::time::Duration;
///
/// use holdwire_proto::Advice;
///
/// let advice = Advice::after(Duration::from_millis(3200)).reason("restarting");
/// let reason = advice.to_string();
/// assert_eq!(reason, r#"{"retry_after_ms":3200,"reason":"restarting"}"#);
/// assert_eq!(Advice::parse(&reason), Some(advice));
/// assert_eq!(Advice::parse("restarting"), None);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Advice {
    /// The client should not come back earlier than this; whole milliseconds on the wire.
    pub retry_after: Option<Duration>,
    /// Where the client should connect instead.
    pub url: Option<String>,
    /// Why, for people and logs.
    pub reason: Option<String>,
}

/// The names of the members.
const RETRY_AFTER: &str = "retry_after_ms";
const URL: &str = "url";
const REASON: &str = "reason";

/// The largest delay that every reader understands, in milliseconds: the last number up to which
/// JavaScript counts without gaps.
const MAX_RETRY_AFTER: u64 = (1 << 53) - 1;

impl Advice {
    /// Come back after this time.
    #[must_use]
    pub fn after(delay: Duration) -> Self {
        Self {
            retry_after: Some(delay),
            ..Self::default()
        }
    }

    /// Come back to this address.
    #[must_use]
    pub fn url(mut self, url: impl Into<String>) -> Self {
        self.url = Some(url.into());
        self
    }

    /// Says why.
    #[must_use]
    pub fn reason(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    /// Reads a close reason; `None` when it is an ordinary one.
    ///
    /// Strict: the whole reason is one JSON object (RFC 8259) of at most 123 bytes,
    /// `retry_after_ms` is an integer from 0 to 2^53 - 1, `url` and `reason` are strings. Of a
    /// member that is there twice the last counts. Half of a surrogate pair is read as U+FFFD.
    #[must_use]
    pub fn parse(close_reason: &str) -> Option<Self> {
        if close_reason.len() > MAX_CLOSE_REASON {
            return None;
        }
        let (mut retry_after, mut url, mut reason) = (None, None, None);
        json::members(close_reason, &mut |name, value| match name {
            RETRY_AFTER => retry_after = Some(value),
            URL => url = Some(value),
            REASON => reason = Some(value),
            _ => {}
        })?;
        let advice = Self {
            retry_after: member(retry_after, milliseconds)?,
            url: member(url, Value::into_string)?,
            reason: member(reason, Value::into_string)?,
        };
        (advice != Self::default()).then_some(advice)
    }

    /// The members that are there, as JSON; empty when there are none.
    fn json(&self) -> String {
        let mut object = json::Object::default();
        if let Some(delay) = self.retry_after {
            let round_up = u128::from(delay.subsec_nanos() % 1_000_000 > 0);
            let delay = u64::try_from(delay.as_millis() + round_up).unwrap_or(u64::MAX);
            object.number(RETRY_AFTER, delay.min(MAX_RETRY_AFTER));
        }
        if let Some(url) = &self.url {
            object.string(URL, url);
        }
        if let Some(reason) = &self.reason {
            object.string(REASON, reason);
        }
        object.finish()
    }
}

/// Writes the close reason: at most 123 bytes. When it does not fit, `url` is left out, then
/// `reason`; with no member left it is empty. A fraction of a millisecond counts as a whole one.
impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = self.json();
        if whole.len() <= MAX_CLOSE_REASON {
            return f.write_str(&whole);
        }
        let mut less = self.clone();
        less.url = None;
        let mut json = less.json();
        if json.len() > MAX_CLOSE_REASON {
            less.reason = None;
            json = less.json();
        }
        f.write_str(&json)
    }
}

/// A member that may be missing, but must be right if it is there.
#[expect(clippy::option_option, reason = "wrong, missing, or there")]
fn member<T>(value: Option<Value>, read: impl Fn(Value) -> Option<T>) -> Option<Option<T>> {
    match value {
        None => Some(None),
        Some(value) => read(value).map(Some),
    }
}

fn milliseconds(value: Value) -> Option<Duration> {
    let number = value.into_number()?;
    if number.fract() != 0.0 {
        return None;
    }
    // As seconds, for the checked conversion: an integer comes out as it went in.
    let number = Duration::try_from_secs_f64(number).ok()?.as_secs();
    (number <= MAX_RETRY_AFTER).then(|| Duration::from_millis(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_a_surrogate_pair_is_replaced() {
        let advice = Advice::parse(r#"{"reason":"\ud800 \udc00\ud83d\ude00\ud83d"}"#);

        assert_eq!(
            advice,
            Some(Advice::default().reason("\u{fffd} \u{fffd}😀\u{fffd}"))
        );
    }

    #[test]
    fn a_delay_is_rounded_up_and_bounded() {
        let after = |delay| Advice::after(delay).to_string();

        assert_eq!(after(Duration::from_nanos(1)), r#"{"retry_after_ms":1}"#);
        assert_eq!(
            after(Duration::MAX),
            r#"{"retry_after_ms":9007199254740991}"#
        );
    }

    #[test]
    fn deep_nesting_is_bounded_by_the_length_of_a_reason() {
        let nested = |levels| {
            let (open, close) = ("[".repeat(levels), "]".repeat(levels));
            Advice::parse(&format!("{{\"a\":{open}{close},\"url\":\"b\"}}"))
        };
        assert_eq!(nested(53), Some(Advice::default().url("b")));
        assert_eq!(nested(54), None, "124 bytes");

        let too_long = format!("{{\"url\":\"{}\"}}", "a".repeat(200));
        assert_eq!(Advice::parse(&too_long), None);
    }
}
