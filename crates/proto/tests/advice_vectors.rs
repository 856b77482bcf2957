//! `vectors/advice.json`, which tests in other languages read as well.

use std::time::Duration;

use holdwire_proto::Advice;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(rename = "about")]
    _about: String,
    reads: Vec<Read>,
    writes: Vec<Write>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Read {
    name: String,
    reason: String,
    advice: Option<Members>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Write {
    name: String,
    advice: Members,
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Members {
    retry_after_ms: Option<u64>,
    url: Option<String>,
    reason: Option<String>,
}

impl From<Members> for Advice {
    fn from(members: Members) -> Self {
        Self {
            retry_after: members.retry_after_ms.map(Duration::from_millis),
            url: members.url,
            reason: members.reason,
        }
    }
}

fn file() -> File {
    serde_json::from_str(include_str!("../../../vectors/advice.json")).expect("well-formed")
}

#[test]
fn close_reasons_are_advice_or_plain() {
    for case in file().reads {
        let expected = case.advice.map(Advice::from);

        assert_eq!(Advice::parse(&case.reason), expected, "{}", case.name);
    }
}

#[test]
fn advice_is_written_so() {
    for case in file().writes {
        let written = Advice::from(case.advice).to_string();

        assert_eq!(written, case.reason, "{}", case.name);
    }
}
