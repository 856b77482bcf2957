//! Tokens at both doors of the program.

mod key_set;

use std::time::{SystemTime, UNIX_EPOCH};

use holdwire_server::token::{Key, Wish, make};
use serde_json::{Value, json};

use crate::common::holdwire;
use crate::peer::Peer;
use crate::running::Running;

const SECRET: &str = "canary-secret-canary-secret-canary-secret";

/// A file of the configuration with the key `own`, and more.
fn configured(name: &str, more: &str) -> String {
    let directory = env!("CARGO_TARGET_TMPDIR");
    let path = format!("{directory}/tokens-{name}.toml");
    let text = format!("{more}\n[keys.own]\nsecret = {SECRET:?}\n");
    std::fs::write(&path, text).unwrap();
    path
}

/// Namespaces of each access, where clients may do everything.
const NAMESPACES: &str = "[namespaces.open]\naccess = \"anyone\"\npublish = true\n\
    [namespaces.chat]\npublish = true\npresence = true\nread-history = true\nhistory = 10\n\
    [namespaces.private]\naccess = \"token\"\npublish = true\n";

fn start(name: &str, more: &str, flags: &[&str]) -> Running {
    let path = configured(name, more);
    Running::start(&[&["--config", &path], flags].concat())
}

fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    now.as_secs()
}

fn own() -> Key {
    Key::secret("own", SECRET.as_bytes(), &[]).unwrap()
}

fn signed(key: &Key, claims: Value) -> String {
    let Value::Object(claims) = claims else {
        panic!("claims are an object");
    };
    let wish = Wish {
        claims,
        algorithm: None,
    };
    make(key, &wish).unwrap()
}

fn token(claims: Value) -> String {
    signed(&own(), claims)
}

/// A token that its key's owner has not signed: the claims are others than those of the signature.
fn altered() -> String {
    let (ann, bob) = (token(json!({"sub": "ann"})), token(json!({"sub": "bob"})));
    let (message, _) = bob.rsplit_once('.').unwrap();
    let (_, signature) = ann.rsplit_once('.').unwrap();
    format!("{message}.{signature}")
}

/// A page's connection to `/connection`, on which this was said first.
fn speak(server: &Running, connect: Value) -> Peer {
    let lines = format!("{}Sec-WebSocket-Protocol: holdwire.v1\r\n", server.page());
    let (peer, head) = server.upgrade("/connection", &lines);
    let mut peer = peer.unwrap_or_else(|| panic!("{head}"));
    peer.say(&json!({"id": 1, "connect": connect}).to_string());
    peer
}

/// What is answered to a command.
#[track_caller]
fn ask(peer: &mut Peer, name: &str, members: Value) -> Value {
    peer.say(&json!({"id": 2, name: members}).to_string());
    serde_json::from_str(&peer.text()).unwrap()
}

/// How the next frame ends it, with the reason; or the code of the error that it is.
fn outcome(peer: &mut Peer) -> (u16, String) {
    let frame = peer.next();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    if frame.first & 0xf == 8 {
        return (frame.code(), text(&frame.payload[2..]));
    }
    let reply: Value = serde_json::from_slice(&frame.payload).unwrap();
    let error = &reply["error"];
    let code = error["code"].as_u64().unwrap_or_default();
    let message = error["message"].as_str().unwrap_or_default();
    (u16::try_from(code).unwrap(), message.to_owned())
}

