//! The judge itself, judged: servers that do one thing wrong must not pass.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};

use super::*;

/// What a server says before it ends TCP, once for the request and once for the frames.
struct Script {
    response: String,
    frames: &'static [u8],
}

/// Judges a case against a server that answers by the script, whatever it is sent.
fn verdict_of(case: &str, script: Script) -> Verdict {
    let case: Case = serde_json::from_str(case).unwrap();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let server = listener.local_addr().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut heard = [0; 4096];
            let _request = stream.read(&mut heard).unwrap();
            stream.write_all(script.response.as_bytes()).unwrap();
            if !script.frames.is_empty() {
                let _frames = stream.read(&mut heard).unwrap();
                stream.write_all(script.frames).unwrap();
            }
        });
        judge(&case, server)
    })
}

fn verdict_of_response(case: &str, response: &str) -> Verdict {
    verdict_of(
        case,
        Script {
            response: response.to_owned(),
            frames: b"",
        },
    )
}

fn verdict_of_frames(case: &str, frames: &'static [u8]) -> Verdict {
    verdict_of(
        case,
        Script {
            response: switching(EXAMPLE_ACCEPT, ""),
            frames,
        },
    )
}

fn switching(accept: &str, more: &str) -> String {
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n{more}\r\n"
    )
}

#[track_caller]
fn assert_failed(verdict: &Verdict) {
    assert!(matches!(verdict, Verdict::Failed(_)), "{verdict:?}");
}

const REFUSED: &str =
    r#"{"name": "n", "section": "s", "expect": {"status": [400, 405, 426], "within_ms": 1000}}"#;
const BAD_FRAME: &str = r#"{"name": "n", "section": "s", "frames": [{"opcode": 3}],
    "expect": {"close": [1002], "within_ms": 1000}}"#;
const BAD_REQUEST: &str = "HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\n\r\nno";

#[test]
fn expected_refusal_passes() {
    assert_eq!(verdict_of_response(REFUSED, BAD_REQUEST), Verdict::Passed);
}

#[test]
fn accept_of_a_bad_request_fails() {
    assert_failed(&verdict_of_response(
        REFUSED,
        &switching(EXAMPLE_ACCEPT, ""),
    ));
}

#[test]
fn bare_end_instead_of_a_status_fails() {
    assert_failed(&verdict_of_response(REFUSED, ""));
}

#[test]
fn answer_to_what_hides_behind_a_refused_request_fails() {
    let twice = [BAD_REQUEST, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"].concat();

    assert_failed(&verdict_of_response(REFUSED, &twice));
}

#[test]
fn status_without_the_fields_that_belong_to_it_fails() {
    for line in ["426 Upgrade Required", "405 Method Not Allowed"] {
        let response = format!("HTTP/1.1 {line}\r\nContent-Length: 0\r\n\r\n");

        assert_failed(&verdict_of_response(REFUSED, &response));
    }
}

#[test]
fn wrong_accept_value_fails() {
    assert_failed(&verdict_of(
        BAD_FRAME,
        Script {
            response: switching("Oy4NRAQ13jhfONC7bP8dTKb4PTU=", ""),
            frames: b"",
        },
    ));
}

#[test]
fn subprotocol_or_extension_that_nobody_offered_fails() {
    for more in [
        "Sec-WebSocket-Protocol: chat\r\n",
        "Sec-WebSocket-Extensions: permessage-deflate\r\n",
    ] {
        assert_failed(&verdict_of(
            BAD_FRAME,
            Script {
                response: switching(EXAMPLE_ACCEPT, more),
                frames: b"\x88\x02\x03\xea",
            },
        ));
    }
}

#[test]
fn expected_close_code_and_end_pass() {
    assert_eq!(
        verdict_of_frames(BAD_FRAME, b"\x88\x02\x03\xea"),
        Verdict::Passed
    );
}

#[test]
fn other_close_code_fails() {
    assert_failed(&verdict_of_frames(BAD_FRAME, b"\x88\x02\x03\xe8"));
}

#[test]
fn bare_end_instead_of_a_close_code_fails() {
    assert_failed(&verdict_of_frames(BAD_FRAME, b"\x89\x00"));
}

#[test]
fn frame_after_the_close_frame_fails() {
    assert_failed(&verdict_of_frames(BAD_FRAME, b"\x88\x02\x03\xea\x81\x01x"));
}

#[test]
fn refusal_of_good_input_fails() {
    let good = r#"{"name": "n", "section": "s", "frames": [{"opcode": "text", "payload": "a"}],
        "expect": {"answers": [{"text": "a"}], "within_ms": 1000}}"#;

    assert_failed(&verdict_of_frames(good, b"\x88\x02\x03\xea"));
    assert_failed(&verdict_of_response(good, BAD_REQUEST));
}

#[test]
fn connection_that_ends_after_good_input_fails() {
    let good = r#"{"name": "n", "section": "s", "frames": [{"opcode": "text", "payload": "a"}],
        "expect": {"answers": [{"text": "a"}]}}"#;

    assert_failed(&verdict_of_frames(good, b"\x81\x01a"));
}
