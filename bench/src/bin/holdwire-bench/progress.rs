//! One line on the terminal that says what runs now; nothing if nobody watches.

use std::io::{IsTerminal, stderr};

/// Shows what runs now, in place of what was shown before.
pub(crate) fn show(what: &str) {
    if stderr().is_terminal() {
        eprint!("\r\x1b[K{what}");
    }
}

/// Tells what went wrong, on a line that stays.
pub(crate) fn complain(what: &str) {
    show("");
    eprintln!("{what}");
}
