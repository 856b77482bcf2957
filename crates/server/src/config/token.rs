//! Where tokens and their keys come from.

use http::Uri;

use super::{Problem, Value};
use crate::token::SetSource;

/// The name of a cookie (RFC 6265 §4.1.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CookieName(String);

impl CookieName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Value for CookieName {
    fn parse(text: &str) -> Result<Self, Problem> {
        let is_legal =
            |byte: u8| byte.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?={}".contains(&byte);
        if text.is_empty() || !text.bytes().all(is_legal) {
            return Err(Problem::new(
                "this is not the name of a cookie",
                "write a name of letters, digits, _ and -",
            ));
        }
        Ok(Self(text.to_owned()))
    }

    fn show(&self) -> String {
        self.0.clone()
    }
}

impl Value for SetSource {
    fn parse(text: &str) -> Result<Self, Problem> {
        let remedy = "write the path of a file or https://host/path";
        if !text.contains("://") {
            return std::path::PathBuf::parse(text).map(Self::File);
        }
        let url = text.parse::<Uri>();
        let url = url.map_err(|_| Problem::new("this is not a URL", remedy))?;
        let authority = url.authority().map_or("", http::uri::Authority::as_str);
        let host = url.host().unwrap_or_default().trim_matches(['[', ']']);
        let is_here = host == "localhost"
            || host
                .parse::<std::net::IpAddr>()
                .is_ok_and(|address| address.is_loopback());
        match url.scheme_str() {
            _ if host.is_empty() => Err(Problem::new("there is no host", remedy)),
            _ if authority.contains('@') => {
                Err(Problem::new("user and password do not belong here", remedy))
            }
            Some("https") => Ok(Self::Url(url)),
            Some("http") if is_here => Ok(Self::Url(url)),
            Some("http") => Err(Problem::new(
                "whoever is on the way could put in keys",
                "use https, which http is only enough for on this machine",
            )),
            _ => Err(Problem::new("the scheme is not https", remedy)),
        }
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_set_comes_from_a_file_or_over_a_line_that_nobody_can_change() {
        for text in [
            "keys.json",
            "/etc/holdwire/keys.json",
            "https://id.example.com/jwks?v=1",
            "http://127.0.0.1:8080/jwks",
            "http://[::1]:8080/jwks",
            "http://localhost/jwks",
        ] {
            assert_eq!(SetSource::parse(text).unwrap().show(), text);
        }
        for text in [
            "",
            "http://id.example.com/jwks",
            "http://localhost.example.com/jwks",
            "ftp://id.example.com/jwks",
            "https://",
            "https://ann:secret@id.example.com/jwks",
            "https://a b/",
        ] {
            let problem = SetSource::parse(text).unwrap_err().to_string();
            assert!(!problem.contains("secret@"), "{text}: {problem}");
        }
    }

    #[test]
    fn a_cookie_has_a_name_that_needs_no_care() {
        assert!(CookieName::parse("__Host-token").is_ok());
        for text in ["", "a b", "a=b", "a;b", "\u{e4}"] {
            assert!(CookieName::parse(text).is_err(), "{text}");
        }
    }
}
