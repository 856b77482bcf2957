//! Why it did not go as asked, in one line: who is at fault and what to do.

use std::fmt;
use std::process::ExitCode;

use holdwire::{Closed, ConnectError, Error, ProxyError, Refused, Violation};
use http::header::{
    HeaderName, LOCATION, PROXY_AUTHENTICATE, RETRY_AFTER, SEC_WEBSOCKET_VERSION, WWW_AUTHENTICATE,
};
use http::{HeaderMap, StatusCode};

use crate::cli::ConnectFlags;
use crate::config::Value as _;
use crate::one_line::write_one_line;

use super::plan::excerpt;

/// What went wrong; its text is always one line.
#[derive(Debug)]
pub struct Failure {
    line: String,
    is_usage: bool,
}

impl Failure {
    /// 2 when the command line cannot be used, else 1.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(if self.is_usage { 2 } else { 1 })
    }

    pub(crate) fn failed(line: String) -> Self {
        Self {
            line,
            is_usage: false,
        }
    }

    pub(crate) fn usage(line: String) -> Self {
        Self {
            line,
            is_usage: true,
        }
    }

    /// The operating system or a library beneath us does not do what it always does.
    pub(crate) fn system(error: impl std::error::Error) -> Self {
        Self::failed(format!("{}; start it again", with_causes(&error)))
    }

    /// No connection came to be.
    pub(super) fn not_open(flags: &ConnectFlags, error: &ConnectError) -> Self {
        let place = flags.url.show();
        let mut line = format!("{place}: {}", with_causes(error));
        if let Some(refused) = refusal(error) {
            line.push_str(&said(refused));
        }
        let line = format!("{line}; {}", remedy(error));
        match error {
            ConnectError::Url(_)
            | ConnectError::Request(_)
            | ConnectError::Header(_)
            | ConnectError::Subprotocol(_)
            | ConnectError::Proxy(ProxyError::Url(_)) => Self::usage(line),
            _ => Self::failed(line),
        }
    }

    /// The connection ended without a closing handshake.
    pub(super) fn lost(error: &Error) -> Self {
        let remedy = match error {
            Error::Protocol(Violation::MessageTooBig | Violation::FrameTooBig) => {
                "take longer ones with --max-message"
            }
            Error::Protocol(Violation::TooManyFragments) => "take more with --max-fragments",
            Error::Protocol(_) => "the server is to be mended",
            _ => "see the server's log, and the network between",
        };
        Self::failed(format!("{}; {remedy}", with_causes(error)))
    }

    /// As [`Failure::lost`], told by how the connection ended.
    pub(super) fn unclean(closed: &Closed) -> Self {
        Self::failed(format!(
            "{closed}; see the server's log, and the network between"
        ))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_one_line(&self.line, f)
    }
}

impl std::error::Error for Failure {}

/// An error with all that caused it.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        // A wrapper may say what its cause says.
        if !text.ends_with(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        next = cause.source();
    }
    text
}

fn refusal(error: &ConnectError) -> Option<&Refused> {
    match error {
        ConnectError::Refused(refused)
        | ConnectError::Proxy(ProxyError::Credentials(refused) | ProxyError::Refused(refused)) => {
            Some(refused)
        }
        _ => None,
    }
}

/// Fields of a refusal that say what to do.
const TELLING: [HeaderName; 4] = [
    WWW_AUTHENTICATE,
    PROXY_AUTHENTICATE,
    RETRY_AFTER,
    SEC_WEBSOCKET_VERSION,
];

/// Fields and body of a refusal, as far as they help.
fn said(refused: &Refused) -> String {
    let mut text = String::new();
    for name in TELLING {
        for value in refused.headers().get_all(&name) {
            let value = String::from_utf8_lossy(value.as_bytes());
            text = format!("{text}, {name}: {value}");
        }
    }
    let body = refused.text();
    let words: Vec<&str> = body.split_whitespace().collect();
    let body = words.join(" ");
    if body.is_empty() {
        text
    } else {
        format!("{text}, saying {}", excerpt(&body))
    }
}

/// What the user can do about it.
fn remedy(error: &ConnectError) -> &'static str {
    match error {
        ConnectError::Url(_) => "write ws://host[:port]/path or wss://host[:port]/path",
        ConnectError::Request(_) | ConnectError::Header(_) => {
            "leave out the header, or use the flag that sets it"
        }
        ConnectError::Subprotocol(_) => "write a name of letters, digits and dashes",
        ConnectError::Dns(_) => "see whether the host is spelled right",
        ConnectError::Connect(_) => "see whether the server runs there and the port is right",
        ConnectError::Timeout(_) | ConnectError::Lost(_) => {
            "see whether this is the right port, ws or wss, and what the server's log says"
        }
        ConnectError::Proxy(ProxyError::Url(_)) => "write http://[user:password@]host:port",
        ConnectError::Proxy(ProxyError::Credentials(_)) => {
            "give them: --proxy http://user:password@host:port"
        }
        ConnectError::Proxy(_) => "see whether the proxy is right and may reach this port",
        ConnectError::Tls(_) => {
            "see whether host and port speak TLS; trust its authority with --cacert, or, in a \
             test, anybody with --insecure"
        }
        ConnectError::Refused(refused) => remedy_for(refused.status(), refused.headers()),
        _ => "see whether this is a WebSocket server; it is to be mended",
    }
}

/// What the user can do about a refusal.
pub(crate) fn remedy_for(status: StatusCode, headers: &HeaderMap) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED => "give credentials: --header 'Authorization: …'",
        StatusCode::FORBIDDEN => "a server may want --origin, or credentials by --header",
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => {
            "there is no WebSocket at this path: see whether it is right"
        }
        StatusCode::MISDIRECTED_REQUEST => "connect by a name that the server knows as its own",
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => "come back later",
        status if status.is_redirection() && headers.contains_key(LOCATION) => {
            "redirects are not followed: connect there if it is to be trusted"
        }
        status if status.is_success() => {
            "this path serves pages, not WebSocket: see whether it is right"
        }
        status if status.is_server_error() => "see the server's log",
        _ => "see what the server wants",
    }
}
