//! Who is let in by the plain door.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use holdwire::{Endpoint, Upgrade};
use http::header::{COOKIE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};

use super::entrance::{Entrance, response};
use super::watching::Watched;
use crate::allow::Allow;
use crate::format::Format;
use crate::hub::Hub;
use crate::presence::{ClientId, Member};
use crate::session::{Denied, Limited, Policy, Visit};
use crate::wire::Fault;

/// As [`endpoint`](super::endpoint), for clients that a policy lets in.
///
/// A token is the value of `token` in the query, or else of the cookie of that name. Who is not let
/// in gets 401, who has a token that is not for this channel 403, and 503 comes with a time when it
/// cannot be decided now. Whoever is let in for a time is closed with 4401 after it and the policy's
/// [grace](Policy::grace), and comes back with a fresh token and its position.
///
/// With a cookie the endpoint must not be open to pages of every origin: they would come as
/// whoever opens them.
#[must_use]
pub fn guarded(hub: &Hub, prefix: &str, policy: impl Policy, cookie: Option<&str>) -> Endpoint {
    let (hook, policy) = (hub.clone(), Arc::new(policy) as Arc<dyn Policy>);
    let (prefix, cookie) = (Arc::<str>::from(prefix), cookie.map(Arc::<str>::from));
    super::sessions(hub).on_upgrade(move |upgrade: Upgrade| {
        let entrance = entrance(&hook, &prefix, &upgrade.request);
        let (hub, policy, cookie) = (hook.clone(), Arc::clone(&policy), cookie.clone());
        async move {
            let client = ClientId::new(rand::random());
            let (entrance, member) = let_in(
                &hub,
                &*policy,
                cookie.as_deref(),
                entrance?,
                &upgrade,
                client,
            )
            .await?;
            let watched = Watched::new(policy, client, &member);
            let accept = upgrade.accept().context(entrance).context(member);
            Ok(accept.context(watched))
        }
    })
}

/// What a request asks for.
#[expect(clippy::result_large_err, reason = "this is what a hook answers")]
pub(super) fn entrance(
    hub: &Hub,
    prefix: &str,
    request: &Request<()>,
) -> Result<Entrance, Response<Bytes>> {
    let uri = request.uri();
    let path = uri.path().strip_prefix(prefix).unwrap_or_default();
    Entrance::new(hub, path, uri.query().unwrap_or_default())
}

/// Whether somebody may use the channel who has this name, or was given it.
#[expect(clippy::result_large_err, reason = "this is what a hook answers")]
pub(super) fn admit(
    hub: &Hub,
    entrance: &mut Entrance,
    user: &str,
    is_granted: bool,
    has_token: bool,
) -> Result<(), Response<Bytes>> {
    let namespace = hub.namespaces().of(&entrance.channel);
    let is_admitted = namespace.is_some_and(|namespace| {
        let allowed = namespace.allowed;
        let may = |allow: Allow| allow.admits(user, is_granted, true);
        entrance.is_mute = !may(allowed.publish);
        let may_watch = entrance.format != Format::JsonPresence || may(allowed.presence);
        namespace.access.admits(user, is_granted) && may(allowed.subscribe) && may_watch
    });
    if is_admitted {
        return Ok(());
    }
    let (status, text) = if has_token {
        (StatusCode::FORBIDDEN, "the token is not for this channel")
    } else {
        (StatusCode::UNAUTHORIZED, "this channel needs a token")
    };
    Err(response(status, text.to_owned()))
}

async fn let_in(
    hub: &Hub,
    policy: &dyn Policy,
    cookie: Option<&str>,
    mut entrance: Entrance,
    upgrade: &Upgrade,
    client: ClientId,
) -> Result<(Entrance, Member), Response<Bytes>> {
    let member = upgrade.request.extensions().get::<Member>();
    let member = member.cloned().unwrap_or_default();
    let token = entrance.token.take();
    let token = token.as_deref().or_else(|| {
        let name = cookie?;
        value_of(upgrade.request.headers(), name)
    });
    let caller = policy.note(&upgrade.request);
    let mut visit = Visit::new(client, &member, "plain");
    visit.token = token;
    visit.channel = Some(&entrance.channel);
    visit.caller = caller.as_deref();
    let answer = policy.visit(visit);
    let guest = answer.get().await.map_err(|denied| refusal(&denied))?;
    if !hub.limiting().has_room(&guest.member.user) {
        hub.counters().limited(Limited::Connections);
        let text = "the user has too many connections";
        return Err(response(StatusCode::TOO_MANY_REQUESTS, text.to_owned()));
    }
    let is_granted = guest.channels.contains(&entrance.channel);
    admit(
        hub,
        &mut entrance,
        &guest.member.user,
        is_granted,
        token.is_some(),
    )?;
    entrance.holds = guest
        .holds
        .map(|holds| holds.saturating_add(policy.grace()));
    Ok((entrance, guest.member))
}

/// The value of a cookie (RFC 6265 §5.4).
fn value_of<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let fields = headers.get_all(COOKIE).iter();
    let mut pairs = fields
        .filter_map(|field| field.to_str().ok())
        .flat_map(|field| field.split(';'));
    pairs.find_map(|pair| {
        let (own, value) = pair.trim().split_once('=')?;
        let value = value
            .strip_prefix('"')
            .and_then(|value| value.strip_suffix('"'))
            .unwrap_or(value);
        (own == name).then_some(value)
    })
}

/// The response that says why somebody is not let in.
fn refusal(denied: &Denied) -> Response<Bytes> {
    let status = match denied.fault {
        Fault::NotAllowed if denied.own.is_some() => StatusCode::FORBIDDEN,
        Fault::NotAllowed | Fault::TokenExpired | Fault::NotHere => StatusCode::UNAUTHORIZED,
        Fault::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::BAD_REQUEST,
    };
    let mut response = response(status, denied.message.clone());
    if status == StatusCode::SERVICE_UNAVAILABLE {
        let seconds = rand::random_range(SOON).as_secs();
        let headers = response.headers_mut();
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// When to come back after what may be over soon.
const SOON: std::ops::RangeInclusive<Duration> = Duration::from_secs(2)..=Duration::from_secs(6);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_found_among_others_by_its_whole_name() {
        let mut headers = HeaderMap::new();
        for field in ["a=1; session=\"s.t.u\"", "token=x.y.z;b=2; xtoken=no"] {
            headers.append(COOKIE, HeaderValue::from_static(field));
        }

        for (name, value) in [
            ("session", Some("s.t.u")),
            ("token", Some("x.y.z")),
            ("b", Some("2")),
            ("oken", None),
            ("Token", None),
        ] {
            assert_eq!(value_of(&headers, name), value, "{name}");
        }
    }
}
