//! How file, environment and flags become one configuration, and how wrong ones are refused.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use holdwire_server::cli::{Cli, Command};
use holdwire_server::config::{Limit, SETTINGS, ServeConfig, ServeFlags, Source, Value};

/// The three layers of one case.
#[derive(Default)]
struct Layers {
    file: Option<PathBuf>,
    environment: HashMap<String, OsString>,
    flags: Vec<String>,
}

impl Layers {
    fn file(mut self, name: &str, text: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("config-{name}.toml"));
        std::fs::write(&path, text).unwrap();
        self.file = Some(path);
        self
    }

    fn variable(mut self, name: &str, text: &str) -> Self {
        self.environment.insert(name.to_owned(), text.into());
        self
    }

    fn flags(mut self, flags: &[&str]) -> Self {
        self.flags
            .extend(flags.iter().map(|flag| (*flag).to_owned()));
        self
    }

    fn load(&self) -> Result<ServeConfig, String> {
        let mut flags = serve_flags(&self.flags);
        flags.config.clone_from(&self.file);
        ServeConfig::load(&flags, &|name| self.environment.get(name).cloned())
            .map_err(|error| error.to_string())
    }

    fn refusal(&self) -> String {
        let error = self.load().unwrap_err();
        assert!(!error.contains('\n'), "{error}");
        error
    }
}

fn serve_flags(flags: &[String]) -> ServeFlags {
    let words = ["holdwire", "serve"].into_iter().map(OsString::from);
    match Cli::read(words.chain(flags.iter().map(OsString::from))) {
        Ok(Cli {
            command: Command::Serve(flags),
        }) => flags,
        other => panic!("{other:?}"),
    }
}

