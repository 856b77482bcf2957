//! Tokens: which are true, and what is wrong with the others.
//!
//! The keys in `keys/` are for these tests and open nothing. The tokens in `pyjwt.json` were made by
//! another implementation, PyJWT 2.15, with these keys.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod client;
mod command;
#[path = "../common/mod.rs"]
mod common;
mod configuring;
mod fetching;
mod refusing;

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use holdwire_server::token::{
    ALGORITHMS, Claims, Key, KeySet, Refusal, Rules, SetSource, Verifier, Wish, make,
};
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};

const SECRET: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

const PEMS: [(&str, &str, &str); 4] = [
    (
        "rsa",
        include_str!("keys/rsa.pem"),
        include_str!("keys/rsa.pub.pem"),
    ),
    (
        "p256",
        include_str!("keys/p256.pem"),
        include_str!("keys/p256.pub.pem"),
    ),
    (
        "p384",
        include_str!("keys/p384.pem"),
        include_str!("keys/p384.pub.pem"),
    ),
    (
        "ed25519",
        include_str!("keys/ed25519.pem"),
        include_str!("keys/ed25519.pub.pem"),
    ),
];

fn pyjwt() -> Value {
    serde_json::from_str(include_str!("pyjwt.json")).unwrap()
}

fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    now.as_secs()
}

fn secret(name: &str) -> Key {
    Key::secret(name, SECRET.as_bytes(), &[]).unwrap()
}

fn signed(key: &Key, claims: Value) -> String {
    let Value::Object(claims) = claims else {
        panic!("claims are an object");
    };
    let wish = Wish {
        claims,
        algorithm: None,
    };
    make(key, &wish).unwrap()
}

/// With a verifier that needs no key set.
fn verdict(keys: &[&Key], rules: &Rules, token: &str) -> Result<Claims, Refusal> {
    let keys = keys.iter().map(|key| (*key).clone()).collect();
    let verifier = Verifier::new(keys, None, rules.clone());
    verifier.verify_now(token).expect("there is no key set")
}

fn refusal(keys: &[&Key], token: &str) -> Option<Refusal> {
    verdict(keys, &Rules::default(), token).err()
}

/// The key of this name, with all algorithms that it can have.
fn whole(name: &str, is_public: bool) -> Key {
    if name == "secret" {
        let all = [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512];
        return Key::secret(name, SECRET.as_bytes(), &all).unwrap();
    }
    let (_, private, public) = PEMS.iter().find(|(own, ..)| *own == name).unwrap();
    let all: &[Algorithm] = match name {
        "rsa" => &[
            Algorithm::RS256,
            Algorithm::RS384,
            Algorithm::RS512,
            Algorithm::PS256,
            Algorithm::PS384,
            Algorithm::PS512,
        ],
        _ => &[],
    };
    let text = if is_public { public } else { private };
    Key::pem(name, text.as_bytes(), all).unwrap()
}

#[test]
fn tokens_of_another_implementation_are_true_with_every_algorithm() {
    let pyjwt = pyjwt();
    for (name, _) in ALGORITHMS {
        let token = pyjwt["tokens"][name]["token"].as_str().unwrap();
        let key = pyjwt["tokens"][name]["key"].as_str().unwrap();
        for is_public in [true, false] {
            let claims = verdict(&[&whole(key, is_public)], &Rules::default(), token);

            let claims = claims.unwrap_or_else(|refusal| panic!("{name}: {refusal}"));
            assert_eq!(claims.sub, "ann");
            assert_eq!(claims.info, Some(json!({"name": "Ann"})));
        }
        let mut other = whole("p256", true);
        if key == "p256" {
            other = whole("p384", true);
        }
        assert_eq!(
            refusal(&[&other], token),
            Some(Refusal::Algorithm),
            "{name}"
        );
    }
}

#[test]
fn each_algorithm_makes_tokens_that_it_verifies_and_no_others() {
    for (name, algorithm) in ALGORITHMS {
        let key = ["secret", "rsa", "p256", "p384", "ed25519"]
            .map(|name| whole(name, false))
            .into_iter()
            .find(|key| key.algorithms().contains(algorithm))
            .unwrap();
        let wish = Wish {
            algorithm: Some(*algorithm),
            ..Wish::default()
        };

        let token = make(&key, &wish).unwrap();

        assert_eq!(refusal(&[&key], &token), None, "{name}");
        let (rest, signature) = token.rsplit_once('.').unwrap();
        let mut bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
        for at in [0, bytes.len() / 2, bytes.len() - 1] {
            bytes[at] ^= 1;
            let forged = format!("{rest}.{}", URL_SAFE_NO_PAD.encode(&bytes));
            assert_eq!(
                refusal(&[&key], &forged),
                Some(Refusal::Signature),
                "{name}"
            );
            bytes[at] ^= 1;
        }
    }
}

#[test]
fn keys_of_a_set_have_the_algorithm_of_their_type() {
    let pyjwt = pyjwt();
    for (name, token) in [
        ("rsa", "RS256"),
        ("p256", "ES256"),
        ("p384", "ES384"),
        ("ed25519", "EdDSA"),
    ] {
        let key = Key::jwk(pyjwt["jwks"][name].clone()).unwrap();
        let token = pyjwt["tokens"][token]["token"].as_str().unwrap();

        assert_eq!(refusal(&[&key], token), None, "{name}");
        assert_eq!(key.algorithms().len(), 1);
        assert!(!key.makes_tokens());
    }
    let mut pss = pyjwt["jwks"]["rsa"].clone();
    pss["alg"] = json!("PS512");
    let key = Key::jwk(pss).unwrap();
    for (name, expected) in [("PS512", None), ("RS256", Some(Refusal::Algorithm))] {
        let token = pyjwt["tokens"][name]["token"].as_str().unwrap();
        assert_eq!(refusal(&[&key], token), expected, "{name}");
    }
}

