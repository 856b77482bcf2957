//! `holdwire sub` and `holdwire pub`, from the outside.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, ChildStdout, Command, Stdio};

use common::{Server, holdwire, run};
use serde_json::{Value, json};

fn url(server: &Server) -> String {
    format!("ws://{}/connection", server.address)
}

/// A running `holdwire sub --json`.
struct Reader {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Reader {
    fn start(server: &Server, arguments: &[&str]) -> Self {
        let url = url(server);
        let arguments = [&["sub", "--json", "--url", &url], arguments].concat();
        let mut command = holdwire(&arguments);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    fn next(&mut self) -> Value {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line:?}: {error}"))
    }

    fn publication(&mut self) -> Value {
        self.next()["publication"].take()
    }

    fn exit(mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

fn publish(server: &Server, arguments: &[&str]) -> (Option<i32>, String, String) {
    let url = url(server);
    run(&mut holdwire(
        &[&["pub", "--url", &url], arguments].concat(),
    ))
}

#[test]
fn what_one_terminal_publishes_another_reads() {
    let server = Server::start(&[]);
    let mut reader = Reader::start(&server, &["chat:room", "--count", "4"]);
    let first = reader.next();
    assert_eq!(first["subscribed"]["offset"], 0, "{first}");

    let (code, out, words) = publish(&server, &["chat:room", "one", "two", "--json"]);
    assert_eq!(code, Some(0), "{words}");
    assert!(words.contains("2 publications in chat:room"), "{words}");
    let offsets: Vec<Value> = out
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["offset"].take())
        .collect();
    assert_eq!(offsets, [1, 2]);
    publish(&server, &["chat:room", "--kind", "json", "[1, null]"]);
    publish(&server, &["chat:room", "--kind", "base64", "AP8="]);

    for text in ["one", "two"] {
        assert_eq!(reader.publication()["data"], text);
    }
    assert_eq!(reader.publication()["data"], json!([1, null]));
    assert_eq!(reader.publication()["base64"], "AP8=");
    assert_eq!(reader.exit(), Some(0));
}

#[test]
fn reader_goes_on_after_a_position() {
    let server = Server::start(&[]);
    publish(&server, &["chat:room", "--count", "100", "hello"]);
    let (code, out, words) = publish(&server, &["chat:room", "last", "--json"]);
    assert_eq!(code, Some(0), "{words}");
    let last: Value = serde_json::from_str(&out).unwrap();
    let since = format!("{}:90", last["epoch"].as_str().unwrap());

    let url = url(&server);
    let arguments = [
        "sub",
        "--url",
        &url,
        "chat:room",
        "--since",
        &since,
        "--count",
        "11",
    ];
    let (code, out, words) = run(&mut holdwire(&arguments));

    assert_eq!(code, Some(0), "{words}");
    let expected = "hello\n".repeat(10) + "last\n";
    assert_eq!(out, expected);
    assert!(
        words.contains(&format!("chat:room: from {since} on")),
        "{words}"
    );
    assert!(words.contains("11 publications"), "{words}");
}

#[test]
fn lines_of_standard_input_are_published_in_order() {
    let server = Server::start(&[]);
    let mut reader = Reader::start(&server, &["chat:room", "--count", "3000"]);
    reader.next();
    let url = url(&server);
    let mut command = holdwire(&["pub", "--url", &url, "--quiet", "chat:room"]);
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();

    let mut input = child.stdin.take().unwrap();
    for number in 0..3000 {
        writeln!(input, "{number}").unwrap();
    }
    drop(input);

    for number in 0..3000 {
        assert_eq!(reader.publication()["data"], number.to_string());
    }
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(reader.exit(), Some(0));
}

#[test]
fn several_channels_are_told_apart() {
    let server = Server::start(&[]);
    let url = url(&server);
    let arguments = ["sub", "--url", &url, "--count", "2", "chat:a", "chat:b"];
    let mut command: Command = holdwire(&arguments);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let words = BufReader::new(child.stderr.take().unwrap());
    let mut begun = words.lines().map(Result::unwrap);
    begun
        .by_ref()
        .filter(|line| line.contains(" on"))
        .take(2)
        .for_each(drop);

    publish(&server, &["chat:a", "one"]);
    publish(&server, &["chat:b", "two"]);

    let mut out = String::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut out)
        .unwrap();
    let mut lines: Vec<&str> = out.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["chat:a one", "chat:b two"]);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn what_is_not_had_is_said_in_one_line() {
    let server = Server::start(&[]);
    let url = url(&server);
    let sub = |arguments: &[&str]| {
        run(&mut holdwire(
            &[&["sub", "--url", &url], arguments].concat(),
        ))
    };
    let dead = ["--url", "ws://127.0.0.1:1/", "--max-attempts", "1"];

    for (ran, code, expected) in [
        (sub(&["news:a"]), 1, "there is no such namespace (2102)"),
        (
            publish(&server, &["news:a", "x"]),
            1,
            "there is no such namespace (102)",
        ),
        (
            sub(&["chat:a", "chat:b", "--since", "kzeqhzcd.0:1"]),
            2,
            "name only that one",
        ),
        (sub(&["chat:a", "chat:a"]), 2, "name it once"),
        (
            sub(&["chat:a", "--since", "1"]),
            2,
            "a position is EPOCH:OFFSET",
        ),
        (
            publish(&server, &["chat:a", "--kind", "json", "{"]),
            2,
            "is no JSON",
        ),
        (
            publish(&server, &["chat:a", "--kind", "base64", "%"]),
            2,
            "is no base64",
        ),
        (
            run(&mut holdwire(&[&["sub"][..], &dead, &["chat:a"]].concat())),
            1,
            "--url",
        ),
        (
            run(&mut holdwire(
                &[&["pub"][..], &dead, &["chat:a", "x"]].concat(),
            )),
            1,
            "--url",
        ),
    ] {
        let (ended, out, words) = ran;
        let last = words.lines().last().unwrap_or_default();
        assert_eq!((ended, &*out), (Some(code), ""), "{words}");
        assert!(last.starts_with("holdwire: "), "{words}");
        assert!(last.contains(expected), "{words}");
    }
}
