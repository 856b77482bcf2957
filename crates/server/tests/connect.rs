//! `holdwire connect`, from the outside, against `holdwire serve` and servers of a few bytes.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};

use common::client::{Frame, assert_fails, pipe, piped, unmasked};
use common::{Server, accept, holdwire, read_head, run};

fn echo_url(server: &Server) -> String {
    format!("ws://{}/echo", server.address)
}

/// A server for one connection; it is given the request and the socket.
fn serve_once(answer: impl FnOnce(&str, &mut TcpStream) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let head = read_head(&mut socket).unwrap();
        answer(&head, &mut socket);
    });
    address
}

/// A server that accepts one WebSocket, writes these frames and reads until a Close frame comes;
/// then it tells the frames that came.
fn serve_frames(frames: &'static [u8]) -> (String, Receiver<Vec<Frame>>) {
    let (told, received) = channel();
    let address = serve_once(move |head, socket| {
        accept(head, socket);
        socket.write_all(frames).unwrap();
        let (mut bytes, mut frames) = (Vec::new(), Vec::new());
        let mut chunk = [0; 256];
        while frames.last().is_none_or(|(first, _)| *first != 0x88) {
            match socket.read(&mut chunk) {
                Ok(0) | Err(_) => break,
                Ok(read) => bytes.extend(&chunk[..read]),
            }
            frames = unmasked(&bytes);
        }
        let _ = told.send(frames);
    });
    (format!("ws://{address}"), received)
}

#[test]
fn sent_texts_are_printed_as_they_come_back() {
    let server = Server::start(&[]);

    let (code, out, words) = run(&mut holdwire(&[
        "connect",
        &echo_url(&server),
        "--send",
        "one",
        "--send",
        "二\u{1b}[31m",
        "--count",
        "2",
    ]));

    assert_eq!(code, Some(0), "{words}");
    assert_eq!(out, "one\n二\u{1b}[31m\n");
    assert_eq!(
        words,
        format!(
            "connected to {}\nclosed with code 1000\n",
            echo_url(&server)
        )
    );
}

#[test]
fn expected_message_may_come_after_others() {
    let server = Server::start(&["--greeting", "welcome"]);
    let url = format!("ws://{}/", server.address);

    let (code, out, words) = run(&mut holdwire(&[
        "connect",
        &url,
        "--deflate",
        "--send",
        "a",
        "--send",
        "b",
        "--expect",
        "b",
        "--quiet",
    ]));

    assert_eq!((code, words.as_str()), (Some(0), ""));
    assert_eq!(out, "welcome\na\nb\n");
}

#[test]
fn missing_message_is_named_with_what_came_instead() {
    let server = Server::start(&[]);
    let url = &echo_url(&server);

    let send = [url, "--send", "hi", "--expect", "ho"];
    let late = [&send[..], &["--timeout", "50ms"]].concat();
    assert_fails(
        &late,
        1,
        &[
            "message \"ho\" did not come within 50ms",
            "last text \"hi\"",
        ],
    );
    let counted = [&send[..], &["--count", "1"]].concat();
    assert_fails(
        &counted,
        1,
        &["message \"ho\" was not there", "last text \"hi\""],
    );
    let few = [url, "--send", "hi", "--count", "2", "--timeout", "50ms"];
    assert_fails(&few, 1, &["message 2 of 2 did not come within 50ms"]);
}

#[test]
fn lines_of_a_pipe_are_sent_and_their_answers_awaited() {
    let server = Server::start(&[]);

    let (code, out, words) = pipe(
        &[&echo_url(&server), "--linger", "300ms", "--quiet"],
        "one\r\n\n心跳\n/ping".as_bytes(),
    );

    assert_eq!((code, words.as_str()), (Some(0), ""));
    assert_eq!(String::from_utf8(out).unwrap(), "one\n\n心跳\n/ping\n");
}

#[test]
fn line_that_is_not_utf_8_is_not_sent() {
    let server = Server::start(&[]);

    let (code, out, words) = pipe(&[&echo_url(&server), "--quiet"], b"\xff\xfe\n");

    assert_eq!((code, out.as_slice()), (Some(1), &b""[..]));
    assert!(words.contains("not UTF-8"), "{words}");
}

