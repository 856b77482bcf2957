//! `holdwire connect --reconnect`, from the outside: a line in the terminal.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;

use common::client::{assert_fails, piped, unmasked};
use common::{Server, accept, holdwire, read_head, run};

/// A server whose connections are played one after the other.
fn serve(script: impl FnOnce(&mut dyn FnMut() -> TcpStream) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        script(&mut || {
            let (mut socket, _) = listener.accept().unwrap();
            let head = read_head(&mut socket).unwrap();
            accept(&head, &mut socket);
            socket
        });
    });
    url
}

/// Reads the frames of a client up to its Close frame, and answers that.
fn until_close(socket: &mut TcpStream) -> Vec<(u8, String)> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 256];
    loop {
        let frames = unmasked(&bytes);
        let pings = frames.iter().filter(|(first, _)| *first == 0x89);
        for (_, payload) in pings {
            let pong = [&[0x8a, u8::try_from(payload.len()).unwrap()], &payload[..]].concat();
            // A pong that nobody asked for does no harm.
            let _ = socket.write_all(&pong);
        }
        if frames.last().is_some_and(|(first, _)| *first == 0x88) {
            socket.write_all(b"\x88\x02\x03\xe8").unwrap();
            let text = |payload: Vec<u8>| String::from_utf8_lossy(&payload).into_owned();
            return frames
                .into_iter()
                .filter(|(first, _)| *first != 0x89)
                .map(|(first, payload)| (first, text(payload)))
                .collect();
        }
        match socket.read(&mut chunk) {
            Ok(0) | Err(_) => panic!("no close: {frames:?}"),
            Ok(read) => bytes.extend(&chunk[..read]),
        }
    }
}

#[test]
fn line_comes_back_and_messages_alone_are_on_standard_output() {
    let url = serve(|next| {
        let mut first = next();
        first.write_all(b"\x81\x03one").unwrap();
        drop(first);
        let mut second = next();
        second.write_all(b"\x81\x03two").unwrap();
        until_close(&mut second);
    });

    let (code, messages, states) = run(&mut holdwire(&[
        "connect",
        "--reconnect",
        "--count",
        "2",
        &url,
    ]));

    assert_eq!((code, messages.as_str()), (Some(0), "one\ntwo\n"));
    let states: Vec<&str> = states
        .lines()
        .map(|line| {
            let (time, state) = line.split_once(' ').unwrap();
            assert!(time.starts_with("20") && time.ends_with('Z'), "{line}");
            state.split([' ', ':']).next().unwrap()
        })
        .collect();
    let expected = ["connecting", "up", "down", "connecting", "up", "stopped"];
    assert_eq!(states, expected);
}

