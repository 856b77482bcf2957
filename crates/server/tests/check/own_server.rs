//! Against `holdwire serve`, which does all as it should.

use std::net::TcpStream;
use std::sync::mpsc::channel;

use serde_json::Value;

use crate::common::{Server, holdwire, run};
use crate::scripted::{CLOSE, PING, TEXT, answer, behave, obey, open, read, serve, write};
use crate::{assert_warned, check, finding};

#[test]
fn everything_is_found_out_about_a_reflecting_echo() {
    let server = Server::start(&["--max-message", "100000"]);
    let url = format!("ws://{}/echo/headers", server.address);

    let (code, report) = check(&[
        &url,
        "--header",
        "Authorization: Bearer s3cret",
        "--pings",
        "20",
        "--echo",
        "--heartbeat-word=hi",
        "--max-message",
        "1MiB",
        "--idle",
        "300ms",
    ]);

    assert_eq!(code, Some(0));
    assert_eq!(report["verdict"], "warnings");
    let way = &report["way"];
    assert_eq!(way["attempts"][0]["outcome"], "connected");
    assert!(way["total_ms"].as_f64() >= way["upgrade_ms"].as_f64());
    assert_eq!(report["agreed"]["deflate"], true);
    assert_eq!(report["pings"]["sent"], 20);
    assert_eq!(report["pings"]["times_ms"].as_array().unwrap().len(), 20);
    let changes = &report["changes"];
    assert_eq!(changes["version"], "HTTP/1.1");
    for none in ["added", "removed", "changed"] {
        assert_eq!(changes[none].as_array().unwrap().len(), 0, "{none}");
    }
    assert_eq!(changes["kept_back"][0], "authorization");
    assert_eq!(report["version"]["status"], 426);
    assert_eq!(report["version"]["supported"], "13");
    assert_eq!(report["origin"]["status"], 101);
    assert_eq!(finding(&report, "foreign_origin").0, "warning");
    assert_eq!(report["closing"]["code"], 1000);
    assert_eq!(report["closing"]["transport"], "fin");
    for kind in ["text", "binary", "compressed"] {
        assert!(
            report["echo"][kind]["echoed"].is_f64(),
            "{:#}",
            report["echo"]
        );
    }
    assert!(report["heartbeat_word"]["fate"]["echoed"].is_f64());
    let largest = &report["largest"];
    assert!(
        largest["accepted"].as_u64().unwrap() <= 100_000,
        "{largest:#}"
    );
    assert!(
        largest["accepted"].as_u64().unwrap() > 99_000,
        "{largest:#}"
    );
    assert_eq!(largest["refusal"]["code"], 1009);
    assert!(report["idle"]["alive_ms"].is_f64());
    assert!(report["idle"]["cut"].is_null());
    assert_documented(&report);
}

/// Every field of a report is in the guide.
#[track_caller]
fn assert_documented(report: &Value) {
    let guide = include_str!("../../../../docs/guide/check.md");
    let mut waiting = vec![report];
    while let Some(value) = waiting.pop() {
        if let Value::Object(fields) = value {
            for (name, value) in fields {
                assert!(
                    guide.contains(&format!("`{name}`")),
                    "{name} is not in the guide"
                );
                waiting.push(value);
            }
        }
        waiting.extend(value.as_array().into_iter().flatten());
    }
}

#[test]
fn page_for_people_is_80_columns_wide_and_keeps_secrets() {
    let server = Server::start(&[]);
    let url = format!("ws://{}/echo/headers?token=s3cret", server.address);

    let (code, page, words) = run(&mut holdwire(&["check", &url, "--header", "X-Own: s3cret"]));

    assert_eq!((code, words.as_str()), (Some(0), ""));
    for line in page.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
    for part in [
        "The way there",
        "20 of 20",
        "426, Sec-WebSocket-Version: 13",
        "Verdict\n✓ ok\n",
    ] {
        assert!(page.contains(part), "{part} is not in {page}");
    }
    assert!(!page.contains("s3cret"), "{page}");
    assert!(!page.contains('\u{1b}'), "{page}");
}

#[test]
fn other_endpoint_can_reflect_the_request() {
    let server = Server::start(&[]);
    let url = format!("ws://{}/", server.address);
    let reflector = format!("ws://{}/echo/headers", server.address);

    let (_, unknown) = check(&[&url]);
    let (_, known) = check(&[&url, "--reflect", &reflector]);

    assert!(unknown["changes"].is_null());
    assert_eq!(known["changes"]["version"], "HTTP/1.1");
    let reflect = ["--reflect", &url];
    assert_warned(
        &[&[&*url], &reflect[..]].concat(),
        "reflect",
        &["not a request"],
    );
}

#[test]
fn proxy_that_changes_the_request_is_named() {
    let reflecting = |head: &str, socket: &mut TcpStream| {
        if open(head, socket) {
            let fields = r#"{"headers":[["host","10.0.0.1"],["via","1.1 old"]]}"#;
            write(socket, TEXT, fields.as_bytes());
            behave(socket);
        }
    };

    let report = assert_warned(
        &[&serve(reflecting)],
        "proxy_host",
        &["10.0.0.1", "Host $http_host"],
    );

    assert_eq!(report["changes"]["added"][0]["name"], "via");
    finding(&report, "proxy_extensions");
}

#[test]
fn application_gets_no_message_unless_asked_for() {
    let (told, frames) = channel();
    let url = serve(move |head: &str, socket: &mut TcpStream| {
        if open(head, socket) {
            while read(socket).is_some_and(|frame| {
                told.send(frame.first).unwrap();
                obey(socket, &frame)
            }) {}
        }
    });

    let (code, _) = check(&[&url, "--idle", "50ms", "--pings", "3"]);

    assert_eq!(code, Some(0));
    let seen: Vec<u8> = frames.try_iter().collect();
    assert!(seen.contains(&PING), "{seen:?}");
    assert!(seen.iter().all(|first| *first >= CLOSE), "{seen:?}");
}

#[test]
fn refusal_after_the_101_is_a_refusal() {
    let url = serve(|head: &str, socket: &mut TcpStream| {
        if open(head, socket) {
            match head.contains("foreign.invalid") {
                true => write(socket, CLOSE, &4403_u16.to_be_bytes()),
                false => behave(socket),
            }
        }
    });

    let (_, report) = check(&[&url, "--header", "Cookie: a=b"]);

    assert_eq!(report["origin"]["closed"]["code"], 4403);
    assert_eq!(report["verdict"], "ok", "{report:#}");
}

#[test]
fn page_of_another_site_with_the_visitors_cookie_is_a_warning() {
    let url = serve(|head: &str, socket: &mut TcpStream| {
        match head.contains("strict") && head.contains("foreign.invalid") {
            true => answer(socket, "403 Forbidden"),
            false => {
                if open(head, socket) {
                    behave(socket);
                }
            }
        }
    });

    assert_warned(
        &[&url, "--header", "Cookie: a=b"],
        "foreign_origin",
        &["any site", "Origin"],
    );
    let (_, strict) = check(&[&format!("{url}strict"), "--header", "Cookie: a=b"]);
    assert_eq!(
        (strict["origin"]["status"].as_u64(), &strict["verdict"]),
        (Some(403), &"ok".into())
    );
}