#[test]
fn json_is_indented_and_other_text_is_not() {
    let server = Server::start(&[]);

    let (code, out, words) = run(&mut holdwire(&[
        "connect",
        &echo_url(&server),
        "--json",
        "--count",
        "2",
        "--send",
        r#"{"b":[1.0],"a":2}"#,
        "--send",
        "{no}",
    ]));

    assert_eq!(code, Some(0), "{words}");
    assert_eq!(out, "{\n  \"b\": [\n    1.0\n  ],\n  \"a\": 2\n}\n{no}\n");
}

#[test]
fn ping_tells_how_long_the_pong_took() {
    let server = Server::start(&[]);

    let (code, out, words) = run(&mut holdwire(&[
        "connect",
        &echo_url(&server),
        "--ping",
        "--quiet",
        "--linger",
        "1ms",
    ]));

    assert_eq!((code, out.as_str()), (Some(0), ""));
    assert!(
        words.starts_with("pong after ") && words.ends_with(" ms\n"),
        "{words}"
    );
}

#[test]
fn binary_messages_are_shown_in_hex_raw_or_saved() {
    const TWO_MESSAGES_AND_CLOSE: &[u8] = b"\x82\x03\x00A\xff\x82\x01!\x88\x02\x03\xe8";
    let show = |options: &[&str]| {
        let (url, _) = serve_frames(TWO_MESSAGES_AND_CLOSE);
        let arguments = [&[url.as_str(), "--quiet", "--no-close"], options].concat();
        let (code, out, words) = pipe(&arguments, b"");
        assert_eq!((code, words.as_str()), (Some(0), ""));
        out
    };
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("binary-messages");
    let _ = std::fs::remove_dir_all(&folder);
    let saved = |name: &str| std::fs::read(folder.join(name)).unwrap();

    let hex = String::from_utf8(show(&[])).unwrap();
    assert!(
        hex.starts_with("binary message of 3 bytes\n00000000  00 41 ff "),
        "{hex}"
    );
    assert!(hex.contains(" |.A.|\nbinary message of 1 bytes\n"), "{hex}");
    assert_eq!(show(&["--binary", "raw"]), b"\x00A\xff!");

    let into_folder = ["--binary", "file", "--output-dir", folder.to_str().unwrap()];
    assert_eq!(show(&into_folder), b"");
    assert_eq!(show(&into_folder), b"");
    assert_eq!(saved("000001.bin"), b"\x00A\xff");
    assert_eq!(saved("000004.bin"), b"!");
}

#[test]
fn echo_sends_back_until_the_server_closes() {
    const TEXT_BINARY_AND_CLOSE: &[u8] = b"\x81\x02hi\x82\x01\x00\x88\x02\x0f\xa0";
    let (url, received) = serve_frames(TEXT_BINARY_AND_CLOSE);

    let (code, out, words) = run(&mut holdwire(&["connect", "--echo", &url]));

    assert_eq!((code, out.as_str(), words.as_str()), (Some(0), "", ""));
    assert_eq!(
        received.recv().unwrap(),
        [
            (0x81, b"hi".to_vec()),
            (0x82, vec![0]),
            (0x88, vec![0x0f, 0xa0]),
        ]
    );
}

#[test]
fn unusual_close_code_is_a_failure_and_is_shown_with_its_reason() {
    let (url, _) = serve_frames(b"\x88\x09\x0b\xbdbye now");

    assert_fails(&[&url], 1, &["closed with code 3005: \"bye now\""]);
}

#[test]
fn close_before_the_expected_message_is_a_failure() {
    let (url, _) = serve_frames(b"\x81\x01x\x88\x02\x03\xe8");

    assert_fails(
        &[&url, "--expect", "y"],
        1,
        &["code 1000 before the expected message \"y\" came"],
    );
}

#[test]
fn server_that_breaks_the_protocol_is_told_before_the_end() {
    let (url, received) = serve_frames(b"\xc1\x00");

    assert_fails(&[&url], 1, &["reserved bit is set"]);
    let frames = received.recv().unwrap();
    assert_eq!(frames[0].0, 0x88);
    assert_eq!(frames[0].1[..2], [0x03, 0xea]);
}

#[test]
fn message_beyond_the_limit_names_the_flag() {
    let (url, _) = serve_frames(b"\x81\x05hello");

    assert_fails(
        &[&url, "--max-message", "4"],
        1,
        &["too big", "--max-message"],
    );
}

