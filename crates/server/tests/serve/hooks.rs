//! A backend decides: webhooks at both doors of the program.

mod backend;
mod signature;
mod trouble;

use std::sync::Mutex;
use std::sync::mpsc;

use serde_json::{Value, json};

use self::backend::{Asked, Backend, Reply};
use crate::peer::{CLOSE, FIN, Frame, Peer};
use crate::running::Running;

/// Namespaces of each access, where clients may do everything.
const NAMESPACES: &str = "[namespaces.open]\naccess = \"anyone\"\npublish = true\npresence = true\n\
    history = 100\nread-history = true\n[namespaces.chat]\npublish = true\npresence = true\n\
    [namespaces.private]\naccess = \"token\"\npublish = true\nhistory = 10\n";

/// A server with a backend, asked about these.
fn start(name: &str, backend: &Backend, hooks: &[&str], flags: &[&str]) -> Running {
    let directory = env!("CARGO_TARGET_TMPDIR");
    let path = format!("{directory}/hooks-{name}.toml");
    let open = "[namespaces.open]\naccess = \"anyone\"\npublish = true\npresence = true\n\
        history = 100\nread-history = true\n";
    let lends = hooks.contains(&"connect") || hooks.contains(&"subscribe");
    std::fs::write(
        &path,
        if lends {
            private(hooks)
        } else {
            open.to_owned()
        },
    )
    .unwrap();
    let mut all = vec!["--config".to_owned(), path];
    all.extend(hooks.iter().map(|hook| backend.flag(hook)));
    all.extend(flags.iter().map(|flag| (*flag).to_owned()));
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    Running::start(&all)
}

/// Nobody has a name without a hook that says so.
fn private(hooks: &[&str]) -> String {
    if hooks.contains(&"connect") {
        return NAMESPACES.to_owned();
    }
    NAMESPACES.replace(
        "[namespaces.chat]",
        "[namespaces.chat]\naccess = \"anyone\"",
    )
}

/// A client's connection to `/connection`, on which this was said first.
fn speak(server: &Running, lines: &str, connect: &Value) -> Peer {
    let lines = format!("{lines}Sec-WebSocket-Protocol: holdwire.v1\r\n");
    let (peer, head) = server.upgrade("/connection", &lines);
    let mut peer = peer.unwrap_or_else(|| panic!("{head}"));
    peer.say(&json!({"id": 1, "connect": connect}).to_string());
    peer
}

/// The same, and its answer.
fn connected(server: &Running) -> Peer {
    let mut peer = speak(server, &server.host(), &json!({}));
    let reply = hear(&mut peer);
    assert!(reply["connect"].is_object(), "{reply}");
    peer
}

#[track_caller]
fn hear(peer: &mut Peer) -> Value {
    loop {
        let said: Value = serde_json::from_str(&peer.text()).unwrap();
        // A ping of the Centrifuge protocol.
        if said != json!({}) {
            return said;
        }
    }
}

/// What is answered to a command.
#[track_caller]
fn ask(peer: &mut Peer, id: u64, name: &str, members: &Value) -> Value {
    peer.say(&json!({"id": id, name: members}).to_string());
    hear(peer)
}

/// The code and the reason of a Close frame.
#[track_caller]
fn end(frame: &Frame) -> (u16, String) {
    let reason = String::from_utf8(frame.payload[2..].to_vec()).unwrap();
    (frame.code(), reason)
}

fn yes() -> Reply {
    Reply::Json(json!({"result": {}}))
}

fn error(code: u16) -> Reply {
    Reply::Json(json!({"error": {"code": code, "message": "the backend says no"}}))
}

