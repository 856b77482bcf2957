//! The session protocol `holdwire.v1`: many channels on one connection, for our own clients.
//!
//! Messages and rules are in `docs/protocol.md`.

mod answer;
mod door;
mod driver;
mod identity;
mod machine;
mod policy;
mod sub;

use std::sync::Arc;

use holdwire::Endpoint;
use holdwire::handshake::{NoneCommon, Subprotocols};
use http::Request;

use self::door::Door;
pub(crate) use self::identity::Sessions;
pub use self::policy::{Denied, Guest, Policy, Question};
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
    let (hub, policy) = (hub.clone(), Arc::new(policy));
    let names = SUBPROTOCOL.parse().into_iter().collect();
    Endpoint::sessions(move |request: Request<()>, remote| {
        let member = request.extensions().get::<Member>().cloned();
        Door::new(&hub, policy.clone(), member.unwrap_or_default(), remote)
    })
    .subprotocols(Subprotocols::Preferred {
        names,
        otherwise: NoneCommon::Refuse,
    })
}

/// What a simulation and the fuzz targets drive.
#[cfg(any(test, feature = "fuzz"))]
pub(crate) mod driven {
    pub(crate) use super::driver::{Ask, Driver, Outcome, Verdict, Wanted, Welcome};
    pub(crate) use super::machine::{CHANNELS, Machine};
    pub(crate) use super::policy::Denied;
    pub(crate) use super::sub::Key;
    pub(crate) use crate::wire::Connected;
}
