//! The flags of `holdwire connect`, parsed into what they mean.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use holdwire::handshake::{Endpoint, Origin, Subprotocol};
use http::uri::Uri;
use http::{HeaderName, HeaderValue};

use crate::config::{ByteSize, Interval, OriginRule, Problem, Timeout, Value};

/// What `holdwire connect` was told.
#[derive(Debug, Clone, Args)]
pub struct ConnectFlags {
    /// Where to connect: ws://, wss://, or a host alone for ws://
    #[arg(value_name = "URL", value_parser = value::<Target>)]
    pub url: Target,

    /// Sends this text once the connection is open; repeatable, sent in order
    #[arg(long, value_name = "TEXT")]
    pub send: Vec<String>,
    /// Waits for a message that is this text, passing others by; repeatable, each after the one
    /// before. Then closes, unless --count wants more
    #[arg(long, value_name = "TEXT")]
    pub expect: Vec<String>,
    /// Closes after this many messages, and fails if one that --expect names was not among them
    #[arg(long, value_name = "N", value_parser = value::<u32>)]
    pub count: Option<u32>,
    /// How long --expect and --count may take to come true, from the opening on; 5s with --expect
    /// unless it is given. Without the two the connection is closed after it at the latest
    #[arg(long, value_name = "DURATION", value_parser = value::<Duration>)]
    pub timeout: Option<Duration>,
    /// After the end of standard input, closes when no message came for this long; --expect,
    /// --count and --no-close wait on
    #[arg(long, value_name = "DURATION", value_parser = value::<Duration>, default_value = "1s")]
    pub linger: Duration,
    /// Stays after the end of standard input until the server closes
    #[arg(long)]
    pub no_close: bool,
    /// Sends every message back and ends when the server closes
    #[arg(long, conflicts_with_all = ["send", "expect", "count"])]
    pub echo: bool,
    /// Sends a ping once the connection is open and prints how long the pong took
    #[arg(long)]
    pub ping: bool,
    /// Comes back when the connection is lost, and says how the line does
    #[arg(long, conflicts_with_all = ["echo", "ping"])]
    pub reconnect: bool,
    /// Gives up after so many attempts in a row; without it never
    #[arg(long, value_name = "N", value_parser = value::<u32>, requires = "reconnect")]
    pub max_attempts: Option<u32>,

    /// Adds a field to the request: 'Name: value'; repeatable
    #[arg(long, value_name = "FIELD", value_parser = value::<Header>, help_heading = "Handshake")]
    pub header: Vec<Header>,
    /// Offers a subprotocol; repeatable, the preferred first
    #[arg(long, value_name = "NAME", value_parser = value::<Subprotocol>, help_heading = "Handshake")]
    pub subprotocol: Vec<Subprotocol>,
    /// Sends this Origin, as a page of that origin would: scheme://host:port or null
    #[arg(long, value_name = "ORIGIN", value_parser = sent_origin, help_heading = "Handshake")]
    pub origin: Option<Origin>,
    /// Offers permessage-deflate
    #[arg(long, help_heading = "Handshake")]
    pub deflate: bool,

