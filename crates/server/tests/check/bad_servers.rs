//! Servers that do wrong: each is named for what it is.

use std::io::Write as _;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::Duration;

use crate::scripted::{CLOSE, PING, answer, behave, obey, open, read, serve, write};
use crate::{assert_broken, assert_warned, check, finding};

/// Behaves for so long, then does this.
fn after(time: Duration, act: fn(&mut TcpStream)) -> String {
    serve(move |head: &str, socket: &mut TcpStream| {
        if open(head, socket) {
            socket.set_read_timeout(Some(time)).unwrap();
            behave(socket);
            socket.set_read_timeout(None).unwrap();
            act(socket);
        }
    })
}

/// Longer than a busy machine takes between two pings.
const CUT: Duration = Duration::from_secs(1);
const IDLE: [&str; 4] = ["--idle", "20s", "--timeout", "5s"];

#[track_caller]
fn assert_cut(act: fn(&mut TcpStream), parts: &[&str]) -> serde_json::Value {
    let url = after(CUT, act);

    let report = assert_warned(&[&[&*url], &IDLE[..]].concat(), "idle", parts);

    let silence = report["idle"]["silence_ms"].as_f64().unwrap();
    assert!((500.0..15_000.0).contains(&silence), "{silence}");
    report
}

#[test]
fn cut_of_a_silent_connection_is_told_with_its_kind() {
    let close = assert_cut(
        |socket| {
            write(
                socket,
                CLOSE,
                &[&1001_u16.to_be_bytes()[..], b"idle"].concat(),
            )
        },
        &["after", "close code 1001 \"idle\""],
    );
    let fin = assert_cut(|_| {}, &["(FIN) without a Close frame"]);
    // A byte that was not read makes the end a reset.
    let reset = after(CUT, |socket| {
        write(socket, PING, b"");
        let mut byte = [0];
        while socket.peek(&mut byte).unwrap() == 0 {}
    });
    let reset = assert_warned(&[&[&*reset], &IDLE[..]].concat(), "idle", &["(RST)"]);

    assert_eq!(close["idle"]["cut"]["code"], 1001);
    assert_eq!(fin["idle"]["cut"]["transport"], "fin");
    assert_eq!(reset["idle"]["cut"]["transport"], "reset");
    assert_eq!(reset["idle"]["pings_ms"].as_array().unwrap().len(), 1);
}

#[test]
fn silent_cut_is_noticed_by_a_ping_afterwards() {
    let url = after(CUT, |_| std::thread::sleep(Duration::from_secs(20)));
    let idle = ["--idle", "2s", "--timeout", "1s"];

    let report = assert_warned(&[&[&*url], &idle[..]].concat(), "idle", &["without a word"]);

    assert_eq!(report["idle"]["silently_cut"], true);
}

#[test]
fn ping_without_a_pong_is_broken() {
    let url = serve(|head: &str, socket: &mut TcpStream| {
        if open(head, socket) {
            while read(socket).is_some_and(|frame| frame.first == PING) {}
        }
    });

    assert_broken(
        &[&url, "--timeout", "1s"],
        "ping",
        &["not answered", "heartbeat"],
    );
}

#[test]
fn connection_that_the_server_ends_at_once_is_broken() {
    let url = serve(|head: &str, socket: &mut TcpStream| {
        if open(head, socket) {
            write(socket, CLOSE, &4401_u16.to_be_bytes());
        }
    });

    assert_broken(&[&url], "ended", &["close code 4401", "credentials"]);
}

#[test]
fn broken_frame_is_named() {
    let url = serve(|head: &str, socket: &mut TcpStream| {
        if open(head, socket) {
            write(socket, 0xc1, b"");
            behave(socket);
        }
    });

    assert_broken(&[&url], "ended", &["reserved bit"]);
}

