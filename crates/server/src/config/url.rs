//! The address of a WebSocket server, for clients to be sent to.

use holdwire::Advice;
use holdwire::handshake::Endpoint;
use std::time::Duration;

use super::{Problem, Value};

/// A `ws` or `wss` URL that fits a close reason beside a delay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineUrl(String);

impl LineUrl {
    /// The URL.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The longest delay whose advice must have room for the URL.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

impl Value for LineUrl {
    fn parse(text: &str) -> Result<Self, Problem> {
        let remedy = "write wss://host[:port]/path, such as wss://live.example.com/";
        let has_scheme = ["ws://", "wss://"].iter().any(|s| text.starts_with(s));
        if !has_scheme {
            return Err(Problem::new("the scheme is not ws or wss", remedy));
        }
        if let Err(error) = text.parse::<Endpoint>() {
            return Err(Problem::new(error.to_string(), remedy));
        }
        if text.contains('@') {
            let problem = "user and password would go to every client";
            return Err(Problem::new(problem, remedy));
        }
        let advice = Advice::after(LONGEST).url(text);
        match Advice::parse(&advice.to_string()) {
            Some(read) if read == advice => Ok(Self(text.to_owned())),
            _ => Err(Problem::new(
                "this is too long for a close reason of 123 bytes",
                "write a shorter one",
            )),
        }
    }

    fn show(&self) -> String {
        self.0.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_short_websocket_urls_are_taken() {
        let long = format!("wss://live.example.com/{}", "a".repeat(80));
        for (text, problem) in [
            ("https://live.example.com/", "the scheme is not ws or wss"),
            ("live.example.com", "the scheme is not ws or wss"),
            ("wss://", "host"),
            ("wss://ann:secret@live.example.com/", "user and password"),
            (&long, "too long"),
        ] {
            let error = LineUrl::parse(text).unwrap_err().to_string();
            assert!(error.contains(problem), "{text}: {error}");
        }
        let url = LineUrl::parse("wss://live.example.com/ws?a=1").unwrap();
        assert_eq!(url.show(), "wss://live.example.com/ws?a=1");
    }
}
