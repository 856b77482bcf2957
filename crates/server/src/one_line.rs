//! Text that stays what it is on a terminal and in a log.

use std::fmt::{self, Write};

/// Writes a text on one line: control characters are escaped.
pub(crate) fn write_one_line(text: &str, out: &mut impl Write) -> fmt::Result {
    for character in text.chars() {
        write_visible(character, out)?;
    }
    Ok(())
}

/// Writes a character so that it is seen and not obeyed: control characters, and those that turn
/// the direction of writing, are escaped.
pub(crate) fn write_visible(character: char, out: &mut impl Write) -> fmt::Result {
    let turns = matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if character.is_control() || turns {
        write!(out, "{}", character.escape_default())
    } else {
        out.write_char(character)
    }
}
