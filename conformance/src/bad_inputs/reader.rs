//! A small strict reader of the server's frames, independent of the code under test.

use std::time::Instant;

use flate2::{Decompress, FlushDecompress, Status};

use super::extension::Deflate;
use super::line::{Arrival, Line};

/// What came from the server after the opening handshake.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Received {
    Text(Vec<u8>),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    /// A Close frame; [`NO_CODE`] when its body is empty.
    Close(u16),
    /// The TCP connection ended in order.
    End,
    /// The TCP connection was reset or failed.
    Broken(String),
    /// Nothing in time.
    Silence,
    /// The server itself broke the protocol.
    Violation(String),
}

/// Stands for a Close frame without a body (RFC 6455 §7.1.5).
pub(crate) const NO_CODE: u16 = 1005;

/// Assembles messages out of the server's frames.
#[derive(Debug)]
pub(crate) struct Reader {
    deflate: Option<Deflate>,
    inflate: Decompress,
    message: Option<Partial>,
}

#[derive(Debug)]
struct Partial {
    is_text: bool,
    is_compressed: bool,
    payload: Vec<u8>,
}

struct Head {
    first: u8,
    length: usize,
    size: usize,
}

impl Reader {
    /// A reader for what the handshake agreed.
    pub(crate) fn new(deflate: Option<Deflate>) -> Self {
        Self {
            deflate,
            inflate: Decompress::new(false),
            message: None,
        }
    }

    /// The next message or control frame, or how it ended.
    pub(crate) fn next(&mut self, line: &mut Line, deadline: Instant) -> Received {
        loop {
            let head = match parse_head(&line.unread) {
                Ok(head) => head,
                Err(problem) => return Received::Violation(problem),
            };
            match head {
                Some(head) if line.unread.len() >= head.size + head.length => {
                    line.take(head.size);
                    let payload = line.take(head.length);
                    match self.frame(head.first, payload) {
                        Ok(Some(received)) => return received,
                        Ok(None) => {}
                        Err(problem) => return Received::Violation(problem),
                    }
                }
                _ => match line.more(deadline) {
                    Arrival::Bytes => {}
                    Arrival::End => return Received::End,
                    Arrival::Broken(problem) => return Received::Broken(problem),
                    Arrival::Silence => return Received::Silence,
                },
            }
        }
    }

    fn frame(&mut self, first: u8, payload: Vec<u8>) -> Result<Option<Received>, String> {
        let fin = first & 0x80 != 0;
        let reserved = first & 0x70;
        let opcode = first & 0x0f;
        let compressed = reserved == 0x40 && self.deflate.is_some() && matches!(opcode, 1 | 2);
        if reserved != 0 && !compressed {
            return Err(format!("reserved bits {reserved:#04x} on opcode {opcode}"));
        }
        if opcode >= 8 && (!fin || payload.len() > 125) {
            return Err("a control frame that is fragmented or too long".to_owned());
        }
        match opcode {
            0 => {
                let partial = self.message.as_mut().ok_or("a lone continuation")?;
                partial.payload.extend(payload);
            }
            1 | 2 => {
                if self.message.is_some() {
                    return Err("a new message inside an open one".to_owned());
                }
                self.message = Some(Partial {
                    is_text: opcode == 1,
                    is_compressed: compressed,
                    payload,
                });
            }
            8 => return close(&payload).map(Some),
            9 => return Ok(Some(Received::Ping(payload))),
            10 => return Ok(Some(Received::Pong(payload))),
            other => return Err(format!("reserved opcode {other}")),
        }
        match self.message.take() {
            Some(partial) if fin => self.message(partial).map(Some),
            unfinished => {
                self.message = unfinished;
                Ok(None)
            }
        }
    }

    fn message(&mut self, partial: Partial) -> Result<Received, String> {
        let payload = if partial.is_compressed {
            self.inflated(&partial.payload)?
        } else {
            partial.payload
        };
        if !partial.is_text {
            return Ok(Received::Binary(payload));
        }
        if std::str::from_utf8(&payload).is_err() {
            return Err("a text message that is not UTF-8".to_owned());
        }
        Ok(Received::Text(payload))
    }

    fn inflated(&mut self, compressed: &[u8]) -> Result<Vec<u8>, String> {
        let mut output = Vec::with_capacity(compressed.len() * 4 + 64);
        for mut input in [compressed, &[0x00, 0x00, 0xff, 0xff]] {
            loop {
                let before = (self.inflate.total_in(), output.len());
                let status = self
                    .inflate
                    .decompress_vec(input, &mut output, FlushDecompress::Sync)
                    .map_err(|error| format!("a message that does not inflate: {error}"))?;
                let used = usize::try_from(self.inflate.total_in() - before.0)
                    .map_err(|error| error.to_string())?;
                input = &input[used..];
                if status == Status::StreamEnd {
                    self.inflate.reset(false);
                }
                let room = output.capacity() > output.len();
                if room && (input.is_empty() || (used == 0 && output.len() == before.1)) {
                    break;
                }
                output.reserve(output.len().max(64));
            }
        }
        if self.deflate.is_some_and(|it| it.server_no_context_takeover) {
            self.inflate.reset(false);
        }
        Ok(output)
    }
}