#[test]
fn what_is_wrong_with_a_token_is_told_at_both_doors() {
    let server = start(
        "wrong",
        &format!("token-audience = [\"us\"]\ntoken-issuer = [\"we\"]\n{NAMESPACES}"),
        &["--token-leeway", "1s"],
    );
    let good = json!({"sub": "ann", "aud": "us", "iss": "we"});
    let with = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        token(claims)
    };
    let other = Key::secret("other", &[7; 32], &[]).unwrap();
    let longer = Key::secret("own", &[7; 64], &[jsonwebtoken::Algorithm::HS512]).unwrap();
    let ours = token(good.clone());
    let (_, rest) = ours.split_once('.').unwrap();
    // {"alg":"none","kid":"own"}
    let none = format!("eyJhbGciOiJub25lIiwia2lkIjoib3duIn0.{rest}");
    for (token, reason, words, said) in [
        ("x".to_owned(), "malformed", "this is no token", 4401),
        (none, "algorithm", "algorithm is not one", 4401),
        (
            signed(&longer, good.clone()),
            "algorithm",
            "algorithm is not one",
            4401,
        ),
        (
            signed(&other, good.clone()),
            "key",
            "a key that is not known",
            4401,
        ),
        (altered(), "signature", "signature is wrong", 4401),
        (
            with("exp", json!(now() - 60)),
            "expired",
            "has expired",
            109,
        ),
        (
            with("nbf", json!(now() + 60)),
            "early",
            "not valid yet",
            4401,
        ),
        (
            with("aud", json!("them")),
            "audience",
            "another audience",
            4401,
        ),
        (with("iss", json!("they")), "issuer", "another issuer", 4401),
        (with("sub", json!(7)), "claims", "claims are not", 4401),
        (
            with("channels", json!(["a b"])),
            "claims",
            "claims are not",
            4401,
        ),
        (
            with("channel", json!("chat:b")),
            "use",
            "something else",
            4401,
        ),
    ] {
        let metric = format!("holdwire_tokens_refused_total{{reason=\"{reason}\"}} ");
        let before = server.metric(&metric);
        let target = format!("/ws/chat:a?token={token}");

        assert_eq!(server.status(&target, &server.host()), 401, "{reason}");
        let (page, _) = server.upgrade(&target, &server.page());
        let (code, told) = outcome(&mut page.unwrap());
        assert_eq!(code, 4401, "{reason}: {told}");
        assert!(told.contains(words), "{reason}: {told}");
        let mut peer = speak(&server, json!({"token": token}));
        let (code, told) = outcome(&mut peer);
        assert_eq!(code, said, "{reason}: {told}");
        assert!(told.contains(words), "{reason}: {told}");

        assert_eq!(server.metric(&metric), before + 3, "{reason}");
    }
    let target = format!("/ws/chat:a?token={ours}");
    assert_eq!(server.status(&target, &server.host()), 101);
    let mut peer = speak(&server, json!({"token": ours}));
    assert_eq!(outcome(&mut peer), (0, String::new()));
}

#[test]
fn a_namespace_says_who_may_use_its_channels_under_ws() {
    let server = start("access", NAMESPACES, &[]);
    let ann = token(json!({"sub": "ann"}));
    let nameless = token(json!({}));
    let given = token(json!({"sub": "ann", "channels": ["private:a"]}));
    let pass = token(json!({"sub": "ann", "channel": "private:a"}));
    for (channel, token, status) in [
        ("open:a", "", 101),
        ("open:a", &*ann, 101),
        ("chat:a", "", 401),
        ("chat:a", &nameless, 403),
        ("chat:a", &ann, 101),
        ("private:a", "", 401),
        ("private:a", &ann, 403),
        ("private:a", &given, 101),
        ("private:a", &pass, 101),
        ("private:b", &pass, 401),
    ] {
        let query = match token {
            "" => String::new(),
            token => format!("?token={token}"),
        };
        let target = format!("/ws/{channel}{query}");

        assert_eq!(server.status(&target, &server.host()), status, "{target}");
    }
}

#[test]
fn a_namespace_says_who_may_use_its_channels_in_a_session() {
    let server = start("access-session", NAMESPACES, &[]);
    let ann = token(json!({"sub": "ann"}));
    let nameless = token(json!({}));
    for (channel, token, is_let_in) in [
        ("open:a", None, true),
        ("open:a", Some(&ann), true),
        ("chat:a", None, false),
        ("chat:a", Some(&nameless), false),
        ("chat:a", Some(&ann), true),
        ("private:a", Some(&ann), false),
    ] {
        let mut peer = speak(&server, json!({"token": token}));
        peer.text();
        let code = if is_let_in { Value::Null } else { json!(103) };

        for name in ["subscribe", "publish"] {
            let reply = ask(&mut peer, name, json!({"channel": channel, "data": 1}));
            assert_eq!(reply["error"]["code"], code, "{name} {channel}: {reply}");
        }
    }
    // What a token gives is there without asking, and may be published in.
    let given = token(json!({"sub": "ann", "channels": ["private:a"]}));
    let mut peer = speak(&server, json!({"token": given}));
    peer.text();
    let push: Value = serde_json::from_str(&peer.text()).unwrap();
    assert_eq!(push["push"]["channel"], "private:a", "{push}");
    let reply = ask(
        &mut peer,
        "publish",
        json!({"channel": "private:a", "data": 1}),
    );
    assert_eq!(reply["publish"]["offset"], 1, "{reply}");
}

