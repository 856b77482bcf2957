//! A no, on its way to the client: as an HTTP response, or after the 101 as a Close frame.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use holdwire_proto::close;
use holdwire_proto::config::{LINGER_BYTES, LINGER_TIME};
use holdwire_proto::handshake::{
    self, Acceptance, Offer, Refusal, encode_response, encode_response_head,
};
use holdwire_proto::{Advice, CloseCode};
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{Response, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout};

use super::Inner;
use super::accept::TotalPermit;
use super::drain::Draining;
use super::observe::TurnedAway;
use crate::stream::Stream;

/// Room for what a refused client still sends, a piece at a time.
const READ_STEP: usize = 1024;

/// How long a client that came too often, or to a full server, should wait at least.
const WAIT: Duration = Duration::from_secs(5);

/// Close frames in place of responses at a time; beyond them clients get the response.
const MAX_AFTER_OPEN: usize = 1024;

/// The application's no, or that of a limit, to a handshake that obeys the rules.
pub(super) struct No {
    response: Response<Bytes>,
    /// The same as a Close frame; not every response has one.
    close: Option<(CloseCode, String)>,
    why: Option<TurnedAway>,
}

impl No {
    /// The server is full.
    pub(super) fn full() -> Self {
        Self::limit(TurnedAway::Full, jittered(WAIT), "the server is full")
    }

    /// The client's address has too many connections.
    pub(super) fn per_address() -> Self {
        let reason = "this address has too many connections";
        Self::limit(TurnedAway::PerAddress, jittered(WAIT), reason)
    }

    /// There are too many handshakes at once.
    pub(super) fn too_fast(delay: Duration) -> Self {
        Self::limit(TurnedAway::Rate, delay, "too many are connecting")
    }

    fn limit(why: TurnedAway, delay: Duration, reason: &str) -> Self {
        let response = match why {
            TurnedAway::PerAddress => handshake::too_many_requests(delay),
            _ => handshake::unavailable(delay),
        };
        let advice = Advice::after(delay).reason(reason);
        Self {
            response,
            close: Some((CloseCode::TRY_AGAIN_LATER, advice.to_string())),
            why: Some(why),
        }
    }

    /// The server is going down.
    pub(super) fn draining(draining: &Draining) -> Self {
        let (now, random) = (Instant::now(), rand::random());
        let delay = draining.delay_of_newcomer(now, random);
        let reason = draining.reason_of_newcomer(now, random);
        Self {
            response: handshake::unavailable(delay),
            close: Some((draining.code(), reason)),
            why: Some(TurnedAway::Draining),
        }
    }

    /// What the application's hook answered.
    pub(super) fn application(response: Response<Bytes>) -> Self {
        Self {
            close: as_close(&response),
            response,
            why: None,
        }
    }

    /// As an HTTP response.
    pub(super) fn into_response(self) -> Rejected {
        Rejected {
            refusal: Refusal::application(self.response),
            why: self.why,
            after_open: None,
        }
    }

    /// As a Close frame after the 101, if there is one and not too many are under way.
    pub(super) fn after_open(mut self, offer: Offer, inner: &Inner) -> Rejected {
        let after_open = self
            .close
            .take()
            .and_then(|(code, reason)| AfterOpen::new(offer, code, &reason, inner));
        Rejected {
            after_open,
            ..self.into_response()
        }
    }
}

/// The Close frame that says what a response says.
fn as_close(response: &Response<Bytes>) -> Option<(CloseCode, String)> {
    let status = response.status();
    let code = match status {
        StatusCode::BAD_REQUEST => CloseCode::BAD_REQUEST,
        StatusCode::UNAUTHORIZED => CloseCode::UNAUTHORIZED,
        StatusCode::FORBIDDEN => CloseCode::FORBIDDEN,
        StatusCode::NOT_FOUND => CloseCode::NOT_FOUND,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            let field = response.headers().get(RETRY_AFTER);
            let seconds = field.and_then(|field| field.to_str().ok()?.parse().ok());
            let mut advice = Advice::default().reason(words(response));
            advice.retry_after = seconds.map(Duration::from_secs);
            return Some((CloseCode::TRY_AGAIN_LATER, advice.to_string()));
        }
        _ => return None,
    };
    Some((code, words(response)))
}

/// The first line of a plain text, or else what the status is called.
fn words(response: &Response<Bytes>) -> String {
    let media_type = response.headers().get(CONTENT_TYPE);
    let is_plain = media_type.is_some_and(|value| value.as_bytes().starts_with(b"text/plain"));
    let text = std::str::from_utf8(response.body()).unwrap_or_default();
    match text.lines().next() {
        Some(line) if is_plain && !line.is_empty() => line.to_owned(),
        _ => {
            let status = response.status();
            status.canonical_reason().unwrap_or_default().to_owned()
        }
    }
}

/// A time and up to as much again, so that those who wait do not come together.
fn jittered(time: Duration) -> Duration {
    time + time.mul_f64(rand::random())
}

