//! `holdwire token`, the built program.

use super::*;
use crate::common::{holdwire, run};

/// A file with a secret, a private and a public key.
fn configured() -> String {
    let directory = env!("CARGO_TARGET_TMPDIR");
    let path = |name: &str| format!("{directory}/command-{name}");
    std::fs::write(path("secret"), format!("{SECRET}\n")).unwrap();
    std::fs::write(path("private.pem"), PEMS[0].1).unwrap();
    std::fs::write(path("public.pem"), PEMS[1].2).unwrap();
    let text = format!(
        "token-audience = [\"us\", \"them\"]\ntoken-issuer = [\"we\"]\n\
         [keys.a]\npem-file = {:?}\n[keys.b]\nsecret-file = {:?}\nalgorithms = [\"HS512\", \"HS256\"]\n\
         [keys.c]\npem-file = {:?}\n",
        path("public.pem"),
        path("secret"),
        path("private.pem"),
    );
    let file = path("holdwire.toml");
    std::fs::write(&file, text).unwrap();
    file
}

fn make(flags: &[&str]) -> (Option<i32>, String, String) {
    let file = configured();
    run(&mut holdwire(
        &[&["token", "make", "--config", &file], flags].concat(),
    ))
}

fn check(token: &str) -> (Option<i32>, String, String) {
    let file = configured();
    run(&mut holdwire(&["token", "check", token, "--config", &file]))
}

#[test]
fn tokens_that_it_makes_are_those_that_it_accepts() {
    for (flags, claims, header, verdict) in [
        (
            &["--user", "ann"][..],
            json!({"sub": "ann", "aud": "us", "iss": "we"}),
            json!({"alg": "HS512", "kid": "b", "typ": "JWT"}),
            "accepted: a connection of \"ann\", for another 59m59s",
        ),
        (
            &[
                "--algorithm",
                "HS256",
                "--expires",
                "never",
                "--gives",
                "chat:a",
                "--gives",
                "chat:b",
            ],
            json!({"aud": "us", "iss": "we", "channels": ["chat:a", "chat:b"]}),
            json!({"alg": "HS256", "kid": "b", "typ": "JWT"}),
            "accepted: a connection of somebody without a name, for ever",
        ),
        (
            &[
                "--key",
                "c",
                "--user",
                "bob",
                "--channel",
                "chat:a",
                "--info",
                "{\"a\":1}",
            ],
            json!({"sub": "bob", "aud": "us", "iss": "we", "channel": "chat:a", "info": {"a": 1}}),
            json!({"alg": "RS256", "kid": "c", "typ": "JWT"}),
            "accepted: a subscription of \"bob\" to \"chat:a\", for another 59m59s",
        ),
    ] {
        let (code, token, words) = make(flags);
        assert_eq!(code, Some(0), "{words}");

        let (code, text, words) = check(token.trim());

        assert_eq!(code, Some(0), "{text}{words}");
        let line = |name: &str| {
            text.lines()
                .find_map(|line| line.strip_prefix(name))
                .unwrap()
                .trim()
        };
        assert_eq!(
            serde_json::from_str::<Value>(line("header")).unwrap(),
            header
        );
        let mut said: Value = serde_json::from_str(line("claims")).unwrap();
        let members = said.as_object_mut().unwrap();
        assert!(members.remove("iat").is_some());
        assert_eq!(members.remove("exp").is_none(), flags.contains(&"never"));
        assert_eq!(said, claims);
        let verdict = verdict.trim_end_matches("59m59s");
        assert!(line("verdict").starts_with(verdict), "{text}");
    }
}

#[test]
fn a_token_that_is_refused_is_shown_with_the_reason() {
    let stranger = signed(&secret("stranger"), json!({"sub": "ann"}));
    let old = signed(
        &secret("b"),
        json!({"sub": "ann", "exp": 1, "aud": "us", "iss": "we"}),
    );

    for (token, words) in [
        (&*stranger, "refused (key): "),
        (&old, "refused (expired): the token has expired"),
        ("nothing", "refused (malformed): this is no token"),
    ] {
        let (code, text, _) = check(token);
        assert_eq!(code, Some(1), "{text}");
        assert!(text.contains(words), "{text}");
    }
}

#[test]
fn a_token_may_come_by_standard_input() {
    let (_, token, _) = make(&["--user", "ann"]);
    let file = configured();
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("command-token");
    std::fs::write(&path, token).unwrap();

    let mut command = holdwire(&["token", "check", "--config", &file]);
    let output = command.stdin(std::fs::File::open(path).unwrap()).output();

    let text = String::from_utf8(output.unwrap().stdout).unwrap();
    assert!(text.contains("accepted: a connection of \"ann\""), "{text}");
}

#[test]
fn what_cannot_be_used_is_said_with_its_remedy() {
    for (flags, words) in [
        (&["--key", "a"][..], "keys.a: this is a public key"),
        (&["--key", "x"], "--key = \"x\": there is no such key"),
        (
            &["--algorithm", "none"],
            "--algorithm = \"none\": this is no algorithm",
        ),
        (&["--algorithm", "ES256"], "write one of HS512, HS256"),
        (&["--expires", "5"], "a duration needs its unit"),
        (&["--info", "{"], "write a JSON value"),
        (&["--channel", "a", "--gives", "b"], "exclude each other"),
    ] {
        let (code, out, told) = make(flags);
        assert_eq!((code, &*out), (Some(2), ""), "{flags:?}: {told}");
        assert!(told.contains(words), "{told}");
        assert_eq!(told.lines().count(), 1, "{told}");
    }
    let (code, _, told) = run(&mut holdwire(&["token", "make"]));
    assert_eq!(code, Some(2), "{told}");
    assert!(
        told.contains("add") || told.contains("[keys.NAME]"),
        "{told}"
    );
}
