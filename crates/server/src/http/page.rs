//! The pages, embedded in the program: they work without a network and without files.

use std::fmt::Write as _;
use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, StatusCode};
use sha2::{Digest, Sha256};

use super::Site;

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

const FILES: &[File] = &[
    file!("index.html", HTML),
    file!("classic.html", HTML),
    file!("app.js", SCRIPT),
    file!("bytes.js", SCRIPT),
    file!("code.js", SCRIPT),
    file!("counters.js", SCRIPT),
    file!("line.js", SCRIPT),
    file!("log.js", SCRIPT),
    file!("socket.js", SCRIPT),
    file!("theme.js", SCRIPT),
    file!("wire.js", SCRIPT),
    file!("style.css", STYLE),
    file!("favicon.svg", PICTURE),
];

/// A file with the fields of its answer.
struct Asset {
    name: &'static str,
    media_type: &'static str,
    body: &'static str,
    tag: String,
    policy: String,
}

static ASSETS: LazyLock<Vec<Asset>> = LazyLock::new(|| FILES.iter().map(Asset::new).collect());

impl Asset {
    fn new(File(name, media_type, body): &File) -> Self {
        let mut tag = String::from("\"");
        for byte in Sha256::digest(body).iter().take(12) {
            write!(tag, "{byte:02x}").expect("a String takes all that is written to it");
        }
        tag.push('"');
        let scripts = inline_scripts(body);
        let script_policy = match scripts.is_empty() {
            true => String::new(),
            false => format!("script-src 'self'{scripts}; "),
        };
        Self {
            name,
            media_type,
            body,
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
            (CACHE_CONTROL, "no-cache"),
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
            (fields, self.body).into_response()
        }
    }
}

/// The routes of the pages.
pub(super) fn routes() -> Router<Arc<Site>> {
    Router::new()
        .route(
            "/",
            get(async |headers: HeaderMap| file("index.html", &headers)),
        )
        .route(
            "/classic",
            get(async |headers: HeaderMap| file("classic.html", &headers)),
        )
        .route(
            "/console/{name}",
            get(async |Path(name): Path<String>, headers: HeaderMap| file(&name, &headers)),
        )
}

fn file(name: &str, request: &HeaderMap) -> Response {
    match ASSETS.iter().find(|asset| asset.name == name) {
        Some(asset) => asset.answer(request),
        None => (StatusCode::NOT_FOUND, "there is no such file\n").into_response(),
    }
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
}
