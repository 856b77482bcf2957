//! From flags to a client.

use std::io::{self, IsTerminal as _, Write as _};

use holdwire::line::{Policy, TargetError};
use holdwire_hub::client::{Builder, Client, Status};
use http::header::USER_AGENT;

use crate::cli::ReachFlags;
use crate::config::Value as _;
use crate::connect::{Failure, tls, with_causes};
use crate::one_line::write_one_line;

/// The client that the flags describe, not started.
pub(super) fn client(flags: &ReachFlags) -> Result<Builder, Failure> {
    let wrong = |error: holdwire::ConnectError| {
        let problem = with_causes(&error);
        Failure::usage(format!("{problem}; leave it out, or write another one"))
    };
    // The time that all have together comes first.
    let limit = flags.connect_timeout.saturating_mul(2);
    let mut connecting = holdwire::Client::new()
        .connect_timeout(limit)
        .tls_timeout(limit)
        .handshake_timeout(limit);
    if flags.header.iter().all(|header| header.name != USER_AGENT) {
        let agent = concat!("holdwire/", env!("CARGO_PKG_VERSION"));
        connecting = connecting.header(USER_AGENT, agent).map_err(wrong)?;
    }
    for header in &flags.header {
        let (name, value) = (header.name.clone(), header.value.clone());
        connecting = connecting.header(name, value).map_err(wrong)?;
    }
    if let Some(origin) = &flags.origin {
        connecting = connecting.origin(origin.to_string()).map_err(wrong)?;
    }
    if let Some(tls) = tls(flags.insecure, flags.cacert.as_deref())? {
        connecting = connecting.tls(tls);
    }
    let policy = Policy {
        max_attempts: flags.max_attempts,
        connect_timeout: flags.connect_timeout,
        ..Policy::default()
    };
    let mut builder = Client::to(flags.url.url())
        .client(connecting)
        .heartbeat(flags.heartbeat.heartbeat(flags.heartbeat_timeout))
        .policy(policy);
    if let Some(token) = flags.token.clone() {
        builder = builder.token(move |attempt| {
            let token = match attempt.is_unauthorized() {
                // There is no other.
                true => Err(TargetError::stop("the server does not accept --token")),
                false => Ok(token.clone()),
            };
            async move { token }
        });
    }
    Ok(builder)
}

/// Says how the line does, as long as it is there.
pub(super) async fn tell(client: Client, flags: ReachFlags) {
    let (mut status, place) = (client.status(), flags.url.show());
    loop {
        match &status {
            Status::Connected { .. } => say(&flags, &format!("connected to {place}")),
            Status::Down { reason } => say(&flags, &format!("{reason}; coming back")),
            Status::Stopped { .. } => return,
            _ => {}
        }
        status = client.status_after(&status).await;
    }
}

/// Says a line, unless the user wants none.
pub(super) fn say(flags: &ReachFlags, line: &str) {
    if !flags.quiet {
        tell_line(line);
    }
}

/// Says a line in any case.
pub(super) fn tell_line(line: &str) {
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = write_one_line(line, &mut text);
    text.push('\n');
    // Nobody may be reading it.
    let _ = io::stderr().write_all(text.as_bytes());
}

/// Prints a line of the server; false when nobody reads it any more.
pub(super) fn print(line: &str) -> bool {
    let mut text = String::new();
    if io::stdout().is_terminal() {
        let _ = write_one_line(line, &mut text);
    } else {
        text.push_str(line);
    }
    text.push('\n');
    let mut output = io::stdout().lock();
    output
        .write_all(text.as_bytes())
        .and_then(|()| output.flush())
        .is_ok()
}

/// Why a client has stopped that nobody asked to.
pub(super) async fn stopped(client: &Client) -> Failure {
    client.stopped().await;
    let reason = match client.status() {
        Status::Stopped { reason } => reason,
        _ => "the client has stopped".to_owned(),
    };
    Failure::failed(format!(
        "{reason}; see whether --url is right, and the server's log"
    ))
}
