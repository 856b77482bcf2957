//! The plain HTTP side, asked without a socket.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use holdwire_server::config::{ServeConfig, ServeFlags};
use holdwire_server::http::{Site, router};
use http::{HeaderMap, Request, StatusCode};
use tower::ServiceExt;

struct Server {
    site: Arc<Site>,
    router: Router,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Server {
    fn start() -> Self {
        Self::start_with("")
    }

    /// One that listens elsewhere, if anything is said.
    fn start_with(listen: &str) -> Self {
        let listen = (!listen.is_empty()).then(|| listen.to_owned());
        let environment = |name: &str| {
            let listen = listen.clone().filter(|_| name == "HOLDWIRE_LISTEN");
            listen.map(Into::into)
        };
        let config = ServeConfig::load(&ServeFlags::default(), &environment).unwrap();
        let site = Arc::new(Site::new(&config));
        let router = router(site.clone(), None);
        Self { site, router }
    }

    async fn ask(&self, method: &str, path: &str, fields: &[(&str, &str)]) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::empty()).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        Answer {
            status: head.status,
            headers: head.headers,
            body: String::from_utf8(body.to_vec()).unwrap(),
        }
    }

    async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[("host", "localhost:3000")]).await
    }
}

#[tokio::test]
async fn pages_come_with_their_type_and_a_strict_policy() {
    let server = Server::start();
    for (path, media_type) in [
        ("/", "text/html; charset=utf-8"),
        ("/?a=b", "text/html; charset=utf-8"),
        ("/chat?room=lobby", "text/html; charset=utf-8"),
        ("/classic", "text/html; charset=utf-8"),
        ("/console/app.js", "text/javascript; charset=utf-8"),
        ("/console/style.css", "text/css; charset=utf-8"),
        ("/console/favicon.svg", "image/svg+xml"),
    ] {
        let answer = server.get(path).await;

        assert_eq!(answer.status, StatusCode::OK, "{path}");
        assert_eq!(answer.headers["content-type"], media_type);
        assert_eq!(answer.headers["x-content-type-options"], "nosniff");
        assert_eq!(answer.headers["referrer-policy"], "no-referrer");
        let policy = answer.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'self'; "), "{policy}");
        assert!(policy.contains("connect-src 'self' ws: wss:; img-src 'self' data:"));
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(policy.contains("sha256-"), path == "/classic", "{policy}");
        assert!(!answer.body.is_empty());
    }
}

#[tokio::test]
async fn files_that_a_page_names_are_served() {
    let server = Server::start();
    for path in [
        "/",
        "/chat",
        "/classic",
        "/console/app.js",
        "/console/chat.js",
        "/console/tape.js",
    ] {
        let page = server.get(path).await.body;
        let quoted = page.split('"').skip(1).step_by(2);
        let files = quoted.filter_map(|text| {
            let name = text.strip_prefix("console/").or(text.strip_prefix("./"))?;
            name.contains('.').then(|| format!("/console/{name}"))
        });
        for file in files {
            assert_eq!(server.get(&file).await.status, StatusCode::OK, "{file}");
        }
    }
}

#[tokio::test]
async fn chat_is_there_where_its_namespace_lets_pages_talk() {
    let open = Server::start_with("0.0.0.0:3000");
    let answer = open.get("/chat").await;

    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert!(answer.body.contains("[namespaces.chat]"), "{}", answer.body);
    let page = open.get("/").await.body;
    assert!(!page.contains("href=\"chat\"") && !page.contains("data-tape"));
    let page = Server::start().get("/").await.body;
    assert!(page.contains("href=\"chat\"") && page.contains("data-tape"));
}

