//! The shared vectors of permessage-deflate, which clients in other languages read too.
#![cfg(feature = "deflate")]

use holdwire_proto::deflate::{
    Context, DeflateConfig, DeflateParams, InflateError, InflateLimits, Inflater, WindowBits,
    accept_offer, offer, verify,
};
use holdwire_proto::extension::parse;
use serde::Deserialize;

#[derive(Deserialize)]
struct Vectors {
    accept: Vec<Accept>,
    verify: Vec<Verify>,
    inflate: Vec<Inflate>,
}

#[derive(Deserialize)]
struct Accept {
    name: String,
    config: Config,
    offers: Vec<String>,
    answer: Option<String>,
    agreed: Option<Agreed>,
}

#[derive(Deserialize)]
struct Verify {
    name: String,
    config: Config,
    offer: String,
    response: Vec<String>,
    agreed: Option<Agreed>,
    error: Option<String>,
}

#[derive(Deserialize)]
struct Inflate {
    name: String,
    takeover: bool,
    messages: Vec<Message>,
}

#[derive(Deserialize)]
struct Message {
    hex: String,
    text: Option<String>,
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    server_no_context_takeover: bool,
    client_no_context_takeover: bool,
    server_max_window_bits: u8,
    client_max_window_bits: u8,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            server_no_context_takeover: false,
            client_no_context_takeover: false,
            server_max_window_bits: 15,
            client_max_window_bits: 15,
        }
    }
}

impl Config {
    fn to_deflate_config(&self) -> DeflateConfig {
        DeflateConfig {
            server_no_context_takeover: self.server_no_context_takeover,
            client_no_context_takeover: self.client_no_context_takeover,
            server_max_window_bits: WindowBits::new(self.server_max_window_bits).expect("9 to 15"),
            client_max_window_bits: WindowBits::new(self.client_max_window_bits).expect("9 to 15"),
            ..DeflateConfig::default()
        }
    }
}

/// Window bits and takeover of each direction.
#[derive(Deserialize, Debug, PartialEq)]
struct Agreed {
    server: (u8, bool),
    client: (u8, bool),
}

impl From<DeflateParams> for Agreed {
    fn from(params: DeflateParams) -> Self {
        let pair = |context: Context| (context.max_window_bits(), context.takeover());
        Self {
            server: pair(params.server_to_client()),
            client: pair(params.client_to_server()),
        }
    }
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("../../../vectors/deflate.json")).expect("the vectors parse")
}

#[test]
fn server_answers_offers_as_the_vectors_say() {
    for case in vectors().accept {
        let offers = parse(&case.offers).unwrap();

        let accepted = accept_offer(&case.config.to_deflate_config(), &offers);

        let answer = accepted
            .as_ref()
            .map(|(_, header)| header.to_str().unwrap());
        assert_eq!(answer, case.answer.as_deref(), "{}", case.name);
        let agreed = accepted.map(|(params, _)| Agreed::from(params));
        assert_eq!(agreed, case.agreed, "{}", case.name);
    }
}

#[test]
fn client_offers_and_judges_answers_as_the_vectors_say() {
    for case in vectors().verify {
        let config = case.config.to_deflate_config();
        let response = parse(&case.response).unwrap();

        assert_eq!(offer(&config), case.offer, "{}", case.name);
        match verify(&config, &response) {
            Ok(params) => {
                assert_eq!(params.map(Agreed::from), case.agreed, "{}", case.name);
                assert_eq!(case.error, None, "{}", case.name);
            }
            Err(error) => assert_eq!(Some(format!("{error:?}")), case.error, "{}", case.name),
        }
    }
}

#[test]
fn every_answer_of_our_server_passes_our_client() {
    for case in vectors().verify {
        let client = case.config.to_deflate_config();
        let offers = parse([offer(&client)]).unwrap();
        for server in vectors().accept {
            let server = server.config.to_deflate_config();

            let (params, answer) = accept_offer(&server, &offers).expect("a legal offer");

            let verified = verify(&client, &parse([answer]).unwrap()).unwrap();
            assert_eq!(verified, Some(params), "{} with {server:?}", case.name);
        }
    }
}

#[test]
fn payloads_inflate_as_the_vectors_say() {
    for case in vectors().inflate {
        let mut inflater = Inflater::new(Context::new(WindowBits::MAX, case.takeover));
        for message in case.messages {
            let mut output = b"before".to_vec();

            let result = inflater.inflate::<InflateError>(
                &bytes(&message.hex),
                &mut output,
                InflateLimits::new(1024),
                |_| Ok(()),
            );

            match message.text {
                Some(text) => {
                    assert_eq!(result, Ok(()), "{}", case.name);
                    assert_eq!(output, format!("before{text}").as_bytes(), "{}", case.name);
                }
                None => {
                    assert_eq!(result, Err(InflateError::Corrupt), "{}", case.name);
                    assert_eq!(output, b"before", "{}", case.name);
                }
            }
        }
    }
}

fn bytes(hex: &str) -> Vec<u8> {
    assert!(hex.len().is_multiple_of(2), "{hex}");
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex digits"))
        .collect()
}
