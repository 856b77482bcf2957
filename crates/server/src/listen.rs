//! Opening the addresses that the configuration names.

use std::io::{Error, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use tokio::net::TcpListener;

use crate::config::{ConfigError, Problem, ServeConfig, Source};

/// Listens on every address of the configuration, in its order.
///
/// An IPv6 loopback that only the defaults ask for is left out on a machine that has none.
///
/// # Errors
/// The first address that cannot be listened on, with what to do.
pub async fn listen(config: &ServeConfig) -> Result<Vec<TcpListener>, ConfigError> {
    let source = &config.listen.source;
    let mut listeners = Vec::new();
    for address in &config.listen.value {
        match TcpListener::bind(address).await {
            Ok(listener) => listeners.push(listener),
            Err(error) if *source == Source::Default && has_no_ipv6(*address, &error) => {
                tracing::info!(target: "holdwire::listen", %address, "left out: no IPv6 here");
            }
            Err(error) => {
                let problem = problem(*address, source, &error);
                return Err(ConfigError::value(
                    "listen",
                    &address.to_string(),
                    source,
                    problem,
                ));
            }
        }
    }
    Ok(listeners)
}

/// Listens where backends call, if that is somewhere else.
///
/// # Errors
/// As [`listen`].
pub async fn listen_for_backends(
    config: &ServeConfig,
) -> Result<Option<Vec<TcpListener>>, ConfigError> {
    let setting = &config.api.listen;
    if setting.is_empty() {
        return Ok(None);
    }
    let mut listeners = Vec::new();
    for address in &setting.value {
        let listener = TcpListener::bind(address).await.map_err(|error| {
            let problem = Problem::new(error.to_string(), "choose another address");
            ConfigError::value("api-listen", &address.to_string(), &setting.source, problem)
        })?;
        listeners.push(listener);
    }
    Ok(Some(listeners))
}

fn has_no_ipv6(address: SocketAddr, error: &Error) -> bool {
    let is_missing = matches!(
        error.kind(),
        ErrorKind::AddrNotAvailable | ErrorKind::Unsupported
    );
    address.is_ipv6() && is_missing
}

fn problem(address: SocketAddr, source: &Source, error: &Error) -> Problem {
    let other = |port: u16| {
        let ip = match source {
            Source::Default => IpAddr::V4(Ipv4Addr::LOCALHOST),
            _ => address.ip(),
        };
        SocketAddr::new(ip, port)
    };
    match error.kind() {
        ErrorKind::AddrInUse => Problem::new(
            "the port is taken",
            format!(
                "stop the program that uses it or choose another: --listen {}",
                other(address.port().checked_add(1).unwrap_or(3000))
            ),
        ),
        ErrorKind::PermissionDenied => Problem::new(
            "this user may not listen here",
            format!("choose a port above 1023: --listen {}", other(3000)),
        ),
        ErrorKind::AddrNotAvailable => Problem::new(
            "this machine does not have this address",
            "name one that it has, or 0.0.0.0 for all",
        ),
        _ => Problem::new(format!("{error}"), "choose another address with --listen"),
    }
}