#[test]
fn a_backend_says_who_comes_and_what_it_gets() {
    let backend = Backend::new(|_| {
        Reply::Json(json!({"result": {
            "user": "ann",
            "channels": ["private:ann"],
            "expire_in": 600,
            "info": {"color": "red"},
            "data": {"theme": "dark"},
        }}))
    });
    let flags = ["--hook-header=cookie", "--hook-header=x-seen"];
    let server = start("who", &backend, &["connect"], &flags);
    let lines = format!(
        "{}Cookie: a=1\r\nCookie: b=2\r\nX-Seen: yes\r\nX-Other: no\r\n",
        server.host()
    );

    let connect = json!({"token": "opaque", "name": "app", "version": "7", "data": [1],
        "subs": {"chat:a": {}}});
    let mut peer = speak(&server, &lines, &connect);
    let reply = hear(&mut peer);

    let told = &reply["connect"];
    assert_eq!(told["data"], json!({"theme": "dark"}), "{reply}");
    assert_eq!(told["ttl"], 600);
    let pushes = [hear(&mut peer), hear(&mut peer)];
    let channels = pushes.each_ref().map(|push| &push["push"]["channel"]);
    assert_eq!(channels, ["chat:a", "private:ann"]);
    let reply = ask(&mut peer, 2, "presence", &json!({"channel": "chat:a"}));
    let id = told["client"].as_str().unwrap();
    let someone = &reply["presence"]["presence"][id];
    assert_eq!(someone["user"], "ann", "{reply}");
    assert_eq!(someone["info"], json!({"color": "red"}));

    let asked = backend.asked().remove(0);
    assert_eq!(asked.path, "/hooks/connect?v=1");
    assert_eq!(asked.headers["content-type"], "application/json");
    assert_eq!(asked.headers["holdwire-hook"], "connect");
    assert_eq!(asked.body["request"], *asked.headers["holdwire-request"]);
    let expected = json!({
        "hook": "connect", "request": asked.body["request"], "client": id,
        "transport": "websocket", "protocol": "holdwire.v1", "remote_address": "127.0.0.1",
        "headers": {"cookie": "a=1; b=2", "x-seen": "yes"},
        "name": "app", "version": "7", "token": "opaque", "data": [1],
    });
    assert_eq!(asked.body, expected);
}

#[test]
fn a_no_of_the_backend_is_told_as_it_was_said() {
    let backend = Backend::new(|asked| {
        let body = &asked.body;
        let what = [&body["token"], &body["channel"], &body["method"]];
        let what = what.into_iter().find_map(Value::as_str).unwrap_or("a:yes");
        match what.rsplit(':').next().unwrap() {
            "no" => error(403),
            "later" => Reply::Json(json!({"error": {"code": 1999, "temporary": true}})),
            "never" => Reply::Json(json!({"disconnect": {"code": 4403, "reason": "banned"}})),
            _ => yes(),
        }
    });
    let hooks = ["connect", "subscribe", "publish", "rpc"];
    let server = start("no", &backend, &hooks, &[]);
    let host = server.host();

    let refused = |reply: &Value| {
        let error = &reply["error"];
        let message = error["message"].as_str().unwrap().to_owned();
        (error["code"].clone(), message, error["temporary"] == true)
    };
    let no = || (json!(403), "the backend says no".to_owned(), false);
    let later = || (json!(1999), String::new(), true);
    let mut peer = speak(&server, &host, &json!({"token": "a:no"}));
    assert_eq!(refused(&hear(&mut peer)), no());
    let mut peer = speak(&server, &host, &json!({"token": "a:later"}));
    assert_eq!(refused(&hear(&mut peer)), later());
    let mut peer = speak(&server, &host, &json!({"token": "a:never"}));
    assert_eq!(end(&peer.next()), (4403, "banned".to_owned()));
    for (name, member, more) in [
        ("subscribe", "channel", json!({})),
        ("publish", "channel", json!({"data": 1})),
        ("rpc", "method", json!({})),
    ] {
        let said = |what: &str| {
            let mut members = more.clone();
            members[member] = json!(what);
            members
        };
        let mut peer = connected(&server);
        let reply = ask(&mut peer, 2, name, &said("open:no"));
        assert_eq!(refused(&reply), no(), "{name}");
        let reply = ask(&mut peer, 3, name, &said("open:later"));
        assert_eq!(refused(&reply), later(), "{name}");
        let reply = ask(&mut peer, 4, name, &said("open:yes"));
        assert!(reply[name].is_object(), "{reply}");
        peer.say(&json!({"id": 5, name: said("open:never")}).to_string());
        assert_eq!(end(&peer.next()), (4403, "banned".to_owned()), "{name}");
    }
    for (what, name) in [("open:no", 2403), ("open:later", 2600)] {
        let mut peer = speak(&server, &host, &json!({"subs": {what: {}}}));
        hear(&mut peer);
        let push = hear(&mut peer);
        let code = push["push"]["unsubscribe"]["code"].as_u64().unwrap();
        // An own code could be taken for another one.
        assert_eq!(code, if name == 2403 { 2103 } else { 2600 }, "{push}");
    }
}

