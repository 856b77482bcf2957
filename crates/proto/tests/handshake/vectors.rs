//! The cases in `vectors/handshake.json`, which tests in other languages read as well.

use std::collections::BTreeMap;

use holdwire_proto::handshake::{
    Acceptance, Connect, Effective, HeadLimits, HeadReader, Hosts, Key, NoneCommon, Origins,
    Refusal, ResponseError, Rules, Subprotocols,
};
use http::Response;
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct Vectors {
    accepts: Vec<AcceptCase>,
    requests: Vec<RequestCase>,
    responses: Vec<ResponseCase>,
}

#[derive(Deserialize)]
struct AcceptCase {
    key: String,
    accept: String,
}

#[derive(Deserialize)]
struct RequestCase {
    name: String,
    section: String,
    #[serde(default)]
    rules: RulesCase,
    request: String,
    status: u16,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    absent: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RulesCase {
    origins: Value,
    require_origin: bool,
    hosts: Option<Vec<String>>,
    subprotocols: Value,
    scheme: Option<String>,
}

#[derive(Deserialize)]
struct ResponseCase {
    name: String,
    section: String,
    #[serde(default)]
    subprotocols: Vec<String>,
    extensions: Option<String>,
    response: String,
    verdict: String,
    subprotocol: Option<String>,
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("../../../../vectors/handshake.json")).expect("well-formed")
}

/// A character of a case is a byte.
fn bytes(text: &str) -> Vec<u8> {
    text.chars()
        .map(|letter| u8::try_from(u32::from(letter)).expect("a byte"))
        .collect()
}

impl RulesCase {
    fn rules(&self) -> Rules {
        let parse = |text: &Value| text.as_str().expect("text").parse().expect("an origin");
        let names = |list: &Value| {
            let list = list.as_array().expect("a list").iter();
            list.map(|name| name.as_str().expect("text").parse().expect("a token"))
                .collect()
        };
        Rules {
            origins: match &self.origins {
                Value::Null => Origins::SameOrigin,
                Value::Array(list) => Origins::List(list.iter().map(parse).collect()),
                word if word == "local" => Origins::Local,
                word if word == "any" => Origins::Any,
                other => panic!("unknown origins {other}"),
            },
            require_origin: self.require_origin,
            hosts: self.hosts.as_ref().map_or(Hosts::Any, |names| {
                Hosts::loopback_and(names.iter().map(|name| name.parse().expect("a host")))
            }),
            subprotocols: match &self.subprotocols {
                Value::Null => Subprotocols::None,
                Value::Object(preferred) => Subprotocols::Preferred {
                    names: names(&preferred["names"]),
                    otherwise: match preferred["otherwise"].as_str() {
                        Some("accept") => NoneCommon::Accept,
                        Some("refuse") => NoneCommon::Refuse,
                        other => panic!("unknown policy {other:?}"),
                    },
                },
                word if word == "first" => Subprotocols::FirstOffered,
                other => panic!("unknown subprotocols {other}"),
            },
        }
    }

    fn effective(&self) -> Effective {
        match self.scheme.as_deref() {
            None => Effective::plain(),
            Some("https") => Effective::tls(),
            Some(other) => panic!("unknown scheme {other}"),
        }
    }
}

/// What a server answers to these bytes.
fn answer(case: &RequestCase) -> Response<()> {
    let refused = |refusal: Refusal| refusal.into_response().map(drop);
    let head = match HeadReader::new(HeadLimits::default()).read_request(&bytes(&case.request)) {
        Ok(head) => head.expect("a whole head"),
        Err(error) => return refused(error.into()),
    };
    match case.rules.rules().check(&head, &case.rules.effective()) {
        Ok(offer) => offer
            .accept(Acceptance::default())
            .expect("nothing asked for"),
        Err(refusal) => refused(refusal),
    }
}

#[test]
fn keys_give_their_accept_values() {
    for case in vectors().accepts {
        let key = Key::parse(case.key.as_bytes()).expect("a key");
        assert_eq!(key.accept(), case.accept, "{}", case.key);
    }
}

#[test]
fn requests_get_their_answers() {
    for case in vectors().requests {
        let what = format!("{} ({})", case.name, case.section);

        let response = answer(&case);

        assert_eq!(response.status().as_u16(), case.status, "{what}");
        for (name, value) in &case.headers {
            assert_eq!(
                response.headers().get(name).expect(&what),
                value,
                "{what}: {name}"
            );
        }
        for name in &case.absent {
            assert!(!response.headers().contains_key(name), "{what}: {name}");
        }
    }
}

#[test]
fn responses_get_their_verdicts() {
    for case in vectors().responses {
        let what = format!("{} ({})", case.name, case.section);
        let mut connect = Connect::new("ws://server.example.com/chat".parse().expect("a URL"));
        connect.subprotocols = case
            .subprotocols
            .iter()
            .map(|name| name.parse().expect("a token"))
            .collect();
        connect.extensions = case
            .extensions
            .as_ref()
            .map(|value| value.parse().expect("a value"));
        let pending = connect.start(*b"the sample nonce").expect("legal");

        let (verdict, subprotocol) =
            match HeadReader::new(HeadLimits::default()).read_response(&bytes(&case.response)) {
                Err(_) => ("unreadable".to_owned(), None),
                Ok(head) => match pending.verify(head.expect(&what)) {
                    Ok(accepted) => ("accepted".to_owned(), accepted.subprotocol),
                    Err(ResponseError::Refused(response)) => {
                        (format!("refused {}", response.status().as_u16()), None)
                    }
                    Err(ResponseError::Violation(violation)) => (format!("{violation:?}"), None),
                    Err(other) => panic!("{what}: {other}"),
                },
            };

        assert_eq!(verdict, case.verdict, "{what}");
        assert_eq!(
            subprotocol.map(|name| name.to_string()),
            case.subprotocol,
            "{what}"
        );
    }
}