#[test]
fn the_configuration_is_shown_without_its_secrets() {
    let path = configured("report", NAMESPACES);
    let flags = ["serve", "--check-config", "--config", &path];

    let (_, report, _) = crate::common::run(&mut holdwire(&flags));

    for line in [
        "namespaces.chat.access = \"user\"  (default)",
        "keys.own = for HS256  (file ",
    ] {
        assert!(report.contains(line), "{line}\n{report}");
    }
    assert!(!report.contains("canary"), "{report}");
}

#[test]
fn nobody_connects_without_a_token_where_every_namespace_wants_a_name() {
    let server = start("closed", "[namespaces.chat]\n", &[]);

    let mut peer = speak(&server, json!({}));

    assert_eq!(outcome(&mut peer), (4401, "a token is needed".to_owned()));
    let metric = "holdwire_tokens_refused_total{reason=\"missing\"} ";
    assert_eq!(server.metric(metric), 1);
    assert!(server.get("/chat").starts_with("HTTP/1.1 404 "));
}

#[test]
fn a_subscription_token_is_for_its_channel_and_its_user() {
    let server = start("subscription", NAMESPACES, &[]);
    let mut peer = speak(&server, json!({"token": token(json!({"sub": "ann"}))}));
    peer.text();
    let pass = |claims: Value| json!({"channel": "private:a", "token": token(claims)});

    for (claims, code) in [
        (json!({"sub": "ann"}), 103),
        (json!({"sub": "ann", "channel": "private:b"}), 103),
        (json!({"sub": "bob", "channel": "private:a"}), 103),
        (json!({"channel": "private:a"}), 103),
        (json!({"sub": "ann", "channel": "private:a", "exp": 1}), 109),
        (
            json!({"sub": "ann", "channel": "private:a", "nbf": now() + 3600}),
            103,
        ),
    ] {
        let reply = ask(&mut peer, "subscribe", pass(claims.clone()));
        assert_eq!(reply["error"]["code"], code, "{claims}: {reply}");
    }
    let claims = json!({"sub": "ann", "channel": "private:a", "exp": now() + 3600});
    let reply = ask(&mut peer, "subscribe", pass(claims));
    assert_eq!(reply["subscribe"]["offset"], 0, "{reply}");
}

#[test]
fn a_connection_lives_as_long_as_its_token_and_a_fresh_one_prolongs_it() {
    let server = start("refresh", NAMESPACES, &["--token-leeway", "1s"]);
    let short = || json!({"token": token(json!({"sub": "ann", "exp": now() + 2}))});
    let mut lost = speak(&server, short());
    let mut kept = speak(&server, short());
    let mut meddling = speak(&server, short());
    let connected: Value = serde_json::from_str(&lost.text()).unwrap();
    assert_eq!(connected["connect"]["expires"], true, "{connected}");
    kept.text();
    meddling.text();

    let fresh = token(json!({"sub": "ann", "exp": now() + 3600}));
    let page = server.open(&format!(
        "/ws/chat:a?token={}",
        token(json!({"sub": "ann", "exp": now() + 1}))
    ));
    let reply = ask(&mut kept, "refresh", json!({"token": fresh}));
    assert!(reply["refresh"]["ttl"].as_u64() > Some(3500), "{reply}");
    let reply = ask(
        &mut kept,
        "refresh",
        json!({"token": token(json!({"sub": "ann", "exp": 1}))}),
    );
    assert_eq!(reply["error"]["code"], 109, "{reply}");
    let foreign = token(json!({"sub": "bob"}));
    meddling.say(&json!({"id": 3, "refresh": {"token": foreign}}).to_string());
    let (code, why) = outcome(&mut meddling);
    assert_eq!((code, &*why), (4401, "the token is of another user"));

    for mut peer in [lost, page] {
        assert_eq!(
            outcome(&mut peer),
            (4401, "the token has expired".to_owned())
        );
    }
    let reply = ask(&mut kept, "ping", json!({}));
    assert!(reply["ping"].is_object(), "{reply}");
    // The session has not expired, and needs no token.
    let session = json!({"session": connected["connect"]["session"]});
    let mut again = speak(&server, session);
    assert_eq!(outcome(&mut again).0, 0);
}

