//! Keys that others keep, at a URL.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use holdwire_server::token::Key;
use serde_json::{Value, json};

use super::{outcome, own, signed, speak, start, token};
use crate::running::Running;

/// A server that has a document, or has not.
struct Login {
    url: String,
    /// The status and the body that it answers with.
    answer: Arc<Mutex<(u16, String)>>,
    asked: Arc<AtomicUsize>,
}

impl Login {
    fn new(document: &Value) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/keys?a=b", listener.local_addr().unwrap());
        let answer = Arc::new(Mutex::new((200, document.to_string())));
        let asked = Arc::new(AtomicUsize::new(0));
        let (told, count) = (Arc::clone(&answer), Arc::clone(&asked));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let stream = stream.unwrap();
                let mut reading = BufReader::new(&stream);
                let mut line = String::new();
                let _ = reading.read_line(&mut line);
                assert!(line.starts_with("GET /keys?a=b HTTP/1.1"), "{line}");
                while line.trim() != "" {
                    line.clear();
                    let _ = reading.read_line(&mut line);
                }
                count.fetch_add(1, Ordering::SeqCst);
                let (status, body) = told.lock().unwrap().clone();
                let length = body.len();
                let head = format!("HTTP/1.1 {status} So\r\nContent-Length: {length}\r\n\r\n");
                let _ = (&stream).write_all((head + &body).as_bytes());
            }
        });
        Self { url, answer, asked }
    }

    fn set(&self, status: u16, document: &Value) {
        *self.answer.lock().unwrap() = (status, document.to_string());
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

/// A private key, and its public one as it stands in a set.
fn pair(name: &str) -> (Key, Value) {
    let pyjwt: Value = serde_json::from_str(include_str!("../../token/pyjwt.json")).unwrap();
    let text = match name {
        "rsa" => include_str!("../../token/keys/rsa.pem"),
        "p256" => include_str!("../../token/keys/p256.pem"),
        _ => include_str!("../../token/keys/ed25519.pem"),
    };
    let mut public = pyjwt["jwks"][name].clone();
    public["kid"] = json!(name);
    (Key::pem(name, text.as_bytes(), &[]).unwrap(), public)
}

/// What becomes of a token at `/connection`: 0 when it is accepted.
fn said(server: &Running, token: &str) -> u16 {
    outcome(&mut speak(server, json!({"token": token}))).0
}

#[test]
fn keys_change_without_a_restart_and_nobody_can_have_them_fetched_again_and_again() {
    let [(rsa, rsa_public), (p256, p256_public), (edwards, _)] =
        ["rsa", "p256", "ed25519"].map(pair);
    let login = Login::new(&json!({"keys": [rsa_public]}));
    let server = start("rotation", "", &["--token-jwks", &login.url]);
    let by = |key: &Key| signed(key, json!({"sub": "ann"}));

    assert_eq!(said(&server, &by(&rsa)), 0);
    assert_eq!(said(&server, &token(json!({"sub": "ann"}))), 0);
    assert_eq!(login.asked(), 1);
    login.set(200, &json!({"keys": [p256_public, rsa_public]}));
    assert_eq!(said(&server, &by(&p256)), 0);
    assert_eq!(said(&server, &by(&rsa)), 0);
    assert_eq!(login.asked(), 2);
    // A key that is nowhere is looked for once.
    for _ in 0..5 {
        assert_eq!(said(&server, &by(&edwards)), 4401);
    }
    assert_eq!(login.asked(), 3);
    let target = format!("/ws/chat:a?token={}", by(&p256));
    assert_eq!(server.status(&target, &server.host()), 101);
    let target = format!("/ws/chat:a?token={}", by(&edwards));
    assert_eq!(server.status(&target, &server.host()), 401);
}

#[test]
fn keys_that_were_there_count_on_when_the_set_cannot_be_had() {
    let [(rsa, rsa_public), (p256, _)] = ["rsa", "p256"].map(pair);
    let login = Login::new(&json!({"keys": [rsa_public]}));
    let server = start("failing", "", &["--token-jwks", &login.url]);
    let by = |key: &Key| signed(key, json!({"sub": "ann"}));
    login.set(500, &json!({"keys": []}));

    // Perhaps it is a new one: nobody can tell now.
    assert_eq!(said(&server, &by(&p256)), 100);
    assert_eq!(said(&server, &by(&rsa)), 0);
    let target = format!("/ws/chat:a?token={}", by(&p256));
    assert_eq!(server.status(&target, &server.host()), 503);
    let (page, _) = server.upgrade(&target, &server.page());
    let frame = page.unwrap().next();
    assert_eq!(frame.code(), 1013);
    let advice = frame.advice();
    assert!(
        advice.to_string().contains("the keys cannot be had now"),
        "{advice}"
    );
}

#[test]
fn a_server_starts_before_the_one_that_has_its_keys() {
    let (rsa, rsa_public) = pair("rsa");
    let login = Login::new(&json!("nothing"));
    let server = start("early", "", &["--token-jwks", &login.url]);
    login.set(200, &json!({"keys": [rsa_public]}));

    let by = signed(&rsa, json!({"sub": "ann"}));

    assert_eq!(said(&server, &by), 0);
    assert_eq!(said(&server, &signed(&own(), json!({"sub": "ann"}))), 0);
}

#[test]
fn a_key_of_the_set_does_not_take_the_place_of_one_of_the_configuration() {
    let (rsa, mut public) = pair("rsa");
    public["kid"] = json!("own");
    let login = Login::new(&json!({"keys": [public]}));
    let server = start("shadow", "", &["--token-jwks", &login.url]);
    let text = include_str!("../../token/keys/rsa.pem");
    let shadow = Key::pem("own", text.as_bytes(), &[]).unwrap();

    assert_eq!(said(&server, &signed(&shadow, json!({"sub": "ann"}))), 4401);
    assert_eq!(said(&server, &signed(&rsa, json!({"sub": "ann"}))), 4401);
    assert_eq!(said(&server, &token(json!({"sub": "ann"}))), 0);
}
