//! Names that peers send and the configuration lists: hosts, origins, subprotocols.

use holdwire::handshake::{Host, Origin, Subprotocol};

use super::{Problem, Value};

/// The name of a host, without a port: `live.example.com`, `10.0.0.7`, `[::1]`.
impl Value for Host {
    fn parse(text: &str) -> Result<Self, Problem> {
        let remedy = "write the name alone, such as live.example.com or [::1]";
        match text.parse::<Self>() {
            Ok(host) if host.port().is_none() && !text.ends_with(':') => Ok(host),
            Ok(_) => Err(Problem::new("a host has no port here", remedy)),
            Err(_) => Err(Problem::new("this is not a host", remedy)),
        }
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

/// Whose pages may open a WebSocket: one entry of `--origin`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OriginRule {
    /// Every page.
    Any,
    /// The pages of one origin; `null` are those without one of their own, such as those opened
    /// from a file (RFC 6454 §6.2).
    Exact(Origin),
}

impl OriginRule {
    /// Whether pages of anybody are among those: every page, or one in a frame without an origin.
    pub(super) fn is_anybody(&self) -> bool {
        *self == Self::Any || self.show() == "null"
    }
}

impl Value for OriginRule {
    fn parse(text: &str) -> Result<Self, Problem> {
        let remedy = "write scheme://host[:port], such as https://app.example.com, or any";
        if text == "any" {
            return Ok(Self::Any);
        }
        match (text.parse(), text.split_once("://")) {
            (Ok(origin), _) => Ok(Self::Exact(origin)),
            (_, None) => Err(Problem::new("an origin begins with its scheme", remedy)),
            (_, Some((_, host))) if host.contains(['/', '?', '#']) => {
                Err(Problem::new("an origin ends with its host or port", remedy))
            }
            _ => Err(Problem::new("this is not an origin", remedy)),
        }
    }

    fn show(&self) -> String {
        match self {
            Self::Any => "any".to_owned(),
            Self::Exact(origin) => origin.to_string(),
        }
    }
}

impl Value for Subprotocol {
    fn parse(text: &str) -> Result<Self, Problem> {
        text.parse().map_err(|_| {
            Problem::new(
                "this is not the name of a subprotocol",
                "write one name of letters, digits and -._, such as chat.v1",
            )
        })
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configured_host_has_no_port() {
        for (text, shown) in [
            ("Example.COM", "example.com"),
            ("10.0.0.7", "10.0.0.7"),
            ("[0:0::1]", "[::1]"),
        ] {
            assert_eq!(Host::parse(text).unwrap().show(), shown);
        }
        for text in [
            "example.com:80",
            "example.com:",
            "https://example.com",
            "",
            "a b",
        ] {
            assert!(Host::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn origins_are_written_as_browsers_write_them() {
        for (text, shown) in [
            ("any", "any"),
            ("null", "null"),
            ("HTTPS://App.Example.com", "https://app.example.com"),
            ("https://example.com:443", "https://example.com"),
            ("http://example.com:80", "http://example.com"),
            ("http://example.com:443", "http://example.com:443"),
            ("http://[::1]:8080", "http://[::1]:8080"),
            ("chrome-extension://abcdef", "chrome-extension://abcdef"),
        ] {
            assert_eq!(OriginRule::parse(text).unwrap().show(), shown);
        }
    }

    #[test]
    fn origins_with_paths_or_without_scheme_are_refused() {
        for text in [
            "",
            "*",
            "example.com",
            "https://",
            "https://example.com/",
            "https://example.com/app",
            "https://user@example.com",
            "https://exämple.com",
            "1http://example.com",
            "https://a b",
        ] {
            let problem = OriginRule::parse(text).unwrap_err().to_string();
            assert!(
                problem.contains("scheme://host[:port]"),
                "{text}: {problem}"
            );
        }
    }

    #[test]
    fn subprotocols_are_tokens() {
        assert!(Subprotocol::parse("chat.v1").is_ok());
        for text in ["", "a b", "a,b", "a/b", "é"] {
            assert!(Subprotocol::parse(text).is_err(), "{text}");
        }
    }
}