#[test]
fn a_page_has_its_token_in_the_cookie_that_the_server_was_told_of() {
    let server = start("cookie", NAMESPACES, &["--token-cookie", "pass"]);
    let ann = token(json!({"sub": "ann"}));
    let page = |cookie: &str| format!("{}Cookie: a=1; {cookie}\r\n", server.page());
    let with = |name: &str| page(&format!("{name}={ann}"));

    assert!(
        server
            .upgrade("/ws/chat:a", &with("pass"))
            .1
            .starts_with("HTTP/1.1 101 ")
    );
    for lines in [with("other"), page("pass=x")] {
        let (peer, _) = server.upgrade("/ws/chat:a", &lines);
        assert_eq!(outcome(&mut peer.unwrap()).0, 4401);
    }
    // Pages of other origins of this machine are not the server's own.
    let port = if server.address.port() == 8000 {
        8001
    } else {
        8000
    };
    for origin in ["null".to_owned(), format!("http://localhost:{port}")] {
        let lines = format!(
            "{}Origin: {origin}\r\nCookie: pass={ann}\r\n",
            server.host()
        );
        assert_eq!(server.status("/ws/chat:a", &lines), 403, "{origin}");
    }
    for origin in ["any", "null"] {
        let path = configured("cookie-origin", NAMESPACES);
        let flags = [
            "serve",
            "--config",
            &path,
            "--token-cookie",
            "pass",
            "--origin",
            origin,
        ];
        let (code, _, words) = crate::common::run(&mut holdwire(&flags));
        assert_eq!(code, Some(2), "{words}");
        assert!(
            words.contains("name the origins of your own pages"),
            "{words}"
        );
    }
}

#[test]
fn without_keys_no_token_is_looked_at() {
    let server = Running::start(&[]);

    assert_eq!(server.status("/ws/chat:a?token=x", &server.host()), 101);
    let mut peer = speak(&server, json!({"token": "x"}));
    assert_eq!(outcome(&mut peer).0, 108);
    let mut peer = speak(&server, json!({}));
    assert_eq!(outcome(&mut peer).0, 0);
}

#[test]
fn tokens_and_keys_are_in_no_line_of_the_log() {
    let path = configured("log", &format!("token-cookie = \"pass\"\n{NAMESPACES}"));
    let mut command = holdwire(&["serve", "--listen", "127.0.0.1:0", "--config", &path]);
    let mut server = Running::spawn(command.env("RUST_LOG", "trace"));
    let mut tokens = vec![
        token(json!({"sub": "ann", "exp": now() + 3600})),
        token(json!({"sub": "ann", "exp": 1})),
        token(json!({"sub": "ann", "channel": "private:a"})),
        altered(),
        "canary-in-no-form-at-all".to_owned(),
    ];
    for token in tokens.clone() {
        for path in [
            "/ws/chat:a",
            "/ws/private:a",
            "/ws/nothing:a",
            "/connection",
            "/",
        ] {
            let target = format!("{path}?token={token}");
            let cookie = format!("Cookie: pass={token}\r\n");
            for lines in [server.host(), server.page()] {
                drop(server.upgrade(&target, &lines));
                drop(server.upgrade(path, &format!("{lines}{cookie}")));
            }
            server.get(&target);
        }
        let mut peer = speak(&server, json!({"token": token}));
        let _ = outcome(&mut peer);
        let mut peer = speak(&server, json!({"subs": {"private:a": {"token": token}}}));
        peer.text();
        peer.text();
        peer.say(&json!({"id": 2, "refresh": {"token": token}}).to_string());
        let _ = outcome(&mut peer);
    }
    server.get("/health/live");
    server.await_log(&["/health/live"]);

    let log = server.log();
    assert!(log.contains("token refused"), "{log}");
    tokens.push(SECRET.to_owned());
    for token in tokens {
        for part in token.split('.').filter(|part| part.len() > 15) {
            // The header is the same for all, and no secret.
            assert!(
                part.starts_with("eyJ0eXAi") || !log.contains(part),
                "{part}"
            );
        }
    }
    assert!(!log.contains("canary"));
}
