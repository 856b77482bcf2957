//! Whether a request for an upgrade is let in: the rules, the limits, the application's hook.

use std::sync::Arc;

use holdwire_proto::handshake::{self, Offer, Refusal, RequestHead};
use http::header::ORIGIN;
use http::{Request, Response, StatusCode};
use tokio::time::Instant;

use super::accept::IpPermit;
use super::endpoint::{Accept, Endpoint, Upgrade};
use super::refuse::{No, Rejected};
use super::registry::Phase;
use super::{Inner, Peer};
use crate::websocket::Setup;

/// What is needed to open the connection.
pub(super) struct Upgraded<'a> {
    pub(super) response: Response<()>,
    pub(super) setup: Setup,
    pub(super) request: Request<()>,
    pub(super) endpoint: &'a Endpoint,
    pub(super) permit: Option<IpPermit>,
}

/// Applies the rules, the limits and the application's hook.
pub(super) async fn admit<'a>(
    head: &RequestHead,
    client: Peer,
    is_extra: bool,
    inner: &'a Inner,
) -> Result<Upgraded<'a>, Rejected> {
    // Where a trusted proxy names the host, the rules check that name.
    if client.effective.host.is_none() {
        inner.check_host(&head.request)?;
    }
    let endpoint = inner.endpoint(head.request.uri().path());
    let is_page = head.request.headers().contains_key(ORIGIN);
    let closes = |endpoint: &Endpoint| endpoint.refuses_after_open && is_page;
    // A full server looks no further, unless the rules decide how it says so.
    if is_extra && !endpoint.is_some_and(closes) {
        return Err(No::full().into_response());
    }
    let Some(endpoint) = endpoint else {
        return Err(Refusal::application(handshake::not_found()).into());
    };
    let offer = endpoint.rules.check(head, &client.effective)?;
    match decide(head, client, is_extra, &offer, endpoint, inner).await {
        Ok((accept, permit)) => open(accept, permit, offer, endpoint),
        Err(no) if closes(endpoint) => Err(no.after_open(offer, inner)),
        Err(no) => Err(no.into_response()),
    }
}

/// The word of the limits, then of the application, on a request that obeys the rules.
async fn decide(
    head: &RequestHead,
    client: Peer,
    is_extra: bool,
    offer: &Offer,
    endpoint: &Endpoint,
    inner: &Inner,
) -> Result<(Accept, Option<IpPermit>), No> {
    if is_extra {
        return Err(No::full());
    }
    if let Phase::Draining(draining) = inner.handle.now() {
        return Err(No::draining(&draining));
    }
    if let Some(rate) = inner.limits.handshake_rate {
        let taken = inner
            .permits
            .handshakes
            .take(rate, Instant::now(), rand::random());
        taken.map_err(No::too_fast)?;
    }
    let permit = inner
        .permits
        .per_ip
        .take(client.address.ip(), inner.limits.max_connections_per_ip)
        .ok_or_else(No::per_address)?;
    let mut request = head.request.clone();
    request.extensions_mut().insert(client);
    let upgrade = Upgrade::new(request, offer.subprotocols().to_vec());
    let accept = match &endpoint.hook {
        Some(hook) => hook(upgrade).await.map_err(No::application)?,
        None => upgrade.accept(),
    };
    Ok((accept, permit))
}

/// Answers a yes.
fn open(
    accept: Accept,
    permit: Option<IpPermit>,
    offer: Offer,
    endpoint: &Endpoint,
) -> Result<Upgraded<'_>, Rejected> {
    let mut request = accept.request;
    #[cfg_attr(
        not(feature = "deflate"),
        expect(unused_mut, reason = "only extensions change it")
    )]
    let mut acceptance = accept.acceptance;
    let mut setup = Setup {
        config: Arc::clone(&endpoint.config),
        ..Setup::default()
    };
    #[cfg(feature = "deflate")]
    if let Some(config) = &endpoint.config.deflate
        && let Some((params, answer)) =
            holdwire_proto::deflate::accept_offer(config, offer.extensions())
    {
        setup.deflate = Some(params);
        acceptance.extensions = Some(answer);
    }
    setup.subprotocol = acceptance
        .subprotocol
        .as_ref()
        .or(offer.subprotocol())
        .cloned();
    if let Some(subprotocol) = &setup.subprotocol {
        request.extensions_mut().insert(subprotocol.clone());
    }
    let response = offer.accept(acceptance).map_err(|error| {
        tracing::error!(%error, "the application's answer to an upgrade breaks the handshake");
        Refusal::application(
            Upgrade::new(Request::new(()), Vec::new()).refuse(StatusCode::INTERNAL_SERVER_ERROR),
        )
    })?;
    Ok(Upgraded {
        response,
        setup,
        request,
        endpoint,
        permit,
    })
}
