//! The heartbeat's settings: two durations and a word.

use std::time::Duration;

use holdwire::{HeartbeatConfig, HeartbeatWord};

use super::{Problem, Value};

/// The silence after which a ping goes out, or `off`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interval(Option<Duration>);

impl Interval {
    /// The time itself; `None` when it is off.
    pub fn duration(self) -> Option<Duration> {
        self.0
    }

    /// The heartbeat of this interval; `None` when it is off.
    ///
    /// Both durations are those of [`Interval::parse`] and [`Timeout::parse`], so they make one.
    pub fn heartbeat(self, timeout: Timeout) -> Option<HeartbeatConfig> {
        HeartbeatConfig::new(self.0?, timeout.0).ok()
    }
}

impl Value for Interval {
    fn parse(text: &str) -> Result<Self, Problem> {
        if text == "off" {
            return Ok(Self(None));
        }
        duration(text, "25s, or off").map(|interval| Self(Some(interval)))
    }

    fn show(&self) -> String {
        self.0
            .map_or_else(|| "off".to_owned(), |every| every.show())
    }
}

/// How long the answer to a ping may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeout(Duration);

impl Value for Timeout {
    fn parse(text: &str) -> Result<Self, Problem> {
        duration(text, "20s").map(Self)
    }

    fn show(&self) -> String {
        self.0.show()
    }
}

fn duration(text: &str, example: &str) -> Result<Duration, Problem> {
    let duration = Duration::parse(text)?;
    if duration < HeartbeatConfig::MIN {
        return Err(Problem::new(
            "a heart does not beat so fast",
            format!("write 10ms or more, such as {example}"),
        ));
    }
    Ok(duration)
}

/// The text message that stands for a ping; empty for none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word(Option<HeartbeatWord>, String);

impl Word {
    /// The word, if there is one.
    pub fn word(&self) -> Option<&HeartbeatWord> {
        self.0.as_ref()
    }
}

impl Value for Word {
    fn parse(text: &str) -> Result<Self, Problem> {
        if text.is_empty() {
            return Ok(Self(None, String::new()));
        }
        match HeartbeatWord::new(text) {
            Ok(word) => Ok(Self(Some(word), text.to_owned())),
            Err(error) => Err(Problem::new(
                error.to_string(),
                "write a short word such as HeartBeat, or nothing for none",
            )),
        }
    }

    fn show(&self) -> String {
        self.1.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_heartbeats_that_can_be_are_taken() {
        for text in ["9ms", "0s", "25", "never", "25h"] {
            assert!(Interval::parse(text).is_err(), "{text}");
            assert!(Timeout::parse(text).is_err(), "{text}");
        }
        let timeout = Timeout::parse("24h").unwrap();
        for text in ["10ms", "25s", "24h"] {
            let interval = Interval::parse(text).unwrap();
            assert!(interval.heartbeat(timeout).is_some(), "{text}");
            assert_eq!(interval.show(), text);
        }
        let off = Interval::parse("off").unwrap();
        assert_eq!((off.heartbeat(timeout), &*off.show()), (None, "off"));
        assert!(Timeout::parse("off").is_err());
    }

    #[test]
    fn a_word_is_short_or_none() {
        assert!(Word::parse(&"x".repeat(126)).is_err());
        assert!(Word::parse("").unwrap().word().is_none());
        let word = Word::parse("HeartBeat").unwrap();
        assert_eq!(word.word(), Some(&HeartbeatWord::default()));
    }
}
