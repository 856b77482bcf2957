//! Words about the connection, on standard error, and what makes a terminal pleasant.

use std::io::{self, IsTerminal, Write as _};

use crate::cli::ConnectFlags;
use crate::one_line::write_one_line;

/// Says how the connection does.
#[derive(Debug, Clone, Copy)]
pub(super) struct Words {
    is_quiet: bool,
    is_terminal: bool,
    has_prompt: bool,
    has_colour: bool,
}

/// How a line looks at a terminal that shows colours.
#[derive(Debug, Clone, Copy)]
pub(super) enum Style {
    /// A message of the server.
    Received,
    /// A message of ours.
    Sent,
    /// Words of ours.
    Said,
}

impl Words {
    pub(super) fn new(flags: &ConnectFlags) -> Self {
        let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let is_dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        let (input, words) = (io::stdin().is_terminal(), io::stderr().is_terminal());
        Self {
            is_quiet: flags.quiet,
            is_terminal: words,
            has_prompt: input && words && !flags.quiet,
            has_colour: words && !is_set("NO_COLOR") && !is_dumb,
        }
    }

    /// Says a line, unless the user wants none.
    pub(super) fn say(&self, line: &str) {
        if !self.is_quiet {
            self.tell(line);
        }
    }

    /// Says a line that the user asked for.
    pub(super) fn tell(&self, line: &str) {
        self.write_line(Style::Said, line);
    }

    /// Shows at a terminal what was sent without being typed.
    pub(super) fn show_sent(&self, text: &str) {
        if self.is_terminal && !self.is_quiet {
            self.write_line(Style::Sent, &format!("> {text}"));
        }
    }

    fn write_line(&self, style: Style, line: &str) {
        self.clear_prompt();
        let (begin, end) = self.style(style);
        let mut text = String::from(begin);
        // Writing to a string does not fail.
        let _ = write_one_line(line, &mut text);
        text.push_str(end);
        text.push('\n');
        write(&text);
        self.prompt();
    }

    /// Shows that a line can be typed.
    pub(super) fn prompt(&self) {
        if self.has_prompt {
            write("> ");
        }
    }

    /// Makes room where the prompt stands.
    pub(super) fn clear_prompt(&self) {
        if self.has_prompt {
            write(if self.has_colour { "\r\x1b[K" } else { "\r" });
        }
    }

    /// From here on nothing can be typed.
    pub(super) fn end_prompt(&mut self) {
        self.clear_prompt();
        self.has_prompt = false;
    }

    /// What stands before and after such a line.
    pub(super) fn style(&self, style: Style) -> (&'static str, &'static str) {
        match style {
            _ if !self.has_colour => ("", ""),
            Style::Received => ("\x1b[36m", "\x1b[0m"),
            Style::Sent => ("\x1b[32m", "\x1b[0m"),
            Style::Said => ("\x1b[2m", "\x1b[0m"),
        }
    }
}

/// Writes to standard error; nobody may be reading it.
fn write(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}
