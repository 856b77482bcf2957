//! The pages, embedded in the program: they work without a network and without files.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use holdwire_hub::{Access, Allow};
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, StatusCode};
use sha2::{Digest, Sha256};

use super::Site;
use crate::config::{ServeConfig, Value};
use crate::trouble::Token;

/// A file of the console: its name, media type and bytes.
struct File(&'static str, &'static str, &'static str);

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const PICTURE: &str = "image/svg+xml";

/// Names a file of `console/`, which is served as `/console/NAME`.
macro_rules! file {
    ($name:literal, $media_type:expr) => {
        File(
            $name,
            $media_type,
            include_str!(concat!("../../console/", $name)),
        )
    };
}

/// The page on `/`, and the chat: the files that are made for this start of the server.
const INDEX: &str = "index.html";
const CHAT: &str = "chat.html";

const FILES: &[File] = &[
    file!("index.html", HTML),
    file!("chat.html", HTML),
    file!("classic.html", HTML),
    file!("app.js", SCRIPT),
    file!("bytes.js", SCRIPT),
    file!("channel.js", SCRIPT),
    file!("chat.js", SCRIPT),
    file!("code.js", SCRIPT),
    file!("counters.js", SCRIPT),
    file!("drops.js", SCRIPT),
    file!("figures.js", SCRIPT),
    file!("history.js", SCRIPT),
    file!("line.js", SCRIPT),
    file!("log.js", SCRIPT),
    file!("socket.js", SCRIPT),
    file!("state.js", SCRIPT),
    file!("talk.js", SCRIPT),
    file!("tape.js", SCRIPT),
    file!("theme.js", SCRIPT),
    file!("timeline.js", SCRIPT),
    file!("trouble.js", SCRIPT),
    file!("wire.js", SCRIPT),
    file!("chat.css", STYLE),
    file!("line.css", STYLE),
    file!("style.css", STYLE),
    file!("tape.css", STYLE),
    file!("favicon.svg", PICTURE),
];

/// Where the page names the token of this start, and the text that `/` takes for a ping.
const TOKEN_MARK: &str = "{token}";
const WORD_MARK: &str = "{heartbeat-word}";

/// What is around the parts of the page that only `--demo` shows, that lead to the chat, and that
/// show a channel in two tabs.
const DEMO: &str = "demo";
const TO_CHAT: &str = "chat";
const TAPE: &str = "tape";

/// The namespaces that chat and tape are in.
const CHAT_NAMESPACE: &str = "chat";
const TAPE_NAMESPACE: &str = "brief";

/// Every file of the console, ready to be served.
#[derive(Debug)]
pub(super) struct Pages {
    assets: Vec<Asset>,
    has_chat: bool,
}

/// A file with the fields of its answer.
#[derive(Debug)]
struct Asset {
    name: &'static str,
    media_type: &'static str,
    body: Bytes,
    tag: String,
    policy: String,
}

impl Pages {
    /// The files, the page with this token and what it has to know of the configuration.
    pub(super) fn new(token: &Token, config: &ServeConfig) -> Self {
        let word = config.heartbeat_word.show();
        let has_chat = is_shared(config, CHAT_NAMESPACE);
        let parts = [
            (DEMO, config.demo.value),
            (TO_CHAT, has_chat),
            (TAPE, is_shared(config, TAPE_NAMESPACE)),
        ];
        let file = |File(name, media_type, body): &File| {
            let body = match *name {
                INDEX => Cow::Owned(index(body, token, &word, &parts)),
                CHAT => Cow::Owned(with_word(body, &word)),
                _ => Cow::Borrowed(*body),
            };
            Asset::new(name, media_type, body)
        };
        Self {
            assets: FILES.iter().map(file).collect(),
            has_chat,
        }
    }

    fn answer(&self, name: &str, request: &HeaderMap) -> Response {
        if name == CHAT && !self.has_chat {
            return (StatusCode::NOT_FOUND, NO_CHAT).into_response();
        }
        match self.assets.iter().find(|asset| asset.name == name) {
            Some(asset) => asset.answer(request),
            None => (StatusCode::NOT_FOUND, "there is no such file\n").into_response(),
        }
    }
}

impl Asset {
    fn new(name: &'static str, media_type: &'static str, body: Cow<'static, str>) -> Self {
        let mut tag = String::from("\"");
        for byte in Sha256::digest(body.as_bytes()).iter().take(12) {
            write!(tag, "{byte:02x}").expect("a String takes all that is written to it");
        }
        tag.push('"');
        let scripts = inline_scripts(&body);
        let script_policy = match scripts.is_empty() {
            true => String::new(),
            false => format!("script-src 'self'{scripts}; "),
        };
        Self {
            name,
            media_type,
            body: match body {
                Cow::Borrowed(text) => Bytes::from_static(text.as_bytes()),
                Cow::Owned(text) => Bytes::from(text),
            },
            tag,
            policy: format!(
                "default-src 'self'; {script_policy}connect-src 'self' ws: wss:; \
                 img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'"
            ),
        }
    }

    fn answer(&self, request: &HeaderMap) -> Response {
        let fields = [
            (CONTENT_TYPE, self.media_type),
            (ETAG, &self.tag),
            // The page has the token of this start: it is nobody else's to keep.
            (CACHE_CONTROL, "private, no-cache"),
            (CONTENT_SECURITY_POLICY, &self.policy),
        ];
        let known = request
            .get(IF_NONE_MATCH)
            .and_then(|tags| tags.to_str().ok());
        let is_known = known.is_some_and(|tags| {
            let mut tags = tags
                .split(',')
                .map(|tag| tag.trim().trim_start_matches("W/"));
            tags.any(|tag| tag == self.tag || tag == "*")
        });
        if is_known {
            (StatusCode::NOT_MODIFIED, fields).into_response()
        } else {
            (fields, self.body.clone()).into_response()
        }
    }
}

/// The routes of the pages.
pub(super) fn routes() -> Router<Arc<Site>> {
    let page = |name: &'static str| {
        get(
            async move |State(site): State<Arc<Site>>, headers: HeaderMap| {
                site.pages.answer(name, &headers)
            },
        )
    };
    Router::new()
        .route("/", page(INDEX))
        .route("/chat", page(CHAT))
        .route("/classic", page("classic.html"))
        .route(
            "/console/{name}",
            get(
                async |State(site): State<Arc<Site>>,
                       Path(name): Path<String>,
                       headers: HeaderMap| { site.pages.answer(&name, &headers) },
            ),
        )
}