#[test]
fn a_channel_is_lent_until_it_is_unsubscribed_or_the_time_is_over() {
    let backend = Backend::new(|asked| match asked.body["channel"].as_str() {
        Some("private:short") => Reply::Json(json!({"result": {"expire_in": 1}})),
        Some("private:a") => yes(),
        _ => error(103),
    });
    let server = start("lent", &backend, &["subscribe"], &[]);
    let mut peer = connected(&server);
    let publish = json!({"channel": "private:a", "data": 1});

    assert_eq!(ask(&mut peer, 2, "publish", &publish)["error"]["code"], 103);
    let subscribe = json!({"channel": "private:a"});
    let reply = ask(&mut peer, 3, "subscribe", &subscribe);
    assert!(reply["subscribe"].is_object(), "{reply}");
    peer.say(&json!({"id": 4, "publish": publish}).to_string());
    let both = [hear(&mut peer), hear(&mut peer)];
    assert!(both.iter().any(|said| said["publish"].is_object()));
    ask(&mut peer, 5, "unsubscribe", &subscribe);
    assert_eq!(ask(&mut peer, 6, "publish", &publish)["error"]["code"], 103);
    ask(&mut peer, 7, "subscribe", &subscribe);
    assert_eq!(backend.wait_for("subscribe", 2).len(), 2);
    let other = json!({"channel": "private:b"});
    assert_eq!(ask(&mut peer, 8, "subscribe", &other)["error"]["code"], 103);

    let short = json!({"channel": "private:short"});
    let reply = ask(&mut peer, 9, "subscribe", &short);
    assert!(reply["subscribe"].is_object(), "{reply}");
    let push = hear(&mut peer);
    assert_eq!(push["push"]["unsubscribe"]["code"], 2609, "{push}");
    let reply = ask(&mut peer, 10, "subscribe", &short);
    assert!(reply["subscribe"].is_object(), "{reply}");
}

#[test]
fn a_session_that_is_resumed_is_not_asked_about_again() {
    let backend = Backend::new(|_| yes());
    let server = start("resumed", &backend, &["connect", "subscribe"], &[]);
    let subs = json!({"private:a": {}});
    let mut first = speak(&server, &server.host(), &json!({"subs": subs}));
    let session = hear(&mut first)["connect"]["session"].clone();
    hear(&mut first);

    drop(first);
    let connect = json!({"session": session, "subs": subs});
    let mut second = speak(&server, &server.host(), &connect);

    assert_eq!(hear(&mut second)["connect"]["resumed"], true);
    let push = hear(&mut second);
    assert!(push["push"]["subscribe"].is_object(), "{push}");
    assert_eq!(backend.asked().len(), 2, "{:?}", backend.asked());
}

