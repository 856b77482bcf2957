//! As much JSON (RFC 8259) as a close reason can hold: one object, read strictly and written.
//!
//! Reading recurses, one level a bracket: the caller bounds the length of the text.

use core::fmt::Write;

/// The value of a member.
pub(super) enum Value {
    String(String),
    Number(f64),
    Other,
}

impl Value {
    pub(super) fn into_string(self) -> Option<String> {
        match self {
            Self::String(string) => Some(string),
            Self::Number(_) | Self::Other => None,
        }
    }

    pub(super) fn into_number(self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(number),
            Self::String(_) | Self::Other => None,
        }
    }
}

/// Hands on the members of the object that `text` is; `None` when it is anything else.
pub(super) fn members(text: &str, member: &mut dyn FnMut(&str, Value)) -> Option<()> {
    let mut reader = Reader { rest: text };
    reader.blank();
    reader.object(member)?;
    reader.blank();
    reader.rest.is_empty().then_some(())
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn blank(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
    }

    fn takes(&mut self, expected: &str) -> Option<()> {
        self.rest = self.rest.strip_prefix(expected)?;
        Some(())
    }

    fn object(&mut self, member: &mut dyn FnMut(&str, Value)) -> Option<()> {
        self.takes("{")?;
        self.list("}", |reader| {
            let name = reader.string()?;
            reader.blank();
            reader.takes(":")?;
            member(&name, reader.value()?);
            Some(())
        })
    }

    fn array(&mut self) -> Option<()> {
        self.takes("[")?;
        self.list("]", |reader| reader.value().map(drop))
    }

    /// What stands between two brackets, the second included.
    fn list(&mut self, end: &str, mut item: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.blank();
        if self.takes(end).is_some() {
            return Some(());
        }
        loop {
            self.blank();
            item(self)?;
            self.blank();
            if self.takes(end).is_some() {
                return Some(());
            }
            self.takes(",")?;
        }
    }

    fn value(&mut self) -> Option<Value> {
        self.blank();
        match self.rest.bytes().next()? {
            b'"' => return self.string().map(Value::String),
            b'-' | b'0'..=b'9' => return self.number().map(Value::Number),
            b'{' => self.object(&mut |_, _| {})?,
            b'[' => self.array()?,
            b't' => self.takes("true")?,
            b'f' => self.takes("false")?,
            _ => self.takes("null")?,
        }
        Some(Value::Other)
    }

    fn number(&mut self) -> Option<f64> {
        let start = self.rest;
        let _ = self.takes("-");
        if self.takes("0").is_none() {
            self.digits()?;
        }
        if self.takes(".").is_some() {
            self.digits()?;
        }
        if self.takes("e").or_else(|| self.takes("E")).is_some() {
            let _ = self.takes("+").or_else(|| self.takes("-"));
            self.digits()?;
        }
        start[..start.len() - self.rest.len()].parse().ok()
    }

    fn digits(&mut self) -> Option<()> {
        let rest = self.rest.trim_start_matches(|c: char| c.is_ascii_digit());
        let is_none = rest.len() == self.rest.len();
        self.rest = rest;
        (!is_none).then_some(())
    }

    fn string(&mut self) -> Option<String> {
        self.takes("\"")?;
        let mut string = String::new();
        loop {
            let mut chars = self.rest.chars();
            let next = chars.next()?;
            self.rest = chars.as_str();
            match next {
                '"' => return Some(string),
                '\\' => string.push(self.escaped()?),
                '\0'..'\x20' => return None,
                other => string.push(other),
            }
        }
    }

    fn escaped(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let next = chars.next()?;
        self.rest = chars.as_str();
        Some(match next {
            '"' | '\\' | '/' => next,
            'b' => '\x08',
            'f' => '\x0c',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let first = self.unit()?;
                self.character(first)
            }
            _ => return None,
        })
    }

    /// The four digits of an escape: a unit of UTF-16.
    fn unit(&mut self) -> Option<u16> {
        let (digits, rest) = self.rest.split_at_checked(4)?;
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        self.rest = rest;
        u16::from_str_radix(digits, 16).ok()
    }

    /// The character that begins with this unit; the second half of a pair may follow.
    fn character(&mut self, first: u16) -> char {
        let before = self.rest;
        let second = self.takes("\\u").and_then(|()| self.unit());
        if let Some(second) = second
            && char::from_u32(u32::from(first)).is_none()
            && let [Ok(pair)] = char::decode_utf16([first, second]).collect::<Vec<_>>()[..]
        {
            return pair;
        }
        self.rest = before;
        char::from_u32(u32::from(first)).unwrap_or(char::REPLACEMENT_CHARACTER)
    }
}

/// An object on its way into text.
#[derive(Default)]
pub(super) struct Object(String);

impl Object {
    pub(super) fn number(&mut self, name: &str, value: u64) {
        self.name(name);
        self.0.push_str(&value.to_string());
    }

    pub(super) fn string(&mut self, name: &str, value: &str) {
        self.name(name);
        self.quoted(value);
    }

    /// The text; empty when the object has no member.
    pub(super) fn finish(mut self) -> String {
        if !self.0.is_empty() {
            self.0.push('}');
        }
        self.0
    }

    fn name(&mut self, name: &str) {
        self.0.push(if self.0.is_empty() { '{' } else { ',' });
        self.quoted(name);
        self.0.push(':');
    }

    fn quoted(&mut self, value: &str) {
        self.0.push('"');
        for c in value.chars() {
            match c {
                '"' => self.0.push_str("\\\""),
                '\\' => self.0.push_str("\\\\"),
                '\n' => self.0.push_str("\\n"),
                '\r' => self.0.push_str("\\r"),
                '\t' => self.0.push_str("\\t"),
                '\0'..'\x20' => {
                    // Writing into a string does not fail.
                    let _ = write!(self.0, "\\u{:04x}", u32::from(c));
                }
                other => self.0.push(other),
            }
        }
        self.0.push('"');
    }
}
