//! The flags of `holdwire sub` and `holdwire pub`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use holdwire::handshake::Origin;
use holdwire_hub::{ChannelName, Position};

use super::connect::{Header, Target, sent_origin, value};
use crate::config::{Interval, Problem, Timeout, Value};

/// How a server with channels is reached.
#[derive(Debug, Clone, Args)]
pub struct ReachFlags {
    /// The server's endpoint of the session protocol
    #[arg(
        long,
        value_name = "URL",
        value_parser = value::<Target>,
        default_value = "ws://localhost:3000/connection"
    )]
    pub url: Target,
    /// Shows the server this token
    #[arg(long, value_name = "TOKEN")]
    pub token: Option<String>,
    /// Adds a field to the request: 'Name: value'; repeatable
    #[arg(long, value_name = "FIELD", value_parser = value::<Header>)]
    pub header: Vec<Header>,
    /// Sends this Origin, as a page of that origin would: scheme://host:port or null
    #[arg(long, value_name = "ORIGIN", value_parser = sent_origin)]
    pub origin: Option<Origin>,
    /// Trusts the certificates of this PEM file and no others
    #[arg(long, value_name = "FILE", conflicts_with = "insecure")]
    pub cacert: Option<PathBuf>,
    /// Trusts every certificate: for tests only
    #[arg(long)]
    pub insecure: bool,
    /// The time for an attempt: name, TCP, TLS and handshake together
    #[arg(long, value_name = "DURATION", value_parser = value::<Duration>, default_value = "10s")]
    pub connect_timeout: Duration,
    /// Pings the server after so much silence; off: never
    #[arg(long, value_name = "DURATION", value_parser = value::<Interval>, default_value = "25s")]
    pub heartbeat: Interval,
    /// The time for the server to answer a ping; then the line is lost
    #[arg(long, value_name = "DURATION", value_parser = value::<Timeout>, default_value = "20s")]
    pub heartbeat_timeout: Timeout,
    /// Gives up after so many attempts in a row; without it never
    #[arg(long, value_name = "N", value_parser = value::<u32>)]
    pub max_attempts: Option<u32>,
    /// Says nothing about the line
    #[arg(long)]
    pub quiet: bool,
}

/// What `holdwire sub` was told.
#[derive(Debug, Clone, Args)]
pub struct SubFlags {
    /// The channels to read; repeatable
    #[arg(value_name = "CHANNEL", value_parser = value::<ChannelName>, required = true)]
    pub channels: Vec<ChannelName>,
    /// Begins after this position (EPOCH:OFFSET) of the one channel; last: with what is published
    /// from now on
    #[arg(long, value_name = "POSITION", value_parser = value::<From>, default_value = "last")]
    pub since: From,
    /// Shows the server this token for the one channel
    #[arg(long, value_name = "TOKEN")]
    pub channel_token: Option<String>,
    /// Ends after so many publications
    #[arg(long, value_name = "N", value_parser = value::<u32>)]
    pub count: Option<u32>,
    /// Also prints who comes and goes
    #[arg(long)]
    pub presence: bool,
    /// Prints everything that happens as JSON, each on a line
    #[arg(long)]
    pub json: bool,
    /// How the server is reached.
    #[command(flatten)]
    pub reach: ReachFlags,
}

/// What `holdwire pub` was told.
#[derive(Debug, Clone, Args)]
pub struct PubFlags {
    /// The channel to publish in
    #[arg(value_name = "CHANNEL", value_parser = value::<ChannelName>)]
    pub channel: ChannelName,
    /// What is published, each a publication; without any, each line of standard input is one
    #[arg(value_name = "MESSAGE")]
    pub messages: Vec<String>,
    /// What the messages are
    #[arg(long, value_name = "KIND", default_value = "text")]
    pub kind: Kind,
    /// Publishes the messages again and again until there are so many publications
    #[arg(long, value_name = "N", value_parser = value::<u32>, requires = "messages")]
    pub count: Option<u32>,
    /// The most publications a second
    #[arg(long, value_name = "N", value_parser = value::<u32>)]
    pub rate: Option<u32>,
    /// Prints where each publication stands as JSON, each on a line
    #[arg(long)]
    pub json: bool,
    /// How the server is reached.
    #[command(flatten)]
    pub reach: ReachFlags,
}

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// A text, as it is
    Text,
    /// A JSON value
    Json,
    /// Bytes in base64
    Base64,
}

/// From where on a channel is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// What is published from now on.
    Last,
    /// What follows this position.
    Position(Position),
}

impl Value for From {
    fn parse(text: &str) -> Result<Self, Problem> {
        if text == "last" {
            return Ok(Self::Last);
        }
        let position = text.parse().map(Self::Position);
        position.map_err(|error: holdwire_hub::PositionError| {
            Problem::new(error.to_string(), "write one, or last")
        })
    }

    fn show(&self) -> String {
        match self {
            Self::Last => "last".to_owned(),
            Self::Position(position) => position.to_string(),
        }
    }
}

impl Value for ChannelName {
    fn parse(text: &str) -> Result<Self, Problem> {
        text.parse()
            .map_err(|error: holdwire_hub::ChannelNameError| {
                Problem::new(error.to_string(), "write one, such as chat:lobby")
            })
    }

    fn show(&self) -> String {
        self.to_string()
    }
}