    /// How binary messages are shown; a terminal gets hex in place of raw
    #[arg(
        long,
        value_name = "VIEW",
        default_value = "hex",
        help_heading = "Output"
    )]
    pub binary: BinaryView,
    /// Where --binary file writes, one file a message
    #[arg(
        long,
        value_name = "DIR",
        required_if_eq("binary", "file"),
        help_heading = "Output"
    )]
    pub output_dir: Option<PathBuf>,
    /// Prints text messages that are JSON indented; with --reconnect, messages and states as JSON,
    /// each on a line
    #[arg(long, help_heading = "Output")]
    pub json: bool,
    /// Prints the seconds since the opening before each message
    #[arg(long, help_heading = "Output")]
    pub timestamps: bool,
    /// Prints messages only: no word about opening and closing
    #[arg(long, help_heading = "Output")]
    pub quiet: bool,

    /// Trusts the certificates of this PEM file, and no others
    #[arg(
        long,
        value_name = "PEM",
        conflicts_with = "insecure",
        help_heading = "Line"
    )]
    pub cacert: Option<PathBuf>,
    /// Trusts every certificate: for tests only
    #[arg(long, help_heading = "Line")]
    pub insecure: bool,
    /// Connects through this HTTP proxy: http://host:port or http://user:password@host:port
    #[arg(
        long,
        value_name = "URL",
        value_parser = value::<ProxyUrl>,
        conflicts_with = "proxy_from_env",
        help_heading = "Line"
    )]
    pub proxy: Option<ProxyUrl>,
    /// Takes the proxy from HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY
    #[arg(long, help_heading = "Line")]
    pub proxy_from_env: bool,
    /// The time for the connection to open: name, TCP, proxy, TLS and handshake together
    #[arg(
        long,
        value_name = "DURATION",
        value_parser = value::<Duration>,
        default_value = "10s",
        help_heading = "Line"
    )]
    pub connect_timeout: Duration,
    /// Pings the server after so much silence; off: never
    #[arg(
        long,
        value_name = "DURATION",
        value_parser = value::<Interval>,
        default_value = "25s",
        help_heading = "Line"
    )]
    pub heartbeat: Interval,
    /// The time for the server to answer a ping; then the line is lost
    #[arg(
        long,
        value_name = "DURATION",
        value_parser = value::<Timeout>,
        default_value = "20s",
        help_heading = "Line"
    )]
    pub heartbeat_timeout: Timeout,
    /// The largest message that is accepted
    #[arg(
        long,
        value_name = "SIZE",
        value_parser = value::<ByteSize>,
        default_value = "1MiB",
        help_heading = "Line"
    )]
    pub max_message: ByteSize,
    /// The most fragments of one message, empty ones counted
    #[arg(
        long,
        value_name = "N",
        value_parser = value::<u32>,
        default_value = "4096",
        help_heading = "Line"
    )]
    pub max_fragments: u32,
}

/// How binary messages are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum BinaryView {
    /// A hex dump on standard output
    Hex,
    /// The bytes as they are on standard output
    Raw,
    /// A file for each message in --output-dir
    File,
}

/// The URL of a WebSocket: `ws` or `wss` with a host and no fragment (RFC 6455 §3).
#[derive(Clone, PartialEq, Eq)]
pub struct Target {
    url: String,
    endpoint: Endpoint,
}

impl Target {
    /// The URL as it was written, with `ws://` in front if it had no scheme.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What it leads to.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Target({})", self.show())
    }
}

impl Value for Target {
    fn parse(text: &str) -> Result<Self, Problem> {
        let url = match text.contains("://") {
            true => text.to_owned(),
            false => format!("ws://{text}"),
        };
        match url.parse() {
            Ok(endpoint) => Ok(Self { url, endpoint }),
            Err(error) => Err(Problem::new(
                error.to_string(),
                "write ws://host[:port]/path or wss://host[:port]/path",
            )),
        }
    }

    /// The URL without what may be secret: user, password and query.
    fn show(&self) -> String {
        let endpoint = &self.endpoint;
        let scheme = if endpoint.is_secure() { "wss" } else { "ws" };
        let path = endpoint.resource().split('?').next().unwrap_or("/");
        let (host, port) = (endpoint.host(), endpoint.port());
        if host.contains(':') {
            format!("{scheme}://[{host}]:{port}{path}")
        } else {
            format!("{scheme}://{host}:{port}{path}")
        }
    }
}

/// A field for the request. Its value is marked as sensitive: `Debug` does not show it.
#[derive(Debug, Clone)]
pub struct Header {
    /// The field's name.
    pub name: HeaderName,
    /// The field's value.
    pub value: HeaderValue,
}

