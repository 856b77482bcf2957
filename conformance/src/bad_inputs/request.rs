//! A request head: the valid opening handshake (RFC 6455 §1.3) with a case's changes, or raw text.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde::Deserialize;

use super::payload::Payload;

/// The request of a case; without any field, a valid opening handshake on `/echo`.
///
/// `{host}` and `{port}` in any part stand for the server's address and port.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Request {
    /// The whole request as it stands; the other fields are not used then.
    #[serde(default)]
    raw: Option<Payload>,
    /// An ordinary request: only `Host` is there to begin with.
    #[serde(default)]
    plain: bool,
    #[serde(default)]
    method: Option<String>,
    #[serde(default)]
    target: Option<Payload>,
    #[serde(default)]
    version: Option<String>,
    /// New values for fields of the template.
    #[serde(default)]
    replace: BTreeMap<String, Payload>,
    /// Fields of the template that are left out.
    #[serde(default)]
    without: Vec<String>,
    /// Field lines added at the end.
    #[serde(default)]
    add: Vec<(String, Payload)>,
    /// Fills up with small fields to this number of field lines.
    #[serde(default)]
    field_lines: Option<usize>,
    /// Fills up with one long field to this size of the whole head, in bytes.
    #[serde(default)]
    head_bytes: Option<usize>,
    /// What follows the head in the same write: a body, or a request that must not be seen.
    #[serde(default)]
    then: Payload,
}

impl Request {
    /// The request as bytes for the server at `server`.
    ///
    /// # Errors
    /// A sentence about what is wrong with the notation.
    pub(crate) fn bytes(&self, server: SocketAddr) -> Result<Vec<u8>, String> {
        let bytes = match &self.raw {
            Some(raw) => raw.bytes()?,
            None => {
                let mut bytes = self.head(server)?;
                bytes.extend(self.then.bytes()?);
                bytes
            }
        };
        Ok(with_address(&bytes, server))
    }

    /// The method, which decides whether a response has a body (RFC 9110 §9.3.2).
    pub(crate) fn method(&self) -> &str {
        self.method.as_deref().unwrap_or("GET")
    }

    /// The values of a header field that was added, as text; what an answer is compared with.
    pub(crate) fn added(&self, name: &str) -> Vec<String> {
        self.add
            .iter()
            .filter(|(added, _)| added.eq_ignore_ascii_case(name))
            .filter_map(|(_, value)| value.bytes().ok())
            .map(|value| String::from_utf8_lossy(&value).into_owned())
            .collect()
    }

    fn head(&self, server: SocketAddr) -> Result<Vec<u8>, String> {
        let mut lines = self.field_lines_as_told()?;
        if let Some(wanted) = self.field_lines {
            let mut number = 0;
            while lines.len() < wanted {
                lines.push(format!("X-Fill-{number}: {number}").into_bytes());
                number += 1;
            }
        }
        let mut head = self.request_line()?;
        for line in &lines {
            head.extend(line);
            head.extend(b"\r\n");
        }
        if let Some(wanted) = self.head_bytes {
            const AROUND: usize = "X-Fill: \r\n\r\n".len();
            let so_far = with_address(&head, server).len() + AROUND;
            let missing = wanted
                .checked_sub(so_far)
                .ok_or_else(|| format!("the head has {so_far} bytes already"))?;
            head.extend(b"X-Fill: ");
            head.extend(b"x".repeat(missing));
            head.extend(b"\r\n");
        }
        head.extend(b"\r\n");
        Ok(head)
    }

    fn request_line(&self) -> Result<Vec<u8>, String> {
        let target = match &self.target {
            Some(target) => target.bytes()?,
            None => b"/echo".to_vec(),
        };
        let version = self.version.as_deref().unwrap_or("HTTP/1.1");
        let mut line = self.method().as_bytes().to_vec();
        line.push(b' ');
        line.extend(target);
        line.push(b' ');
        line.extend(version.as_bytes());
        line.extend(b"\r\n");
        Ok(line)
    }

    fn field_lines_as_told(&self) -> Result<Vec<Vec<u8>>, String> {
        let template = if self.plain { &TEMPLATE[..1] } else { TEMPLATE };
        for name in self.without.iter().chain(self.replace.keys()) {
            if !template.iter().any(|(known, _)| known == name) {
                return Err(format!("the template has no field {name:?}"));
            }
        }
        let mut lines = Vec::new();
        for (name, value) in template {
            if self.without.iter().any(|left_out| left_out == name) {
                continue;
            }
            let value = match self.replace.get(*name) {
                Some(value) => value.bytes()?,
                None => value.as_bytes().to_vec(),
            };
            lines.push(field_line(name, &value));
        }
        for (name, value) in &self.add {
            lines.push(field_line(name, &value.bytes()?));
        }
        Ok(lines)
    }
}

fn field_line(name: &str, value: &[u8]) -> Vec<u8> {
    [name.as_bytes(), b": ", value].concat()
}

/// Puts the server's address in the place of `{host}` and `{port}`.
fn with_address(bytes: &[u8], server: SocketAddr) -> Vec<u8> {
    let bytes = replaced(bytes, b"{host}", server.to_string().as_bytes());
    replaced(&bytes, b"{port}", server.port().to_string().as_bytes())
}

fn replaced(bytes: &[u8], name: &[u8], value: &[u8]) -> Vec<u8> {
    let mut output = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(at) = rest.windows(name.len()).position(|window| window == name) {
        output.extend(&rest[..at]);
        output.extend(value);
        rest = &rest[at + name.len()..];
    }
    output.extend(rest);
    output
}

/// The handshake of RFC 6455 §1.3, `Host` first.
const TEMPLATE: &[(&str, &str)] = &[
    ("Host", "{host}"),
    ("Upgrade", "websocket"),
    ("Connection", "Upgrade"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ("Sec-WebSocket-Version", "13"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn request(notation: &str) -> Request {
        serde_json::from_str(notation).unwrap()
    }

    fn text(notation: &str) -> String {
        let server = SocketAddr::from(([127, 0, 0, 1], 3000));
        String::from_utf8(request(notation).bytes(server).unwrap()).unwrap()
    }

    #[test]
    fn changes_apply_to_the_template() {
        let head = text(
            r#"{"target": "/", "without": ["Connection"], "replace": {"Upgrade": "h2c"},
                "add": [["Origin", "http://{host}"]], "then": "body"}"#,
        );

        assert_eq!(
            head,
            "GET / HTTP/1.1\r\nHost: 127.0.0.1:3000\r\nUpgrade: h2c\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
             Origin: http://127.0.0.1:3000\r\n\r\nbody"
        );
    }

    #[test]
    fn head_is_filled_to_the_size_and_number_asked_for() {
        assert_eq!(text(r#"{"head_bytes": 16384}"#).len(), 16384);
        assert_eq!(text(r#"{"field_lines": 100}"#).lines().count(), 102);
    }

    #[test]
    fn change_of_a_field_that_is_not_there_is_refused() {
        let server = SocketAddr::from(([127, 0, 0, 1], 3000));

        assert!(request(r#"{"without": ["Hots"]}"#).bytes(server).is_err());
    }
}
