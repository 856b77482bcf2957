//! Whose pages may connect, and for which hosts the server answers.

use crate::running::{Running, field};

fn with_origin(server: &Running, path: &str, origin: &str) -> u16 {
    server.status(path, &format!("{}Origin: {origin}\r\n", server.host()))
}

#[test]
fn root_on_loopback_admits_trial_pages_of_this_machine() {
    let server = Running::start(&[]);
    let own = format!("http://localhost:{}", server.address.port());

    for origin in [&*own, "http://127.0.0.1:5173", "https://[::1]", "null"] {
        assert_eq!(with_origin(&server, "/", origin), 101, "{origin}");
    }
    assert_eq!(server.status("/", &server.host()), 101, "no browser");
}

#[test]
fn foreign_origin_is_refused_and_the_log_names_both_and_the_fix() {
    let mut server = Running::start(&[]);
    let own = format!("http://localhost:{}", server.address.port());

    assert_eq!(with_origin(&server, "/", "https://evil.example"), 403);

    server.await_log(&["https://evil.example", &own, "add its origin"]);
    server.await_log(&["--origin", "--trusted-proxy"]);
}

#[test]
fn listed_origins_are_admitted_and_no_others() {
    let server = Running::start(&["--origin", "https://a.example", "--origin", "null"]);
    for (origin, status) in [
        ("https://a.example", 101),
        ("null", 101),
        ("http://a.example", 403),
        ("https://a.example:444", 403),
        ("https://b.a.example", 403),
        ("http://localhost", 403),
    ] {
        assert_eq!(with_origin(&server, "/", origin), status, "{origin}");
    }
}

#[test]
fn any_origin_is_admitted_when_told_so_and_on_echo() {
    let told = Running::start(&["--origin", "any"]);
    let quiet = Running::start(&[]);

    assert_eq!(with_origin(&told, "/", "https://a.example"), 101);
    assert_eq!(with_origin(&quiet, "/echo", "https://a.example"), 101);
}

#[test]
fn root_on_an_open_address_admits_its_own_pages_only() {
    let server = Running::start_open(&[]);
    for (host, origin, status) in [
        ("live.example", "http://live.example", 101),
        ("live.example:8080", "http://live.example:8080", 101),
        ("live.example", "https://live.example", 403),
        ("live.example", "http://live.example:81", 403),
        ("live.example", "http://localhost", 403),
        ("live.example", "null", 403),
    ] {
        let lines = format!("Host: {host}\r\nOrigin: {origin}\r\n");
        assert_eq!(server.status("/", &lines), status, "{origin} at {host}");
    }
}

#[test]
fn server_on_loopback_answers_upgrades_for_its_own_names_only() {
    let server = Running::start(&["--host", "live.example"]);
    for (host, status) in [
        ("localhost", 101),
        ("127.0.0.1:1", 101),
        ("live.example", 101),
        ("evil.example", 421),
    ] {
        for path in ["/", "/echo"] {
            let lines = format!("Host: {host}\r\n");
            assert_eq!(server.status(path, &lines), status, "{host}{path}");
        }
    }
}

#[test]
fn refused_host_is_logged_with_what_allows_it() {
    let mut server = Running::start(&[]);

    let (_, answer) = server.upgrade("/", "Host: evil.example\r\n");

    assert_eq!(field(&answer, "connection"), Some("close"));
    server.await_log(&["evil.example", "add it to the hosts"]);
    server.await_log(&["--host"]);
}