impl Value for Header {
    fn parse(text: &str) -> Result<Self, Problem> {
        let remedy = "write 'Name: value'";
        let (name, value) = text
            .split_once(':')
            .ok_or_else(|| Problem::new("the colon is missing", remedy))?;
        let name = name
            .parse()
            .map_err(|_| Problem::new("the name is not a field name", remedy))?;
        let mut value = HeaderValue::from_str(value.trim_matches([' ', '\t']))
            .map_err(|_| Problem::new("the value has characters a field cannot have", remedy))?;
        value.set_sensitive(true);
        Ok(Self { name, value })
    }

    fn show(&self) -> String {
        format!("{}: …", self.name)
    }
}

/// The URL of an HTTP proxy. `Debug` does not show its credentials.
#[derive(Clone, PartialEq, Eq)]
pub struct ProxyUrl(Uri);

impl ProxyUrl {
    /// The URL, with its credentials if there are any.
    pub fn uri(&self) -> &Uri {
        &self.0
    }
}

impl fmt::Debug for ProxyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProxyUrl({})", self.show())
    }
}

impl Value for ProxyUrl {
    fn parse(text: &str) -> Result<Self, Problem> {
        match text.parse::<Uri>() {
            Ok(uri)
                if uri.scheme_str() == Some("http")
                    && uri.host().is_some_and(|host| !host.is_empty()) =>
            {
                Ok(Self(uri))
            }
            _ => Err(Problem::new(
                "this is not the URL of an HTTP proxy",
                "write http://[user:password@]host:port",
            )),
        }
    }

    fn show(&self) -> String {
        let host = self.0.host().unwrap_or_default();
        match self.0.port_u16() {
            Some(port) => format!("http://{host}:{port}"),
            None => format!("http://{host}"),
        }
    }
}

pub(super) fn value<T: Value>(text: &str) -> Result<T, Problem> {
    T::parse(text)
}

pub(super) fn sent_origin(text: &str) -> Result<Origin, Problem> {
    match OriginRule::parse(text)? {
        OriginRule::Any => Err(Problem::new(
            "a page has one origin",
            "write scheme://host[:port] or null",
        )),
        OriginRule::Exact(origin) => Ok(origin),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn target_is_ws_or_wss_without_fragment() {
        for (text, shown) in [
            ("ws://localhost:3000", "ws://localhost:3000/"),
            (
                "wss://me:s3cret@example.com/a?token=s3cret",
                "wss://example.com:443/a",
            ),
            ("https://example.com/", "wss://example.com:443/"),
            ("localhost:3000/echo", "ws://localhost:3000/echo"),
            ("ws://[::1]:3000/", "ws://[::1]:3000/"),
        ] {
            assert_eq!(Target::parse(text).unwrap().show(), shown);
        }
        for text in ["", "ftp://a", "ws://", "ws:///a", "ws://a/#b", "ws://a b/"] {
            assert!(Target::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn field_value_is_not_shown_by_debug() {
        let header = Header::parse("Authorization:  Bearer s3cret ").unwrap();

        assert_eq!(header.value.to_str().unwrap(), "Bearer s3cret");
        assert!(!format!("{header:?}").contains("s3cret"));
        for text in ["no colon", ": x", "a b: c", "a: b\nc: d"] {
            assert!(Header::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn credentials_of_the_proxy_are_not_shown_by_debug() {
        let proxy = ProxyUrl::parse("http://user:s3cret@proxy:3128").unwrap();

        assert_eq!(format!("{proxy:?}"), "ProxyUrl(http://proxy:3128)");
        assert_eq!(
            proxy.uri().authority().unwrap().as_str(),
            "user:s3cret@proxy:3128"
        );
        for text in ["proxy:3128", "https://proxy", "socks5://proxy", ""] {
            assert!(ProxyUrl::parse(text).is_err(), "{text}");
        }
    }
}
