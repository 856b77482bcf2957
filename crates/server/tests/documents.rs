//! The guides name every flag of the program, with its default.

use clap::CommandFactory;
use holdwire_server::cli::Cli;
use holdwire_server::config::{KEY_KEYS, NAMESPACE_KEYS, SETTINGS};
use holdwire_server::token::Refusal;

/// The row of a flag in a guide's table, as cells.
fn row<'a>(guide: &'a str, flag: &str) -> Vec<&'a str> {
    let start = format!("| `--{flag}` |");
    let line = guide.lines().find(|line| line.starts_with(&start));
    let line = line.unwrap_or_else(|| panic!("--{flag} is not in the guide"));
    line.trim_matches('|').split('|').map(str::trim).collect()
}

#[test]
fn guide_of_serve_has_every_setting_with_its_default() {
    let guide = include_str!("../../../docs/guide/serve.md");

    for setting in SETTINGS {
        let shown = match setting.default {
            [] => "–".to_owned(),
            values => format!("`{}`", values.join("`, `")),
        };
        assert_eq!(row(guide, setting.name)[1], shown, "--{}", setting.name);
    }
    let flags = guide.lines().filter(|line| line.starts_with("| `--"));
    assert_eq!(flags.count(), SETTINGS.len());
}

#[test]
fn guide_of_serve_has_every_key_of_a_namespace_with_its_default() {
    let guide = include_str!("../../../docs/guide/serve.md");
    let example = include_str!("../../../docs/holdwire.toml");

    for (key, default, _) in NAMESPACE_KEYS {
        let row = format!("| `{key}` | `{default}` |");
        assert!(guide.contains(&row), "{row}");
        assert!(example.contains(&format!("# {key} = ")), "{key}");
    }
}

#[test]
fn guide_of_connect_has_every_flag_with_its_default() {
    assert_guide_has_flags(include_str!("../../../docs/guide/connect.md"), "connect");
}

#[test]
fn guide_of_check_has_every_flag_with_its_default() {
    assert_guide_has_flags(include_str!("../../../docs/guide/check.md"), "check");
}

#[test]
fn guides_of_sub_and_pub_have_every_flag_with_its_default() {
    assert_guide_has_flags(include_str!("../../../docs/guide/sub.md"), "sub");
    assert_guide_has_flags(include_str!("../../../docs/guide/pub.md"), "pub");
}

#[test]
fn guide_of_token_has_every_flag_with_its_default() {
    let guide = include_str!("../../../docs/guide/token.md");
    let (head, check) = guide.split_once("## holdwire token check").unwrap();

    assert_guide_has_flags(head, "token make");
    assert_guide_has_flags(check, "token check");
}

#[test]
fn documents_have_every_key_of_a_key_for_tokens() {
    let guide = include_str!("../../../docs/guide/token.md");
    let example = include_str!("../../../docs/holdwire.toml");

    for (key, _) in KEY_KEYS {
        assert!(guide.contains(&format!("| `{key}` | ")), "{key}");
        assert!(example.contains(key), "{key}");
    }
}

#[test]
fn protocol_has_every_reason_why_a_token_is_refused_in_its_words() {
    let protocol = include_str!("../../../docs/protocol.md");

    for refusal in Refusal::ALL {
        let cell = format!("| `{}` | ", refusal.word());
        let line = protocol.lines().find(|line| line.contains(&cell));
        assert!(line.is_some(), "{cell}");
    }
    let rows = protocol.split("| what is wrong | ").nth(1).unwrap();
    let rows = rows
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with('|'));
    assert_eq!(rows.count(), Refusal::ALL.len());
}

#[track_caller]
fn assert_guide_has_flags(guide: &str, name: &str) {
    let program = Cli::command();
    let mut command = &program;
    for name in name.split(' ') {
        command = command.find_subcommand(name).expect("there is one");
    }

    let mut count = 0;
    for argument in command.get_arguments() {
        let Some(flag) = argument.get_long().filter(|flag| *flag != "help") else {
            continue;
        };
        let values = argument.get_default_values();
        let takes_value = argument.get_action().takes_values();
        let shown = match values.first().and_then(|value| value.to_str()) {
            Some(value) if takes_value => format!("`{value}`"),
            _ => "–".to_owned(),
        };
        assert_eq!(row(guide, flag)[1], shown, "--{flag}");
        count += 1;
    }
    let flags = guide.lines().filter(|line| line.starts_with("| `--"));
    assert_eq!(flags.count(), count);
}
