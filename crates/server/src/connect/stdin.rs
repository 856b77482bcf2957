//! Lines of standard input, read by a thread: a read that blocks cannot hold up the end.

use std::io::{self, BufRead as _};

use tokio::sync::mpsc;

/// How many lines are read ahead of the connection.
const READ_AHEAD: usize = 16;

/// Begins to read lines; their ends, LF or CRLF, are left out. The channel closes at the end of
/// the input.
pub(crate) fn lines() -> io::Result<mpsc::Receiver<io::Result<String>>> {
    let (sender, receiver) = mpsc::channel(READ_AHEAD);
    std::thread::Builder::new()
        .name("stdin".to_owned())
        .spawn(move || {
            let mut input = io::stdin().lock();
            let mut line = Vec::new();
            loop {
                line.clear();
                let read = input.read_until(b'\n', &mut line);
                let next = match read {
                    Ok(0) => return,
                    Ok(_) => text(&line),
                    Err(error) => Err(error),
                };
                let is_last = next.is_err();
                if sender.blocking_send(next).is_err() || is_last {
                    return;
                }
            }
        })?;
    Ok(receiver)
}

fn text(line: &[u8]) -> io::Result<String> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    String::from_utf8(line.to_vec())
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "a line is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn end_of_a_line_is_left_out() {
        for (line, expected) in [
            ("a\n", "a"),
            ("a\r\n", "a"),
            ("a", "a"),
            ("\n", ""),
            ("a\r\r\n", "a\r"),
        ] {
            assert_eq!(text(line.as_bytes()).unwrap(), expected);
        }
        assert!(text(b"\xff\n").is_err());
    }
}
