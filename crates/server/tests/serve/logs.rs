//! What the log says, and what it never says.

use crate::common::holdwire;
use crate::peer::{BINARY, CLOSE, FIN};
use crate::running::Running;

const SECRETS: [&str; 6] = [
    "canary-cookie",
    "canary-authorization",
    "canary-subprotocol",
    "canary-query",
    "canary-proxy",
    "canary-key",
];

fn start(rust_log: &str, flags: &[&str]) -> Running {
    let mut command = holdwire(&["serve", "--listen", "127.0.0.1:0"]);
    Running::spawn(command.args(flags).env("RUST_LOG", rust_log))
}

/// A request's header lines with a canary wherever a secret may stand.
fn secret_lines(server: &Running) -> String {
    format!(
        "{}Cookie: id=canary-cookie\r\nAuthorization: Bearer canary-authorization\r\n\
         Proxy-Authorization: Basic canary-proxy\r\nX-Api-Key: canary-key\r\n\
         Sec-WebSocket-Protocol: canary-subprotocol\r\n",
        server.host()
    )
}

/// Everything that a client with secrets may do: be let in, be refused, ask for a page.
fn use_secrets(server: &Running) {
    let lines = secret_lines(server);
    let query = "?token=canary-query";
    for path in ["/", "/echo"] {
        let (peer, head) = server.upgrade(&format!("{path}{query}"), &lines);
        let mut peer = peer.unwrap_or_else(|| panic!("{head}"));
        peer.say("canary-payload");
        peer.send(FIN | BINARY, b"canary-binary");
        peer.close(1000);
    }
    for (path, line) in [
        ("/nothing", ""),
        ("/", "Origin: https://evil.example\r\n"),
        ("/", "Sec-WebSocket-Protocol: canary-subprotocol\r\n"),
        ("/", "Sec-WebSocket-Extensions: (canary-key\r\n"),
        ("/", "Content-Length: 5\r\n"),
    ] {
        let (peer, _) = server.upgrade(&format!("{path}{query}"), &format!("{lines}{line}"));
        assert!(peer.is_none(), "{path} {line}");
    }
    for path in ["/", "/health", "/nothing", "/echo"] {
        server.ask_raw(&format!(
            "GET {path}{query} HTTP/1.1\r\n{lines}Connection: close\r\n\r\n"
        ));
    }
    // Not even when the head makes no sense.
    server.ask_raw(&format!(
        "GET /{query} HTTP/1.1\r\n{lines}canary-cookie\r\n\r\n"
    ));
    server.ask_raw(&format!(
        "GET /{query} canary-query HTTP/1.1\r\n{lines}\r\n"
    ));
}

#[test]
fn secrets_stay_out_of_the_log_at_every_level() {
    for level in ["info", "debug", "trace"] {
        let mut server = start(level, &[]);

        use_secrets(&server);
        server.get("/health/live");
        server.await_log(&["/health/live"]);

        let log = server.log();
        for secret in SECRETS {
            assert!(!log.contains(secret), "{secret} at {level}:\n{log}");
        }
    }
}

#[test]
fn payloads_stay_out_of_the_log_above_debug() {
    let mut quiet = start("info", &[]);
    let mut loud = start("debug", &[]);

    use_secrets(&quiet);
    use_secrets(&loud);
    quiet.await_log(&["received text", "bytes=14"]);
    quiet.await_log(&["received binary", "bytes=13"]);
    loud.await_log(&["DEBUG", "canary-payload"]);

    quiet.get("/health/live");
    quiet.await_log(&["/health/live"]);
    let log = quiet.log();
    assert!(!log.contains("canary-payload"), "{log}");
    assert!(!log.contains("canary-binary"), "{log}");
}

#[test]
fn level_of_the_log_is_what_rust_log_says() {
    let silent = start("off", &[]);
    let access = start("off,holdwire::access=info", &[]);
    let mut usual = Running::start(&[]);

    for server in [&silent, &access, &usual] {
        server.open("/echo").close(1000);
        server.get("/health/live");
    }

    usual.await_log(&["holdwire::connection", "closed", "code=1000"]);
    assert_eq!(silent.log(), "");
    let mut access = access;
    access.await_log(&["/health/live"]);
    assert_eq!(access.log().lines().count(), 1);
}

#[test]
fn every_line_of_a_json_log_is_an_object() {
    let mut server = start("debug", &["--log", "json"]);

    use_secrets(&server);
    forge(&server);
    server.get("/health/live");
    server.await_log(&["/health/live"]);

    let log = server.log();
    for line in log.lines() {
        let value: serde_json::Value = serde_json::from_str(line).expect(line);
        for key in ["timestamp", "level", "target"] {
            assert!(value[key].is_string(), "{line}");
        }
    }
}

/// Puts what would be a line of its own, with colours, wherever a peer's text may be logged.
fn forge(server: &Running) {
    let forged = "a\r\nFORGED\u{1b}[31m\u{9b}31m\u{2028}FORGED\u{202e}";
    let mut peer = server.open("/");
    peer.say(forged);
    peer.send(FIN | BINARY, forged.as_bytes());
    let mut close = 1000_u16.to_be_bytes().to_vec();
    close.extend(forged.as_bytes());
    peer.send(FIN | CLOSE, &close);
    peer.wait_for_end();
    let host = server.host();
    let controls = "a\u{1b}[31m\rFORGED\nFORGED";
    server.ask_raw(&format!("GET /{controls} HTTP/1.1\r\n{host}\r\n"));
    server.ask_raw(&format!(
        "GET /{forged} HTTP/1.1\r\n{host}Connection: close\r\n\r\n"
    ));
    for line in [
        "Origin: http://\u{9b}31m\u{202e}",
        "Origin: \u{1b}[31mFORGED",
    ] {
        server.ask_raw(&format!(
            "GET / HTTP/1.1\r\n{host}{line}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        ));
    }
    server.ask_raw("GET / HTTP/1.1\r\nHost: evil\u{1b}[31m\u{9b}\r\n\r\n");
    server.ask_raw(&format!("F\u{1b}RGED / HTTP/1.1\r\n{host}\r\n"));
}

#[test]
fn text_of_a_peer_cannot_forge_a_line_of_the_log() {
    for level in ["info", "debug"] {
        let mut server = start(level, &[]);

        forge(&server);
        server.await_log(&["holdwire::connection", "closed", "FORGED"]);
        server.get("/health/live");
        server.await_log(&["/health/live"]);

        let log = server.log();
        for line in log.split('\n').filter(|line| !line.is_empty()) {
            assert!(
                line.starts_with("20"),
                "a line without its time: {line:?}\n{log}"
            );
            let is_visible = |c: char| !c.is_control() && !('\u{2028}'..='\u{202e}').contains(&c);
            assert!(line.chars().all(is_visible), "{line:?}");
        }
    }
}