/// What `/chat` says where pages cannot chat.
const NO_CHAT: &str =
    "there is no chat here: it needs [namespaces.chat] with publish and presence, for anyone\n";

/// Whether pages may publish in this namespace and see each other, without a token.
fn is_shared(config: &ServeConfig, name: &str) -> bool {
    let named = config.namespaces.iter().find(|named| named.name == name);
    named.is_some_and(|named| {
        let namespace = &named.namespace;
        let is_open = namespace.access == Access::Anyone;
        let allowed = namespace.allowed;
        let may = |allow: Allow| allow.admits("", false, true);
        let is_for_all = may(allowed.subscribe) && may(allowed.publish) && may(allowed.presence);
        is_open && namespace.publish && namespace.presence && is_for_all
    })
}

/// The page of this start, without the parts that are not shown.
fn index(template: &str, token: &Token, word: &str, parts: &[(&str, bool)]) -> String {
    let mut page = with_word(template, word).replace(TOKEN_MARK, token.as_str());
    for (part, _) in parts.iter().filter(|(_, is_shown)| !is_shown) {
        let (begin, end) = (format!("<!--{part}-->"), format!("<!--/{part}-->"));
        while let Some(from) = page.find(&begin)
            && let Some(length) = page[from..].find(&end)
        {
            page.replace_range(from..from + length + end.len(), "");
        }
    }
    page
}

fn with_word(template: &str, word: &str) -> String {
    template.replace(WORD_MARK, &attribute(word))
}

/// A text as the value of an attribute in double quotes.
fn attribute(text: &str) -> String {
    text.replace('&', "&amp;").replace('"', "&quot;")
}

/// The hashes of the scripts inside of a page, so that they and no others may run (CSP 3 §2.3.1).
fn inline_scripts(page: &str) -> String {
    let scripts = page.split("<script>").skip(1);
    let scripts = scripts.filter_map(|rest| rest.split_once("</script>"));
    scripts.fold(String::new(), |hashes, (script, _)| {
        format!(
            "{hashes} 'sha256-{}'",
            STANDARD.encode(Sha256::digest(script))
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_console_is_embedded() {
        let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/console");
        let files = std::fs::read_dir(directory).unwrap();
        let mut names: Vec<_> = files.map(|f| f.unwrap().file_name()).collect();
        names.sort();

        let mut embedded: Vec<_> = FILES.iter().map(|File(name, ..)| *name).collect();
        embedded.sort_unstable();

        assert_eq!(names, embedded);
    }

    #[test]
    fn inline_script_is_allowed_by_its_hash_alone() {
        let hashes =
            inline_scripts("<script src=\"a.js\"></script><script>alert('Hello')</script>");

        // Computed with: printf "alert('Hello')" | openssl dgst -sha256 -binary | base64
        assert_eq!(
            hashes,
            " 'sha256-xsuTGwM1pbHxJt6Bcu7KLls/Z+Q7K2yHs6kiFf8OBkA='"
        );
    }

    #[test]
    fn page_has_its_token_and_only_those_parts_that_are_shown() {
        let token = Token::random();
        let File(.., template) = FILES.iter().find(|File(name, ..)| *name == INDEX).unwrap();
        assert_eq!(template.matches(TOKEN_MARK).count(), 1);

        let made = |is_shown| {
            let parts = [DEMO, TO_CHAT, TAPE].map(|part| (part, is_shown));
            index(template, &token, "a \"b\" & c", &parts)
        };
        let (page, demo) = (made(false), made(true));

        assert!(page.contains(token.as_str()) && demo.contains(token.as_str()));
        assert!(!page.contains("drain") && demo.contains("data-trouble=\"drain\""));
        assert!(!page.contains("\"chat\"") && demo.contains("href=\"chat\""));
        assert!(!page.contains("data-tape") && demo.contains("data-tape=\"cells\""));
        assert!(page.contains("content=\"a &quot;b&quot; &amp; c\""));
        assert!(page.ends_with("</html>\n") && demo.ends_with("</html>\n"));
    }
}