#[test]
fn publications_keep_their_order_although_answers_come_in_another() {
    let (tell, told) = mpsc::channel();
    let told = Mutex::new(told);
    let backend = Backend::new(move |asked| {
        let data = &asked.body["data"];
        if data == 3 {
            tell.send(()).unwrap();
        } else if data == 1 {
            told.lock().unwrap().recv().unwrap();
        }
        Reply::Json(json!({"result": {"data": [data]}}))
    });
    let server = start("order", &backend, &["publish"], &[]);
    let mut peer = connected(&server);

    for n in 1..=3 {
        let publish = json!({"channel": "open:a", "data": n, "n": n});
        peer.say(&json!({"id": n + 1, "publish": publish}).to_string());
    }
    let offsets: Vec<_> = (0..3)
        .map(|_| {
            let reply = hear(&mut peer);
            (
                reply["id"].as_u64().unwrap(),
                reply["publish"]["offset"].as_u64().unwrap(),
            )
        })
        .collect();

    assert_eq!(offsets, [(2, 1), (3, 2), (4, 3)]);
    let reply = ask(&mut peer, 9, "history", &json!({"channel": "open:a"}));
    let publications = reply["history"]["publications"].as_array().unwrap();
    let data: Vec<_> = publications.iter().map(|one| &one["data"]).collect();
    assert_eq!(data, [&json!([1]), &json!([2]), &json!([3])]);
    // What a client repeats can be recognised.
    let publish = json!({"channel": "open:a", "data": 2, "n": 2});
    let reply = ask(&mut peer, 10, "publish", &publish);
    assert_eq!(reply["publish"]["dup"], true, "{reply}");
    let asked = backend.wait_for("publish", 4);
    let same = asked.iter().filter(|asked| asked.body["data"] == 2);
    let ids: Vec<_> = same.map(|asked| &asked.body["request"]).collect();
    assert_eq!(ids[0], ids[1]);
}

#[test]
fn a_publication_that_waits_is_not_overtaken_by_the_next_one() {
    let is_up = std::sync::atomic::AtomicBool::new(false);
    let backend = Backend::new(move |asked| {
        let is_first = asked.body["data"] == 1;
        if is_first && !is_up.swap(true, std::sync::atomic::Ordering::SeqCst) {
            return error(100);
        }
        yes()
    });
    let server = start("waits", &backend, &["publish"], &[]);
    let mut peer = connected(&server);
    let publish = |n: u64| json!({"channel": "open:a", "data": n, "n": n});

    for n in [1, 2] {
        peer.say(&json!({"id": n + 1, "publish": publish(n)}).to_string());
    }
    let first = hear(&mut peer);
    let second = hear(&mut peer);

    assert_eq!(first["error"]["code"], 100);
    assert_eq!(first["error"]["temporary"], true);
    assert_eq!(second["error"]["code"], 150);
    assert_eq!(second["error"]["expected"], 1);
    for n in [1, 2] {
        let reply = ask(&mut peer, n + 5, "publish", &publish(n));
        assert_eq!(reply["publish"]["offset"], n, "{reply}");
    }
}

#[test]
fn a_late_answer_does_not_let_a_publication_overtake_one_that_comes_again() {
    let (tell, told) = mpsc::channel();
    let (told, count) = (Mutex::new(told), std::sync::atomic::AtomicUsize::new(0));
    let backend = Backend::new(move |asked| {
        if asked.body["data"] == 2 {
            told.lock().unwrap().recv().unwrap();
            return yes();
        }
        let is_first = count.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0;
        if is_first {
            return error(100);
        }
        tell.send(()).unwrap();
        yes()
    });
    let server = start("late", &backend, &["publish"], &[]);
    let mut peer = connected(&server);
    let say = |peer: &mut Peer, id: u64, n: u64| {
        let publish = json!({"channel": "open:a", "data": n, "n": n});
        peer.say(&json!({"id": id, "publish": publish}).to_string());
    };

    say(&mut peer, 2, 1);
    say(&mut peer, 3, 2);
    assert_eq!(hear(&mut peer)["error"]["code"], 100);
    say(&mut peer, 4, 1);

    let late = hear(&mut peer);
    assert_eq!(
        (&late["id"], &late["error"]["expected"]),
        (&json!(3), &json!(1))
    );
    let again = hear(&mut peer);
    assert_eq!(
        (&again["id"], &again["publish"]["offset"]),
        (&json!(4), &json!(1))
    );
}

