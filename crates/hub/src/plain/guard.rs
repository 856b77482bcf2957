//! Who is let in by the plain door.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use holdwire::{Endpoint, Upgrade};
use http::header::{COOKIE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};

use super::entrance::{Entrance, response};
use crate::hub::Hub;
use crate::presence::Member;
use crate::session::{Denied, Policy};
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
    let (hook, policy) = (hub.clone(), Arc::new(policy));
    let (prefix, cookie) = (Arc::<str>::from(prefix), cookie.map(Arc::<str>::from));
    super::sessions(hub).on_upgrade(move |upgrade: Upgrade| {
        let entrance = entrance(&hook, &prefix, &upgrade.request);
        let (hub, policy, cookie) = (hook.clone(), Arc::clone(&policy), cookie.clone());
        async move {
            let (entrance, member) =
                let_in(&hub, &*policy, cookie.as_deref(), entrance?, &upgrade).await?;
            Ok(upgrade.accept().context(entrance).context(member))
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
    entrance: &Entrance,
    user: &str,
    is_granted: bool,
    has_token: bool,
) -> Result<(), Response<Bytes>> {
    let namespace = hub.namespaces().of(&entrance.channel);
    let access = namespace.map(|namespace| namespace.access);
    if access.is_some_and(|access| access.admits(user, is_granted)) {
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
) -> Result<(Entrance, Member), Response<Bytes>> {
    let member = upgrade.request.extensions().get::<Member>();
    let member = member.cloned().unwrap_or_default();
    let token = entrance.token.take();
    let token = token.as_deref().or_else(|| {
        let name = cookie?;
        value_of(upgrade.request.headers(), name)
    });
    let answer = policy.enter(&member, &entrance.channel, token);
    let guest = answer.get().await.map_err(|denied| refusal(&denied))?;
    let is_granted = guest.channels.contains(&entrance.channel);
    admit(
        hub,
        &entrance,
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
