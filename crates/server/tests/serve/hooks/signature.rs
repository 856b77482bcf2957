//! Requests are signed so that everybody can verify it.

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::json;

use super::{Backend, Reply, ask, connected, yes};
use crate::running::Running;

const SECRET: &str = "canary-secret-canary-secret-canary-secret";

fn secret_file(name: &str) -> String {
    let path = format!("{}/hooks-{name}.secret", env!("CARGO_TARGET_TMPDIR"));
    // With the line end that an editor leaves.
    std::fs::write(&path, format!("{SECRET}\n")).unwrap();
    path
}

/// The block of the guide in this language.
fn snippet(language: &str) -> String {
    let guide = include_str!("../../../../../docs/guide/hooks.md");
    let (_, rest) = guide.split_once(&format!("```{language}\n")).unwrap();
    rest.split_once("```").unwrap().0.to_owned()
}

/// What a program says that gets the secret, a header and a body.
fn verdict(program: &[&str], code: &str, header: &str, body: &[u8]) -> String {
    let mut process = Command::new(program[0])
        .args(&program[1..])
        .arg(code)
        .args([SECRET, header])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("this test needs {}: {error}", program[0]));
    process.stdin.take().unwrap().write_all(body).unwrap();
    let output = process.wait_with_output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn programs_of_the_guide_accept_what_is_signed_and_nothing_else() {
    let backend = Backend::new(|_| yes());
    let file = secret_file("guide");
    let flags = ["--hook-secret-file", &file, &backend.flag("rpc")];
    let server = Running::start(&flags);
    let mut peer = connected(&server);
    ask(&mut peer, 2, "rpc", &json!({"method": "ä"}));
    let asked = backend.asked().remove(0);
    let header = &asked.headers["holdwire-signature"];
    let (_, signature) = header.split_once(',').unwrap();

    let python = snippet("python")
        + "\nimport sys\nok = verify(sys.argv[1].encode(), sys.argv[2], sys.stdin.buffer.read())\n\
           print('yes' if ok else 'no')\n";
    let node = snippet("js")
        + "\nimport { readFileSync } from 'node:fs'\n\
           const [secret, header] = process.argv.slice(-2)\n\
           console.log(verify(secret, header, readFileSync(0)) ? 'yes' : 'no')\n";
    for (program, code) in [
        (&["python3", "-c"][..], &python),
        (&["node", "--input-type=module", "-e"], &node),
    ] {
        let says = |header: &str, body: &[u8]| verdict(program, code, header, body);
        assert_eq!(says(header, &asked.raw), "yes", "{program:?}");
        assert_eq!(says(header, b"{}"), "no");
        assert_eq!(says("", &asked.raw), "no");
        assert_eq!(says("v1=00", &asked.raw), "no");
        assert_eq!(says(&format!("t=1700000000,{signature}"), &asked.raw), "no");
    }
}

#[test]
fn secrets_of_hooks_are_in_no_line_of_the_log() {
    let backend = Backend::new(|_| Reply::Json(json!({"result": {"user": "ann"}})));
    let file = secret_file("log");
    let mut command = crate::common::holdwire(&["serve", "--listen", "127.0.0.1:0"]);
    command.args(["--hook-secret-file", &file, "--hook-header", "cookie"]);
    command.args([backend.flag("connect"), backend.flag("publish")]);
    let mut server = Running::spawn(command.env("RUST_LOG", "trace"));
    let lines = format!("{}Cookie: pass=canary-cookie\r\n", server.host());
    let mut peer = super::speak(&server, &lines, &json!({"token": "canary-token"}));
    super::hear(&mut peer);
    let publish = json!({"channel": "chat:a", "data": "hello"});
    ask(&mut peer, 2, "publish", &publish);
    let asked = backend.asked();
    assert_eq!(super::hooks(&asked), ["connect", "publish"]);
    assert_eq!(asked[0].body["headers"]["cookie"], "pass=canary-cookie");
    server.get("/health/live");
    server.await_log(&["/health/live"]);

    let signature = asked[0].headers["holdwire-signature"].clone();
    let log = server.log();
    assert!(!log.contains("canary"), "{log}");
    assert!(!log.contains(&signature), "{log}");
}
