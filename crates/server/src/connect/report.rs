//! How a line does, on standard error, and its messages: as text or as lines of JSON.

use std::fmt::Write as _;
use std::io;

use holdwire::Message;
use holdwire::line::{Event, Loss, Why};
use serde_json::{Map, Value, json};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};

use crate::cli::{BinaryView, ConnectFlags};
use crate::config::Value as _;

use super::failure::with_causes;
use super::output::Output;
use super::words::Words;

/// Shows what a line tells.
pub(super) struct Report<'a> {
    flags: &'a ConnectFlags,
    words: Words,
    output: Output,
}

impl<'a> Report<'a> {
    pub(super) fn new(flags: &'a ConnectFlags, words: Words) -> Self {
        let output = Output::new(flags, words);
        Self {
            flags,
            words,
            output,
        }
    }

    /// Shows a message; waits for who reads it.
    pub(super) fn message(&mut self, message: &Message) -> io::Result<()> {
        if !self.flags.json {
            return self.output.show(message);
        }
        let (key, value) = match message {
            Message::Text(text) => ("text", text.to_string()),
            Message::Binary(payload) if self.flags.binary == BinaryView::File => {
                let path = self.output.save(payload)?;
                ("file", path.display().to_string())
            }
            Message::Binary(payload) => ("binary", hex(payload)),
        };
        let line = line_of_json("message", json!({ key: value }));
        self.output.print_line(&line)
    }

    /// Says what happened to the line.
    pub(super) fn state(&self, event: &Event) {
        let said = match event {
            Event::Connecting {
                attempt,
                generation,
            } => self.said(
                "connecting",
                || format!("connecting to {}, attempt {attempt}", self.flags.url.show()),
                || json!({ "attempt": attempt, "generation": generation }),
            ),
            Event::Up {
                generation,
                subprotocol,
            } => self.said(
                "up",
                || match subprotocol {
                    Some(name) => format!("up, subprotocol {name}"),
                    None => "up".to_owned(),
                },
                || json!({ "generation": generation, "subprotocol": subprotocol.as_deref() }),
            ),
            Event::Down { loss, next_in } => self.said(
                "down",
                || {
                    let next = next_in.as_secs_f64();
                    format!("down: {}; next attempt in {next:.1} s", with_causes(loss))
                },
                || {
                    let mut members = loss_members(loss);
                    let millis = u64::try_from(next_in.as_millis()).unwrap_or(u64::MAX);
                    members.insert("next_in_ms".to_owned(), millis.into());
                    members.into()
                },
            ),
            Event::Stopped { why, loss } => self.said(
                "stopped",
                || format!("stopped: {}", reasons(*why).0),
                || {
                    let mut members = loss.as_deref().map(loss_members).unwrap_or_default();
                    members.insert("why".to_owned(), reasons(*why).1.into());
                    members.into()
                },
            ),
            _ => return,
        };
        self.words.say(&said);
    }

    fn said(
        &self,
        event: &str,
        text: impl FnOnce() -> String,
        members: impl FnOnce() -> Value,
    ) -> String {
        match self.flags.json {
            true => line_of_json(event, members()),
            false => format!("{} {}", now(), text()),
        }
    }
}

/// Why it stopped, for people and for programs.
fn reasons(why: Why) -> (&'static str, &'static str) {
    match why {
        Why::Asked => ("as asked", "asked"),
        Why::Decision => ("coming back is of no use", "decision"),
        Why::Attempts => ("no attempt is left", "attempts"),
        _ => ("the program ends", "aborted"),
    }
}

fn loss_members(loss: &Loss) -> Map<String, Value> {
    let mut members = Map::new();
    members.insert("generation".to_owned(), loss.generation.into());
    members.insert("reason".to_owned(), with_causes(loss).into());
    if let Some(code) = loss.code() {
        members.insert("code".to_owned(), code.into());
    }
    if let Some(status) = loss.status() {
        members.insert("status".to_owned(), status.as_u16().into());
    }
    members
}

/// One line: when, what, and the members.
fn line_of_json(event: &str, members: Value) -> String {
    let mut line = json!({ "time": now(), "event": event });
    if let (Value::Object(line), Value::Object(mut members)) = (&mut line, members) {
        line.append(&mut members);
    }
    escaped(&line.to_string())
}

/// JSON in which no character is left that a terminal obeys.
fn escaped(json: &str) -> String {
    let mut line = String::with_capacity(json.len());
    for character in json.chars() {
        let turns = matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        // Writing to a string does not fail.
        let _ = match character.is_control() || turns {
            true => write!(line, "\\u{:04x}", u32::from(character)),
            false => line.write_char(character),
        };
    }
    line
}

fn hex(payload: &[u8]) -> String {
    let mut digits = String::with_capacity(payload.len() * 2);
    for byte in payload {
        // Writing to a string does not fail.
        let _ = write!(digits, "{byte:02x}");
    }
    digits
}

/// The time of day, as in the log: UTC (RFC 3339).
fn now() -> String {
    let mut time = String::new();
    // Writing to a string does not fail.
    let _ = SystemTime.format_time(&mut Writer::new(&mut time));
    time
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_of_json_is_one_line_and_obeyed_by_no_terminal() {
        let text = "a\n\u{1b}[2J\u{9b}\u{202e}\"漢";

        let line = line_of_json("message", json!({ "text": text }));

        assert!(line.chars().all(|character| !character.is_control()));
        assert!(!line.contains('\u{202e}'));
        let read: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(read["text"], text);
        assert_eq!(read["event"], "message");
        let time = read["time"].as_str().unwrap();
        assert!(time.starts_with("20") && time.ends_with('Z'), "{time}");
    }

    #[test]
    fn bytes_are_pairs_of_digits() {
        assert_eq!(hex(&[0, 0x0f, 0xff]), "000fff");
    }
}