#[test]
fn what_is_no_key_for_tokens_is_left_out_of_a_set() {
    let pyjwt = pyjwt();
    let with = |name: &str, value: Value| {
        let mut key = pyjwt["jwks"]["rsa"].clone();
        key[name] = value;
        key
    };
    for key in [
        json!({"kty": "oct", "k": "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"}),
        json!({"kty": "EC", "crv": "P-521", "x": "AA", "y": "AA"}),
        json!({"kty": "AKP"}),
        json!("key"),
        with("use", json!("enc")),
        with("key_ops", json!(["encrypt"])),
        with("alg", json!("HS256")),
        with("alg", json!("ES256")),
        with("alg", json!("RSA-OAEP")),
        with("n", json!("%")),
    ] {
        assert!(Key::jwk(key.clone()).is_err(), "{key}");
    }
    assert!(Key::jwk(with("use", json!("sig"))).is_ok());
    assert!(Key::jwk(with("key_ops", json!(["verify"]))).is_ok());
}

#[test]
fn keys_that_are_weak_or_none_are_refused_with_the_remedy() {
    for (key, words) in [
        (Key::secret("a", &[7; 31], &[]), "at least 32 bytes"),
        (
            Key::secret("a", &[7; 32], &[Algorithm::HS512]),
            "at least 64 bytes",
        ),
        (
            Key::secret("a", &[7; 64], &[Algorithm::RS256]),
            "not an algorithm of a secret",
        ),
        (
            Key::pem("a", PEMS[0].1.as_bytes(), &[Algorithm::HS256]),
            "write some of RS256",
        ),
        (
            Key::pem("a", PEMS[1].2.as_bytes(), &[Algorithm::ES384]),
            "write some of ES256",
        ),
        (Key::pem("a", b"secret", &[]), "RSA of 2048 bits"),
        (
            Key::pem("a", include_bytes!("keys/rsa1024.pub.pem"), &[]),
            "RSA of 2048 bits",
        ),
        (
            Key::pem("a", include_bytes!("keys/p521.pub.pem"), &[]),
            "P-256",
        ),
    ] {
        let problem = key.unwrap_err().to_string();
        assert!(problem.contains(words), "{problem}");
    }
}

#[test]
fn a_public_key_makes_no_tokens() {
    let problem = make(&whole("rsa", true), &Wish::default()).unwrap_err();

    assert!(problem.to_string().contains("public key"), "{problem}");
}

#[test]
fn a_token_that_names_no_key_is_tried_with_those_that_have_its_algorithm() {
    let (old, new) = (
        Key::secret("old", &[1; 32], &[]).unwrap(),
        Key::secret("new", &[2; 32], &[]).unwrap(),
    );
    // It names its key; that is taken out.
    let nameless = |key: &Key| {
        let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256"}"#);
        let claims = URL_SAFE_NO_PAD.encode(r#"{"sub":"ann"}"#);
        let secret: [u8; 32] = if key.name() == Some("old") {
            [1; 32]
        } else {
            [2; 32]
        };
        let message = format!("{header}.{claims}");
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &secret);
        let signature = URL_SAFE_NO_PAD.encode(ring::hmac::sign(&key, message.as_bytes()));
        format!("{message}.{signature}")
    };

    let both = [&old, &whole("rsa", true), &new];
    for key in [&old, &new] {
        assert_eq!(refusal(&both, &nameless(key)), None);
    }
    assert_eq!(refusal(&[&old], &nameless(&new)), Some(Refusal::Signature));
    let named = signed(&new, json!({}));
    assert_eq!(refusal(&[&old], &named), Some(Refusal::Key));
}

#[tokio::test]
async fn a_key_set_that_is_a_file_is_read_again_when_a_key_is_not_known() {
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("rotating.json");
    let pyjwt = pyjwt();
    let mut one = pyjwt["jwks"]["p256"].clone();
    one["kid"] = json!("p256");
    let mut two = pyjwt["jwks"]["p384"].clone();
    two["kid"] = json!("p384");
    std::fs::write(&path, json!({"keys": [one, {"kty": "AKP"}]}).to_string()).unwrap();
    let set = Arc::new(KeySet::new(SetSource::File(path.clone())));
    set.read().await.unwrap();
    let verifier = Verifier::new(vec![secret("own")], Some(set), Rules::default());
    let token = |name: &str| signed(&whole(name, false), json!({}));

    assert!(verifier.verify_now(&token("p256")).unwrap().is_ok());
    assert!(
        verifier
            .verify_now(&signed(&secret("own"), json!({})))
            .unwrap()
            .is_ok()
    );
    assert!(verifier.verify_now(&token("p384")).is_none());
    std::fs::write(&path, json!({"keys": [two]}).to_string()).unwrap();
    assert!(verifier.catch_up(&token("p384")).await.is_ok());
    // The old one is not there any more, and one that is not there either was not found.
    assert_eq!(
        verifier.catch_up(&token("p256")).await.err(),
        Some(Refusal::Key)
    );
    // A set that cannot be read leaves what was there.
    std::fs::write(&path, "nothing").unwrap();
    assert!(verifier.catch_up(&token("p384")).await.is_ok());
}
