//! The flags of `holdwire check`, parsed into what they mean.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use holdwire::handshake::{Origin, Subprotocol};

use super::connect::{Header, ProxyUrl, Target, sent_origin, value};
use crate::config::{ByteSize, Problem, Value as _};

/// What `holdwire check` was told.
#[derive(Debug, Clone, Args)]
pub struct CheckFlags {
    /// What to check: ws://, wss://, or a host alone for ws://
    #[arg(value_name = "URL", value_parser = value::<Target>)]
    pub url: Target,

    /// Prints the findings as JSON
    #[arg(long)]
    pub json: bool,
    /// How long each step and each answer may take
    #[arg(long, value_name = "DURATION", value_parser = value::<Duration>, default_value = "5s")]
    pub timeout: Duration,
    /// How many pings are timed, at most 1000
    #[arg(long, value_name = "N", value_parser = pings, default_value = "20")]
    pub pings: u32,
    /// Keeps a connection silent for this long, at most 1h, and tells whether and how it was cut
    #[arg(long, value_name = "DURATION", value_parser = idle)]
    pub idle: Option<Duration>,
    /// An endpoint that sends requests back, to tell what proxies changed: /echo/headers of
    /// holdwire serve. Not needed if the URL is such an endpoint itself
    #[arg(long, value_name = "URL", value_parser = value::<Target>)]
    pub reflect: Option<Target>,

    /// The URL echoes: sends text, binary and compressed messages and compares
    #[arg(long, help_heading = "Messages to the application, none unless asked")]
    pub echo: bool,
    /// Sends this text and sees whether it is answered by itself
    #[arg(
        long,
        value_name = "WORD",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "HeartBeat",
        help_heading = "Messages to the application, none unless asked"
    )]
    pub heartbeat_word: Option<String>,
    /// Seeks the largest message that is taken, up to this size, at most 256MiB
    #[arg(
        long,
        value_name = "SIZE",
        value_parser = max_message,
        help_heading = "Messages to the application, none unless asked"
    )]
    pub max_message: Option<ByteSize>,

    /// Adds a field to the request: 'Name: value'; repeatable
    #[arg(long, value_name = "FIELD", value_parser = value::<Header>, help_heading = "Handshake")]
    pub header: Vec<Header>,
    /// Offers a subprotocol; repeatable, the preferred first
    #[arg(long, value_name = "NAME", value_parser = value::<Subprotocol>, help_heading = "Handshake")]
    pub subprotocol: Vec<Subprotocol>,
    /// Sends this Origin, as a page of that origin would: scheme://host:port or null
    #[arg(long, value_name = "ORIGIN", value_parser = sent_origin, help_heading = "Handshake")]
    pub origin: Option<Origin>,

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
    /// Goes through this HTTP proxy: http://host:port or http://user:password@host:port
    #[arg(long, value_name = "URL", value_parser = value::<ProxyUrl>, help_heading = "Line")]
    pub proxy: Option<ProxyUrl>,
}

const MAX_PINGS: u32 = 1000;
const MAX_IDLE: Duration = Duration::from_secs(60 * 60);
const MAX_MESSAGE: usize = 256 * 1024 * 1024;

fn pings(text: &str) -> Result<u32, Problem> {
    match u32::parse(text)? {
        many if many > MAX_PINGS => Err(Problem::new(
            "so many pings are a load",
            "write at most 1000",
        )),
        count => Ok(count),
    }
}

fn idle(text: &str) -> Result<Duration, Problem> {
    match Duration::parse(text)? {
        long if long > MAX_IDLE => Err(Problem::new("that is long to wait", "write at most 1h")),
        idle => Ok(idle),
    }
}

fn max_message(text: &str) -> Result<ByteSize, Problem> {
    match ByteSize::parse(text)? {
        large if large.bytes() > MAX_MESSAGE => Err(Problem::new(
            "so large a message is a load",
            "write at most 256MiB",
        )),
        size => Ok(size),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_be_a_load_is_refused() {
        assert_eq!(pings("1000").unwrap(), 1000);
        assert!(pings("1001").is_err());
        assert_eq!(idle("1h").unwrap(), MAX_IDLE);
        assert!(idle("61m").is_err());
        assert_eq!(max_message("256MiB").unwrap().bytes(), MAX_MESSAGE);
        assert!(max_message("257MiB").is_err());
    }
}
