//! A backend that is slow, dead or talks nonsense.

use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use serde_json::{Value, json};

use super::{Backend, Reply, ask, connected, hear, start, yes};
use crate::running::{Running, SOON};

fn raw(status: &str, headers: &str, body: &str) -> Reply {
    let length = body.len();
    Reply::Raw(format!(
        "HTTP/1.1 {status}\r\n{headers}Connection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    ))
}

fn rpc(method: &str) -> Value {
    json!({"method": method})
}

fn calls(server: &Running, hook: &str, outcome: &str) -> u64 {
    let name = format!("holdwire_hook_calls_total{{hook=\"{hook}\",outcome=\"{outcome}\"}}");
    server.metric(&name)
}

#[test]
fn an_answer_that_is_none_is_told_as_temporary_and_counted() {
    let backend = Backend::new(|asked| match asked.body["method"].as_str().unwrap() {
        "slow" => Reply::Silence,
        "garbage" => raw("200 OK", "", "<html>"),
        "empty" => raw("200 OK", "", ""),
        "giant" => raw("200 OK", "", &" ".repeat(256 * 1024 + 1)),
        "endless" => {
            let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
            let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
            Reply::Raw(format!("{head}{}", chunk.repeat(8)))
        }
        "moved" => raw("307 Moved", "Location: /elsewhere\r\n", ""),
        "broken" => raw("500 Oh", "", r#"{"result":{}}"#),
        "busy" => raw("503 Busy", "", ""),
        "half" => Reply::Raw("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{".to_owned()),
        "cut" => Reply::Raw(String::new()),
        "noise" => Reply::Raw("SSH-2.0-x\r\n".to_owned()),
        _ => yes(),
    });
    let flags = ["--hook-timeout=300ms", "--hook-retries=0"];
    let server = start("nonsense", &backend, &["rpc"], &flags);
    let mut peer = connected(&server);

    for (method, outcome) in [
        ("slow", "timeout"),
        ("garbage", "invalid"),
        ("empty", "invalid"),
        ("giant", "too_large"),
        ("endless", "too_large"),
        ("moved", "status"),
        ("broken", "status"),
        ("busy", "unavailable"),
        ("half", "lost"),
        ("cut", "lost"),
        ("noise", "lost"),
    ] {
        let before = calls(&server, "rpc", outcome);
        let reply = ask(&mut peer, 2, "rpc", &rpc(method));
        assert_eq!(reply["error"]["code"], 100, "{method}: {reply}");
        assert_eq!(reply["error"]["temporary"], true);
        assert_eq!(calls(&server, "rpc", outcome), before + 1, "{method}");
        // None of them keeps the next one from being asked.
        let reply = ask(&mut peer, 3, "rpc", &rpc("good"));
        assert!(reply["rpc"].is_object(), "{method}: {reply}");
    }
    let asked = backend.asked();
    assert!(
        asked
            .iter()
            .all(|asked| asked.path.starts_with("/hooks/rpc"))
    );
    assert_eq!(calls(&server, "rpc", "ok"), 11);
}

#[test]
fn only_what_does_no_harm_twice_is_repeated() {
    let count = AtomicUsize::new(0);
    let backend = Backend::new(move |asked| {
        let is_early = count.fetch_add(1, Ordering::SeqCst) < 2;
        match asked.body["hook"].as_str().unwrap() {
            "connect" if is_early => Reply::Silence,
            "rpc" if asked.body["method"] == "busy" => raw("503 Busy", "", ""),
            "rpc" => Reply::Silence,
            _ => yes(),
        }
    });
    let flags = ["--hook-timeout=300ms"];
    let server = start("repeats", &backend, &["connect", "rpc"], &flags);

    let mut peer = connected(&server);
    assert_eq!(backend.asked().len(), 3);
    ask(&mut peer, 2, "rpc", &rpc("slow"));
    assert_eq!(backend.wait_for("rpc", 1).len(), 1);
    ask(&mut peer, 3, "rpc", &rpc("busy"));
    let asked = backend.wait_for("rpc", 4);
    assert_eq!(asked.len(), 4);
    let ids: Vec<_> = asked.iter().map(|asked| &asked.body["request"]).collect();
    assert_ne!(ids[0], ids[1]);
    assert!(ids[1] == ids[2] && ids[2] == ids[3], "{ids:?}");
}

#[test]
fn a_dead_backend_refuses_for_the_time_being_or_what_was_allowed_goes_on() {
    let gone = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = gone.local_addr().unwrap();
    drop(gone);
    let flags: Vec<String> = ["connect", "subscribe", "publish", "rpc"]
        .map(|hook| format!("--hook-{hook}=http://{host}/"))
        .into();
    let mut flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    flags.push("--hook-retries=0");
    let strict = Running::start(&flags);
    flags.push("--hook-allow-when-down=subscribe");
    flags.push("--hook-allow-when-down=publish");
    let half = Running::start(&flags);
    flags.push("--hook-allow-when-down=connect");
    let lenient = Running::start(&flags);

    for server in [&strict, &half] {
        let mut peer = super::speak(server, &server.host(), &json!({}));
        assert_eq!(hear(&mut peer)["error"]["code"], 100);
        assert_eq!(server.status("/ws/chat:a", &server.host()), 503);
    }
    // Whoever has no name may not use channels for users.
    let mut peer = connected(&lenient);
    let publish = json!({"channel": "chat:a", "data": 1});
    assert_eq!(ask(&mut peer, 2, "publish", &publish)["error"]["code"], 103);
    assert_eq!(ask(&mut peer, 3, "rpc", &rpc("a"))["error"]["code"], 100);
    assert_eq!(lenient.status("/ws/chat:a", &lenient.host()), 401);
}

#[test]
fn a_backend_that_does_not_answer_is_left_alone_and_tried_again() {
    let count = AtomicUsize::new(0);
    let backend = Backend::new(move |_| match count.fetch_add(1, Ordering::SeqCst) {
        0..5 => raw("502 Gone", "", ""),
        _ => yes(),
    });
    let flags = ["--hook-retries=0"];
    let mut server = start("breaker", &backend, &["rpc"], &flags);
    let mut peer = connected(&server);

    for id in 2..7 {
        ask(&mut peer, id, "rpc", &rpc("a"));
    }
    server.await_log(&["WARN", "holdwire::hook", "left alone"]);
    let resting = "holdwire_hook_resting{hook=\"rpc\"}";
    assert_eq!(server.metric(resting), 1);
    let begin = Instant::now();
    let mut id = 7;
    let answered = loop {
        let reply = ask(&mut peer, id, "rpc", &rpc("a"));
        if reply["rpc"].is_object() {
            break reply;
        }
        assert_eq!(reply["error"]["code"], 100, "{reply}");
        assert!(begin.elapsed() < SOON, "it is never tried again");
        id += 1;
    };

    assert_eq!(backend.asked().len(), 6, "{answered}");
    assert_eq!(server.metric(resting), 0);
    assert_eq!(calls(&server, "rpc", "unavailable"), 5);
    assert_eq!(calls(&server, "rpc", "resting"), id - 7);
    server.await_log(&["INFO", "holdwire::hook", "answers again"]);
}

#[test]
fn more_questions_than_may_be_under_way_are_refused_at_once() {
    let backend = Backend::new(|asked| match asked.body["method"] == "slow" {
        true => Reply::Silence,
        false => yes(),
    });
    let flags = ["--hook-under-way=1", "--hook-timeout=2s"];
    let server = start("full", &backend, &["rpc"], &flags);
    let mut peer = connected(&server);

    peer.say(&json!({"id": 2, "rpc": rpc("slow")}).to_string());
    let reply = ask(&mut peer, 3, "rpc", &rpc("a"));

    assert_eq!(
        (&reply["id"], &reply["error"]["code"]),
        (&json!(3), &json!(100))
    );
    assert_eq!(calls(&server, "rpc", "full"), 1);
    assert_eq!(hear(&mut peer)["id"], 2);
    let reply = ask(&mut peer, 4, "rpc", &rpc("a"));
    assert!(reply["rpc"].is_object(), "{reply}");
}