/// A no with the shape that it is sent in.
pub(super) struct Rejected {
    refusal: Refusal,
    why: Option<TurnedAway>,
    after_open: Option<AfterOpen>,
}

impl Rejected {
    /// The status of the response, also where a Close frame stands for it.
    pub(super) fn status(&self) -> StatusCode {
        self.refusal.response().status()
    }
}

impl From<Refusal> for Rejected {
    fn from(refusal: Refusal) -> Self {
        Self {
            refusal,
            why: None,
            after_open: None,
        }
    }
}

/// A 101 and a Close frame, ready to be sent.
struct AfterOpen {
    bytes: Vec<u8>,
    _permit: TotalPermit,
}

impl AfterOpen {
    fn new(offer: Offer, code: CloseCode, reason: &str, inner: &Inner) -> Option<Self> {
        let permit = inner.permits.after_open.take(MAX_AFTER_OPEN)?;
        // A browser fails a connection that names none of the subprotocols it offered, and its
        // page would not see the code.
        let offered = offer.subprotocols().first().cloned();
        let acceptance = Acceptance {
            subprotocol: offer.subprotocol().cloned().or(offered),
            ..Acceptance::default()
        };
        let mut bytes = encode_response_head(&offer.accept(acceptance).ok()?);
        bytes.extend_from_slice(&close::frame(code, reason));
        Some(Self {
            bytes,
            _permit: permit,
        })
    }
}

/// Sends a refusal, so that the client can read it, and reads nothing of what follows.
pub(super) async fn refuse(
    mut stream: Stream,
    rejected: Rejected,
    client: IpAddr,
    path: Option<&str>,
    inner: &Inner,
) {
    let Rejected {
        refusal,
        why,
        after_open,
    } = rejected;
    let status = refusal.response().status().as_u16();
    let limit = why.map(TurnedAway::name);
    tracing::info!(status, %client, path, limit, "request refused: {refusal}");
    if let Some(observer) = &inner.observer {
        observer.refused(&refusal);
        if let Some(why) = why {
            observer.turned_away(why);
        }
    }
    let response = match &after_open {
        Some(after_open) => &after_open.bytes,
        None => &encode_response(refusal.response()),
    };
    // A client that does not read its refusal, or is gone, is no trouble of ours.
    let _: Result<io::Result<()>, _> = timeout(LINGER_TIME, async {
        stream.write_all(response).await?;
        stream.shutdown().await?;
        let mut discarded = 0;
        let mut buffer = vec![0; READ_STEP];
        while discarded < LINGER_BYTES {
            match stream.read(&mut buffer).await? {
                0 => break,
                count => discarded += count,
            }
        }
        Ok(())
    })
    .await;
}

#[cfg(test)]
mod tests {
    use holdwire_proto::handshake::{Effective, Rules};
    use http::Request;

    use super::*;
    use crate::server::Server;

    fn offer() -> Offer {
        let request = Request::get("/")
            .header("host", "localhost")
            .header("upgrade", "websocket")
            .header("connection", "upgrade")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "w4v7O6xFTi36lq3RNcgctw==")
            .body(())
            .expect("a request");
        let offer = Rules::default().check_request(&request, &Effective::plain());
        offer.expect("it obeys the rules")
    }

    #[test]
    fn close_frames_in_place_of_responses_are_bounded() {
        let inner = Server::on([]).inner;
        let mut under_way = Vec::new();

        for _ in 0..MAX_AFTER_OPEN {
            let rejected = No::full().after_open(offer(), &inner);
            assert!(rejected.after_open.is_some());
            under_way.push(rejected);
        }
        let beyond = No::full().after_open(offer(), &inner);
        assert!(beyond.after_open.is_none());
        assert_eq!(beyond.status(), StatusCode::SERVICE_UNAVAILABLE);

        under_way.pop();
        assert!(No::full().after_open(offer(), &inner).after_open.is_some());
    }

    #[test]
    fn responses_have_their_close_frames() {
        let unauthorized = handshake::unauthorized(http::HeaderValue::from_static("Bearer"));
        let (code, reason) = as_close(&unauthorized).expect("one");
        assert_eq!(code.value(), 4401);
        assert!(
            reason.starts_with("Credentials are missing") && !reason.contains('\n'),
            "{reason}"
        );

        let mut page = Response::new(Bytes::from_static(b"<!doctype html>"));
        *page.status_mut() = StatusCode::FORBIDDEN;
        let (code, reason) = as_close(&page).expect("one");
        assert_eq!((code.value(), &*reason), (4403, "Forbidden"));

        for response in [
            handshake::too_many_requests(Duration::from_secs(60)),
            handshake::unavailable(Duration::from_secs(60)),
        ] {
            let (code, reason) = as_close(&response).expect("one");
            assert_eq!(code, CloseCode::TRY_AGAIN_LATER);
            let advice = Advice::parse(&reason).expect("advice");
            assert_eq!(advice.retry_after, Some(Duration::from_secs(60)));
        }
        let mut conflict = Response::default();
        *conflict.status_mut() = StatusCode::CONFLICT;
        assert!(as_close(&conflict).is_none());
    }
}
