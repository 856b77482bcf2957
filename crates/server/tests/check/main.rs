//! `holdwire check`, from the outside, against `holdwire serve` and against servers that do wrong.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "../common/mod.rs"]
mod common;

mod bad_servers;
mod interrupt;
mod own_server;
mod scripted;
mod tls;

use common::{holdwire, run};
use serde_json::Value;

/// Checks, and gives the exit code and the report; with few pings unless it is said how many.
#[track_caller]
fn check(arguments: &[&str]) -> (Option<i32>, Value) {
    let few: &[&str] = match arguments.contains(&"--pings") {
        true => &[],
        false => &["--pings", "2"],
    };
    let (code, out, words) = run(holdwire(&["check", "--json"]).args(few).args(arguments));
    let report = serde_json::from_str(&out);
    (
        code,
        report.unwrap_or_else(|error| panic!("{error}: {out}{words}")),
    )
}

/// The finding of this name: its level and all that it says.
#[track_caller]
fn finding(report: &Value, id: &str) -> (String, String) {
    let findings = report["findings"].as_array().unwrap();
    let found = findings.iter().find(|finding| finding["id"] == id);
    let found = found.unwrap_or_else(|| panic!("{id} is not in {findings:#?}"));
    let text = |name: &str| found[name].as_str().unwrap_or_default().to_owned();
    (
        text("level"),
        format!("{} → {}", text("text"), text("advice")),
    )
}

/// The server is broken, for this reason and no other.
#[track_caller]
fn assert_broken(arguments: &[&str], id: &str, parts: &[&str]) {
    let (code, report) = check(arguments);

    assert_eq!(code, Some(1), "{report:#}");
    assert_eq!(report["verdict"], "broken");
    assert_eq!(report["findings"][0]["id"], id, "{report:#}");
    let (_, said) = finding(&report, id);
    for part in parts {
        assert!(said.contains(part), "{part:?} is not in {said}");
    }
}

/// The server works, with this warning.
#[track_caller]
fn assert_warned(arguments: &[&str], id: &str, parts: &[&str]) -> Value {
    let (code, report) = check(arguments);

    assert_eq!(code, Some(0), "{report:#}");
    assert_eq!(report["verdict"], "warnings", "{report:#}");
    let (level, said) = finding(&report, id);
    assert_eq!(level, "warning");
    for part in parts {
        assert!(said.contains(part), "{part:?} is not in {said}");
    }
    report
}

#[test]
fn flags_that_cannot_be_used_end_with_code_2() {
    let url = "ws://127.0.0.1:1/";
    for (arguments, part) in [
        (vec!["ws://"], "host"),
        (vec![url, "--header", "Sec-WebSocket-Key: x"], "leave out"),
        (vec![url, "--cacert", "/no/such"], "/no/such"),
        (vec![url, "--idle", "2h"], "at most 1h"),
        (vec![url, "--max-message", "1GiB"], "at most 256MiB"),
        (vec![url, "--pings", "0"], "from 1"),
    ] {
        let (code, out, words) = run(holdwire(&["check"]).args(&arguments));

        assert_eq!((code, out.as_str()), (Some(2), ""), "{arguments:?}");
        assert_eq!(words.lines().count(), 1, "{words}");
        assert!(words.contains(part), "{part:?} is not in {words}");
    }
}