#[test]
fn a_backend_answers_questions_of_clients() {
    let backend = Backend::new(|asked| Reply::Json(json!({"result": {"data": asked.body}})));
    let server = start("rpc", &backend, &["rpc"], &[]);
    let mut peer = connected(&server);

    let reply = ask(
        &mut peer,
        2,
        "rpc",
        &json!({"method": "add", "data": [1, 2]}),
    );

    let data = &reply["rpc"]["data"];
    assert_eq!(data["method"], "add", "{reply}");
    assert_eq!(data["data"], json!([1, 2]));
    assert_eq!(data["user"], "");
    assert_eq!(data["client"].as_str().unwrap().len(), 32);
    ask(&mut peer, 3, "rpc", &json!({"method": "add"}));
    // Connections are kept.
    assert_eq!(backend.connections(), 1);
}

#[test]
fn a_backend_is_told_once_who_is_gone_and_how() {
    let backend = Backend::new(|asked| match asked.is("connect") {
        true => Reply::Json(json!({"result": {"user": "ann"}})),
        false => yes(),
    });
    let hooks = ["connect", "disconnect"];
    let mut server = start("gone", &backend, &hooks, &["--drain=1s"]);
    let mut peer = connected(&server);
    let client = backend.asked()[0].body["client"].clone();
    let mut lost = connected(&server);

    peer.send(FIN | CLOSE, &[&4001_u16.to_be_bytes()[..], b"x"].concat());
    peer.next();
    drop(peer);
    let normal = connected(&server);
    normal.close(1000);
    let plain = server.open("/ws/open:a");
    plain.close(1000);

    // Whoever has lost its line, or goes with another code, may come back for a while.
    let told = backend.wait_for("disconnect", 2);
    for asked in &told {
        assert_eq!(asked.body["code"], 1000, "{asked:?}");
        assert_eq!(asked.body["user"], "ann");
        assert_ne!(asked.body["client"], client);
    }
    server.signal("TERM");
    assert_eq!(lost.next().code(), 1012);
    lost.send(FIN | CLOSE, &1012_u16.to_be_bytes());
    assert!(server.wait().success());
    let told = backend.asked();
    let told: Vec<_> = told.iter().filter(|one| one.is("disconnect")).collect();
    assert_eq!(told.len(), 4, "{told:?}");
    let mut codes: Vec<_> = told[2..]
        .iter()
        .map(|one| one.body["code"].as_u64())
        .collect();
    codes.sort();
    assert_eq!(codes, [Some(1012), Some(4001)]);
}

#[test]
fn the_plain_door_asks_the_same_backend() {
    let backend = Backend::new(|asked| {
        let body = &asked.body;
        match (body["hook"].as_str().unwrap(), body["channel"].as_str()) {
            ("connect", Some("open:nobody")) => error(403),
            ("connect", Some("open:busy")) => error(100),
            ("connect", _) => Reply::Json(json!({"result": {"user": "ann"}})),
            ("subscribe", Some("private:b")) => error(403),
            ("publish", _) if body["data"] == "no" => error(403),
            ("publish", _) if body["data"] == "end" => {
                Reply::Json(json!({"disconnect": {"code": 4001, "reason": "enough"}}))
            }
            ("publish", _) => Reply::Json(json!({"result": {"data": "other"}})),
            _ => yes(),
        }
    });
    let hooks = ["connect", "subscribe", "publish"];
    let server = start("plain", &backend, &hooks, &[]);
    let host = server.host();

    for (path, status) in [
        ("/ws/open:nobody", 403),
        ("/ws/open:busy", 503),
        ("/ws/private:b", 403),
        ("/ws/private:a?token=opaque", 101),
    ] {
        assert_eq!(server.status(path, &host), status, "{path}");
    }
    let connect = backend.wait_for("connect", 4).remove(3);
    assert_eq!(connect.body["protocol"], "plain");
    assert_eq!(connect.body["token"], "opaque");
    let mut raw = server.open("/ws/private:a");
    let mut json = server.open("/ws/private:a?format=json");
    json.text();
    json.say("\"no\"");
    let refused: Value = serde_json::from_str(&json.text()).unwrap();
    assert_eq!(refused["error"]["code"], 403, "{refused}");
    json.say("\"yes\"");
    assert_eq!(raw.text(), "other");
    assert!(json.text().contains("\"other\""));
    json.say("\"end\"");
    assert_eq!(end(&json.next()), (4001, "enough".to_owned()));
    raw.say("no");
    assert_eq!(end(&raw.next()), (1008, "the backend says no".to_owned()));
    let publish = backend.wait_for("publish", 4).remove(0);
    assert_eq!(publish.body["user"], "ann");
    assert_eq!(publish.body["channel"], "private:a");
}