#[tokio::test]
async fn unchanged_page_is_not_sent_again() {
    let server = Server::start();
    let tag = server.get("/").await.headers["etag"]
        .to_str()
        .unwrap()
        .to_owned();
    for (tags, status) in [
        (tag.clone(), StatusCode::NOT_MODIFIED),
        (format!("\"other\", W/{tag}"), StatusCode::NOT_MODIFIED),
        ("\"other\"".to_owned(), StatusCode::OK),
    ] {
        let fields = [("host", "localhost"), ("if-none-match", &tags)];
        let answer = server.ask("GET", "/", &fields).await;

        assert_eq!(answer.status, status, "{tags}");
        assert_eq!(answer.body.is_empty(), status == StatusCode::NOT_MODIFIED);
        assert_eq!(answer.headers["etag"].to_str().unwrap(), tag);
    }
}

#[tokio::test]
async fn head_is_answered_as_get_without_its_body() {
    let server = Server::start();
    for path in [
        "/",
        "/classic",
        "/health",
        "/health/live",
        "/health/ready",
        "/metrics",
    ] {
        let answer = server.ask("HEAD", path, &[("host", "localhost")]).await;

        assert_eq!(answer.status, StatusCode::OK, "{path}");
        assert_eq!(answer.body, "", "{path}");
    }
}

#[tokio::test]
async fn other_paths_and_methods_are_refused_in_one_line() {
    let server = Server::start();
    for (method, path, status) in [
        ("GET", "/nothing", StatusCode::NOT_FOUND),
        ("POST", "/nothing", StatusCode::NOT_FOUND),
        ("GET", "/console/nothing.js", StatusCode::NOT_FOUND),
        ("GET", "/console/..%2fsrc%2fmain.rs", StatusCode::NOT_FOUND),
        ("GET", "/console/", StatusCode::NOT_FOUND),
        ("POST", "/", StatusCode::METHOD_NOT_ALLOWED),
        ("DELETE", "/health", StatusCode::METHOD_NOT_ALLOWED),
        ("GET", "/echo", StatusCode::UPGRADE_REQUIRED),
    ] {
        let answer = server.ask(method, path, &[("host", "localhost")]).await;

        assert_eq!(answer.status, status, "{method} {path}");
        assert_eq!(answer.body.lines().count(), 1, "{method} {path}");
        assert_eq!(answer.headers["content-type"], "text/plain; charset=utf-8");
        let allow = answer
            .headers
            .get("allow")
            .map(|allow| allow.to_str().unwrap());
        let expected = (status == StatusCode::METHOD_NOT_ALLOWED).then_some("GET,HEAD");
        assert_eq!(allow, expected, "{method} {path}");
    }
}

#[tokio::test]
async fn plain_get_where_only_websocket_lives_is_told_to_upgrade() {
    let answer = Server::start().get("/echo").await;

    assert_eq!(answer.headers["upgrade"], "websocket");
    assert_eq!(answer.headers["connection"], "upgrade");
    assert_eq!(answer.headers["sec-websocket-version"], "13");
}

#[tokio::test]
async fn health_turns_when_the_server_drains() {
    let server = Server::start();
    server.site.metrics.connection_opened();

    let before = server.get("/health").await;
    server.site.status.drain();
    let after = server.get("/health").await;

    let health: serde_json::Value = serde_json::from_str(&before.body).unwrap();
    assert_eq!(before.status, StatusCode::OK);
    assert_eq!(before.headers["content-type"], "application/json");
    assert_eq!(health["status"], "ok");
    assert_eq!(health["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(health["connections"], 1);
    assert!(health["uptime_seconds"].is_u64());
    assert_eq!(after.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(after.body.contains("\"draining\""));
    assert_eq!(
        server.get("/health/ready").await.status,
        StatusCode::SERVICE_UNAVAILABLE
    );
    assert_eq!(server.get("/health/live").await.status, StatusCode::OK);
}

#[tokio::test]
async fn metrics_are_prometheus_text() {
    let answer = Server::start().get("/metrics").await;

    assert!(
        answer.headers["content-type"]
            .to_str()
            .unwrap()
            .contains("openmetrics-text")
    );
    assert!(
        answer.body.contains("\nholdwire_connections 0\n"),
        "{}",
        answer.body
    );
    assert!(answer.body.ends_with("# EOF\n"));
}
