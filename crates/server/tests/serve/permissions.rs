//! Who may do what in a channel, and how much of it.

use serde_json::{Value, json};

use crate::peer::Peer;
use crate::running::Running;

const SECRET: &str = "0123456789abcdef0123456789abcdef";

fn start(name: &str, namespaces: &str, flags: &[&str]) -> Running {
    let path = format!("{}/permissions-{name}.toml", env!("CARGO_TARGET_TMPDIR"));
    let text = format!("{namespaces}\n[keys.own]\nsecret = {SECRET:?}\n");
    std::fs::write(&path, text).unwrap();
    Running::start(&[&["--config", &path], flags].concat())
}

fn token(claims: &Value) -> String {
    use holdwire_server::token::{Key, Wish, make};
    let key = Key::secret("own", SECRET.as_bytes(), &[]).unwrap();
    let wish = Wish {
        claims: claims.as_object().unwrap().clone(),
        algorithm: None,
    };
    make(&key, &wish).unwrap()
}

/// A client with these claims, or without a token.
fn client(server: &Running, claims: &Value) -> Peer {
    let mut peer = open(server, claims);
    let reply = hear(&mut peer);
    assert!(reply["connect"].is_object(), "{reply}");
    peer
}

fn open(server: &Running, claims: &Value) -> Peer {
    let lines = format!("{}Sec-WebSocket-Protocol: holdwire.v1\r\n", server.host());
    let (peer, head) = server.upgrade("/connection", &lines);
    let mut peer = peer.unwrap_or_else(|| panic!("{head}"));
    let connect = match claims {
        Value::Null => json!({}),
        claims => json!({"token": token(claims)}),
    };
    peer.say(&json!({"id": 1, "connect": connect}).to_string());
    peer
}

#[track_caller]
fn hear(peer: &mut Peer) -> Value {
    serde_json::from_str(&peer.text()).unwrap()
}

/// The error's code of an answer, which may have pushes before it; 0 when there is none.
#[track_caller]
fn code(peer: &mut Peer, name: &str, members: &Value) -> u64 {
    peer.say(&json!({"id": 7, name: members}).to_string());
    loop {
        let reply = hear(peer);
        if reply["id"] == 7 {
            return reply["error"]["code"].as_u64().unwrap_or_default();
        }
    }
}

fn limited(server: &Running, what: &str) -> u64 {
    server.metric(&format!("holdwire_limited_total{{what=\"{what}\"}}"))
}

#[test]
fn each_of_four_things_is_for_those_whom_the_namespace_names() {
    let all = |who: &str| {
        format!(
            "[namespaces.{who}]\naccess = \"anyone\"\nhistory = 10\npublish = {who:?}\n\
             presence = {who:?}\nread-history = {who:?}\n"
        )
    };
    let namespaces = ["user", "subscriber", "token"].map(all).concat()
        + "[namespaces.quiet]\naccess = \"anyone\"\nsubscribe = \"token\"\npublish = true\n";
    let server = start("four", &namespaces, &[]);
    let nobody = || client(&server, &Value::Null);
    let ann = || client(&server, &json!({"sub": "ann"}));
    let holder = || {
        let channels = ["token:a", "subscriber:a", "quiet:a"];
        client(&server, &json!({"sub": "ann", "channels": channels}))
    };
    let commands = |channel: &str| {
        let channel = json!({"channel": channel});
        let mut publish = channel.clone();
        publish["data"] = json!(1);
        [
            ("publish", publish),
            ("presence", channel.clone()),
            ("presence_stats", channel.clone()),
            ("history", channel),
        ]
    };
    let assert_all = |peer: &mut Peer, channel: &str, expected: u64| {
        for (name, members) in commands(channel) {
            assert_eq!(code(peer, name, &members), expected, "{name} {channel}");
        }
    };

    assert_all(&mut nobody(), "user:a", 103);
    assert_all(&mut ann(), "user:a", 0);
    assert_all(&mut ann(), "token:a", 103);
    assert_all(&mut holder(), "token:a", 0);
    let mut peer = nobody();
    assert_all(&mut peer, "subscriber:b", 103);
    let subscribe = json!({"channel": "subscriber:b", "join_leave": true});
    assert_eq!(code(&mut peer, "subscribe", &subscribe), 0);
    assert_all(&mut peer, "subscriber:b", 0);
    // Whoever may not see who is there is not told who comes.
    let watching = json!({"channel": "user:a", "join_leave": true});
    assert_eq!(code(&mut nobody(), "subscribe", &watching), 103);
    assert_eq!(code(&mut ann(), "subscribe", &watching), 0);
    let quiet = json!({"channel": "quiet:a"});
    assert_eq!(code(&mut ann(), "subscribe", &quiet), 103);
    assert_eq!(
        code(
            &mut ann(),
            "publish",
            &json!({"channel": "quiet:a", "data": 1})
        ),
        0
    );
    let mut holding = holder();
    hear(&mut holding);
    hear(&mut holding);
    hear(&mut holding);
    assert_eq!(code(&mut holding, "unsubscribe", &quiet), 0);
    assert_eq!(code(&mut holding, "subscribe", &quiet), 0);
}

