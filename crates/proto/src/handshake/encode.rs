//! From `http` types to the bytes of HTTP/1.1.
//!
//! Header values come in as [`http::HeaderValue`], which cannot hold a line break, so no value
//! can end its line and begin another.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HeaderName, TRANSFER_ENCODING};
use http::{HeaderMap, Method, Request, Response, StatusCode};

/// The bytes of a request without a body.
///
/// The target is the URI's path and query, or host and port for CONNECT (RFC 9112 §3.2).
#[must_use]
pub fn encode_request(request: &Request<()>) -> Vec<u8> {
    let uri = request.uri();
    let target = match uri.authority() {
        Some(authority) if request.method() == Method::CONNECT => authority.to_string(),
        _ => uri
            .path_and_query()
            .map_or_else(|| "/".to_owned(), ToString::to_string),
    };
    let mut bytes = format!("{} {target} HTTP/1.1\r\n", request.method()).into_bytes();
    encode_fields(&mut bytes, request.headers());
    bytes.extend_from_slice(b"\r\n");
    bytes
}

/// The bytes of a response with nothing behind it: a 101, or a head whose body comes otherwise.
#[must_use]
pub fn encode_response_head<B>(response: &Response<B>) -> Vec<u8> {
    let mut bytes = status_line(response.status());
    encode_fields(&mut bytes, response.headers());
    bytes.extend_from_slice(b"\r\n");
    bytes
}

/// The bytes of a whole response.
///
/// `Content-Length` is what the body is, whatever the headers said; a status that has no body
/// (1xx, 204, 304) goes without.
#[must_use]
pub fn encode_response(response: &Response<Bytes>) -> Vec<u8> {
    let (status, body) = (response.status(), response.body());
    let has_body = !(status.is_informational()
        || status == StatusCode::NO_CONTENT
        || status == StatusCode::NOT_MODIFIED);
    let mut headers = response.headers().clone();
    headers.remove(TRANSFER_ENCODING);
    headers.remove(CONTENT_LENGTH);
    if has_body {
        headers.insert(CONTENT_LENGTH, body.len().into());
    }

    let mut bytes = status_line(status);
    encode_fields(&mut bytes, &headers);
    bytes.extend_from_slice(b"\r\n");
    if has_body {
        bytes.extend_from_slice(body);
    }
    bytes
}

fn status_line(status: StatusCode) -> Vec<u8> {
    let phrase = status.canonical_reason().unwrap_or_default();
    format!("HTTP/1.1 {} {phrase}\r\n", status.as_u16()).into_bytes()
}

fn encode_fields(bytes: &mut Vec<u8>, headers: &HeaderMap) {
    for (name, value) in headers {
        encode_name(bytes, name);
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
}

/// Writes a name as the RFCs print it: names have no case, yet some old peers compare with one.
fn encode_name(bytes: &mut Vec<u8>, name: &HeaderName) {
    for (index, word) in name.as_str().split('-').enumerate() {
        if index > 0 {
            bytes.push(b'-');
        }
        match word {
            "websocket" => bytes.extend_from_slice(b"WebSocket"),
            "www" => bytes.extend_from_slice(b"WWW"),
            _ => {
                let (first, rest) = word.split_at(word.len().min(1)); // names are ASCII
                bytes.extend(first.bytes().map(|byte| byte.to_ascii_uppercase()));
                bytes.extend_from_slice(rest.as_bytes());
            }
        }
    }
}