#[test]
fn lost_line_is_a_failure() {
    let address = serve_once(accept);

    assert_fails(&[&format!("ws://{address}")], 1, &["closing handshake"]);
}

#[test]
fn refusal_is_shown_with_status_fields_and_body() {
    let address = serve_once(|_, socket| {
        let answer = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer\r\n\
                      Content-Length: 9\r\n\r\nnot\nyou\u{1b}\n";
        socket.write_all(answer.as_bytes()).unwrap();
    });

    let url = format!("ws://{address}/?token=s3cret");
    let (code, out, words) = run(&mut holdwire(&["connect", &url]));

    assert_eq!((code, out.as_str()), (Some(1), ""));
    assert_eq!(
        words,
        format!(
            "holdwire: ws://{address}/: the server refused the handshake with 401 Unauthorized, \
             www-authenticate: Bearer, saying \"not you\\u{{1b}}\"; give credentials: --header \
             'Authorization: …'\n"
        )
    );
}

#[test]
fn headers_origin_and_subprotocols_are_in_the_request() {
    let (told, request) = channel();
    let address = serve_once(move |head, _| told.send(head.to_lowercase()).unwrap());

    let url = format!("ws://me:secret@{address}/a?b=c");
    let options = ["--header", "X-Check: a: b", "--origin", "https://a.example"];
    let offers = ["--subprotocol", "chat", "--subprotocol", "v2", "--deflate"];
    assert_fails(&[&[&url[..]], &options[..], &offers].concat(), 1, &[]);

    let request = request.recv().unwrap();
    for line in [
        "get /a?b=c http/1.1",
        "x-check: a: b",
        "origin: https://a.example",
        "sec-websocket-protocol: chat, v2",
        "authorization: basic bwu6c2vjcmv0",
        concat!("user-agent: holdwire/", env!("CARGO_PKG_VERSION")),
    ] {
        assert!(request.lines().any(|it| it == line), "{line}\n{request}");
    }
    assert!(request.contains("permessage-deflate"), "{request}");
}

#[test]
fn what_cannot_be_reached_is_told_in_one_line() {
    // Nobody listens there, and nobody else is given the port meanwhile.
    let bound = tokio::net::TcpSocket::new_v4().unwrap();
    bound.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let closed = bound.local_addr().unwrap();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = format!("ws://{}", silent.local_addr().unwrap());

    assert_fails(&[&format!("ws://{closed}")], 1, &["refused", "port"]);
    assert_fails(&[&silent, "--connect-timeout", "50ms"], 1, &["within 50ms"]);
}

#[test]
fn flags_that_cannot_be_used_end_with_code_2() {
    let url = "ws://127.0.0.1:1/";
    let key = "Sec-WebSocket-Key: x";

    assert_fails(&["ws://"], 2, &["host"]);
    assert_fails(&[url, "--header", key], 2, &["leave out the header"]);
    assert_fails(&[url, "--cacert", "/no/such"], 2, &["/no/such"]);
    let folder = ["--binary", "file", "--output-dir", "/dev/null/no"];
    assert_fails(&[&[url], &folder[..]].concat(), 2, &["/dev/null/no"]);
}

#[test]
fn reader_that_goes_away_ends_it_in_silence() {
    let server = Server::start(&[]);

    let mut client = piped(&mut holdwire(&[
        "connect",
        &echo_url(&server),
        "--quiet",
        "--no-close",
    ]));
    drop(client.stdout.take());
    client.stdin.take().unwrap().write_all(b"hi\n").unwrap();
    let output = client.wait_with_output().unwrap();

    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[cfg(unix)]
#[test]
fn interrupt_closes_with_the_closing_handshake() {
    let (url, received) = serve_frames(b"\x81\x02hi");
    let mut client = piped(&mut holdwire(&["connect", &url]));
    let mut first = [0; 3];
    client
        .stdout
        .as_mut()
        .unwrap()
        .read_exact(&mut first)
        .unwrap();

    let id = client.id().to_string();
    let sent = Command::new("kill").args(["-INT", &id]).status().unwrap();

    assert!(sent.success());
    assert_eq!(
        received.recv().unwrap(),
        [(0x88, 1000_u16.to_be_bytes().to_vec())]
    );
    assert_eq!(client.wait().unwrap().code(), Some(0));
}