#[test]
fn the_plain_door_has_the_same_permissions() {
    let namespaces = "[namespaces.news]\naccess = \"anyone\"\npublish = \"token\"\npresence = \"user\"\n\
        [namespaces.quiet]\naccess = \"anyone\"\nsubscribe = \"user\"\n";
    let server = start("plain", namespaces, &[]);
    let host = server.host();
    let ann = token(&json!({"sub": "ann"}));
    let editor = token(&json!({"sub": "ann", "channel": "news:a"}));

    for (path, status) in [
        ("/ws/quiet:a".to_owned(), 401),
        (format!("/ws/quiet:a?token={ann}"), 101),
        ("/ws/news:a?format=json&presence".to_owned(), 401),
        (format!("/ws/news:a?format=json&presence&token={ann}"), 101),
    ] {
        assert_eq!(server.status(&path, &host), status, "{path}");
    }
    let mut reader = server.open(&format!("/ws/news:a?format=json&token={ann}"));
    reader.text();
    reader.say("1");
    assert_eq!(hear(&mut reader)["error"]["code"], 103);
    let mut writer = server.open(&format!("/ws/news:a?format=json&token={editor}"));
    writer.text();
    writer.say("2");
    assert_eq!(hear(&mut reader)["data"], 2);
}

#[test]
fn a_permission_that_nobody_could_have_is_refused_with_its_remedy() {
    for (line, remedy) in [
        (
            "publish = \"user\"",
            "add a table [keys.NAME], token-jwks or hook-connect",
        ),
        (
            "publish = \"nobody\"",
            "write true, false, user, subscriber or token",
        ),
        ("subscribe = \"subscriber\"", "write true, user or token"),
        ("subscribe = false", "write true, user or token"),
    ] {
        let path = format!("{}/permissions-wrong.toml", env!("CARGO_TARGET_TMPDIR"));
        std::fs::write(&path, format!("[namespaces.chat]\n{line}\n")).unwrap();
        let mut command = crate::common::holdwire(&["serve", "--check-config", "--config", &path]);
        let (code, _, words) = crate::common::run(&mut command);
        assert_eq!(code, Some(2), "{line}: {words}");
        assert!(words.contains(remedy), "{line}: {words}");
        assert_eq!(words.lines().count(), 1);
    }
}