#[test]
fn wrong_answers_to_the_handshake_are_told_apart() {
    let status =
        |status: &'static str| serve(move |_: &str, socket: &mut TcpStream| answer(socket, status));
    let wrong = "101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                 Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
    let garbage = serve(|_: &str, socket: &mut TcpStream| {
        socket.write_all(b"SSH-2.0-server\r\n\r\n").unwrap();
    });
    let closing = serve(|_: &str, socket: &mut TcpStream| {
        socket.shutdown(Shutdown::Both).unwrap();
    });

    assert_broken(&[&status("200 OK")], "refused", &["200 OK", "serves pages"]);
    let redirect = "302 Found\r\nLocation: wss://elsewhere.example/";
    assert_broken(
        &[&status(redirect)],
        "refused",
        &["302", "redirects are not followed"],
    );
    assert_broken(
        &[&status("400 Bad Request")],
        "refused",
        &["400", "proxy", "Upgrade"],
    );
    assert_broken(
        &[&status("401 Unauthorized")],
        "refused",
        &["401", "credentials"],
    );
    assert_broken(&[&status(wrong)], "violation", &["does not answer the key"]);
    assert_broken(&[&garbage], "malformed", &["not HTTP/1.1"]);
    assert_broken(&[&closing], "lost", &["without an answer"]);
}

#[test]
fn nobody_there_is_told_by_the_step_that_failed() {
    let unused = TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = format!("ws://{}", unused.local_addr().unwrap());
    drop(unused);
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = format!("ws://{}", silent.local_addr().unwrap());

    assert_broken(&[&closed], "connect", &["refused", "firewall"]);
    assert_broken(&[&silent, "--timeout", "500ms"], "late", &["took too long"]);
    assert_broken(&["ws://no-such-host.invalid"], "name", &["spelled"]);
}

#[test]
fn proxy_that_opens_no_tunnel_is_at_fault() {
    let proxy =
        serve(|_: &str, socket: &mut TcpStream| answer(socket, "407 Authentication Required"));
    let proxy = proxy.replace("ws://", "http://");

    assert_broken(
        &["ws://127.0.0.1:1/", "--proxy", &proxy],
        "proxy",
        &["407", "credentials"],
    );
}

#[test]
fn version_that_does_not_exist_must_not_be_accepted() {
    let any = serve(|head: &str, socket: &mut TcpStream| {
        crate::common::accept(head, socket);
        behave(socket);
    });
    let bare = serve(|head: &str, socket: &mut TcpStream| {
        match head.contains("Sec-WebSocket-Version: 13\r\n") {
            true => {
                crate::common::accept(head, socket);
                behave(socket);
            }
            false => answer(socket, "400 Bad Request"),
        }
    });

    assert_warned(&[&any], "wrong_version", &["accepts version 99", "426"]);
    let (_, report) = check(&[&bare]);
    let (level, said) = finding(&report, "wrong_version");
    assert_eq!(level, "note");
    assert!(said.contains("400") && said.contains("not named"), "{said}");
}

#[test]
fn close_frame_without_an_answer_is_a_warning() {
    let url = serve(|head: &str, socket: &mut TcpStream| {
        if open(head, socket) {
            while let Some(frame) = read(socket) {
                if frame.first != CLOSE {
                    obey(socket, &frame);
                }
            }
        }
    });

    assert_warned(
        &[&url, "--timeout", "1s"],
        "closing",
        &["not answered", "1006"],
    );
}

#[test]
fn word_that_nobody_answers_is_a_warning() {
    let url = after(Duration::from_secs(20), |_| {});

    let word = ["--heartbeat-word", "--timeout", "2s"];
    assert_warned(
        &[&[&*url], &word[..]].concat(),
        "heartbeat_word",
        &["HeartBeat", "not answered"],
    );
}

#[test]
fn message_that_is_answered_by_an_end_without_1009_is_noted() {
    let url = serve(|head: &str, socket: &mut TcpStream| {
        if open(head, socket) {
            // Takes control frames, and leaves at the first message.
            while read(socket).is_some_and(|frame| frame.first >= CLOSE && obey(socket, &frame)) {}
        }
    });

    let (code, report) = check(&[&url, "--max-message", "64"]);

    assert_eq!(code, Some(0));
    assert_eq!(report["largest"]["refused"], 1);
    assert!(
        finding(&report, "max_message")
            .1
            .contains("otherwise than with 1009")
    );
}
