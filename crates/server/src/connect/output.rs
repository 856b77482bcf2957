//! Messages on standard output: as they are in a pipe, seen and not obeyed at a terminal.

use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, IsTerminal, Write as _};
use std::path::{Path, PathBuf};
use std::time::Instant;

use holdwire::Message;

use crate::cli::{BinaryView, ConnectFlags};
use crate::one_line::write_visible;

use super::Failure;
use super::failure::with_causes;
use super::json;
use super::words::{Style, Words};

/// Where messages go.
#[derive(Debug)]
pub(super) struct Output {
    view: BinaryView,
    folder: PathBuf,
    files: u64,
    json: bool,
    timestamps: bool,
    opened: Instant,
    is_terminal: bool,
    words: Words,
}

/// Makes what the output needs before there is a connection.
pub(super) fn prepare(flags: &ConnectFlags) -> Result<(), Failure> {
    match &flags.output_dir {
        Some(folder) => fs::create_dir_all(folder).map_err(|error| {
            let folder = folder.display();
            Failure::usage(format!(
                "--output-dir = \"{folder}\": {}; name a folder that can be written to",
                with_causes(&error)
            ))
        }),
        None => Ok(()),
    }
}

impl Output {
    pub(super) fn new(flags: &ConnectFlags, words: Words) -> Self {
        Self {
            view: flags.binary,
            folder: flags.output_dir.clone().unwrap_or_default(),
            files: 0,
            json: flags.json,
            timestamps: flags.timestamps,
            opened: Instant::now(),
            is_terminal: io::stdout().is_terminal(),
            words,
        }
    }

    /// Shows a message; waits for who reads it.
    pub(super) fn show(&mut self, message: &Message) -> io::Result<()> {
        match message {
            Message::Text(text) => match self.json.then(|| json::pretty(text)).flatten() {
                Some(pretty) => self.show_text(&pretty),
                None => self.show_text(text),
            },
            Message::Binary(payload) => match self.view {
                BinaryView::Hex => self.show_text(&hex_dump(payload)),
                BinaryView::Raw if self.is_terminal => self.show_text(&hex_dump(payload)),
                BinaryView::Raw => print(payload),
                BinaryView::File => {
                    let path = self.save(payload)?;
                    let bytes = payload.len();
                    self.words
                        .say(&format!("{bytes} bytes in {}", path.display()));
                    Ok(())
                }
            },
        }
    }

    /// Prints a line that no terminal obeys.
    pub(super) fn print_line(&self, line: &str) -> io::Result<()> {
        if !self.is_terminal {
            return print(format!("{line}\n").as_bytes());
        }
        self.words.clear_prompt();
        let printed = print(format!("{line}\n").as_bytes());
        self.words.prompt();
        printed
    }

    fn show_text(&self, text: &str) -> io::Result<()> {
        let time = match self.timestamps {
            true => format!("{:.3} ", self.opened.elapsed().as_secs_f64()),
            false => String::new(),
        };
        if !self.is_terminal {
            return self.print_line(&format!("{time}{text}"));
        }
        let (begin, end) = self.words.style(Style::Received);
        self.print_line(&format!("{begin}< {time}{}{end}", visible(text)))
    }

    /// Writes a file that was not there before.
    pub(super) fn save(&mut self, payload: &[u8]) -> io::Result<PathBuf> {
        loop {
            self.files += 1;
            let path = self.folder.join(format!("{:06}.bin", self.files));
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(mut file) => {
                    file.write_all(payload)?;
                    return Ok(path);
                }
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(in_file(&path, &error)),
            }
        }
    }
}

fn in_file(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

fn print(bytes: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(bytes)?;
    stdout.flush()
}

/// What a terminal may be given: it obeys nothing of it, and no line looks like one of ours.
fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        // Writing to a string does not fail.
        let _ = match character {
            '\n' => shown.write_str("\n  "),
            '\t' => shown.write_char('\t'),
            _ => write_visible(character, &mut shown),
        };
    }
    shown
}

/// Sixteen bytes a line: where, in hex, and as ASCII.
fn hex_dump(payload: &[u8]) -> String {
    let mut dump = format!("binary message of {} bytes", payload.len());
    for (line, bytes) in payload.chunks(BYTES_A_LINE).enumerate() {
        // Writing to a string does not fail.
        let _ = write!(dump, "\n{:08x} ", line * BYTES_A_LINE);
        for place in 0..BYTES_A_LINE {
            let gap = if place == BYTES_A_LINE / 2 { " " } else { "" };
            let _ = match bytes.get(place) {
                Some(byte) => write!(dump, "{gap} {byte:02x}"),
                None => write!(dump, "{gap}   "),
            };
        }
        dump.push_str("  |");
        dump.extend(bytes.iter().map(|&byte| match byte {
            b' '..=b'~' => char::from(byte),
            _ => '.',
        }));
        dump.push('|');
    }
    dump
}

const BYTES_A_LINE: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminal_is_given_nothing_to_obey() {
        let text = "a\u{1b}]0;title\u{7}\r\nb\tc\u{9b}\u{202e}漢";

        let shown = visible(text);

        assert_eq!(shown, "a\\u{1b}]0;title\\u{7}\\r\n  b\tc\\u{9b}\\u{202e}漢");
    }

    #[test]
    fn dump_shows_place_hex_and_ascii() {
        let bytes: Vec<u8> = (0x3f..=0x50).collect();

        assert_eq!(
            hex_dump(&bytes),
            "binary message of 18 bytes\n\
             00000000  3f 40 41 42 43 44 45 46  47 48 49 4a 4b 4c 4d 4e  |?@ABCDEFGHIJKLMN|\n\
             00000010  4f 50                                             |OP|"
        );
        assert_eq!(hex_dump(&[]), "binary message of 0 bytes");
    }
}
