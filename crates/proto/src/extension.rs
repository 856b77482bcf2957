//! The grammar of `Sec-WebSocket-Extensions` (RFC 6455 §9.1).
//!
//! One pass over the bytes, no look-back and no regular expression: the time is linear in the
//! length of the header, and the count of what is kept is bounded. Several header lines mean the
//! same as one line joined by commas. What a parameter means is the extension's business.

use std::fmt;

/// One extension of the list, as offered or accepted.
///
/// # Examples
/// ```
/// use holdwire_proto::extension::parse;
///
/// let offers = parse(["permessage-deflate; client_max_window_bits; server_max_window_bits=10"])?;
///
/// assert_eq!(offers[0].name, "permessage-deflate");
/// assert_eq!(offers[0].params[0], ("client_max_window_bits".into(), None));
/// assert_eq!(offers[0].params[1], ("server_max_window_bits".into(), Some("10".into())));
/// # Ok::<(), holdwire_proto::extension::ExtensionError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extension {
    /// The registered name, compared exactly.
    pub name: String,
    /// The parameters in the order they came, repeated ones included; a quoted value is unquoted.
    pub params: Vec<(String, Option<String>)>,
}

/// Reads all `Sec-WebSocket-Extensions` lines of one request or response, in order.
///
/// Empty list elements are skipped, as RFC 9110 §5.6.1 asks of a recipient; no line at all gives
/// an empty list. At most [`MAX_EXTENSIONS`] extensions of [`MAX_PARAMS`] parameters are kept; the
/// length of a line is bounded by whoever limits the request head.
///
/// # Errors
/// [`ExtensionError`] on the first byte that breaks the grammar, or above a bound. A server
/// answers it with 400, a client fails the connection.
pub fn parse<I>(lines: I) -> Result<Vec<Extension>, ExtensionError>
where
    I: IntoIterator,
    I::Item: AsRef<[u8]>,
{
    let mut extensions = Vec::new();
    let mut any_line = false;
    for line in lines {
        any_line = true;
        let mut scanner = Scanner {
            rest: line.as_ref(),
        };
        loop {
            scanner.skip_whitespace();
            if !scanner.at_end() && !scanner.at(b',') {
                if extensions.len() == MAX_EXTENSIONS {
                    return Err(ExtensionError::TooMany);
                }
                extensions.push(scanner.extension()?);
            }
            if scanner.at_end() {
                break;
            }
            scanner.expect(b',')?;
        }
    }
    if any_line && extensions.is_empty() {
        return Err(ExtensionError::Empty);
    }
    Ok(extensions)
}

/// How many extensions one handshake may list.
pub const MAX_EXTENSIONS: usize = 32;

/// How many parameters one extension may have.
pub const MAX_PARAMS: usize = 16;

/// Why a `Sec-WebSocket-Extensions` header is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExtensionError {
    /// A token was expected: it is missing or has a byte that no token has.
    ExpectedToken,
    /// Something stands where only `,`, `;` or the end may.
    UnexpectedByte,
    /// A quoted value does not end, or is not a token when unquoted.
    InvalidQuotedValue,
    /// The header is there but lists nothing.
    Empty,
    /// More than [`MAX_EXTENSIONS`] extensions, or more than [`MAX_PARAMS`] parameters in one.
    TooMany,
}

impl fmt::Display for ExtensionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ExpectedToken => "extension list has no token where one must stand",
            Self::UnexpectedByte => "extension list has a byte out of place",
            Self::InvalidQuotedValue => "quoted extension parameter is not a token",
            Self::Empty => "extension list is empty",
            Self::TooMany => "extension list is too long",
        })
    }
}

impl std::error::Error for ExtensionError {}

/// What is left of one header line.
struct Scanner<'a> {
    rest: &'a [u8],
}

