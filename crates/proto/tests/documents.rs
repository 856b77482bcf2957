//! `docs/protocol.md` says the same as the code: every status, close code, reason, limit and decision.

use std::collections::BTreeSet;
use std::time::Duration;

use holdwire_proto::extension::{self, ExtensionError};
use holdwire_proto::handshake::{Flaw, HeadError, HeadLimits, Reason};
use holdwire_proto::http::StatusCode;
use holdwire_proto::reconnect::{Backoff, Decision, Policy, Target};
use holdwire_proto::{Advice, Limits, Violation};

const PROTOCOL: &str = include_str!("../../../docs/protocol.md");
const RECONNECT: &str = include_str!("../../../docs/guide/reconnect.md");

/// The rows of the table of `docs/protocol.md` below a heading.
fn table(heading: &str) -> Vec<Vec<String>> {
    table_of(PROTOCOL, heading)
}

/// The rows of the table below a heading, without its head, as trimmed cells.
fn table_of(document: &str, heading: &str) -> Vec<Vec<String>> {
    let (_, section) = document
        .split_once(&format!("# {heading}\n"))
        .expect("the heading is there");
    let rows = section.lines().skip_while(|line| !line.starts_with('|'));
    rows.take_while(|line| line.starts_with('|'))
        .skip(2)
        .map(|line| {
            let cells = line.trim_matches('|').split('|');
            cells.map(|cell| cell.trim().to_owned()).collect()
        })
        .collect()
}

/// The names of an enumeration's variants, as its source has them.
fn variants(source: &str, name: &str) -> BTreeSet<String> {
    let (_, body) = source
        .split_once(&format!("pub enum {name} {{\n"))
        .expect("the enumeration is there");
    let (body, _) = body.split_once("\n}").expect("it ends");
    let lines = body.lines().filter_map(|line| line.strip_prefix("    "));
    lines
        .filter(|line| line.starts_with(|first: char| first.is_ascii_uppercase()))
        .map(|line| {
            let end = line.find(|c: char| !c.is_ascii_alphanumeric());
            line[..end.unwrap_or(line.len())].to_owned()
        })
        .collect()
}

const VIOLATIONS: [Violation; 17] = [
    Violation::ReservedBit,
    Violation::ReservedOpcode,
    Violation::UnmaskedFrame,
    Violation::MaskedFrame,
    Violation::InvalidLength,
    Violation::FragmentedControlFrame,
    Violation::ControlFrameTooLong,
    Violation::UnexpectedContinuation,
    Violation::UnfinishedMessage,
    Violation::InvalidCloseFrame,
    Violation::InvalidUtf8,
    Violation::InvalidDeflate,
    Violation::InflateRatio,
    Violation::FrameTooBig,
    Violation::MessageTooBig,
    Violation::TooManyFragments,
    Violation::MessageTimeout,
];

#[test]
fn every_violation_stands_with_its_close_code_and_reason() {
    let documented: BTreeSet<(String, String, String)> =
        table("Close codes that the server sends for an error")
            .into_iter()
            .map(|row| (row[0].clone(), row[1].clone(), row[2].clone()))
            .collect();

    let ours: BTreeSet<(String, String, String)> = VIOLATIONS
        .iter()
        .map(|violation| {
            (
                violation.close_code().to_string(),
                format!("`{violation:?}`"),
                violation.reason().to_owned(),
            )
        })
        .collect();

    assert_eq!(documented, ours);
    let known = VIOLATIONS.iter().map(|violation| format!("{violation:?}"));
    let source = include_str!("../src/error.rs");
    assert_eq!(
        known.collect::<BTreeSet<_>>(),
        variants(source, "Violation")
    );
}

fn malformed() -> ExtensionError {
    extension::parse(["a b"]).expect_err("a blank ends a token")
}

