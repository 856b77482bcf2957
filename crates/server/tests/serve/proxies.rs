//! Behind a reverse proxy: who the client is and how it addressed the server.

use crate::running::Running;

#[test]
fn clients_behind_a_trusted_proxy_are_counted_one_by_one() {
    for field in ["X-Forwarded-For: ", "Forwarded: for="] {
        let server = Running::start(&[
            "--trusted-proxy",
            "127.0.0.1",
            "--max-connections-per-ip",
            "1",
        ]);
        let from =
            |address: &str| server.upgrade("/", &format!("{}{field}{address}\r\n", server.host()));

        let (ann, _) = from("192.0.2.1");
        let (bob, _) = from("192.0.2.2");
        let (again, refusal) = from("192.0.2.1");

        assert!(ann.is_some() && bob.is_some(), "{field}");
        assert!(
            again.is_none() && refusal.starts_with("HTTP/1.1 429 "),
            "{refusal}"
        );
    }
}

#[test]
fn clients_cannot_choose_their_address_without_a_trusted_proxy() {
    let server = Running::start(&["--max-connections-per-ip", "1"]);
    let from = |line: &str| server.upgrade("/", &format!("{}{line}\r\n", server.host()));

    let (first, _) = from("X-Forwarded-For: 192.0.2.1");

    assert!(first.is_some());
    for line in ["X-Forwarded-For: 192.0.2.2", "Forwarded: for=192.0.2.3"] {
        let (second, refusal) = from(line);
        assert!(
            second.is_none() && refusal.starts_with("HTTP/1.1 429 "),
            "{refusal}"
        );
    }
}

#[test]
fn origin_is_compared_with_what_the_trusted_proxy_was_asked_for() {
    let server = Running::start_open(&["--trusted-proxy", "127.0.0.1"]);
    for forwarded in [
        "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Host: app.example\r\nX-Forwarded-Proto: https",
        "X-Forwarded-Host: app.example\r\nX-Forwarded-Proto: https",
        "Forwarded: for=192.0.2.1;host=app.example;proto=https",
    ] {
        for (origin, status) in [
            ("https://app.example", 101),
            ("http://app.example", 403),
            ("http://inner:3000", 403),
        ] {
            let lines = format!("Host: inner:3000\r\n{forwarded}\r\nOrigin: {origin}\r\n");
            assert_eq!(
                server.status("/", &lines),
                status,
                "{origin} by {forwarded}"
            );
        }
    }
}

#[test]
fn origin_is_compared_with_the_request_itself_when_nobody_is_trusted() {
    for flags in [&[][..], &["--trusted-proxy", "192.0.2.0/24"]] {
        let server = Running::start_open(flags);
        let forwarded = "X-Forwarded-Host: app.example\r\nX-Forwarded-Proto: https\r\n\
                         Forwarded: host=app.example;proto=https";
        for (origin, status) in [("https://app.example", 403), ("http://inner:3000", 101)] {
            let lines = format!("Host: inner:3000\r\n{forwarded}\r\nOrigin: {origin}\r\n");
            assert_eq!(server.status("/", &lines), status, "{origin}");
        }
    }
}

#[test]
fn log_names_the_client_that_the_proxy_names() {
    let mut server = Running::start(&["--trusted-proxy", "127.0.0.1"]);

    let lines = format!("{}X-Forwarded-For: 6.6.6.6, 192.0.2.7\r\n", server.host());
    assert_eq!(server.status("/echo", &lines), 101);
    assert_eq!(server.status("/nothing?query", &lines), 404);

    server.await_log(&["refused", "404", "client=192.0.2.7", "path=\"/nothing\""]);
    let line = server.await_log(&["holdwire::connection", "opened"]);
    assert!(
        line.contains("192.0.2.7") && !line.contains("6.6.6.6"),
        "{line}"
    );
}
