//! Ctrl-C: what is known by then is told.

#![cfg(unix)]

use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;

use serde_json::Value;

use crate::common::holdwire;
use crate::scripted::{behave, open, serve};

#[test]
fn what_is_known_is_told_when_somebody_loses_patience() {
    let (told, opened) = channel();
    let url = serve(move |head: &str, socket: &mut TcpStream| {
        if open(head, socket) {
            told.send(()).unwrap();
            behave(socket);
        }
    });
    let client = holdwire(&["check", &url, "--json", "--pings", "1", "--idle", "1h"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The main connection, the one with a foreign Origin, the silent one.
    for _ in 0..3 {
        opened.recv().unwrap();
    }

    let sent = Command::new("kill")
        .args(["-INT", &client.id().to_string()])
        .status();

    assert!(sent.unwrap().success());
    let output = client.wait_with_output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(report["interrupted"], true);
    assert_eq!(report["pings"]["sent"], 1);
    assert_eq!(report["version"]["status"], 426);
}