#[test]
fn what_is_typed_while_the_line_is_down_is_sent_when_it_is_up() {
    let (told, frames) = std::sync::mpsc::channel();
    let (is_down, went_down) = std::sync::mpsc::channel();
    let url = serve(move |next| {
        drop(next());
        is_down.send(()).unwrap();
        let mut second = next();
        told.send(until_close(&mut second)).unwrap();
    });
    let mut client = piped(&mut holdwire(&[
        "connect",
        "--reconnect",
        "--linger",
        "50ms",
        &url,
    ]));

    went_down.recv().unwrap();
    let mut states = BufReader::new(client.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("down: ") {
        line.clear();
        assert_ne!(states.read_line(&mut line).unwrap(), 0);
    }
    let mut input = client.stdin.take().unwrap();
    input.write_all(b"first\nsecond\n").unwrap();
    drop(input);

    let frames = frames.recv().unwrap();
    let texts: Vec<&str> = frames
        .iter()
        .filter(|(first, _)| *first == 0x81)
        .map(|(_, text)| text.as_str())
        .collect();
    assert_eq!(texts, ["first", "second"]);
    assert_eq!(client.wait().unwrap().code(), Some(0));
}

#[test]
fn message_that_was_sent_just_before_a_drop_is_told_of() {
    let url = serve(|next| {
        let mut first = next();
        // Until the message is here, and no pong.
        first.read_exact(&mut [0; 9]).unwrap();
        drop(first);
        until_close(&mut next());
    });

    let (code, _, words) = run(&mut holdwire(&[
        "connect",
        "--reconnect",
        "--send",
        "abc",
        "--no-close",
        "--timeout",
        "3s",
        &url,
    ]));

    assert_eq!(code, Some(1), "{words}");
    assert!(words.contains("nobody knows: \"abc\""), "{words}");
    let last = words.lines().last().unwrap();
    assert!(last.contains("1 may not have arrived"), "{words}");
}

#[test]
fn json_is_one_line_each() {
    let url = serve(|next| {
        let mut socket = next();
        socket
            .write_all(b"\x81\x04a\nb\x7f\x82\x02\x00\xff")
            .unwrap();
        until_close(&mut socket);
    });

    let (code, messages, states) = run(&mut holdwire(&[
        "connect",
        "--reconnect",
        "--json",
        "--count",
        "2",
        &url,
    ]));

    assert_eq!(code, Some(0), "{states}");
    let read = |lines: &str| -> Vec<serde_json::Value> {
        let lines = lines.lines().map(serde_json::from_str);
        lines.map(Result::unwrap).collect()
    };
    let messages = read(&messages);
    assert_eq!(messages[0]["text"], "a\nb\u{7f}");
    assert_eq!(messages[1]["binary"], "00ff");
    let states = read(&states);
    let events: Vec<&str> = states
        .iter()
        .map(|state| state["event"].as_str().unwrap())
        .collect();
    assert_eq!(events, ["connecting", "up", "stopped"]);
    assert_eq!(states[2]["why"], "asked");
}

#[cfg(unix)]
#[test]
fn interrupt_stops_politely_whether_it_is_up_or_down() {
    let (told, frames) = std::sync::mpsc::channel();
    let up = serve(move |next| {
        told.send(until_close(&mut next())).unwrap();
    });
    let unused = TcpListener::bind("127.0.0.1:0").unwrap();
    let down = format!("ws://{}", unused.local_addr().unwrap());
    drop(unused);

    for (url, state) in [(&up, " up"), (&down, "down: ")] {
        let mut client = piped(&mut holdwire(&[
            "connect",
            "--reconnect",
            "--no-close",
            url,
        ]));
        let mut states = BufReader::new(client.stderr.take().unwrap());
        let mut line = String::new();
        while !line.contains(state) {
            line.clear();
            assert_ne!(states.read_line(&mut line).unwrap(), 0);
        }

        let id = client.id().to_string();
        let sent = Command::new("kill").args(["-INT", &id]).status().unwrap();

        assert!(sent.success());
        assert_eq!(client.wait().unwrap().code(), Some(0), "{state}");
    }
    assert_eq!(frames.recv().unwrap()[0].0, 0x88);
}

#[test]
fn line_that_cannot_come_back_ends_with_code_1_and_the_reason() {
    let server = Server::start(&[]);
    let nowhere = format!("ws://{}/nowhere", server.address);
    let unused = TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = format!("ws://{}", unused.local_addr().unwrap());
    drop(unused);

    let gives_up = ["--reconnect", "--max-attempts", "2", &closed];
    assert_fails(&gives_up, 1, &["refused", "--max-attempts"]);
    assert_fails(&["--reconnect", &nowhere], 1, &["404", "path"]);
}

#[test]
fn flags_that_make_no_sense_with_it_are_named() {
    let url = "ws://127.0.0.1:1/";

    assert_fails(&["--reconnect", "--echo", url], 2, &["--echo"]);
    assert_fails(&["--reconnect", "--ping", url], 2, &["--ping"]);
    assert_fails(&["--max-attempts", "3", url], 2, &["--reconnect"]);
    let raw = ["--reconnect", "--json", "--binary", "raw", url];
    assert_fails(&raw, 2, &["--binary raw"]);
}
