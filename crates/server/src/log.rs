//! Where log lines go: standard error, as text or JSON, as much as `RUST_LOG` says.
//!
//! Query values, cookies, `Authorization` and other tokens are never logged; payloads only at
//! debug level.

use std::ffi::OsString;
use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{ConfigError, LogFormat, Problem};

/// Starts logging for the whole program; called once, by `main`.
///
/// `rust_log` is the value of `RUST_LOG`; `info` stands in when it is not set.
///
/// # Errors
/// When `RUST_LOG` is not a list of filters, or logging was started before.
pub fn start(format: LogFormat, rust_log: Option<OsString>) -> Result<(), ConfigError> {
    let filter = filter(rust_log)?;
    let lines = fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        // It would tell of a closed standard error on standard error, and panic.
        .log_internal_errors(false)
        .with_ansi(std::io::stderr().is_terminal());
    let started = match format {
        LogFormat::Text => lines.finish().try_init(),
        LogFormat::Json => lines.json().flatten_event(true).finish().try_init(),
    };
    started.map_err(|error| {
        ConfigError::about("log", Problem::new(error.to_string(), "start logging once"))
    })
}

fn filter(rust_log: Option<OsString>) -> Result<EnvFilter, ConfigError> {
    let text = rust_log.unwrap_or_default();
    let text = text.to_string_lossy();
    if text.is_empty() {
        return Ok(EnvFilter::new("info"));
    }
    EnvFilter::builder().parse(&text).map_err(|error| {
        ConfigError::about(
            format!("RUST_LOG = {text:?} (environment RUST_LOG)"),
            Problem::new(
                error.to_string(),
                "write a level, such as info or debug, or a list such as info,holdwire=debug",
            ),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filter_is_info_unless_told() {
        assert_eq!(filter(None).unwrap().to_string(), "info");
        assert_eq!(filter(Some("".into())).unwrap().to_string(), "info");
        assert_eq!(
            filter(Some("warn,a=debug".into())).unwrap().to_string(),
            "a=debug,warn"
        );
    }

    #[test]
    fn wrong_filter_is_refused_in_one_line() {
        let error = filter(Some("holdwire=loud".into()))
            .unwrap_err()
            .to_string();

        assert!(error.starts_with("RUST_LOG = \"holdwire=loud\""), "{error}");
        assert!(error.contains("write a level"), "{error}");
        assert!(!error.contains('\n'));
    }
}
