//! The flags of `holdwire token`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use holdwire_hub::ChannelName;
use jsonwebtoken::Algorithm;

use super::connect::value;
use crate::config::{Problem, Value};
use crate::token::ALGORITHMS;

/// What to do with a token.
#[derive(Debug, Clone, Subcommand)]
pub enum TokenCommand {
    /// Makes a token with a key of the configuration, and prints it
    Make(MakeFlags),
    /// Says what a token says, and whether a server with this configuration accepts it
    Check(CheckTokenFlags),
}

/// What `holdwire token make` was told.
#[derive(Debug, Clone, Args)]
pub struct MakeFlags {
    /// The file of holdwire serve, which has the keys; without it that of HOLDWIRE_CONFIG
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The name of the key; without it the first that can make tokens
    #[arg(long, value_name = "NAME")]
    pub key: Option<String>,
    /// The algorithm; without it the key's first
    #[arg(long, value_name = "NAME", value_parser = value::<Algorithm>)]
    pub algorithm: Option<Algorithm>,
    /// The user; without it somebody without a name
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
    /// For how long it is valid, or never
    #[arg(long, value_name = "DURATION", value_parser = value::<Lifetime>, default_value = "1h")]
    pub expires: Lifetime,
    /// Makes a subscription token, for this channel
    #[arg(long, value_name = "CHANNEL", value_parser = value::<ChannelName>, conflicts_with = "gives")]
    pub channel: Option<ChannelName>,
    /// A channel that whoever connects with it gets; repeatable
    #[arg(long, value_name = "CHANNEL", value_parser = value::<ChannelName>)]
    pub gives: Vec<ChannelName>,
    /// What others see of the user
    #[arg(long, value_name = "JSON", value_parser = json)]
    pub info: Option<serde_json::Value>,
}

/// What `holdwire token check` was told.
#[derive(Debug, Clone, Args)]
pub struct CheckTokenFlags {
    /// The token; - is the first line of standard input
    #[arg(value_name = "TOKEN", default_value = "-")]
    pub token: String,
    /// The file of holdwire serve, which has the keys; without it that of HOLDWIRE_CONFIG
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// For how long a token is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifetime {
    /// So long.
    For(Duration),
    /// It does not expire.
    Never,
}

impl Value for Lifetime {
    fn parse(text: &str) -> Result<Self, Problem> {
        match text {
            "never" => Ok(Self::Never),
            text => Duration::parse(text).map(Self::For),
        }
    }

    fn show(&self) -> String {
        match self {
            Self::For(duration) => duration.show(),
            Self::Never => "never".to_owned(),
        }
    }
}

impl Value for Algorithm {
    fn parse(text: &str) -> Result<Self, Problem> {
        let known = ALGORITHMS.iter().find(|(name, _)| *name == text);
        known.map(|(_, algorithm)| *algorithm).ok_or_else(|| {
            let names: Vec<&str> = ALGORITHMS.iter().map(|(name, _)| *name).collect();
            let remedy = format!("write one of {}", names.join(", "));
            Problem::new("this is no algorithm", remedy)
        })
    }

    fn show(&self) -> String {
        format!("{self:?}")
    }
}

fn json(text: &str) -> Result<serde_json::Value, Problem> {
    serde_json::from_str(text).map_err(|_| {
        Problem::new(
            "this is no JSON",
            r#"write a JSON value, such as {"name":"Ann"}"#,
        )
    })
}