#[test]
fn defaults_are_those_of_the_design() {
    let config = Layers::default().load().unwrap();

    for (name, value) in [
        ("listen", Some(r#"["127.0.0.1:3000", "[::1]:3000"]"#)),
        ("max-message", Some(r#""1MiB""#)),
        ("max-frame", None),
        ("max-fragments", Some(r#""4096""#)),
        ("send-queue", Some(r#""1MiB""#)),
        ("handshake-timeout", Some(r#""10s""#)),
        ("message-timeout", Some(r#""30s""#)),
        ("close-timeout", Some(r#""5s""#)),
        ("write-stall", Some(r#""30s""#)),
        ("drain", Some(r#""25s""#)),
        ("greeting", Some(r#""Information from the server""#)),
    ] {
        let setting = config.effective().iter().find(|s| s.name == name).unwrap();
        assert_eq!(setting.value.as_deref(), value, "{name}");
        assert_eq!(setting.source, Source::Default);
    }
    assert_eq!(config.frame_limit().bytes(), 1 << 20);
    assert!(config.is_loopback());
    assert!(config.tls().is_none());
}

#[test]
fn every_setting_of_the_table_is_in_the_configuration() {
    let config = Layers::default().load().unwrap();

    let names: Vec<&str> = config.effective().iter().map(|s| s.name).collect();

    let table: Vec<&str> = SETTINGS.iter().map(|spec| spec.name).collect();
    assert_eq!(names, table);
}

#[test]
fn flag_is_stronger_than_environment_and_environment_than_file() {
    let file = || Layers::default().file("precedence", "\ndrain = \"1s\"\n");
    let both = || file().variable("HOLDWIRE_DRAIN", "2s");
    let all = || both().flags(&["--drain", "3s"]);
    for (layers, value, source) in [
        (Layers::default(), "25s", "default"),
        (file(), "1s", "precedence.toml line 2"),
        (both(), "2s", "environment HOLDWIRE_DRAIN"),
        (all(), "3s", "flag --drain"),
    ] {
        let config = layers.load().unwrap();
        assert_eq!(config.drain.show(), value);
        let shown = config.drain.source.to_string();
        assert!(shown.ends_with(source), "{shown}");
    }
}

#[test]
fn list_of_a_stronger_layer_replaces_the_whole_list() {
    let file = || Layers::default().file("lists", "subprotocol = [\"a\", \"b\"]");
    for (layers, expected) in [
        (file(), vec!["a", "b"]),
        (
            file().variable("HOLDWIRE_SUBPROTOCOL", " c, d ,"),
            vec!["c", "d"],
        ),
        (
            file().flags(&["--subprotocol", "e", "--subprotocol", "f"]),
            vec!["e", "f"],
        ),
    ] {
        let config = layers.load().unwrap();
        let names: Vec<&str> = config
            .subprotocol
            .iter()
            .map(|name| name.as_str())
            .collect();
        assert_eq!(names, expected);
    }
}

#[test]
fn empty_variable_counts_as_not_set() {
    let config = Layers::default()
        .variable("HOLDWIRE_GREETING", "")
        .load()
        .unwrap();

    assert_eq!(config.greeting.value, "Information from the server");
}

#[test]
fn switches_are_flags_that_can_be_taken_back() {
    let layers = || Layers::default().variable("HOLDWIRE_NO_ECHO", "true");

    assert!(
        Layers::default()
            .flags(&["--no-echo"])
            .load()
            .unwrap()
            .no_echo
            .value
    );
    assert!(layers().load().unwrap().no_echo.value);
    assert!(
        !layers()
            .flags(&["--no-echo=false"])
            .load()
            .unwrap()
            .no_echo
            .value
    );
}

#[test]
fn frame_limit_follows_the_message_limit_unless_given() {
    let layers = || Layers::default().flags(&["--max-message", "16MiB"]);

    assert_eq!(layers().load().unwrap().frame_limit().bytes(), 16 << 20);
    let config = layers().flags(&["--max-frame", "64KiB"]).load().unwrap();
    assert_eq!(config.frame_limit().bytes(), 64 << 10);
}

#[test]
fn numbers_of_the_file_may_be_written_without_quotes() {
    let config = Layers::default()
        .file("numbers", "max-message = 0x100_000\nmax-connections = 7")
        .load()
        .unwrap();

    assert_eq!(config.max_message.bytes(), 1 << 20);
    assert_eq!(config.max_connections.max(), Some(7));
    assert_eq!(
        config.max_connections_per_ip.value,
        Limit::parse("unlimited").unwrap()
    );
}

#[test]
fn wrong_values_are_refused_with_key_value_source_and_remedy() {
    for (layers, parts) in [
        (
            Layers::default().flags(&["--drain", "25"]),
            ["drain = \"25\"", "(flag --drain)", "write 25s for seconds"],
        ),
        (
            Layers::default().variable("HOLDWIRE_MAX_MESSAGE", "16M"),
            [
                "max-message = \"16M\"",
                "(environment HOLDWIRE_MAX_MESSAGE)",
                "16MiB",
            ],
        ),
        (
            Layers::default().file("bare-duration", "# one\n\nwrite-stall = 30"),
            [
                "write-stall = \"30\"",
                "bare-duration.toml line 3)",
                "write 30s",
            ],
        ),
        (
            Layers::default().file("unknown", "max_mesage = 1"),
            [
                "\"max_mesage\"",
                "unknown.toml line 1)",
                "did you mean max-message?",
            ],
        ),
        (
            Layers::default().file("table", "[deadlines]\ndrain = \"1s\""),
            [
                "\"deadlines\"",
                "there is no such key",
                "docs/holdwire.toml",
            ],
        ),
        (
            Layers::default().file("twice", "drain = \"1s\"\ndrain = \"2s\""),
            ["twice.toml line 2", "not TOML", "docs/holdwire.toml"],
        ),
        (
            Layers::default().file("text-for-list", "listen = \"127.0.0.1:1\""),
            ["listen = ", "this takes a list", "write listen = ["],
        ),
        (
            Layers::default().file("text-for-switch", "deflate = \"yes\""),
            ["deflate = ", "not a boolean", "true or false"],
        ),
        (
            Layers::default().file("float", "max-message = 1.5"),
            ["max-message = \"1.5\"", "this is a float", "quotes"],
        ),
        (
            Layers::default().variable("HOLDWIRE_DEFLATE", "yes"),
            ["deflate = \"yes\"", "HOLDWIRE_DEFLATE", "true or false"],
        ),
        (
            Layers::default().flags(&["--max-frame", "2MiB"]),
            [
                "max-frame = \"2MiB\"",
                "max-message 1MiB (default)",
                "raise max-message to 2MiB",
            ],
        ),
        (
            Layers::default().flags(&["--listen", "[::1]:80", "--listen", "[::1]:80"]),
            ["listen = \"[::1]:80\"", "twice", "once"],
        ),
        (
            Layers::default().variable("HOLDWIRE_LISTEN", ","),
            [
                "listen (environment HOLDWIRE_LISTEN)",
                "empty",
                "127.0.0.1:3000",
            ],
        ),
        (
            Layers::default().flags(&["--origin", "https://a.example/"]),
            [
                "origin = \"https://a.example/\"",
                "--origin",
                "scheme://host[:port]",
            ],
        ),
        (
            Layers::default().flags(&["--log", "xml"]),
            ["log = \"xml\"", "--log", "text or json"],
        ),
        (
            Layers::default().flags(&["--tls-cert", "cert.pem"]),
            ["tls-cert = \"cert.pem\"", "needs its key", "--tls-key"],
        ),
        (
            Layers::default().variable("HOLDWIRE_TLS_KEY", "key.pem"),
            [
                "tls-key = \"key.pem\"",
                "needs its certificate",
                "--tls-cert",
            ],
        ),
        (
            Layers::default().flags(&["--tls-cert", "/no/such", "--tls-key", "/no/such"]),
            ["tls-cert = \"/no/such\"", "cannot be read", "PEM"],
        ),
        (
            Layers::default().flags(&["--tls-cert", file!(), "--tls-key", file!()]),
            ["tls-cert = ", "cannot be read", "PEM"],
        ),
    ] {
        let refusal = layers.refusal();
        for part in parts {
            assert!(refusal.contains(part), "{part:?} is not in {refusal}");
        }
    }
}

#[test]
fn missing_file_is_refused_with_its_path() {
    let layers = Layers {
        file: Some("/no/such/holdwire.toml".into()),
        ..Layers::default()
    };

    let refusal = layers.refusal();

    assert!(
        refusal.starts_with("file /no/such/holdwire.toml: cannot be read"),
        "{refusal}"
    );
}

#[test]
fn variable_names_the_file_when_the_flag_does_not() {
    let named = Layers::default().file("by-variable", "drain = \"9s\"");
    let path = named.file.clone().unwrap();
    let mut layers = Layers::default();
    layers
        .environment
        .insert("HOLDWIRE_CONFIG".to_owned(), path.into());

    assert_eq!(layers.load().unwrap().drain.show(), "9s");
}

#[test]
fn certificate_without_certificates_is_refused() {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("empty.pem");
    std::fs::write(&path, "nothing\n").unwrap();
    let path = path.to_str().unwrap();

    let refusal = Layers::default()
        .flags(&["--tls-cert", path, "--tls-key", path])
        .refusal();

    assert!(
        refusal.contains("there is none in this file; name a PEM file"),
        "{refusal}"
    );
}

#[test]
fn certificate_and_key_are_told_apart() {
    let file = |name: &str, label: &str| {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let pem = format!("-----BEGIN {label}-----\nAAAA\n-----END {label}-----\n");
        std::fs::write(&path, pem).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let cert = file("cert.pem", "CERTIFICATE");
    let key = file("key.pem", "PRIVATE KEY");
    let layers =
        |cert: &str, key: &str| Layers::default().flags(&["--tls-cert", cert, "--tls-key", key]);

    assert!(layers(&cert, &key).load().unwrap().tls().is_some());
    assert!(layers(&key, &key).refusal().starts_with("tls-cert = "));
    assert!(layers(&cert, &cert).refusal().starts_with("tls-key = "));
}

/// The example file with each default in force.
fn uncommented_example() -> String {
    let example = include_str!("../../../docs/holdwire.toml");
    let settings = example.lines().filter_map(|line| line.strip_prefix('#'));
    let settings = settings.filter(|line| line.starts_with(|c: char| c.is_ascii_lowercase()));
    settings.collect::<Vec<_>>().join("\n")
}

#[test]
fn example_file_holds_every_key_with_its_default() {
    let defaults = Layers::default().load().unwrap();
    let text = uncommented_example();

    let example = Layers::default().file("example", &text).load().unwrap();

    for (default, example) in defaults.effective().iter().zip(example.effective()) {
        assert_eq!(default.value, example.value, "{}", default.name);
        let is_set = example.source != Source::Default;
        assert_eq!(
            is_set,
            default.value.is_some(),
            "{} is not in the file",
            default.name
        );
        if default.value.is_none() {
            let shown = include_str!("../../../docs/holdwire.toml");
            assert!(shown.contains(&format!("# example: {} = ", default.name)));
        }
    }
}

#[test]
fn example_file_as_it_is_changes_nothing() {
    let text = include_str!("../../../docs/holdwire.toml");

    let config = Layers::default().file("untouched", text).load().unwrap();

    assert!(
        config
            .effective()
            .iter()
            .all(|s| s.source == Source::Default)
    );
}

#[test]
fn namespaces_of_the_file_are_read_with_their_defaults() {
    let text = "[namespaces.chat]\nhistory = 1_000\npublish = true\n\
                [namespaces.\"\"]\nslow = \"skip\"\ngrace = \"1m\"\n";

    let config = Layers::default().file("namespaces", text).load().unwrap();

    let [nameless, chat] = &config.namespaces[..] else {
        panic!("{:?}", config.namespaces);
    };
    assert_eq!((&*nameless.name, &*chat.name), ("", "chat"));
    assert_eq!(chat.namespace.retention.publications, 1000);
    assert!(chat.namespace.publish && !chat.namespace.presence);
    assert_eq!(nameless.namespace.retention.publications, 0);
    let shown = holdwire_server::check_config::report(&config);
    for line in [
        "namespaces.chat.history = \"1000\"  (file ",
        "namespaces.chat.page = \"200\"  (default)",
        "namespaces..grace = \"1m\"  (file ",
    ] {
        assert!(shown.contains(line), "{line}\n{shown}");
    }
}

#[test]
fn wrong_namespaces_are_refused_with_key_value_and_remedy() {
    for (name, text, parts) in [
        (
            "ns-key",
            "[namespaces.a]\nhistorie = 1",
            ["namespaces.a.historie", "line 2", "did you mean history?"],
        ),
        (
            "ns-count",
            "[namespaces.a]\nhistory = -1",
            ["namespaces.a.history = \"-1\"", "line 2", "from 0 on"],
        ),
        (
            "ns-page",
            "[namespaces.a]\npage = 0",
            ["namespaces.a.page = \"0\"", "line 2", "from 1 on"],
        ),
        (
            "ns-age",
            "[namespaces.a]\nhistory-age = 10",
            ["namespaces.a.history-age", "\"10\"", "write 10s"],
        ),
        (
            "ns-slow",
            "[namespaces.a]\nslow = \"drop\"",
            ["namespaces.a.slow", "\"drop\"", "close or skip"],
        ),
        (
            "ns-bool",
            "[namespaces.a]\npublish = 1",
            ["namespaces.a.publish", "\"1\"", "write true, false, user"],
        ),
        (
            "ns-name",
            "[namespaces.\"a:b\"]\npublish = true",
            ["namespaces.a:b", "line 1", "without :"],
        ),
        (
            "ns-table",
            "[namespaces]\nchat = true",
            ["namespaces.chat", "line 2", "not a table"],
        ),
        (
            "ns-list",
            "namespaces = []",
            ["namespaces ", "line 1", "[namespaces.NAME]"],
        ),
    ] {
        let refusal = Layers::default().file(name, text).refusal();
        for part in parts {
            assert!(refusal.contains(part), "{part:?} is not in {refusal}");
        }
    }
}

#[test]
fn without_namespaces_only_a_loopback_bind_has_one() {
    let names = |flags: &[&str]| {
        let config = Layers::default().flags(flags).load().unwrap();
        let names = config.namespaces.iter().map(|one| one.name.clone());
        names.collect::<Vec<_>>()
    };

    assert_eq!(names(&[]), ["brief", "chat"]);
    assert_eq!(names(&["--listen", "0.0.0.0:3000"]), [""; 0]);
}
