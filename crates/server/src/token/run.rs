//! `holdwire token`: making tokens, and saying what is wrong with one.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

use super::claims::Claims;
use super::make::{Wish, make};
use super::verifier::now;
use crate::cli::{Lifetime, MakeFlags};
use crate::config::{ConfigError, NamedKey, Problem, ServeConfig, ServeFlags, Value as _};
use crate::serve::verifier;

/// The configuration that has the keys.
fn load(path: Option<&Path>) -> Result<ServeConfig, ConfigError> {
    let flags = ServeFlags {
        config: path.map(Path::to_owned),
        ..ServeFlags::default()
    };
    let config = ServeConfig::load(&flags, &|name| std::env::var_os(name))?;
    if config.has_keys() {
        return Ok(config);
    }
    Err(ConfigError::about(
        "keys",
        Problem::new(
            "the configuration has none",
            "name a file by --config that has a table [keys.NAME]",
        ),
    ))
}

/// Makes a token as the flags say, for a server with that configuration.
///
/// # Errors
/// When the configuration or the key cannot be used.
pub fn make_token(flags: &MakeFlags) -> Result<String, ConfigError> {
    let config = load(flags.config.as_deref())?;
    let named = pick(&config, flags.key.as_deref())?;
    let mut claims = Map::new();
    let mut claim = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            claims.insert(name.to_owned(), value);
        }
    };
    let seconds = Duration::from_secs_f64(now()).as_secs();
    claim("sub", flags.user.as_ref().map(|user| json!(user)));
    claim("iat", Some(json!(seconds)));
    if let Lifetime::For(duration) = flags.expires {
        claim("exp", Some(json!(seconds + duration.as_secs().max(1))));
    }
    claim("aud", config.token_audience.first().map(|name| json!(name)));
    claim("iss", config.token_issuer.first().map(|name| json!(name)));
    claim(
        "channel",
        flags.channel.as_ref().map(|name| json!(name.as_str())),
    );
    let gives: Vec<&str> = flags.gives.iter().map(|name| name.as_str()).collect();
    claim("channels", (!gives.is_empty()).then(|| json!(gives)));
    claim("info", flags.info.clone());
    let wish = Wish {
        claims,
        algorithm: flags.algorithm,
    };
    make(&named.key, &wish)
        .map_err(|problem| ConfigError::about(format!("keys.{}", named.name), problem))
}

/// The key of this name, or the first that can make tokens.
fn pick<'a>(config: &'a ServeConfig, name: Option<&str>) -> Result<&'a NamedKey, ConfigError> {
    let mut keys = config.keys.iter();
    let found = match name {
        Some(name) => keys.find(|named| named.name == name),
        None => keys.find(|named| named.key.makes_tokens()),
    };
    found.ok_or_else(|| {
        let names: Vec<&str> = config.keys.iter().map(|named| &*named.name).collect();
        ConfigError::about(
            name.map_or_else(|| "keys".to_owned(), |name| format!("--key = {name:?}")),
            Problem::new(
                "there is no such key that makes tokens",
                format!("the configuration has {}", shown(&names)),
            ),
        )
    })
}

fn shown(names: &[&str]) -> String {
    if names.is_empty() {
        return "none but those of its key set".to_owned();
    }
    names.join(", ")
}

/// What a token says, and whether a server with this configuration accepts it.
///
/// # Errors
/// When the configuration cannot be used.
pub fn check_token(token: &str, config: Option<&Path>) -> Result<(String, bool), ConfigError> {
    let config = load(config)?;
    let mut text = String::new();
    for (what, part) in ["header", "claims"].iter().zip(token.split('.')) {
        let bytes = URL_SAFE_NO_PAD.decode(part).unwrap_or_default();
        let shown = serde_json::from_slice::<Value>(&bytes);
        let shown = shown.map_or_else(|_| "unreadable".to_owned(), |value| value.to_string());
        line(&mut text, what, &shown);
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| {
        ConfigError::about("token", Problem::new(error.to_string(), "try again"))
    })?;
    let verified = runtime.block_on(async {
        let Some(verifier) = verifier(&config).await? else {
            // `load` has seen keys.
            return Ok(Err(super::Refusal::Key));
        };
        match verifier.verify_now(token) {
            Some(verified) => Ok(verified),
            None => Ok(verifier.catch_up(token).await),
        }
    })?;
    let is_accepted = verified.is_ok();
    let verdict = match verified {
        Ok(claims) => format!("accepted: {}", words(&claims)),
        Err(refusal) => format!("refused ({}): {refusal}", refusal.word()),
    };
    line(&mut text, "verdict", &verdict);
    Ok((text, is_accepted))
}

fn line(text: &mut String, what: &str, value: &str) {
    writeln!(text, "{what:<8} {value}").expect("a String takes all that is written to it");
}

/// What an accepted token is good for.
fn words(claims: &Claims) -> String {
    let user = match &*claims.sub {
        "" => "somebody without a name".to_owned(),
        user => format!("{user:?}"),
    };
    let what = match &claims.channel {
        Some(channel) => format!("a subscription of {user} to {channel:?}"),
        None => format!("a connection of {user}"),
    };
    match claims.holds(now()) {
        Some(left) => {
            let left = Duration::from_secs(left.as_secs());
            format!("{what}, for another {}", left.show())
        }
        None => format!("{what}, for ever"),
    }
}
