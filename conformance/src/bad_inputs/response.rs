//! The server's HTTP answers, read strictly (RFC 9112).

use std::time::Instant;

use super::line::{Arrival, Line};

/// A response with its body.
#[derive(Debug, Clone)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// What reading a response brought.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    Response(Response),
    /// The connection ended without a byte of a response.
    End,
    /// Something that is neither; told in words.
    Odd(String),
}

impl Response {
    /// All values of a field, joined as RFC 9110 §5.3 says; `None` when it is not there.
    pub(crate) fn field(&self, name: &str) -> Option<String> {
        let values: Vec<&str> = self
            .fields
            .iter()
            .filter(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
            .collect();
        (!values.is_empty()).then(|| values.join(", "))
    }

    /// Whether a field's list has this member, letter case aside.
    pub(crate) fn has(&self, name: &str, member: &str) -> bool {
        self.field(name).is_some_and(|value| {
            value.eq_ignore_ascii_case(member)
                || value
                    .split(',')
                    .any(|known| known.trim().eq_ignore_ascii_case(member))
        })
    }
}

/// Reads one response; for 101 what follows stays in the line, for it is frames.
pub(crate) fn read_response(line: &mut Line, method: &str, deadline: Instant) -> Reply {
    let head_end = loop {
        if let Some(at) = find(&line.unread, b"\r\n\r\n") {
            break at + 4;
        }
        match line.more(deadline) {
            Arrival::Bytes => {}
            Arrival::End | Arrival::Broken(_) if line.unread.is_empty() => return Reply::End,
            other => {
                let seen = String::from_utf8_lossy(&line.unread).into_owned();
                return Reply::Odd(format!("{other:?} after {seen:?} instead of a response"));
            }
        }
    };
    let head = line.take(head_end);
    let mut response = match parse_head(&head) {
        Ok(response) => response,
        Err(problem) => return Reply::Odd(problem),
    };
    let bodyless = method == "HEAD" || matches!(response.status, 100..=199 | 204 | 304);
    if !bodyless {
        match read_body(line, &response, deadline) {
            Ok(body) => response.body = body,
            Err(problem) => return Reply::Odd(format!("{} with {problem}", response.status)),
        }
    }
    Reply::Response(response)
}

fn parse_head(head: &[u8]) -> Result<Response, String> {
    let head = std::str::from_utf8(head).map_err(|_| "a response head that is not text")?;
    let mut lines = head.split("\r\n");
    let status_line = lines.next().unwrap_or_default();
    let bad_line = || format!("the status line {status_line:?}");
    let rest = status_line
        .strip_prefix("HTTP/1.1 ")
        .or_else(|| status_line.strip_prefix("HTTP/1.0 "))
        .ok_or_else(bad_line)?;
    let (digits, _reason) = rest.split_once(' ').ok_or_else(bad_line)?;
    if digits.len() != 3 {
        return Err(bad_line());
    }
    let status = digits.parse().map_err(|_| bad_line())?;
    let mut fields = Vec::new();
    for line in lines.take_while(|line| !line.is_empty()) {
        let (name, value) = line
            .split_once(':')
            .ok_or_else(|| format!("the header line {line:?}"))?;
        if name.is_empty() || name.contains([' ', '\t']) {
            return Err(format!("the header line {line:?}"));
        }
        fields.push((name.to_owned(), value.trim().to_owned()));
    }
    Ok(Response {
        status,
        fields,
        body: Vec::new(),
    })
}

fn read_body(line: &mut Line, response: &Response, deadline: Instant) -> Result<Vec<u8>, String> {
    if response.has("Transfer-Encoding", "chunked") {
        return read_chunks(line, deadline);
    }
    match response.field("Content-Length") {
        Some(length) => {
            let length = length
                .parse()
                .map_err(|_| format!("Content-Length {length:?}"))?;
            wait_for(line, length, deadline)?;
            Ok(line.take(length))
        }
        None => loop {
            match line.more(deadline) {
                Arrival::Bytes => {}
                Arrival::End | Arrival::Broken(_) => return Ok(std::mem::take(&mut line.unread)),
                Arrival::Silence => return Err("a body without length or end".to_owned()),
            }
        },
    }
}

fn read_chunks(line: &mut Line, deadline: Instant) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    loop {
        let end = loop {
            match find(&line.unread, b"\r\n") {
                Some(at) => break at,
                None => wait_for(line, line.unread.len() + 1, deadline)?,
            }
        };
        let size_line = line.take(end + 2);
        let size = std::str::from_utf8(&size_line[..end])
            .ok()
            .and_then(|digits| usize::from_str_radix(digits.trim(), 16).ok())
            .ok_or("a bad chunk size")?;
        wait_for(line, size + 2, deadline)?;
        body.extend(line.take(size));
        line.take(2);
        if size == 0 {
            return Ok(body);
        }
    }
}

fn wait_for(line: &mut Line, length: usize, deadline: Instant) -> Result<(), String> {
    while line.unread.len() < length {
        match line.more(deadline) {
            Arrival::Bytes => {}
            other => return Err(format!("a body cut off ({other:?})")),
        }
    }
    Ok(())
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}
