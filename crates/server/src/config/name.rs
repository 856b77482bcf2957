//! Names that peers send and the configuration lists: hosts, origins, subprotocols.

use std::fmt;
use std::net::Ipv6Addr;

use http::uri::Authority;

use super::{Problem, Value};

/// The name of a host, without a port, in lower case: `live.example.com`, `10.0.0.7`, `[::1]`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HostName(String);

impl HostName {
    /// The name; an IPv6 address stands in brackets.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name in a `Host` field or an authority, whose port, if there is one, is left out.
    ///
    /// `None` when it is not a host with at most a port.
    pub fn from_authority(text: &str) -> Option<Self> {
        let authority: Authority = text.parse().ok()?;
        if text.contains('@') || authority.host().is_empty() {
            return None;
        }
        if authority.as_str().len() > authority.host().len() && authority.port_u16().is_none() {
            return None;
        }
        let name = authority.host().trim_end_matches('.').to_ascii_lowercase();
        if let Some(address) = name.strip_prefix('[') {
            address.strip_suffix(']')?.parse::<Ipv6Addr>().ok()?;
        }
        Some(Self(name))
    }
}

impl Value for HostName {
    fn parse(text: &str) -> Result<Self, Problem> {
        let remedy = "write the name alone, such as live.example.com or [::1]";
        match Self::from_authority(text) {
            Some(name) if name.0.len() == text.trim_end_matches('.').len() => Ok(name),
            Some(_) => Err(Problem::new("a host has no port here", remedy)),
            None => Err(Problem::new("this is not a host", remedy)),
        }
    }

    fn show(&self) -> String {
        self.0.clone()
    }
}

/// Whose pages may open a WebSocket: one entry of `--origin`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OriginRule {
    /// Every page.
    Any,
    /// Pages without an origin of their own, such as those opened from a file (RFC 6454 §6.2).
    Null,
    /// The pages of one origin, as a browser writes it: scheme and host in lower case, no
    /// default port.
    Exact(String),
}

impl Value for OriginRule {
    fn parse(text: &str) -> Result<Self, Problem> {
        let remedy = "write scheme://host[:port], such as https://app.example.com, or any";
        match text {
            "any" => return Ok(Self::Any),
            "null" => return Ok(Self::Null),
            _ => {}
        }
        let Some((scheme, authority)) = text.split_once("://") else {
            return Err(Problem::new("an origin begins with its scheme", remedy));
        };
        if authority.contains(['/', '?', '#']) {
            return Err(Problem::new("an origin ends with its host or port", remedy));
        }
        let scheme = scheme.to_ascii_lowercase();
        let is_scheme = scheme.starts_with(|c: char| c.is_ascii_lowercase())
            && scheme
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
        let (Some(host), Ok(parsed), true) = (
            HostName::from_authority(authority),
            authority.parse::<Authority>(),
            is_scheme,
        ) else {
            return Err(Problem::new("this is not an origin", remedy));
        };
        let port = match (scheme.as_str(), parsed.port_u16()) {
            ("http", Some(80)) | ("https", Some(443)) | (_, None) => String::new(),
            (_, Some(port)) => format!(":{port}"),
        };
        Ok(Self::Exact(format!("{scheme}://{}{port}", host.as_str())))
    }

    fn show(&self) -> String {
        match self {
            Self::Any => "any".to_owned(),
            Self::Null => "null".to_owned(),
            Self::Exact(origin) => origin.clone(),
        }
    }
}

/// The name of a subprotocol: a token (RFC 6455 §4.1, RFC 9110 §5.6.2).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Subprotocol(String);

impl Subprotocol {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Subprotocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Value for Subprotocol {
    fn parse(text: &str) -> Result<Self, Problem> {
        let is_token = !text.is_empty()
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b));
        if !is_token {
            return Err(Problem::new(
                "this is not the name of a subprotocol",
                "write one name of letters, digits and -._, such as chat.v1",
            ));
        }
        Ok(Self(text.to_owned()))
    }

    fn show(&self) -> String {
        self.0.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_is_taken_from_an_authority_without_its_port() {
        for (text, name) in [
            ("localhost", "localhost"),
            ("LocalHost:3000", "localhost"),
            ("live.example.com.", "live.example.com"),
            ("[::1]:3000", "[::1]"),
            ("127.0.0.1", "127.0.0.1"),
        ] {
            assert_eq!(HostName::from_authority(text).unwrap().as_str(), name);
        }
        for text in [
            "",
            ":3000",
            "user@localhost",
            "a b",
            "localhost:",
            "localhost:x",
            "localhost:99999",
            "[evil]",
            "a/b",
        ] {
            assert_eq!(HostName::from_authority(text), None, "{text}");
        }
    }

    #[test]
    fn configured_host_has_no_port() {
        assert_eq!(
            HostName::parse("Example.COM").unwrap().show(),
            "example.com"
        );
        for text in ["example.com:80", "https://example.com", "", "a b"] {
            assert!(HostName::parse(text).is_err(), "{text}");
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