fn reasons() -> Vec<Reason> {
    use Reason::{
        Body, Connection, ExtensionsMalformed, Head, HostMalformed, HostMissing, HostRepeated,
        HttpVersion, KeyMalformed, KeyMissing, KeyRepeated, Method, Misdirected,
        NoCommonSubprotocol, NotWebSocket, Origin, OriginMissing, SubprotocolMalformed,
        SubprotocolRepeated, Target, Timeout, TransferEncoding, Upgrade, VersionMissing,
        VersionRepeated, VersionUnsupported,
    };
    vec![
        Timeout,
        Head(HeadError::TooLarge),
        Head(HeadError::TooManyFields),
        Head(HeadError::UnsupportedVersion),
        Head(HeadError::ControlCharacter),
        Head(HeadError::FoldedField),
        Head(HeadError::StartLine),
        Head(HeadError::Target),
        Head(HeadError::Field),
        Method,
        NotWebSocket,
        HttpVersion,
        Upgrade,
        Connection,
        Reason::Flaw(Flaw::BareLineFeed),
        Reason::Flaw(Flaw::Fragment),
        Target,
        HostMissing,
        HostRepeated,
        HostMalformed,
        Body,
        TransferEncoding,
        VersionMissing,
        VersionRepeated,
        VersionUnsupported,
        KeyMissing,
        KeyRepeated,
        KeyMalformed,
        SubprotocolMalformed,
        SubprotocolRepeated,
        ExtensionsMalformed(malformed()),
        NoCommonSubprotocol,
        Misdirected {
            host: "…".to_owned(),
        },
        Origin {
            origin: "…".to_owned(),
            own: "…".to_owned(),
        },
        OriginMissing,
    ]
}

/// `Head(TooLarge)` as the table writes it: the variant, with what it carries if that is a variant.
fn shown(reason: &Reason) -> String {
    let text = format!("{reason:?}");
    let plain = text.split([' ', '{']).next().unwrap_or_default();
    match reason {
        Reason::ExtensionsMalformed(_) => "`ExtensionsMalformed`".to_owned(),
        _ => format!("`{plain}`"),
    }
}

#[test]
fn every_refusal_stands_with_its_status_and_text() {
    let documented = table("Refusals");
    for reason in reasons() {
        let name = shown(&reason);
        let row = documented.iter().find(|row| row[1] == name);
        let row = row.unwrap_or_else(|| panic!("{name} is not in the table"));

        assert_eq!(row[0], reason.status().as_str(), "{name}");
        let text = reason.to_string().replace('"', "");
        assert!(
            text.starts_with(&row[2]),
            "{name}: {text:?} and {:?}",
            row[2]
        );
    }

    let named = documented.iter().filter(|row| row[1] != "–");
    assert_eq!(named.count(), reasons().len() + 1, "and Application");
}

#[test]
fn no_refusal_is_left_out() {
    let samples = reasons();
    let known = |prefix: &str| -> BTreeSet<String> {
        let names = samples.iter().map(|reason| shown(reason).replace('`', ""));
        let inner = |name: String| match prefix {
            "" => Some(name.split('(').next().unwrap_or_default().to_owned()),
            _ => Some(name.strip_prefix(prefix)?.trim_end_matches(')').to_owned()),
        };
        names.filter_map(inner).collect()
    };

    let mut all = known("");
    all.insert("Application".to_owned());
    let refusal = include_str!("../src/handshake/refusal.rs");
    let head = include_str!("../src/handshake/head.rs");
    assert_eq!(all, variants(refusal, "Reason"));
    assert_eq!(known("Head("), variants(head, "HeadError"));
    assert_eq!(known("Flaw("), variants(head, "Flaw"));
}

#[test]
fn every_limit_of_a_connection_stands_with_its_default() {
    let documented = table("Limits and deadlines");
    let default = |name: &str| -> &str {
        let row = documented.iter().find(|row| row[0] == name);
        let row = row.unwrap_or_else(|| panic!("{name} is not in the table"));
        row[1].split([',', ';']).next().unwrap_or_default()
    };
    let seconds = |name: &str| {
        let number = default(name).split(" s").next().unwrap_or_default();
        Duration::from_secs(number.parse().expect("seconds"))
    };
    let limits = Limits::default();
    let (mebibyte, head) = (1024 * 1024, HeadLimits::default());

    for (name, bytes) in [
        ("`max_message`", limits.max_message),
        ("`max_frame`", limits.max_frame),
        ("`send_queue`", limits.send_queue),
    ] {
        assert_eq!((default(name), bytes), ("1 MiB", mebibyte), "{name}");
    }
    assert_eq!(
        (default("`max_fragments`"), limits.max_fragments),
        ("4096 a message", 4096)
    );
    assert_eq!(seconds("`message_timeout`"), limits.message_timeout);
    assert_eq!(seconds("`close_timeout`"), limits.close_timeout);
    assert_eq!(seconds("`write_stall`"), limits.write_stall);
    assert_eq!(
        (default("request head"), head.max_bytes),
        ("16 KiB", 16 * 1024)
    );
    assert_eq!(head.max_fields, 100);
}

