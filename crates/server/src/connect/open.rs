//! From flags to an open connection.

use std::path::Path;

use holdwire::proto::deflate::DeflateConfig;
use holdwire::tls::TlsConnector;
use holdwire::{Client, Config, ConnectError, Limits, Opened, Proxy};
use http::header::USER_AGENT;

use crate::cli::ConnectFlags;
use crate::config::Value as _;

use super::Failure;
use super::failure::with_causes;
use super::insecure;

/// The client that the flags describe.
pub(super) fn client(flags: &ConnectFlags) -> Result<Client, Failure> {
    let mut client = build(flags).map_err(|error| Failure::not_open(flags, &error))?;
    if let Some(tls) = tls(flags.insecure, flags.cacert.as_deref())? {
        client = client.tls(tls);
    }
    Ok(client)
}

/// Whom the flags trust; `None`: whom the system trusts.
pub(crate) fn tls(insecure: bool, cacert: Option<&Path>) -> Result<Option<TlsConnector>, Failure> {
    if insecure {
        return insecure::connector().map(Some).map_err(Failure::system);
    }
    let Some(path) = cacert else {
        return Ok(None);
    };
    TlsConnector::with_roots_file(path)
        .map(Some)
        .map_err(|error| {
            let problem = with_causes(&error);
            Failure::usage(format!(
                "--cacert: {problem}; name a PEM file of certificates"
            ))
        })
}

fn build(flags: &ConnectFlags) -> Result<Client, ConnectError> {
    let mut config = Config::default()
        .limits(Limits {
            max_fragments: flags.max_fragments,
            ..Limits::default()
        })
        .heartbeat(flags.heartbeat.heartbeat(flags.heartbeat_timeout))
        .max_message(flags.max_message.bytes());
    if flags.deflate {
        config = config.deflate(DeflateConfig::default());
    }
    // The time that all have together comes first, so a failure always says the same.
    let limit = flags.connect_timeout.saturating_mul(2);
    let mut client = Client::new()
        .config(config)
        .connect_timeout(limit)
        .proxy_timeout(limit)
        .tls_timeout(limit)
        .handshake_timeout(limit);
    if flags.header.iter().all(|header| header.name != USER_AGENT) {
        client = client.header(USER_AGENT, concat!("holdwire/", env!("CARGO_PKG_VERSION")))?;
    }
    for header in &flags.header {
        client = client.header(header.name.clone(), header.value.clone())?;
    }
    for name in &flags.subprotocol {
        client = client.subprotocol(name.as_str())?;
    }
    if let Some(origin) = &flags.origin {
        client = client.origin(origin.to_string())?;
    }
    if let Some(proxy) = &flags.proxy {
        client = client.proxy(Proxy::http(proxy.uri().to_string())?);
    } else if flags.proxy_from_env {
        client = client.proxy(Proxy::from_env());
    }
    Ok(client)
}

/// Opens the connection within the time that all phases have together.
pub(super) async fn open(client: &Client, flags: &ConnectFlags) -> Result<Opened, Failure> {
    let limit = flags.connect_timeout;
    match tokio::time::timeout(limit, client.open(flags.url.url())).await {
        Ok(Ok(opened)) => Ok(opened),
        Ok(Err(error)) => Err(Failure::not_open(flags, &error)),
        Err(_) => Err(Failure::failed(format!(
            "{}: the connection was not open within {}; see whether host and port are right and \
             reachable, or give --connect-timeout more",
            flags.url.show(),
            limit.show()
        ))),
    }
}
