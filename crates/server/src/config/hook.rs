//! What is asked of a backend.

use std::path::Path;
use std::time::Duration;

use http::{HeaderName, Uri};

use super::{ConfigError, OriginRule, Problem, ServeConfig, Setting, Value};
use crate::hook::{Kind, Rules, Secret};

/// A client takes a line for dead that does not answer its ping in this time.
const PATIENCE: Duration = Duration::from_secs(20);

/// Where a backend is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookUrl(Uri);

/// How often a question is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retries(u32);

/// A field of requests that is handed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field(HeaderName);

impl Value for HookUrl {
    fn parse(text: &str) -> Result<Self, Problem> {
        let remedy = "write http://host[:port]/path or https://host[:port]/path";
        let url = text.parse::<Uri>();
        let url = url.map_err(|_| Problem::new("this is not a URL", remedy))?;
        let authority = url.authority().map_or("", http::uri::Authority::as_str);
        let host = url.host().unwrap_or_default();
        if !matches!(url.scheme_str(), Some("http" | "https")) {
            return Err(Problem::new("the scheme is not http or https", remedy));
        }
        if host.is_empty() {
            return Err(Problem::new("there is no host", remedy));
        }
        if authority.contains('@') {
            let problem = "user and password do not belong here";
            let remedy = "let the backend look at the signature (hook-secret-file)";
            return Err(Problem::new(problem, remedy));
        }
        if text.contains('#') {
            return Err(Problem::new("a fragment is not sent", remedy));
        }
        Ok(Self(url))
    }

    fn show(&self) -> String {
        self.0.to_string()
    }
}

impl Value for Retries {
    fn parse(text: &str) -> Result<Self, Problem> {
        match text.parse() {
            Ok(count) if count <= 10 => Ok(Self(count)),
            _ => Err(Problem::new(
                "this is not how often something is repeated",
                "write a whole number from 0 to 10",
            )),
        }
    }

    fn show(&self) -> String {
        self.0.to_string()
    }
}

impl Value for Field {
    fn parse(text: &str) -> Result<Self, Problem> {
        let name = text.parse::<HeaderName>();
        name.map(Self).map_err(|_| {
            Problem::new(
                "this is not the name of a header field",
                "write one such as cookie or x-request-id",
            )
        })
    }

    fn show(&self) -> String {
        self.0.to_string()
    }
}

impl Value for Kind {
    fn parse(text: &str) -> Result<Self, Problem> {
        let known = [Self::Connect, Self::Subscribe, Self::Publish];
        let known = known.into_iter().find(|kind| kind.name() == text);
        known.ok_or_else(|| {
            Problem::new(
                "this is nothing that can be allowed without an answer",
                "write connect, subscribe or publish",
            )
        })
    }

    fn show(&self) -> String {
        self.name().to_owned()
    }
}

impl ServeConfig {
    /// The settings of URLs, in the order of [`Kind::ALL`].
    fn hook_urls(&self) -> [&Setting<Option<HookUrl>>; 5] {
        [
            &self.hook_connect,
            &self.hook_subscribe,
            &self.hook_publish,
            &self.hook_rpc,
            &self.hook_disconnect,
        ]
    }

    /// What is asked of a backend; `None` when nothing is.
    ///
    /// # Errors
    /// When the file with the secret cannot be read, or is none.
    pub fn hooks(&self) -> Result<Option<Rules>, ConfigError> {
        let urls = self.hook_urls();
        if urls.iter().all(|url| url.is_none()) {
            return Ok(None);
        }
        let path = self.hook_secret_file.as_deref();
        Ok(Some(Rules {
            urls: urls.map(|url| url.as_ref().map(|url| url.0.clone())),
            secret: path.map(|path| self.hook_secret(path)).transpose()?,
            timeout: self.hook_timeout.value,
            retries: self.hook_retries.0,
            headers: self
                .hook_header
                .iter()
                .map(|field| field.0.clone())
                .collect(),
            allow: self.hook_allow_when_down.value.clone(),
            under_way: self.hook_under_way.max().unwrap_or(usize::MAX >> 4),
        }))
    }

    fn hook_secret(&self, path: &Path) -> Result<Secret, ConfigError> {
        let wrong = |what: String| {
            let remedy = "name a file with 32 bytes or more, such as of openssl rand -hex 32";
            let source = &self.hook_secret_file.source;
            let problem = Problem::new(what, remedy);
            ConfigError::value("hook-secret-file", &path.to_string_lossy(), source, problem)
        };
        let text =
            std::fs::read(path).map_err(|error| wrong(format!("cannot be read: {error}")))?;
        // An editor ends the file with a line end, which nobody means.
        let secret = Secret::new(text.trim_ascii_end());
        secret.ok_or_else(|| wrong("the secret has less than 32 bytes".to_owned()))
    }

    /// Checks what belongs together.
    pub(super) fn check_hooks(&self) -> Result<(), ConfigError> {
        let all = self.hook_timeout.value * (self.hook_retries.0 + 1);
        if all > PATIENCE {
            return Err(ConfigError::value(
                "hook-timeout",
                &self.hook_timeout.show(),
                &self.hook_timeout.source,
                Problem::new(
                    format!(
                        "with hook-retries {} ({}) an answer may take {}, and after 20 s a client takes its line for dead",
                        self.hook_retries.0,
                        self.hook_retries.source,
                        all.show()
                    ),
                    "lower one of them",
                ),
            ));
        }
        let passes_login =
            |field: &&Field| [http::header::COOKIE, http::header::AUTHORIZATION].contains(&field.0);
        if let Some(field) = self.hook_header.iter().find(passes_login)
            && let Some(rule) = self
                .origin
                .iter()
                .find(|rule: &&OriginRule| rule.is_anybody())
        {
            return Err(ConfigError::value(
                "hook-header",
                &field.show(),
                &self.hook_header.source,
                Problem::new(
                    format!(
                        "origin {:?} ({}) lets every page come as its visitor",
                        rule.show(),
                        self.origin.source
                    ),
                    "name the origins of your own pages, or let clients show a token",
                ),
            ));
        }
        self.hooks().map(drop)
    }

    /// Whether pages come as whoever opens them.
    pub(crate) fn knows_visitors(&self) -> bool {
        let mut fields = self.hook_header.iter();
        self.token_cookie.is_some()
            || fields
                .any(|field| [http::header::COOKIE, http::header::AUTHORIZATION].contains(&field.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backend_has_an_http_url_without_secrets() {
        for text in [
            "http://127.0.0.1:8000/holdwire",
            "https://app.example.com/hooks/connect?v=1",
            "http://[::1]:8000/",
        ] {
            assert_eq!(HookUrl::parse(text).unwrap().show(), text);
        }
        for text in [
            "",
            "app.example.com/hooks",
            "ftp://app.example.com/",
            "https://",
            "https://ann:secret@app.example.com/",
            "https://a b/",
            "https://app.example.com/#a",
        ] {
            let problem = HookUrl::parse(text).unwrap_err().to_string();
            assert!(!problem.contains("secret@"), "{text}: {problem}");
        }
    }

    #[test]
    fn only_questions_that_have_a_default_can_be_allowed() {
        assert_eq!(Kind::parse("publish").unwrap(), Kind::Publish);
        for text in ["rpc", "disconnect", "all", ""] {
            assert!(Kind::parse(text).is_err(), "{text}");
        }
    }
}
