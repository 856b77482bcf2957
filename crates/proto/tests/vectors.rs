//! `vectors/frames.json` and `vectors/close.json`, which tests in other languages read as well.

mod common;

use common::{Endpoint, Seen};
use holdwire_proto::{CloseCode, Config, Ended, Limits, Role, Scratch};
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Frames {
    #[serde(rename = "about")]
    _about: String,
    streams: Vec<Stream>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Close {
    #[serde(rename = "about")]
    _about: String,
    streams: Vec<Stream>,
    sends: Vec<Send>,
    codes: Vec<Codes>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stream {
    name: String,
    section: String,
    receiver: String,
    #[serde(default)]
    limits: StreamLimits,
    received: String,
    events: Vec<Value>,
    violation: Option<String>,
    close_code: Option<u16>,
    sent: String,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct StreamLimits {
    max_message: Option<usize>,
    max_fragments: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Send {
    name: String,
    sender: String,
    code: u16,
    reason: String,
    sent: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Codes {
    from: u16,
    to: u16,
    may_be_sent: bool,
}

fn frames() -> Frames {
    serde_json::from_str(include_str!("../../../vectors/frames.json")).expect("well-formed")
}

fn close() -> Close {
    serde_json::from_str(include_str!("../../../vectors/close.json")).expect("well-formed")
}

fn bytes(hex: &str) -> Vec<u8> {
    assert!(hex.len().is_multiple_of(2), "{hex}");
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex digits"))
        .collect()
}

fn seen(event: &Value) -> Seen {
    let of = |name: &str| event[name].as_str().map(str::to_owned);
    if let Some(text) = of("text") {
        return Seen::Text(text);
    }
    if let Some(hex) = of("binary") {
        return Seen::Binary(bytes(&hex));
    }
    if let Some(hex) = of("ping") {
        return Seen::Ping(bytes(&hex));
    }
    if let Some(hex) = of("pong") {
        return Seen::Pong(bytes(&hex));
    }
    let code = event.get("close").expect("an event that is known");
    let code = code
        .as_u64()
        .map(|code| u16::try_from(code).expect("a code"));
    Seen::Close(code, of("reason").expect("a reason"))
}

/// An endpoint that masks with zeros.
fn endpoint(role: &str, limits: Limits) -> Endpoint {
    let role = match role {
        "server" => Role::Server,
        "client" => Role::Client,
        other => panic!("unknown role {other}"),
    };
    let mut end = Endpoint::new(role, Config::default().limits(limits));
    end.scratch = Scratch::new(Box::new(|| [0; 4]));
    end
}

impl Stream {
    fn endpoint(&self) -> Endpoint {
        let mut limits = Limits::default();
        if let Some(bytes) = self.limits.max_message {
            (limits.max_message, limits.max_frame) = (bytes, bytes);
        }
        if let Some(count) = self.limits.max_fragments {
            limits.max_fragments = count;
        }
        endpoint(&self.receiver, limits)
    }

    fn assert(&self, mut end: Endpoint) {
        let what = format!("{} ({}), {}", self.name, self.section, self.receiver);
        let events: Vec<Seen> = self.events.iter().map(seen).collect();
        assert_eq!(end.seen, events, "{what}");

        let sent = end.written();
        let Some(name) = &self.violation else {
            assert_eq!(sent, bytes(&self.sent), "{what}");
            assert!(
                matches!(end.connection.ended(), None | Some(Ended::Clean(_))),
                "{what}"
            );
            return;
        };
        let Some(Ended::Violation(violation)) = end.connection.ended() else {
            panic!("{what}: {:?}", end.connection.ended());
        };
        assert_eq!(format!("{violation:?}"), *name, "{what}");
        let close = sent.strip_prefix(&bytes(&self.sent)[..]).expect(&what);
        let at = if self.receiver == "client" { 6 } else { 2 };
        let code = self.close_code.expect(&what);
        assert_eq!(close[0], 0x88, "{what}");
        assert_eq!(close[at..at + 2], code.to_be_bytes(), "{what}");
    }
}

fn assert_all(streams: Vec<Stream>) {
    for stream in streams {
        let received = bytes(&stream.received);

        let mut at_once = stream.endpoint();
        at_once.receive(&received);
        stream.assert(at_once);

        let mut bytewise = stream.endpoint();
        bytewise.receive_bytewise(&received);
        stream.assert(bytewise);
    }
}

#[test]
fn streams_of_frames_have_their_events_and_answers() {
    assert_all(frames().streams);
}

#[test]
fn close_frames_have_their_events_and_answers() {
    assert_all(close().streams);
}

#[test]
fn closing_sends_these_frames() {
    for case in close().sends {
        let mut end = endpoint(&case.sender, Limits::default());

        end.close(case.code, &case.reason);

        assert_eq!(
            end.written(),
            bytes(&case.sent),
            "{}, {}",
            case.name,
            case.sender
        );
    }
}

#[test]
fn every_code_may_be_sent_or_not() {
    let mut next = 0;
    for range in close().codes {
        assert_eq!(u32::from(range.from), next, "the ranges cover all codes");
        for code in range.from..=range.to {
            assert_eq!(CloseCode::new(code).is_some(), range.may_be_sent, "{code}");
        }
        next = u32::from(range.to) + 1;
    }
    assert_eq!(next, 65_536);
}
