//! The catalogue: what is sent, how, and what the RFCs and our own rules want in return.
//!
//! The cases are data in `conformance/bad-inputs/`, one file a group; the notation is told in
//! the README beside them.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::frame::Step;
use super::payload::Payload;
use super::request::Request;

/// One file of the catalogue.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Group {
    pub(crate) group: String,
    /// What the group is about, for people.
    #[serde(rename = "about")]
    _about: String,
    pub(crate) cases: Vec<Case>,
}

/// One input and what a right server does with it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    /// A sentence.
    pub(crate) name: String,
    /// Where the expectation comes from: `RFC …` or `holdwire: …`.
    pub(crate) section: String,
    /// Why several answers are allowed, or what the trap is.
    #[serde(default, rename = "why")]
    _why: Option<String>,
    /// Targets of plain GET requests that come first on the same connection, each answered 200.
    #[serde(default)]
    pub(crate) earlier: Vec<String>,
    #[serde(default)]
    pub(crate) request: Request,
    /// What follows the opening handshake.
    #[serde(default)]
    pub(crate) frames: Vec<Step>,
    #[serde(default)]
    pub(crate) send: Sending,
    #[serde(default)]
    pub(crate) only_if: Option<OnlyIf>,
    #[serde(default)]
    pub(crate) expect: Expect,
}

/// How the bytes go out.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sending {
    /// The request goes out in pieces of so many bytes.
    #[serde(default)]
    pub(crate) request_in: Option<usize>,
    /// The frames go out in pieces of so many bytes.
    #[serde(default)]
    pub(crate) frames_in: Option<usize>,
    /// Milliseconds between two pieces.
    #[serde(default)]
    pub(crate) pause_ms: u64,
    /// The frames go out in the same write as the request.
    #[serde(default)]
    pub(crate) with_request: bool,
    /// The earlier requests go out in the same write as the request.
    #[serde(default)]
    pub(crate) pipelined: bool,
}

/// A case that has a meaning only when the handshake agreed this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OnlyIf {
    ClientContextTakeover,
    ClientNoContextTakeover,
}

/// What a right server does.
///
/// Without any field: 101, and after the frames the connection still echoes and closes in order.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Expect {
    /// The statuses that are allowed.
    pub(crate) status: Vec<u16>,
    /// Ending TCP without the status or close code is allowed as well.
    pub(crate) or_end: bool,
    /// Header fields that must have this value or list member.
    pub(crate) headers: BTreeMap<String, String>,
    /// Header fields that must not be there.
    pub(crate) absent: Vec<String>,
    pub(crate) extension: Agreement,
    /// Text that the response's body must contain.
    pub(crate) body: Option<String>,
    /// The statuses of further responses on the connection; without them not a byte may follow.
    pub(crate) more: Vec<u16>,
    /// Messages and pongs, in this order.
    pub(crate) answers: Vec<Answer>,
    /// The close codes that are allowed (1005: a Close frame without one), then the end of TCP.
    pub(crate) close: Vec<u16>,
    /// The response or close code comes no sooner, in milliseconds from the start.
    pub(crate) after_ms: u64,
    /// Each answer comes within so many milliseconds.
    pub(crate) within_ms: u64,
}

/// Whether permessage-deflate must have been agreed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Agreement {
    Agreed,
    Declined,
    /// Either, as long as the answer is a legal one.
    #[default]
    Either,
}

/// One message or pong from the server.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Answer {
    Text(Payload),
    Binary(Payload),
    Pong(Payload),
    /// Any number of pongs, of which this is the last (RFC 6455 §5.5.3 lets a server answer only
    /// the latest ping).
    LastPong(Payload),
}

impl Default for Expect {
    fn default() -> Self {
        Self {
            status: vec![101],
            or_end: false,
            headers: BTreeMap::new(),
            absent: Vec::new(),
            extension: Agreement::default(),
            body: None,
            more: Vec::new(),
            answers: Vec::new(),
            close: Vec::new(),
            after_ms: 0,
            within_ms: 5_000,
        }
    }
}

impl Case {
    /// Whether the case waits for one of the server's deadlines.
    pub(crate) fn is_slow(&self) -> bool {
        self.expect.within_ms > Expect::default().within_ms
    }
}

/// Reads every group.
///
/// # Errors
/// A sentence with the file and the place in it.
pub(crate) fn load() -> Result<Vec<Group>, String> {
    FILES
        .iter()
        .map(|(name, text)| {
            let group: Group =
                serde_json::from_str(text).map_err(|error| format!("{name}.json: {error}"))?;
            if group.group == *name {
                Ok(group)
            } else {
                Err(format!("{name}.json calls itself {:?}", group.group))
            }
        })
        .collect()
}

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../bad-inputs/", $name, ".json")))),*]
    };
}

const FILES: &[(&str, &str)] = files![
    "handshake",
    "smuggling",
    "size",
    "subprotocol",
    "negotiation",
    "origin",
    "reserved",
    "masking",
    "length",
    "control",
    "fragmentation",
    "utf8",
    "close",
    "deflate",
    "http",
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::net::SocketAddr;

    use super::*;

    #[test]
    fn every_file_of_the_catalogue_is_read() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/bad-inputs");
        let on_disk: BTreeSet<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|it| it == "json"))
            .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
            .collect();

        let read: BTreeSet<String> = load().unwrap().into_iter().map(|it| it.group).collect();

        assert_eq!(read, on_disk);
    }

    #[test]
    fn every_case_has_a_name_of_its_own_and_a_section() {
        let mut names = BTreeSet::new();

        for case in load().unwrap().into_iter().flat_map(|group| group.cases) {
            assert!(
                case.section.starts_with("RFC ") || case.section.starts_with("holdwire: "),
                "{}: section {:?}",
                case.name,
                case.section
            );
            assert!(names.insert(case.name.clone()), "twice: {}", case.name);
        }
        assert!(names.len() >= 220, "{} cases", names.len());
    }

    #[test]
    fn every_notation_has_bytes() {
        let server = SocketAddr::from(([127, 0, 0, 1], 65535));

        for case in load().unwrap().into_iter().flat_map(|group| group.cases) {
            case.request
                .bytes(server)
                .unwrap_or_else(|problem| panic!("{}: {problem}", case.name));
            for step in &case.frames {
                step.action()
                    .unwrap_or_else(|problem| panic!("{}: {problem}", case.name));
            }
        }
    }

    #[test]
    fn good_input_is_a_good_part_of_the_catalogue() {
        let cases: Vec<Case> = load()
            .unwrap()
            .into_iter()
            .flat_map(|it| it.cases)
            .collect();

        let accepted = cases
            .iter()
            .filter(|case| matches!(case.expect.status[..], [101 | 200]))
            .filter(|case| case.expect.close.is_empty() && !case.expect.or_end)
            .count();

        assert!(accepted * 4 >= cases.len(), "{accepted} of {}", cases.len());
    }
}