/// The head of the first frame in `bytes`, when it is there whole.
fn parse_head(bytes: &[u8]) -> Result<Option<Head>, String> {
    let [first, second, rest @ ..] = bytes else {
        return Ok(None);
    };
    if second & 0x80 != 0 {
        return Err("a masked frame from the server".to_owned());
    }
    let (length, size, least) = match second & 0x7f {
        126 => match rest {
            [a, b, ..] => (u64::from(u16::from_be_bytes([*a, *b])), 4, 126),
            _ => return Ok(None),
        },
        127 => match rest.first_chunk::<8>() {
            Some(length) => (u64::from_be_bytes(*length), 10, 0x1_0000),
            None => return Ok(None),
        },
        length => (u64::from(length), 2, 0),
    };
    if length < least {
        return Err(format!("length {length} not in its shortest form"));
    }
    let length = usize::try_from(length).map_err(|_| format!("length {length}"))?;
    Ok(Some(Head {
        first: *first,
        length,
        size,
    }))
}

fn close(body: &[u8]) -> Result<Received, String> {
    match body {
        [] => Ok(Received::Close(NO_CODE)),
        [_] => Err("a Close frame with a body of one byte".to_owned()),
        [high, low, reason @ ..] => {
            if std::str::from_utf8(reason).is_err() {
                return Err("a close reason that is not UTF-8".to_owned());
            }
            match u16::from_be_bytes([*high, *low]) {
                code @ (1000..=1003 | 1007..=1014 | 3000..=4999) => Ok(Received::Close(code)),
                code => Err(format!("close code {code} on the wire")),
            }
        }
    }
}

impl std::fmt::Display for Received {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => write!(f, "text {}", excerpt(text)),
            Self::Binary(bytes) => write!(f, "binary {}", excerpt(bytes)),
            Self::Ping(payload) => write!(f, "ping {}", excerpt(payload)),
            Self::Pong(payload) => write!(f, "pong {}", excerpt(payload)),
            Self::Close(NO_CODE) => write!(f, "close without a code"),
            Self::Close(code) => write!(f, "close {code}"),
            Self::End => write!(f, "the end of TCP"),
            Self::Broken(problem) => write!(f, "a broken connection ({problem})"),
            Self::Silence => write!(f, "nothing in time"),
            Self::Violation(problem) => write!(f, "a violation by the server: {problem}"),
        }
    }
}

/// The beginning of some bytes, for a message to people.
pub(crate) fn excerpt(bytes: &[u8]) -> String {
    let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(40)]);
    if bytes.len() > 40 {
        format!("{shown:?}… ({} bytes)", bytes.len())
    } else {
        format!("{shown:?}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn head_waits_for_the_whole_length() {
        assert!(parse_head(&[0x81]).unwrap().is_none());
        assert!(parse_head(&[0x81, 126, 1]).unwrap().is_none());
        assert_eq!(parse_head(&[0x81, 126, 1, 0]).unwrap().unwrap().length, 256);
    }

    #[test]
    fn violations_of_the_server_are_seen() {
        let mut reader = Reader::new(None);

        assert!(parse_head(&[0x81, 0x81]).is_err(), "masked");
        assert!(parse_head(&[0x81, 126, 0, 5]).is_err(), "long form");
        assert!(reader.frame(0xc1, Vec::new()).is_err(), "RSV1");
        assert!(reader.frame(0x80, Vec::new()).is_err(), "continuation");
        assert!(reader.frame(0x81, vec![0xff]).is_err(), "UTF-8");
        assert!(reader.frame(0x88, vec![3, 0xed]).is_err(), "code 1005");
    }

    #[test]
    fn compressed_message_of_the_rfc_is_read() {
        let mut reader = Reader::new(Some(Deflate::default()));
        let hello = vec![0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]; // RFC 7692 §7.2.3.1

        let received = reader.frame(0xc1, hello).unwrap();

        assert!(received == Some(Received::Text(b"Hello".to_vec())));
        let again = vec![0xf2, 0x00, 0x11, 0x00, 0x00]; // RFC 7692 §7.2.3.2
        assert!(reader.frame(0xc1, again).unwrap() == Some(Received::Text(b"Hello".to_vec())));
    }
}
