//! Channels by the plain door of the program.

use serde_json::Value;

use crate::peer::RSV1;
use crate::running::Running;

/// The query of a page that wants JSON.
const JSON: &str = "/ws/chat:room?format=json";

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn a_page_that_comes_back_has_everything_once() {
    let server = Running::start(&[]);
    let mut ann = server.open(JSON);
    let first = json(&ann.text());
    let mut bob = server.open("/ws/chat:room");
    bob.say("one");
    assert_eq!(bob.text(), "one");
    let last = json(&ann.text());
    assert_eq!((&first["offset"], &last["offset"]), (&0.into(), &1.into()));
    ann.close(1001);
    server.await_metric("holdwire_subscriptions ", |count| count == 1);

    for text in ["two", "three"] {
        bob.say(text);
        assert_eq!(bob.text(), text);
    }

    let since = last["epoch"].as_str().unwrap();
    let mut ann = server.open(&format!("{JSON}&since={since}:1"));
    assert_eq!(json(&ann.text())["offset"], 1);
    for (offset, text) in [(2, "two"), (3, "three")] {
        let publication = json(&ann.text());
        assert_eq!(
            (&publication["offset"], &publication["data"]),
            (&offset.into(), &text.into())
        );
    }
    for (name, expected) in [
        ("holdwire_channels ", 1),
        ("holdwire_subscriptions ", 2),
        ("holdwire_publications_total ", 3),
        ("holdwire_deliveries_total ", 4),
        ("holdwire_replays_total ", 2),
        ("holdwire_gaps_total{reason=\"expired\"} ", 0),
        ("holdwire_slow_consumers_total ", 0),
    ] {
        server.await_metric(name, |count| count == expected);
    }
}

#[test]
fn the_heartbeat_word_is_no_publication() {
    let server = Running::start(&[]);
    let mut page = server.open("/ws/chat:room");

    page.say("HeartBeat");
    assert_eq!(page.text(), "HeartBeat");
    page.say("hello");
    assert_eq!(page.text(), "hello");

    server.await_metric("holdwire_publications_total ", |count| count == 1);
}

#[test]
fn one_connection_has_many_channels_and_goes_on_in_the_next() {
    let server = Running::start(&[]);
    let lines = format!("{}Sec-WebSocket-Protocol: holdwire.v1\r\n", server.host());
    let connect = |connect: &str| {
        let (peer, head) = server.upgrade("/connection", &lines);
        let mut peer = peer.unwrap_or_else(|| panic!("{head}"));
        peer.say(connect);
        let reply = json(&peer.text());
        (peer, reply)
    };
    let (mut peer, connected) = connect(r#"{"id":1,"connect":{"subs":{"chat:a":{},"chat:b":{}}}}"#);
    let begins = [json(&peer.text()), json(&peer.text())];
    for channel in ["chat:a", "chat:b"] {
        peer.say(&format!(
            r#"{{"id":2,"publish":{{"channel":"{channel}","data":1,"n":1}}}}"#
        ));
        let (reply, push) = (json(&peer.text()), json(&peer.text()));
        let both = [&reply["publish"]["offset"], &push["push"]["pub"]["offset"]];
        assert!(both.iter().all(|offset| **offset == 1), "{reply} {push}");
    }
    drop(peer);

    let epoch = &begins[0]["push"]["subscribe"]["epoch"];
    let session = &connected["connect"]["session"];
    let again = format!(
        r#"{{"id":3,"connect":{{"session":{session},"subs":{{"chat:a":{{"epoch":{epoch},"offset":0}}}}}}}}"#
    );
    let (mut peer, connected) = connect(&again);

    assert_eq!(connected["connect"]["resumed"], true);
    assert_eq!(json(&peer.text())["push"]["subscribe"]["recovered"], true);
    assert_eq!(json(&peer.text())["push"]["pub"]["offset"], 1);
    assert!(server.get("/connection").starts_with("HTTP/1.1 426 "));
    assert_eq!(server.status("/connection", &server.host()), 400);
}

#[test]
fn paths_that_are_no_channels_say_so() {
    let local = Running::start(&[]);
    let open = Running::start_open(&[]);
    let status = |server: &Running, path: &str| server.status(path, &server.host());

    assert_eq!(status(&local, "/ws/news"), 404);
    assert_eq!(status(&local, "/ws/"), 400);
    assert_eq!(status(&local, "/ws/chat:room?since=1"), 400);
    assert_eq!(status(&open, "/ws/chat:room"), 404);
    assert!(local.get("/ws/chat:room").starts_with("HTTP/1.1 426 "));
}

#[test]
fn foreign_pages_may_not_open_channels() {
    let server = Running::start(&[]);
    let lines = format!("{}Origin: https://evil.example\r\n", server.host());

    assert_eq!(server.status("/ws/chat:room", &lines), 403);
}

#[test]
fn a_namespace_says_whether_its_publications_are_compressed() {
    let path = std::env::temp_dir().join(format!("holdwire-{}-compress.toml", std::process::id()));
    let config = "[namespaces.packed]\nhistory = 10\npublish = true\n\
                  [namespaces.plain]\nhistory = 10\npublish = true\ncompress = false\n";
    std::fs::write(&path, config).unwrap();
    let server = Running::start(&["--deflate", "--config", path.to_str().unwrap()]);
    std::fs::remove_file(&path).unwrap();
    let extension = "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover\r\n";
    let long = "hello ".repeat(200);

    for (namespace, compressed) in [("packed", true), ("plain", false)] {
        let path = format!("/ws/{namespace}:a");
        let mut speaker = server.open(&path);
        speaker.say("first");
        speaker.text();
        let (listener, head) = server.upgrade(
            &format!("{path}?format=json"),
            &format!("{}{extension}", server.host()),
        );
        let mut listener = listener.unwrap_or_else(|| panic!("{head}"));
        let begin: Value = json(&listener.text());
        speaker.say(&long);
        let live = listener.next();

        // The same from the log, at both doors.
        let epoch = begin["epoch"].as_str().unwrap();
        let (again, head) = server.upgrade(
            &format!("{path}?format=json&since={epoch}:1"),
            &format!("{}{extension}", server.host()),
        );
        let mut again = again.unwrap_or_else(|| panic!("{head}"));
        again.text();
        let replayed = again.next();
        let lines = format!(
            "{}{extension}Sec-WebSocket-Protocol: holdwire.v1\r\n",
            server.host()
        );
        let (session, head) = server.upgrade("/connection", &lines);
        let mut session = session.unwrap_or_else(|| panic!("{head}"));
        let start = format!("{{\"epoch\":\"{epoch}\",\"offset\":1}}");
        session.say(&format!(
            "{{\"id\":1,\"connect\":{{\"subs\":{{\"{namespace}:a\":{start}}}}}}}"
        ));
        // Who it is, and where it begins.
        session.next();
        session.next();
        let pushed = session.next();

        for frame in [live, replayed, pushed] {
            assert_eq!(
                frame.first & RSV1 != 0,
                compressed,
                "{namespace}: {frame:?}"
            );
        }
    }
}
