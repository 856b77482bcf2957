//! `holdwire connect` in a pipe, and the frames that a server gets from it.

use std::io::Write;
use std::process::{Child, Command, Stdio};

use super::{holdwire, run};

/// Runs the client with a pipe as its input, which ends after these bytes.
pub fn pipe(arguments: &[&str], input: &[u8]) -> (Option<i32>, Vec<u8>, String) {
    let mut client = piped(holdwire(&["connect"]).args(arguments));
    client.stdin.take().unwrap().write_all(input).unwrap();
    let output = client.wait_with_output().unwrap();
    let words = String::from_utf8(output.stderr).unwrap();
    (output.status.code(), output.stdout, words)
}

pub fn piped(command: &mut Command) -> Child {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// First byte and payload.
pub type Frame = (u8, Vec<u8>);

/// The whole frames among bytes of a client; all are short.
pub fn unmasked(mut bytes: &[u8]) -> Vec<Frame> {
    let mut frames = Vec::new();
    while let [first, length, a, b, c, d, rest @ ..] = bytes
        && let Some((payload, next)) = rest.split_at_checked(usize::from(length & 0x7f))
    {
        let mask = [a, b, c, d].into_iter().cycle();
        let payload = payload.iter().zip(mask).map(|(byte, mask)| byte ^ mask);
        frames.push((*first, payload.collect()));
        bytes = next;
    }
    frames
}

#[track_caller]
pub fn assert_fails(arguments: &[&str], code: i32, parts: &[&str]) {
    let (ended, _, words) = run(holdwire(&["connect", "--quiet"]).args(arguments));

    assert_eq!(ended, Some(code), "{words}");
    assert_eq!(words.lines().count(), 1, "{words}");
    for part in parts {
        assert!(words.contains(part), "{part:?} is not in {words}");
    }
}