#[test]
fn the_members_of_advice_are_those_that_are_written() {
    let documented: Vec<String> = table("Advice in a close reason")
        .into_iter()
        .map(|row| row[0].trim_matches('`').to_owned())
        .collect();
    let (_, section) = PROTOCOL
        .split_once("# Advice in a close reason\n")
        .expect("the heading is there");
    let example = section
        .lines()
        .find(|line| line.starts_with('{'))
        .expect("an example");

    let advice = Advice::parse(example).expect("advice");
    let written: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(&advice.to_string()).expect("an object");

    assert_eq!(advice.to_string(), example);
    assert_eq!(written.len(), documented.len());
    assert!(documented.iter().all(|name| written.contains_key(name)));
}

/// The row for a number: one that names it, alone or in `from to to`, else that of any other.
fn row_of(rows: &[Vec<String>], number: u16) -> &[String] {
    let names = |part: &str| {
        let (from, to) = part.split_once(" to ").unwrap_or((part, part));
        let bound = |text: &str| text.parse::<u16>().expect("a number");
        (bound(from)..=bound(to)).contains(&number)
    };
    let (last, named) = rows.split_last().expect("there are rows");
    assert_eq!(last[0], "any other");
    let mut found = named.iter().filter(|row| row[0].split(", ").any(names));
    let row = found.next().unwrap_or(last);
    assert!(found.next().is_none(), "{number} stands in one row");
    row
}

#[test]
fn every_close_code_and_status_stands_with_its_decision() {
    let codes = table("Decisions by close code");
    let statuses = table("Decisions by status");

    for code in 0..=u16::MAX {
        let ours = [Target::Fixed, Target::Asked].map(|target| {
            let decision = Decision::of_close_code(code, target);
            format!("`{decision:?}`")
        });
        assert_eq!(row_of(&codes, code)[1..3], ours, "{code}");
    }
    for number in 100..=999 {
        let status = StatusCode::from_u16(number).expect("a status");
        let ours = [Target::Fixed, Target::Asked].map(|target| {
            let decision = Decision::of_status(status, target);
            format!("`{decision:?}`")
        });
        assert_eq!(row_of(&statuses, number)[1..3], ours, "{number}");
    }
}

#[test]
fn every_setting_of_coming_back_stands_with_its_default() {
    let policy = Policy::default();
    let seconds = |duration: Duration| format!("{} s", duration.as_secs());
    let attempts = policy
        .max_attempts
        .map_or("none".to_owned(), |count| count.to_string());

    let ours = [
        (
            "`first`",
            format!("{} ms", policy.backoff.first().as_millis()),
        ),
        ("`cap`", seconds(policy.backoff.cap())),
        ("`min_uptime`", seconds(policy.min_uptime)),
        ("`connect_timeout`", seconds(policy.connect_timeout)),
        ("`max_attempts`", attempts),
        ("`max_advice`", seconds(policy.max_advice)),
    ];

    let documented: Vec<(String, String)> = table("Coming back")
        .into_iter()
        .map(|row| (row[0].clone(), row[1].clone()))
        .collect();
    let ours = ours.map(|(name, default)| (name.to_owned(), default));
    assert_eq!(documented, ours);
}

#[test]
fn the_guide_has_the_delays_that_are_drawn() {
    let backoff = Backoff::default();
    let mut elapsed = Duration::ZERO;

    let rows = table_of(RECONNECT, "Delays");

    for (losses, row) in (0..).zip(&rows) {
        let ceiling = backoff.ceiling(losses);
        elapsed += backoff.delay(losses, 1 << 31);
        let number = row[0].split(' ').next();
        assert_eq!(number, Some(&*(losses + 1).to_string()));
        assert_eq!(row[1], format!("{} s", ceiling.as_secs_f64()));
        let average = format!("{} s", elapsed.as_secs_f64());
        assert!(row[2].starts_with(&average), "{row:?}: {average}");
    }
    assert_eq!(rows.last().expect("rows")[0], "7 and more");
    assert_eq!(backoff.ceiling(6), backoff.ceiling(7));
}
