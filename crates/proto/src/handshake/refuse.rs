//! Responses by which applications commonly refuse a handshake.
//!
//! Any [`http::Response`] will do; these save the typing.

use core::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{Response, StatusCode};

/// 401: credentials are missing or wrong; the challenge says which ones are wanted
/// (RFC 9110 §15.5.2), for instance `Bearer`.
#[must_use]
pub fn unauthorized(challenge: HeaderValue) -> Response<Bytes> {
    plain(
        StatusCode::UNAUTHORIZED,
        "Credentials are missing or not valid: log in and connect again.\n",
        Some((WWW_AUTHENTICATE, challenge)),
    )
}

/// 403: this client may not connect, whoever it says it is.
#[must_use]
pub fn forbidden() -> Response<Bytes> {
    plain(
        StatusCode::FORBIDDEN,
        "You may not connect to this address.\n",
        None,
    )
}

/// 404: nothing lives at this path.
#[must_use]
pub fn not_found() -> Response<Bytes> {
    plain(
        StatusCode::NOT_FOUND,
        "Nothing lives at this address: check the path.\n",
        None,
    )
}

/// 429: this client has too many connections or attempts; it may come back after that time,
/// rounded up to whole seconds.
#[must_use]
pub fn too_many_requests(retry_after: Duration) -> Response<Bytes> {
    plain(
        StatusCode::TOO_MANY_REQUESTS,
        "Too many connections or attempts: wait as long as Retry-After says.\n",
        Some((RETRY_AFTER, whole_seconds(retry_after))),
    )
}

/// 503: the server is full or going down; it may be tried again after that time, rounded up to
/// whole seconds.
#[must_use]
pub fn unavailable(retry_after: Duration) -> Response<Bytes> {
    plain(
        StatusCode::SERVICE_UNAVAILABLE,
        "The server takes no connections now: wait as long as Retry-After says.\n",
        Some((RETRY_AFTER, whole_seconds(retry_after))),
    )
}

fn plain(
    status: StatusCode,
    body: &'static str,
    extra: Option<(HeaderName, HeaderValue)>,
) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from_static(body.as_bytes()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    headers.extend(extra);
    response
}

fn whole_seconds(time: Duration) -> HeaderValue {
    let round_up = u64::from(time.subsec_nanos() > 0);
    HeaderValue::from(time.as_secs().saturating_add(round_up))
}