impl Scanner<'_> {
    fn extension(&mut self) -> Result<Extension, ExtensionError> {
        let name = self.token()?;
        let mut params = Vec::new();
        self.skip_whitespace();
        while self.at(b';') {
            self.expect(b';')?;
            self.skip_whitespace();
            if params.len() == MAX_PARAMS {
                return Err(ExtensionError::TooMany);
            }
            params.push(self.param()?);
            self.skip_whitespace();
        }
        Ok(Extension { name, params })
    }

    fn param(&mut self) -> Result<(String, Option<String>), ExtensionError> {
        let name = self.token()?;
        self.skip_whitespace();
        if !self.at(b'=') {
            return Ok((name, None));
        }
        self.expect(b'=')?;
        self.skip_whitespace();
        let value = if self.at(b'"') {
            self.quoted_token()?
        } else {
            self.token()?
        };
        Ok((name, Some(value)))
    }

    fn token(&mut self) -> Result<String, ExtensionError> {
        let length = self
            .rest
            .iter()
            .position(|&byte| !is_token_byte(byte))
            .unwrap_or(self.rest.len());
        let (token, rest) = self.rest.split_at(length);
        if token.is_empty() {
            return Err(ExtensionError::ExpectedToken);
        }
        self.rest = rest;
        Ok(token.iter().copied().map(char::from).collect())
    }

    /// RFC 6455 §9.1: after unescaping, a quoted value must be a token.
    fn quoted_token(&mut self) -> Result<String, ExtensionError> {
        self.expect(b'"')?;
        let mut token = String::new();
        loop {
            match self.next() {
                Some(b'"') if !token.is_empty() => return Ok(token),
                Some(b'\\') => match self.next() {
                    Some(byte) if is_token_byte(byte) => token.push(char::from(byte)),
                    _ => return Err(ExtensionError::InvalidQuotedValue),
                },
                Some(byte) if is_token_byte(byte) => token.push(char::from(byte)),
                _ => return Err(ExtensionError::InvalidQuotedValue),
            }
        }
    }

    fn skip_whitespace(&mut self) {
        while self.at(b' ') || self.at(b'\t') {
            self.rest = &self.rest[1..];
        }
    }

    fn expect(&mut self, byte: u8) -> Result<(), ExtensionError> {
        if self.next() == Some(byte) {
            Ok(())
        } else {
            Err(ExtensionError::UnexpectedByte)
        }
    }

    fn next(&mut self) -> Option<u8> {
        let (&first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(first)
    }

    fn at(&self, byte: u8) -> bool {
        self.rest.first() == Some(&byte)
    }

    fn at_end(&self) -> bool {
        self.rest.is_empty()
    }
}

/// The `tchar` of RFC 9110 §5.6.2.
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(lines: &[&str]) -> Vec<String> {
        parse(lines)
            .unwrap()
            .into_iter()
            .map(|extension| extension.name)
            .collect()
    }

    #[test]
    fn several_lines_are_one_list_in_order() {
        assert_eq!(names(&["a, b", "c"]), ["a", "b", "c"]);
    }

    #[test]
    fn no_line_is_no_extension() {
        assert_eq!(parse::<[&[u8]; 0]>([]), Ok(vec![]));
    }

    #[test]
    fn empty_elements_are_skipped() {
        assert_eq!(names(&[", a ,, b\t,", ""]), ["a", "b"]);
    }

    #[test]
    fn list_of_nothing_is_refused() {
        for line in ["", " ", ",", " , ,\t"] {
            assert_eq!(parse([line]), Err(ExtensionError::Empty), "{line:?}");
        }
    }

    #[test]
    fn quoted_value_is_unquoted() {
        let plain = parse(["x; a=10"]).unwrap();

        assert_eq!(parse(["x; a=\"10\""]).unwrap(), plain);
        assert_eq!(parse(["x;a = \"\\1\\0\" "]).unwrap(), plain);
    }

    #[test]
    fn repeated_parameters_are_kept_for_the_extension_to_judge() {
        assert_eq!(parse(["x; a; a=1"]).unwrap()[0].params.len(), 2);
    }

    #[test]
    fn broken_grammar_is_refused() {
        use ExtensionError::{ExpectedToken, InvalidQuotedValue, UnexpectedByte};
        for (line, error) in [
            (";", ExpectedToken),
            ("a;", ExpectedToken),
            ("a; ;b", ExpectedToken),
            ("a; =1", ExpectedToken),
            ("a; b=", ExpectedToken),
            ("a; b=,c", ExpectedToken),
            ("a b", UnexpectedByte),
            ("a; b c", UnexpectedByte),
            ("a; b=1 2", UnexpectedByte),
            ("a=1", UnexpectedByte),
            ("a; b=\"1\"2", UnexpectedByte),
            ("a/b", UnexpectedByte),
            ("a; b=\"\"", InvalidQuotedValue),
            ("a; b=\"1", InvalidQuotedValue),
            ("a; b=\"1\\", InvalidQuotedValue),
            ("a; b=\"1 2\"", InvalidQuotedValue),
            ("a; b=\"\\\"\"", InvalidQuotedValue),
            ("a; b=\"\u{e9}\"", InvalidQuotedValue),
            ("\u{e9}", ExpectedToken),
            ("a\r\nb", UnexpectedByte),
            ("a\0", UnexpectedByte),
        ] {
            assert_eq!(parse([line]), Err(error), "{line:?}");
        }
    }

    #[test]
    fn counts_are_bounded_across_lines() {
        let line = vec!["a"; MAX_EXTENSIONS].join(",");

        assert_eq!(parse([&line]).unwrap().len(), MAX_EXTENSIONS);
        assert_eq!(parse([&line[..], "a"]), Err(ExtensionError::TooMany));
    }

    #[test]
    fn parameters_are_bounded() {
        let line = format!("a{}", ";b".repeat(MAX_PARAMS));

        assert_eq!(parse([&line]).unwrap()[0].params.len(), MAX_PARAMS);
        assert_eq!(parse([line + ";b"]), Err(ExtensionError::TooMany));
    }
}
