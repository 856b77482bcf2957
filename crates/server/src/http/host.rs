//! Which names the server answers to.
//!
//! A server on loopback is reached by this machine only, but so is every page its browsers show: a
//! page of `evil.example` whose name is made to point at 127.0.0.1 would be same-origin with it (DNS
//! rebinding). Its requests carry `Host: evil.example`, and that is refused with 421.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::HOST;

use super::Site;
use crate::config::HostName;

/// The names that a request may ask for.
///
/// # Examples
/// ```
/// use holdwire_server::http::HostRule;
///
/// let rule = HostRule::new(true, &[]);
/// assert!(rule.allows(Some("localhost:3000")));
/// assert!(!rule.allows(Some("evil.example")));
/// ```
#[derive(Debug, Clone)]
pub struct HostRule {
    /// `None` where every name is right: the server listens for other machines.
    names: Option<HashSet<HostName>>,
}

impl HostRule {
    /// The rule of a server: on loopback, loopback names and its own; else every name.
    pub fn new(is_loopback: bool, own: &[HostName]) -> Self {
        Self {
            names: is_loopback.then(|| own.iter().cloned().collect()),
        }
    }

    /// Whether a request with this `Host` field is answered.
    ///
    /// It is the field as the peer sent it: a forwarded host does not count, for a page may set
    /// that. A request without a Host (HTTP/1.0) comes from no browser and is answered.
    pub fn allows(&self, host: Option<&str>) -> bool {
        let (Some(names), Some(host)) = (&self.names, host) else {
            return true;
        };
        HostName::from_authority(host)
            .is_some_and(|name| is_loopback(name.as_str()) || names.contains(&name))
    }
}

/// Whether a name stands for this machine: `localhost` and below (RFC 6761 §6.3), 127.0.0.0/8, ::1.
fn is_loopback(name: &str) -> bool {
    let address = name.trim_start_matches('[').trim_end_matches(']');
    name == "localhost"
        || name.ends_with(".localhost")
        || address
            .parse::<IpAddr>()
            .is_ok_and(|address| address.to_canonical().is_loopback())
}

/// Answers requests for a foreign name with 421 (RFC 9110 §15.5.20).
pub(super) async fn check(State(site): State<Arc<Site>>, request: Request, next: Next) -> Response {
    let field = request.headers().get(HOST);
    let host = field.map(|host| host.to_str().unwrap_or("?"));
    let host = host.or(request
        .uri()
        .authority()
        .map(|authority| authority.as_str()));
    if site.hosts.allows(host) {
        return next.run(request).await;
    }
    tracing::warn!(
        target: "holdwire::http",
        host = ?host.unwrap_or_default(),
        "refused a foreign Host on loopback; if this name is the server's own, add --host NAME"
    );
    (
        StatusCode::MISDIRECTED_REQUEST,
        "this server answers to loopback names only; start it with --host NAME for others\n",
    )
        .into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Value;

    #[test]
    fn loopback_server_answers_to_loopback_names_and_its_own() {
        let rule = HostRule::new(true, &[HostName::parse("live.example").unwrap()]);

        for host in [
            None,
            Some("localhost"),
            Some("LOCALHOST:3000"),
            Some("localhost."),
            Some("app.localhost:3000"),
            Some("127.0.0.1:3000"),
            Some("127.9.9.9"),
            Some("[::1]:3000"),
            Some("[::ffff:127.0.0.1]"),
            Some("Live.Example:8080"),
        ] {
            assert!(rule.allows(host), "{host:?}");
        }
        for host in [
            "",
            "evil.example",
            "localhost.evil.example",
            "notlocalhost",
            "127.0.0.1.evil.example",
            "192.0.2.1",
            "[2001:db8::1]",
            "localhost@evil.example",
            "evil.example@localhost",
            "localhost, evil.example",
        ] {
            assert!(!rule.allows(Some(host)), "{host}");
        }
    }

    #[test]
    fn server_for_other_machines_answers_to_every_name() {
        assert!(HostRule::new(false, &[]).allows(Some("anything.example")));
    }
}
