//! The session protocol `holdwire.v1`, many channels on one connection for our own clients, and the
//! Centrifuge client protocol, which is another dialect of it for SDKs that nobody here wrote.
//!
//! Messages and rules are in `docs/protocol.md`.

mod answer;
mod dialect;
mod door;
mod driver;
mod identity;
mod limits;
mod machine;
mod policy;
mod pulse;
mod registry;
mod sub;
mod visit;

use std::sync::Arc;
use std::time::Duration;

use holdwire::handshake::{NoneCommon, Subprotocol, Subprotocols};
use holdwire::{CloseCode, Endpoint};
use http::Request;

use self::dialect::Dialect;
use self::door::Door;
pub(crate) use self::identity::Sessions;
pub use self::limits::Limits;
pub(crate) use self::limits::{Limited, Limiting, Pass, Purse};
pub use self::policy::{Denied, Guest, Policy, Question};
use self::pulse::Pulse;
pub(crate) use self::registry::Registry;
pub use self::registry::{Order, Whom};
pub use self::visit::{Absence, Asks, Caller, Loan, Visit, Who};
use crate::centrifuge::{Encoding, JSON, PROTOBUF};
use crate::hub::Hub;
use crate::presence::Member;

/// The subprotocol's name in the opening handshake (RFC 6455 §1.9).
pub const SUBPROTOCOL: &str = "holdwire.v1";

/// The channels of a hub as an endpoint of the session protocol.
///
/// A hook of the endpoint that knows who comes says so by a [`Member`] in the request's extensions;
/// the policy is asked in any case. Clients that offer another subprotocol, or none, are refused
/// with 400.
///
/// # Examples
/// ```no_run
/// use holdwire::Server;
/// use holdwire_hub::{Hub, Namespaces, session};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let hub = Hub::in_memory(Namespaces::new());
/// let server = Server::bind("127.0.0.1:3000").await?;
/// server
///     .endpoint("/connection", session::endpoint(&hub, ()))
///     .run()
///     .await
/// # }
/// ```
#[must_use]
pub fn endpoint(hub: &Hub, policy: impl Policy) -> Endpoint {
    let names = SUBPROTOCOL.parse().into_iter().collect();
    sessions(hub, policy, None, |_| Dialect::Holdwire).subprotocols(Subprotocols::Preferred {
        names,
        otherwise: NoneCommon::Refuse,
    })
}

/// The channels of a hub as an endpoint that speaks the Centrifuge client protocol: in JSON without
/// a subprotocol or with `centrifuge-json`, in Protobuf with `centrifuge-protobuf`.
///
/// Clients are pinged in messages, for a page sees no other pings: once in `ping`, in whole seconds
/// rounded up, and never with `None`. Whoever leaves two of them without an answer is closed with
/// 3012. 25 s is what these SDKs are used to.
///
/// Who comes is told and asked as by [`endpoint`]. A refused handshake gets an HTTP status, which
/// the SDKs of that protocol take for a reason to come again: they read close reasons of their own
/// only, so [`Endpoint::refuse_after_open`] is not for them.
///
/// # Examples
/// ```no_run
/// use std::time::Duration;
///
/// use holdwire::Server;
/// use holdwire_hub::{Hub, Namespaces, session};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let hub = Hub::in_memory(Namespaces::new());
/// let ping = Duration::from_secs(25);
/// let server = Server::bind("127.0.0.1:3000").await?;
/// server
///     .endpoint("/connection/websocket", session::centrifuge(&hub, (), Some(ping)))
///     .run()
///     .await
/// # }
/// ```
#[must_use]
pub fn centrifuge(hub: &Hub, policy: impl Policy, ping: Option<Duration>) -> Endpoint {
    let pulse = ping.map(|ping| Arc::new(Pulse::new(hub.runtime().clone(), ping)));
    let names = [JSON, PROTOBUF].iter().filter_map(|name| name.parse().ok());
    sessions(hub, policy, pulse, |request| {
        let agreed = request.extensions().get::<Subprotocol>();
        Dialect::Centrifuge(match agreed.map(Subprotocol::as_str) {
            Some(PROTOBUF) => Encoding::Protobuf,
            _ => Encoding::Json,
        })
    })
    .subprotocols(Subprotocols::Preferred {
        names: names.collect(),
        otherwise: NoneCommon::Accept,
    })
}

fn sessions(
    hub: &Hub,
    policy: impl Policy,
    pulse: Option<Arc<Pulse>>,
    dialect: impl Fn(&Request<()>) -> Dialect + Send + Sync + 'static,
) -> Endpoint {
    let (hub, policy) = (hub.clone(), Arc::new(policy));
    Endpoint::sessions(move |request: Request<()>, remote| {
        let member = request.extensions().get::<Member>().cloned();
        let member = member.unwrap_or_default();
        let (policy, pulse) = (policy.clone(), pulse.clone());
        Door::new(dialect(&request), &hub, policy, member, remote, pulse).watched(&request)
    })
}

/// 4429: much more has come than a limit lets through, and goes on coming.
pub(crate) const ABUSE: CloseCode = match CloseCode::new(4429) {
    Some(code) => code,
    None => CloseCode::POLICY_VIOLATION,
};

/// The reason for that.
pub(crate) const FAR_TOO_FAST: &str = "far too many messages in a second";

/// What a simulation and the fuzz targets drive.
#[cfg(any(test, feature = "fuzz"))]
pub(crate) mod driven {
    pub(crate) use super::dialect::Dialect;
    pub(crate) use super::driver::{Ask, Driver, Grant, Outcome, Verdict, Wanted, Welcome};
    pub(crate) use super::machine::{CHANNELS, Machine};
    pub(crate) use super::policy::Denied;
    pub(crate) use super::sub::Key;
    pub(crate) use crate::wire::Connected;
}
