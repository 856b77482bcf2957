//! Keys in the configuration, and who may use channels then.

use holdwire_hub::Access;
use holdwire_server::check_config;
use holdwire_server::config::{ServeConfig, ServeFlags};

use super::*;
use crate::common::{holdwire, run};

fn load(name: &str, text: &str) -> Result<ServeConfig, String> {
    let path = format!("{}/configuring-{name}.toml", env!("CARGO_TARGET_TMPDIR"));
    std::fs::write(&path, text).unwrap();
    let flags = ServeFlags {
        config: Some(path.into()),
        ..ServeFlags::default()
    };
    ServeConfig::load(&flags, &|_| None).map_err(|error| error.to_string())
}

#[test]
fn wrong_keys_are_refused_with_their_remedy_and_without_the_secret() {
    for (name, text, words) in [
        ("none", "[keys.a]", "there is no key in it; add secret"),
        (
            "unknown",
            "[keys.a]\nsecrets = \"canary\"",
            "write one of secret, secret-file",
        ),
        (
            "short",
            "[keys.a]\nsecret = \"canary\"",
            "at least 32 bytes",
        ),
        ("number", "[keys.a]\nsecret = 7", "write it in quotes"),
        (
            "two",
            "[keys.a]\nsecret = \"canary\"\npem = \"canary\"",
            "a key is one of them",
        ),
        ("pem", "[keys.a]\npem = \"canary\"", "no key in PEM"),
        (
            "missing",
            "[keys.a]\npem-file = \"/no/such\"",
            "\"/no/such\" cannot be read",
        ),
        (
            "lost",
            "[keys.a]\nsecret-file = \"/no/such\"",
            "cannot be read",
        ),
        (
            "algorithm",
            "[keys.a]\nsecret = \"canary\"\nalgorithms = [\"none\"]",
            "\"none\" is no algorithm; write a list of some of HS256",
        ),
        (
            "text",
            "[keys.a]\nalgorithms = \"HS256\"",
            "this is not a list",
        ),
        ("list", "[keys.a]\nalgorithms = [7]", "not a list of texts"),
        ("bare", "keys = \"canary\"", "write [keys.NAME]"),
        ("value", "[keys]\na = \"canary\"", "write [keys.NAME]"),
        (
            "set",
            "token-jwks = \"http://id.example.com/\"",
            "use https",
        ),
        (
            "access",
            "[namespaces.chat]\naccess = \"user\"",
            "namespaces.chat.access = \"user\"",
        ),
        (
            "pass",
            "[namespaces.chat]\naccess = \"token\"",
            "add a table [keys.NAME], token-jwks or hook-connect, or write anyone",
        ),
        (
            "nobody",
            "[namespaces.chat]\naccess = \"nobody\"",
            "write auto, anyone, user or token",
        ),
    ] {
        let refusal = load(name, text).unwrap_err();

        assert!(refusal.contains(words), "{words:?} is not in {refusal}");
        assert!(!refusal.contains("canary\""), "{refusal}");
        assert_eq!(refusal.lines().count(), 1);
    }
}

#[test]
fn channels_are_for_users_where_the_server_has_keys_and_nothing_else_is_said() {
    let key = format!("[keys.own]\nsecret = {SECRET:?}\n");
    let set = "token-jwks = \"https://id.example.com/keys\"\n";
    let named = "[namespaces.a]\n[namespaces.b]\naccess = \"anyone\"\n";
    for (name, text, expected) in [
        (
            "plain",
            String::new(),
            vec![("brief", Access::Anyone), ("chat", Access::Anyone)],
        ),
        (
            "trial",
            key.clone(),
            vec![("brief", Access::User), ("chat", Access::User)],
        ),
        (
            "named",
            format!("{named}{key}"),
            vec![("a", Access::User), ("b", Access::Anyone)],
        ),
        (
            "set",
            format!("{set}{named}"),
            vec![("a", Access::User), ("b", Access::Anyone)],
        ),
        (
            "keyless",
            named.to_owned(),
            vec![("a", Access::Anyone), ("b", Access::Anyone)],
        ),
    ] {
        let config = load(&format!("access-{name}"), &text).unwrap();

        let found: Vec<_> = config
            .namespaces
            .iter()
            .map(|named| (&*named.name, named.namespace.access))
            .collect();
        assert_eq!(found, expected, "{name}");
        assert!(!check_config::report(&config).contains(SECRET));
    }
}

#[test]
fn a_secret_in_a_file_may_end_with_its_line() {
    let path = format!("{}/configuring-secret", env!("CARGO_TARGET_TMPDIR"));
    for end in ["", "\n", "\r\n"] {
        std::fs::write(&path, format!("{SECRET}{end}")).unwrap();

        let config = load(
            "secret-file",
            &format!("[keys.own]\nsecret-file = {path:?}"),
        )
        .unwrap();

        let token = signed(&secret("own"), json!({}));
        assert_eq!(refusal(&[&config.keys[0].key], &token), None, "{end:?}");
    }
}

#[test]
fn a_key_set_that_is_no_such_file_is_noticed_before_anything_listens() {
    let path = format!("{}/configuring-set.json", env!("CARGO_TARGET_TMPDIR"));
    std::fs::write(&path, "{}").unwrap();
    for path in ["/no/such", &path] {
        for more in [&[][..], &["--check-config"]] {
            let flags = [
                &["serve", "--listen", "127.0.0.1:0", "--token-jwks", path],
                more,
            ]
            .concat();
            let (code, _, words) = run(&mut holdwire(&flags));

            assert_eq!(code, Some(2), "{words}");
            assert!(words.contains("name a key set (RFC 7517)"), "{words}");
        }
    }
}