#[test]
fn the_centrifuge_protocol_asks_the_same_backend() {
    let backend = Backend::new(|asked| {
        let body = &asked.body;
        match body["hook"].as_str().unwrap() {
            "connect" if body["name"] == "banned" => {
                Reply::Json(json!({"disconnect": {"code": 4500, "reason": "banned"}}))
            }
            "connect" => Reply::Json(json!({"result": {
                "user": "ann", "channels": ["private:ann"], "data": {"theme": "dark"}
            }})),
            "publish" if body["data"] == "no" => error(403),
            _ => yes(),
        }
    });
    let server = start("centrifuge", &backend, &["connect", "publish"], &[]);
    let open = |connect: &Value| {
        let mut peer = server.open("/connection/websocket");
        peer.say(&json!({"id": 1, "connect": connect}).to_string());
        peer
    };

    let mut peer = open(&json!({"data": [1], "name": "js", "version": ""}));
    let reply = hear(&mut peer);
    assert_eq!(
        reply["connect"]["data"],
        json!({"theme": "dark"}),
        "{reply}"
    );
    assert!(
        reply["connect"]["subs"]["private:ann"].is_object(),
        "{reply}"
    );
    let asked = backend.asked().remove(0);
    assert_eq!(asked.body["protocol"], "centrifuge-json");
    assert_eq!(asked.body["data"], json!([1]));
    assert_eq!(asked.body["name"], "js");
    assert!(asked.body.get("version").is_none());
    let publish = |data: &str| json!({"channel": "open:a", "data": data});
    let reply = ask(&mut peer, 2, "publish", &publish("no"));
    assert_eq!(reply["error"]["code"], 403, "{reply}");
    let reply = ask(&mut peer, 3, "publish", &publish("yes"));
    assert!(reply["publish"].is_object(), "{reply}");
    let mut banned = open(&json!({"name": "banned"}));
    assert_eq!(end(&banned.next()), (4500, "banned".to_owned()));
}

#[test]
fn whoever_shows_a_token_that_the_server_knows_is_not_asked_about() {
    let backend = Backend::new(|_| error(403));
    let directory = env!("CARGO_TARGET_TMPDIR");
    let path = format!("{directory}/hooks-keys.toml");
    let secret = "0123456789abcdef0123456789abcdef";
    let text = format!("{NAMESPACES}[keys.own]\nsecret = {secret:?}\n");
    std::fs::write(&path, text).unwrap();
    let server = Running::start(&["--config", &path, &backend.flag("connect")]);
    let key = holdwire_server::token::Key::secret("own", secret.as_bytes(), &[]).unwrap();
    let claims = json!({"sub": "ann"}).as_object().unwrap().clone();
    let wish = holdwire_server::token::Wish {
        claims,
        algorithm: None,
    };
    let token = holdwire_server::token::make(&key, &wish).unwrap();

    let mut peer = speak(&server, &server.host(), &json!({"token": token}));
    assert!(hear(&mut peer)["connect"].is_object());
    assert!(backend.asked().is_empty());
    let mut peer = speak(&server, &server.host(), &json!({}));
    assert_eq!(hear(&mut peer)["error"]["code"], 403);
}

/// What is asked of a backend, in the order in which it came.
fn hooks(asked: &[Asked]) -> Vec<&str> {
    asked
        .iter()
        .map(|asked| asked.body["hook"].as_str().unwrap())
        .collect()
}
