//! The opening handshake (RFC 6455 §4): HTTP until the 101, frames after it.
//!
//! The one idea: bytes become `http` types, rules look at `http` types, and a verdict is an
//! [`http::Response`], never a bare error. So the same rules serve a raw socket, an HTTP library
//! that hands over an upgrade, and extended CONNECT over HTTP/2 (RFC 8441). Nothing here reads a
//! socket, a clock or a random source.
//!
//! ```text
//!  bytes ─► HeadReader ─► RequestHead ─► Rules::check ─► Offer ─► accept ─► 101 ─► bytes
//!                                             └────────► Refusal ─────────► 4xx ─► bytes
//!
//!  Endpoint ─► Connect ─► Pending ─► bytes … bytes ─► HeadReader ─► Pending::verify ─► Accepted
//! ```
//!
//! # Examples
//! A server's side, from bytes to bytes:
//! ```
//! use holdwire_proto::handshake::{
//!     Acceptance, Effective, HeadLimits, HeadReader, Rules, encode_response_head,
//! };
//!
//! let received = b"GET /chat HTTP/1.1\r\nHost: server.example.com\r\n\
//!     Upgrade: websocket\r\nConnection: Upgrade\r\n\
//!     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
//! let head = HeadReader::new(HeadLimits::default())
//!     .read_request(received)?
//!     .expect("the head is complete");
//! let offer = Rules::default().check(&head, &Effective::plain())?;
//! let response = offer.accept(Acceptance::default())?;
//!
//! assert_eq!(response.headers()["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
//! assert!(encode_response_head(&response).starts_with(b"HTTP/1.1 101 Switching Protocols\r\n"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod client;
mod encode;
mod endpoint;
mod head;
mod host;
mod key;
mod origin;
mod refusal;
mod refuse;
mod server;
mod subprotocol;
mod token;

pub use client::{Accepted, Connect, ConnectError, Pending, ResponseError, ResponseViolation};
pub use encode::{encode_request, encode_response, encode_response_head};
pub use endpoint::{Endpoint, EndpointError};
pub use head::{Flaw, HeadError, HeadLimits, HeadReader, RequestHead, ResponseHead};
pub use host::{Host, Hosts, InvalidHost};
pub use key::Key;
pub use origin::{InvalidOrigin, Origin, Origins};
pub use refusal::{Reason, Refusal};
pub use refuse::{forbidden, not_found, too_many_requests, unauthorized, unavailable};
pub use server::{AcceptError, Acceptance, Effective, Offer, Rules};
pub use subprotocol::{InvalidSubprotocol, NoneCommon, Subprotocol, Subprotocols};

/// The protocol version of RFC 6455, the only one there is (RFC 6455 §4.1, §11.6).
const VERSION: &str = "13";

/// Whether a header belongs to the handshake or to the message framing, so that an application
/// cannot set it: it would contradict what the handshake says.
fn is_reserved(name: &http::HeaderName) -> bool {
    use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING, UPGRADE};
    [CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING, UPGRADE].contains(name)
        || name.as_str().starts_with("sec-websocket-")
}
