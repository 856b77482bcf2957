//! Tokens and comma-separated lists of header values (RFC 9110 §5.6.1, §5.6.2).

use http::{HeaderMap, HeaderName, HeaderValue};

use super::refusal::Reason;

/// Whether `text` is a token: one or more of the characters of RFC 9110 §5.6.2.
pub(super) fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().copied().all(is_token_byte)
}

const fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}

/// The elements of a list header over all its lines, without the blanks around them.
///
/// Empty elements are skipped, as RFC 9110 §5.6.1.2 asks of a recipient.
pub(super) fn elements<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> impl Iterator<Item = &'a [u8]> {
    headers
        .get_all(name)
        .iter()
        .flat_map(|value| value.as_bytes().split(|&byte| byte == b','))
        .map(trim_blanks)
        .filter(|element| !element.is_empty())
}

/// Whether a list header has exactly this token among its elements, in any case of letters.
pub(super) fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    elements(headers, name).any(|element| element.eq_ignore_ascii_case(token.as_bytes()))
}

/// The value of a header that may come once at most; the reason if it comes more often.
pub(super) fn one<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
    repeated: Reason,
) -> Result<Option<&'a HeaderValue>, Reason> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (value, None) => Ok(value),
        _ => Err(repeated),
    }
}

fn trim_blanks(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}