#[test]
fn commands_beyond_the_rate_are_refused_and_nothing_is_lost_of_what_comes_again() {
    let server = Running::start(&["--publications-per-second=4", "--commands-per-second=1000"]);
    let mut peer = client(&server, &Value::Null);
    let publish = |n: u64| json!({"channel": "chat:a", "data": n, "n": n});

    let mut codes: Vec<u64> = Vec::new();
    for n in 1..=10 {
        codes.push(code(&mut peer, "publish", &publish(n)));
    }
    let done = codes.iter().take_while(|code| **code == 0).count();
    assert!((4..10).contains(&done), "{codes:?}");
    assert_eq!(codes[done], 111);
    // What would come before it is not taken, even when there is room again.
    assert!(
        codes[done..].iter().all(|code| [111, 150].contains(code)),
        "{codes:?}"
    );
    assert!(limited(&server, "publications") > 0);
    assert_eq!(limited(&server, "commands"), 0);
    for n in done as u64 + 1..=10 {
        while code(&mut peer, "publish", &publish(n)) != 0 {
            // Whoever asks all the time is closed.
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        let history = json!({"channel": "chat:a"});
        assert_eq!(code(&mut peer, "history", &history), 103);
    }
    let stats = server.metric("holdwire_publications_total ");
    assert_eq!(stats, 10);
}

#[test]
fn whoever_does_not_mind_a_limit_is_closed() {
    let server = Running::start(&["--commands-per-second=5"]);
    let mut peer = client(&server, &Value::Null);
    let mut page = server.open("/ws/chat:a?format=json");
    page.text();

    for peer in [&mut peer, &mut page] {
        let text = json!({"id": 2, "ping": {}}).to_string();
        let mut bytes = Vec::new();
        for _ in 0..1100 {
            bytes.extend(Peer::frame(
                crate::peer::FIN | crate::peer::TEXT,
                text.as_bytes(),
            ));
        }
        std::io::Write::write_all(&mut peer.stream, &bytes).unwrap();
        let end = loop {
            let frame = peer.next();
            if frame.first & 0xf == crate::peer::CLOSE {
                break frame;
            }
        };
        assert_eq!(end.code(), 4429);
    }
    assert_eq!(limited(&server, "abuse"), 2);
}

#[test]
fn a_user_has_so_many_connections_and_shares_what_they_may() {
    let namespaces = "[namespaces.chat]\npublish = true\n";
    let flags = [
        "--connections-per-user=2",
        "--user-publications-per-second=1",
    ];
    let server = start("user", namespaces, &flags);
    let ann = json!({"sub": "ann"});
    let path = format!("/ws/chat:a?token={}", token(&ann));

    let mut first = client(&server, &ann);
    let mut second = client(&server, &ann);
    assert_eq!(hear(&mut open(&server, &ann))["error"]["code"], 106);
    assert_eq!(server.status(&path, &server.host()), 429);
    client(&server, &json!({"sub": "bob"}));
    let publish = json!({"channel": "chat:a", "data": 1});
    let codes = [
        code(&mut first, "publish", &publish),
        code(&mut second, "publish", &publish),
        code(&mut first, "publish", &publish),
    ];
    assert!(codes.contains(&111), "{codes:?}");
    assert_eq!(limited(&server, "connections"), 2);
    first.close(1000);
    let mut is_in = false;
    while !is_in {
        is_in = server.status(&path, &server.host()) == 101;
    }
}

#[test]
fn a_connection_has_as_many_channels_as_the_server_was_told() {
    let server = Running::start(&["--channels-per-connection=2"]);
    let mut peer = client(&server, &Value::Null);
    let subscribe = |name: &str| json!({"channel": format!("chat:{name}")});

    assert_eq!(code(&mut peer, "subscribe", &subscribe("a")), 0);
    assert_eq!(code(&mut peer, "subscribe", &subscribe("b")), 0);
    assert_eq!(code(&mut peer, "subscribe", &subscribe("c")), 106);
    assert_eq!(code(&mut peer, "unsubscribe", &subscribe("a")), 0);
    assert_eq!(code(&mut peer, "subscribe", &subscribe("c")), 0);
    assert_eq!(limited(&server, "channels"), 1);
}
