//! Health, pages and the manners of plain HTTP.

use crate::running::{Running, field, status};

#[test]
fn health_says_that_a_serving_server_lives_and_is_ready() {
    let server = Running::start(&[]);
    let mut peer = server.open("/");
    assert_eq!(peer.text(), "Information from the server");

    for path in ["/health/live", "/health/ready"] {
        let answer = server.get(path);
        assert_eq!(status(&answer), 200);
        assert!(answer.ends_with("\r\n\r\nok\n"), "{answer}");
    }
    let all = server.get("/health");
    let body = all.split("\r\n\r\n").nth(1).unwrap();
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(body["status"], "ok");
    assert_eq!(body["connections"], 1);
    assert_eq!(field(&all, "cache-control"), Some("no-store"));
}

#[test]
fn head_is_answered_without_a_body() {
    let server = Running::start(&[]);
    for path in ["/", "/health", "/metrics", "/classic"] {
        let answer = server.ask("HEAD", path);

        assert_eq!(status(&answer), 200, "{path}");
        assert!(answer.ends_with("\r\n\r\n"), "{answer}");
    }
}

#[test]
fn unknown_path_is_not_found() {
    let server = Running::start(&[]);

    assert_eq!(status(&server.get("/nothing")), 404);
    assert_eq!(status(&server.get("/console/../secret")), 404);
}

#[test]
fn other_methods_are_refused_and_told_which_to_use() {
    let server = Running::start(&[]);
    for path in ["/", "/echo", "/health", "/metrics"] {
        for method in ["POST", "DELETE", "PUT"] {
            let answer = server.ask(method, path);

            assert_eq!(status(&answer), 405, "{method} {path}");
            let allow = field(&answer, "allow").unwrap_or_default();
            assert!(allow.contains("GET"), "{answer}");
        }
    }
}

#[test]
fn plain_get_where_only_websocket_lives_is_told_to_upgrade() {
    let server = Running::start(&[]);

    let answer = server.get("/echo");

    assert_eq!(status(&answer), 426);
    assert_eq!(field(&answer, "sec-websocket-version"), Some("13"));
    assert_eq!(field(&answer, "upgrade"), Some("websocket"));
}
