//! The built program, from the outside: what it prints, where, and how it ends.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use std::net::TcpListener;
use std::process::Command;

use common::{Server, holdwire, run};

#[track_caller]
fn assert_refused(command: &mut Command, parts: &[&str]) {
    let (code, stdout, stderr) = run(command);

    assert_eq!(code, Some(2), "{stderr}");
    assert_eq!(stdout, "");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(stderr.starts_with("holdwire: "), "{stderr}");
    for part in parts {
        assert!(stderr.contains(part), "{part:?} is not in {stderr}");
    }
}

#[test]
fn version_and_help_go_to_standard_output() {
    let (code, stdout, stderr) = run(&mut holdwire(&["--version"]));
    assert_eq!(code, Some(0));
    assert_eq!(stdout, format!("holdwire {}\n", env!("CARGO_PKG_VERSION")));
    assert_eq!(stderr, "");

    for (arguments, part) in [
        (&["--help"][..], "serve"),
        (&["help", "serve"], "HOLDWIRE_MAX_MESSAGE"),
        (&["connect", "-h"], "--expect"),
    ] {
        let (code, stdout, stderr) = run(&mut holdwire(arguments));
        assert_eq!(code, Some(0));
        assert!(stdout.contains(part), "{stdout}");
        assert_eq!(stderr, "");
    }
}

#[test]
fn checked_configuration_is_printed_with_sources() {
    let mut command = holdwire(&["serve", "--check-config", "--max-message", "16MiB"]);

    let (code, stdout, stderr) = run(command.env("HOLDWIRE_ORIGIN", "https://a.example,null"));

    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    let lines: Vec<&str> = stdout.lines().collect();
    assert_eq!(lines[0], "configuration ok");
    for line in [
        "listen = [\"127.0.0.1:3000\", \"[::1]:3000\"]  (default)",
        "max-message = \"16MiB\"  (flag --max-message)",
        "max-frame = not set  (default)",
        "origin = [\"https://a.example\", \"null\"]  (environment HOLDWIRE_ORIGIN)",
    ] {
        assert!(lines.contains(&line), "{line}\n{stdout}");
    }
}

#[test]
fn wrong_values_end_with_code_2_and_one_line() {
    for (arguments, parts) in [
        (&["serve", "--drain", "25"][..], ["--drain", "write 25s"]),
        (
            &["serve", "--drain", "25", "--check-config"],
            ["--drain", "write 25s"],
        ),
        (
            &["serve", "--listen", "3000"],
            ["--listen", "127.0.0.1:3000"],
        ),
        (
            &["serve", "--lisen", "3000"],
            ["--lisen", "did you mean --listen?"],
        ),
        (
            &["serve", "--greeting"],
            ["--greeting", "a value is missing"],
        ),
        (
            &["serve", "--config", "/no/such.toml"],
            ["/no/such.toml", "cannot be read"],
        ),
        (
            &["serve", "--tls-cert", "/no/such.pem"],
            ["/no/such.pem", "--tls-key"],
        ),
        (&["connect"], ["<URL>", "missing"]),
        (
            &["connect", "ftp://localhost"],
            ["ftp://localhost", "ws://"],
        ),
        (&[], ["a command is missing", "holdwire serve"]),
    ] {
        assert_refused(&mut holdwire(arguments), &parts);
    }
}

#[test]
fn wrong_variables_end_with_code_2_and_one_line() {
    let wrong_size = ["max-message = \"lots\"", "environment HOLDWIRE_MAX_MESSAGE"];
    assert_refused(
        holdwire(&["serve", "--check-config"]).env("HOLDWIRE_MAX_MESSAGE", "lots"),
        &wrong_size,
    );
    assert_refused(
        holdwire(&["serve"]).env("RUST_LOG", "holdwire=loud"),
        &["RUST_LOG = \"holdwire=loud\"", "such as info"],
    );
}

#[test]
fn taken_port_ends_with_code_2_and_says_which_to_take() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let next = address.port().checked_add(1).unwrap_or(3000);

    assert_refused(
        &mut holdwire(&["serve", "--listen", &address.to_string()]),
        &[
            &format!("listen = \"{address}\" (flag --listen): the port is taken"),
            &format!("--listen 127.0.0.1:{next}"),
        ],
    );
}

#[test]
fn address_of_another_machine_ends_with_code_2() {
    assert_refused(
        &mut holdwire(&["serve", "--listen", "192.0.2.1:0"]),
        &["192.0.2.1:0", "does not have this address"],
    );
}

#[test]
fn banner_points_to_a_page_that_is_there() {
    let server = Server::start(&[]);
    let place = format!("localhost:{}", server.address.port());

    let page = server.ask(&format!(
        "GET / HTTP/1.1\r\nHost: {place}\r\nConnection: close\r\n\r\n"
    ));

    assert!(
        server
            .banner
            .contains(&format!("Open       http://{place}\n"))
    );
    assert!(page.starts_with("HTTP/1.1 200 OK\r\n"), "{page}");
    assert!(page.contains("<title>holdwire</title>"));
}

#[test]
fn http_1_0_without_host_gets_the_page() {
    let page = Server::start(&[]).ask("GET / HTTP/1.0\r\n\r\n");

    assert!(page.starts_with("HTTP/1.0 200 OK\r\n"), "{page}");
}

#[test]
fn access_log_names_client_and_path_but_no_secrets() {
    let server = Server::start(&["--log", "json", "--trusted-proxy", "127.0.0.1"]);

    server.ask(
        "GET /health/live?token=s3cret HTTP/1.1\r\nHost: localhost\r\nCookie: id=s3cret\r\n\
         Authorization: Bearer s3cret\r\nX-Forwarded-For: s3cret, 192.0.2.7\r\n\
         Connection: close\r\n\r\n",
    );

    let (_, log) = server.stop();
    let line = log.lines().find(|line| line.contains("holdwire::access"));
    let line: serde_json::Value = serde_json::from_str(line.unwrap()).unwrap();
    assert_eq!(line["method"], "GET");
    assert_eq!(line["path"], "/health/live");
    assert_eq!(line["status"], 200);
    assert_eq!(line["client"], "192.0.2.7");
    assert!(line["milliseconds"].is_number());
    assert!(!log.contains("s3cret"), "{log}");
}

#[test]
fn foreign_host_is_refused_and_the_log_says_how_to_allow_it() {
    let server = Server::start(&[]);

    let answer = server.ask("GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n");

    assert!(answer.starts_with("HTTP/1.1 421 "), "{answer}");
    let (_, log) = server.stop();
    assert!(
        log.contains("evil.example") && log.contains("hosts of this server"),
        "{log}"
    );
}

#[test]
fn named_host_is_answered() {
    let server = Server::start(&["--host", "live.example"]);

    let answer = server.ask("GET / HTTP/1.1\r\nHost: live.example\r\nConnection: close\r\n\r\n");

    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[test]
fn log_goes_to_standard_error_and_the_banner_alone_to_standard_output() {
    let server = Server::start(&[]);

    server.ask("GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");

    let (rest, log) = server.stop();
    assert!(rest.trim_start().starts_with("Limits"), "{rest}");
    assert!(!rest.contains("/health"), "{rest}");
    assert!(log.contains("INFO"), "{log}");
}
