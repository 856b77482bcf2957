//! What a script waits for: `--expect` and `--count`.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::time::Duration;

use holdwire::Message;

use crate::cli::ConnectFlags;
use crate::config::Value as _;

use super::Failure;

/// The messages that are still to come.
#[derive(Debug)]
pub(super) struct Plan {
    expected: VecDeque<String>,
    count: Option<u32>,
    received: u32,
    last_text: Option<String>,
}

/// Where a plan stands after a message.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// More is to come, or nothing was asked for.
    Open,
    /// All that was asked for came.
    Done,
    /// As many messages came as were wanted, and the expected one was not among them.
    Missed,
}

impl Plan {
    pub(super) fn new(flags: &ConnectFlags) -> Self {
        Self {
            expected: flags.expect.iter().cloned().collect(),
            count: flags.count,
            received: 0,
            last_text: None,
        }
    }

    /// Whether something is still waited for.
    pub(super) fn is_open(&self) -> bool {
        !self.expected.is_empty() || self.count.is_some_and(|count| self.received < count)
    }

    /// Takes a message into account.
    pub(super) fn take(&mut self, message: &Message) -> Progress {
        let was_open = self.is_open();
        self.received = self.received.saturating_add(1);
        if !self.expected.is_empty()
            && let Some(text) = message.as_text()
        {
            if self.expected.front().is_some_and(|next| next == text) {
                self.expected.pop_front();
            }
            self.last_text = Some(text.to_owned());
        }
        let is_full = self.count.is_some_and(|count| self.received >= count);
        match (was_open, self.is_open()) {
            (true, true) if is_full => Progress::Missed,
            (true, false) => Progress::Done,
            _ => Progress::Open,
        }
    }

    /// As many messages came as were wanted, and the expected one was not among them.
    pub(super) fn missed(&self) -> Failure {
        let (missing, seen) = (self.missing(), self.seen());
        Failure::failed(format!(
            "{missing} was not there ({seen}); see what the server sends"
        ))
    }

    /// The time is over: whether all came that was waited for.
    pub(super) fn fulfilled_within(&self, time: Duration) -> Result<(), Failure> {
        if !self.is_open() {
            return Ok(());
        }
        let (missing, seen, time) = (self.missing(), self.seen(), time.show());
        Err(Failure::failed(format!(
            "{missing} did not come within {time} ({seen}); see what the server sends, or give \
             --timeout more"
        )))
    }

    /// Something ended the wait: whether all had come.
    pub(super) fn fulfilled_before(&self, event: &str) -> Result<(), Failure> {
        if !self.is_open() {
            return Ok(());
        }
        let (missing, seen) = (self.missing(), self.seen());
        Err(Failure::failed(format!(
            "{event} before {missing} came ({seen}); see what the server sends"
        )))
    }

    /// What did not come, as the beginning of a sentence about why.
    fn missing(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = match (self.expected.front(), self.count) {
            (Some(expected), _) => write!(text, "the expected message {}", excerpt(expected)),
            (None, Some(count)) => write!(text, "message {} of {count}", self.received + 1),
            (None, None) => write!(text, "the next message"),
        };
        text
    }

    /// What came in its place.
    fn seen(&self) -> String {
        match (self.received, &self.last_text) {
            (0, _) => "no message came".to_owned(),
            (n, None) => format!("messages that came: {n}"),
            (n, Some(last)) => {
                format!("messages that came: {n}, the last text {}", excerpt(last))
            }
        }
    }
}

/// The time for a plan to come true.
pub(super) fn timeout(flags: &ConnectFlags) -> Option<Duration> {
    let of_expect = (!flags.expect.is_empty()).then_some(EXPECT_TIMEOUT);
    flags.timeout.or(of_expect)
}

/// How long --expect waits unless it was told.
const EXPECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A text in quotes and on one line, cut to what a line of words can hold.
pub(super) fn excerpt(text: &str) -> String {
    const LONGEST: usize = 200;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(expected: &[&str], count: Option<u32>) -> Plan {
        Plan {
            expected: expected.iter().map(ToString::to_string).collect(),
            count,
            received: 0,
            last_text: None,
        }
    }

    fn run(mut plan: Plan, messages: &[&str]) -> Progress {
        let mut progress = Progress::Open;
        for &message in messages {
            progress = plan.take(&message.into());
        }
        progress
    }

    #[test]
    fn expected_messages_come_in_order_with_others_between() {
        let wanted = ["a", "b"];

        assert_eq!(
            run(plan(&wanted, None), &["x", "a", "y", "b"]),
            Progress::Done
        );
        assert_eq!(run(plan(&wanted, None), &["b", "a"]), Progress::Open);
        assert_eq!(run(plan(&wanted, None), &["a", "b", "c"]), Progress::Open);
    }

    #[test]
    fn count_is_the_whole_number_of_messages() {
        assert_eq!(run(plan(&[], Some(2)), &["x"]), Progress::Open);
        assert_eq!(run(plan(&[], Some(2)), &["x", "y"]), Progress::Done);
        assert_eq!(run(plan(&["a"], Some(2)), &["a"]), Progress::Open);
        assert_eq!(run(plan(&["a"], Some(2)), &["a", "x"]), Progress::Done);
        assert_eq!(run(plan(&["a"], Some(2)), &["x", "y"]), Progress::Missed);
    }

    #[test]
    fn binary_message_is_not_the_expected_text() {
        let mut plan = plan(&["a"], None);

        assert_eq!(plan.take(&b"a"[..].into()), Progress::Open);
        assert!(plan.is_open());
    }

    #[test]
    fn missing_message_is_named() {
        assert_eq!(
            plan(&["a\n"], None).missing(),
            r#"the expected message "a\n""#
        );
        assert_eq!(plan(&[], Some(3)).missing(), "message 1 of 3");
    }
}
