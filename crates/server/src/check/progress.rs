//! What is being done, on a terminal's standard error, while somebody waits.

use std::io::{self, IsTerminal as _, Write as _};

use super::page::has_colour;

/// Says what is being done, where somebody sees it.
pub(super) struct Progress {
    is_shown: bool,
}

impl Progress {
    pub(super) fn new(is_json: bool) -> Self {
        Self {
            is_shown: !is_json && has_colour(io::stderr().is_terminal()),
        }
    }

    /// Says it in place of what was said before.
    pub(super) fn say(&self, what: &str) {
        self.write(&format!("\r\x1b[K\x1b[2m{what} …\x1b[0m"));
    }

    pub(super) fn clear(&self) {
        self.write("\r\x1b[K");
    }

    fn write(&self, text: &str) {
        if self.is_shown {
            // Nobody may be reading it.
            let _ = io::stderr().write_all(text.as_bytes());
        }
    }
}
