//! Trouble on purpose: a page disturbs its own connections, and nobody else does.

use std::io::{ErrorKind, Read};
use std::time::Duration;

use crate::peer::{CLOSE, FIN, Peer};
use crate::running::{Running, field, status};

const A: &str = "000000000000000000000000000000aa";
const B: &str = "000000000000000000000000000000bb";
const GREETING: &str = "Information from the server";

/// What a page of this server has: its token, and the origin that its browser names.
struct Page<'a> {
    server: &'a Running,
    token: String,
}

impl<'a> Page<'a> {
    fn load(server: &'a Running) -> Self {
        let page = server.get("/");
        let (_, rest) = page
            .split_once("name=\"trouble-token\" content=\"")
            .unwrap();
        let (token, _) = rest.split_once('"').unwrap();
        assert_eq!(token.len(), 32);
        Self {
            server,
            token: token.to_owned(),
        }
    }

    fn open(&self, id: &str) -> Peer {
        let mut peer = self.server.open(&format!("/?page={id}"));
        assert_eq!(peer.text(), GREETING);
        peer
    }

    fn origin(&self) -> String {
        format!("http://localhost:{}", self.server.address.port())
    }

    fn body(&self, id: &str) -> String {
        format!(r#"{{"page":"{id}","token":"{}"}}"#, self.token)
    }

    fn ask(&self, trouble: &str, id: &str) -> String {
        let lines = format!(
            "Origin: {}\r\nSec-Fetch-Site: same-origin\r\nContent-Type: application/json\r\n",
            self.origin()
        );
        self.post(trouble, &lines, &self.body(id))
    }

    fn post(&self, trouble: &str, lines: &str, body: &str) -> String {
        self.server.ask_raw(&format!(
            "POST /trouble/{trouble} HTTP/1.1\r\n{}Connection: close\r\n{lines}\
             Content-Length: {}\r\n\r\n{body}",
            self.server.host(),
            body.len()
        ))
    }
}

/// The message of an error, which is JSON.
#[track_caller]
fn error(answer: &str) -> String {
    assert_eq!(field(answer, "content-type"), Some("application/json"));
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    body["error"].as_str().unwrap().to_owned()
}

/// A connection that answers.
#[track_caller]
fn assert_lives(peer: &mut Peer) {
    peer.say("still here?");
    assert_eq!(peer.text(), "still here?");
}

#[test]
fn dropped_connection_ends_without_a_close_frame_and_no_other_does() {
    let server = Running::start(&[]);
    let page = Page::load(&server);
    let (mut own, mut foreign) = (page.open(A), page.open(B));
    let mut nameless = server.open("/");
    assert_eq!(nameless.text(), GREETING);

    assert_eq!(status(&page.ask("drop", A)), 200);

    let mut rest = Vec::new();
    match own.stream.read_to_end(&mut rest) {
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
        Ok(_) => assert_eq!(rest, b""),
    }
    assert_lives(&mut foreign);
    assert_lives(&mut nameless);
}

#[test]
fn held_connection_is_silent_and_can_still_be_dropped() {
    let server = Running::start(&[]);
    let page = Page::load(&server);
    let (mut own, mut foreign) = (page.open(A), page.open(B));

    assert_eq!(status(&page.ask("hold", A)), 200);

    assert_lives(&mut foreign);
    let soon = Duration::from_millis(300);
    own.stream.set_read_timeout(Some(soon)).unwrap();
    // What comes just when it is held may still be answered.
    let mut answer = [0; 11];
    let silence = (0..3)
        .find_map(|_| {
            own.say("HeartBeat");
            own.stream.read_exact(&mut answer).err()
        })
        .expect("it falls silent");
    assert!(matches!(
        silence.kind(),
        ErrorKind::WouldBlock | ErrorKind::TimedOut
    ));
    own.stream
        .set_read_timeout(Some(crate::running::SOON))
        .unwrap();
    assert_eq!(status(&page.ask("drop", A)), 200);
    own.wait_for_end();
}

#[test]
fn next_three_handshakes_of_the_page_are_refused() {
    let server = Running::start(&[]);
    let page = Page::load(&server);
    let own = page.open(A);

    assert_eq!(status(&page.ask("refuse", A)), 200);
    drop(own);

    let attempt = |id: &str| server.upgrade(&format!("/?page={id}"), &server.host()).1;
    for _ in 0..3 {
        let answer = attempt(A);
        assert_eq!(status(&answer), 503);
        assert_eq!(field(&answer, "retry-after"), Some("1"));
    }
    assert_eq!(status(&attempt(B)), 101);
    assert_eq!(status(&attempt(A)), 101);
}

#[test]
fn only_a_page_of_this_server_with_its_token_causes_trouble() {
    let server = Running::start(&[]);
    let page = Page::load(&server);
    let mut own = page.open(A);
    let json = "Content-Type: application/json\r\n";
    let own_origin = format!("Origin: {}\r\n{json}", page.origin());
    let good = page.body(A);
    let other_port = format!("Origin: http://localhost:{}\r\n", 1);
    let other_name = format!("Origin: http://127.0.0.1:{}\r\n", server.address.port());
    let other_scheme = format!("Origin: https://localhost:{}\r\n", server.address.port());

    for (lines, body, expected, says) in [
        (json.to_owned(), good.clone(), 403, "Origin"),
        (
            format!("Origin: null\r\n{json}"),
            good.clone(),
            403,
            "Origin",
        ),
        (format!("{other_port}{json}"), good.clone(), 403, "Origin"),
        (format!("{other_name}{json}"), good.clone(), 403, "Origin"),
        (format!("{other_scheme}{json}"), good.clone(), 403, "Origin"),
        (
            format!("Origin: {0}\r\nOrigin: {0}\r\n{json}", page.origin()),
            good.clone(),
            403,
            "Origin",
        ),
        (
            format!("{own_origin}Sec-Fetch-Site: cross-site\r\n"),
            good.clone(),
            403,
            "Origin",
        ),
        (
            format!("{own_origin}Sec-Fetch-Site: same-site\r\n"),
            good.clone(),
            403,
            "Origin",
        ),
        (
            own_origin.clone(),
            format!(r#"{{"page":"{A}","token":"{A}"}}"#),
            403,
            "token",
        ),
        (
            own_origin.clone(),
            format!(r#"{{"page":"{A}","token":""}}"#),
            403,
            "token",
        ),
        (
            own_origin.clone(),
            format!(r#"{{"page":"{A}"}}"#),
            400,
            "body",
        ),
        (own_origin.clone(), String::new(), 400, "body"),
        (own_origin.clone(), page.body("../../etc"), 400, "body"),
        (
            format!("Origin: {}\r\nContent-Type: text/plain\r\n", page.origin()),
            good.clone(),
            415,
            "application/json",
        ),
        (own_origin.clone(), page.body(B), 409, "no connection"),
    ] {
        let answer = page.post("drop", &lines, &body);

        assert_eq!(status(&answer), expected, "{lines}{body}\n{answer}");
        assert!(error(&answer).contains(says), "{answer}");
    }
    assert_lives(&mut own);
    assert_eq!(status(&page.post("drop", &own_origin, &good)), 200);
}

#[test]
fn trouble_is_asked_for_by_a_small_post_alone() {
    let server = Running::start(&[]);
    let page = Page::load(&server);
    let mut own = page.open(A);

    for method in ["GET", "PUT", "DELETE", "OPTIONS"] {
        let answer = server.ask(method, "/trouble/drop");
        assert_eq!(status(&answer), 405, "{method}");
        assert_eq!(field(&answer, "allow"), Some("POST"));
        assert!(error(&answer).contains("POST"));
    }
    let lines = format!(
        "Origin: {}\r\nContent-Type: application/json\r\n",
        page.origin()
    );
    let large = page.body(A) + &" ".repeat(600);
    assert_eq!(status(&page.post("drop", &lines, &large)), 413);
    assert_eq!(status(&page.ask("anything", A)), 404);
    assert_lives(&mut own);
}

#[test]
fn page_that_asks_too_often_is_told_to_wait() {
    let server = Running::start(&[]);
    let page = Page::load(&server);
    let _own = page.open(A);

    let refused = (0..100).map(|_| page.ask("refuse", A));
    let refused = refused.into_iter().find(|answer| status(answer) != 200);

    let refused = refused.unwrap();
    assert_eq!(status(&refused), 429);
    let wait: u64 = field(&refused, "retry-after").unwrap().parse().unwrap();
    assert!((1..=10).contains(&wait), "{wait}");
}

#[test]
fn origin_of_the_asking_page_is_the_one_that_a_trusted_proxy_tells() {
    let server = Running::start(&["--trusted-proxy", "127.0.0.1", "--host", "inner"]);
    let page = Page::load(&server);
    let _own = page.open(A);
    let forwarded = "X-Forwarded-Host: app.example\r\nX-Forwarded-Proto: https\r\n";

    for (origin, expected) in [
        ("https://app.example", 200),
        ("http://app.example", 403),
        (&*page.origin(), 403),
    ] {
        let lines = format!("{forwarded}Origin: {origin}\r\nContent-Type: application/json\r\n");
        let answer = page.post("refuse", &lines, &page.body(A));
        assert_eq!(status(&answer), expected, "{origin}");
    }
}

#[test]
fn only_a_demonstration_lets_the_page_drain_the_server() {
    let server = Running::start(&[]);
    let page = Page::load(&server);
    let mut own = page.open(A);
    assert_eq!(status(&page.ask("drain", A)), 404);
    assert!(!server.get("/").contains("data-trouble=\"drain\""));
    assert_lives(&mut own);

    let mut server = Running::start(&["--demo", "--drain", "1s"]);
    {
        let page = Page::load(&server);
        assert!(server.get("/").contains("data-trouble=\"drain\""));
        let (mut own, mut nameless) = (page.open(A), server.open("/"));
        assert_eq!(nameless.text(), GREETING);
        let forged = format!(r#"{{"page":"{A}","token":"{A}"}}"#);
        let lines = format!(
            "Origin: {}\r\nContent-Type: application/json\r\n",
            page.origin()
        );
        assert_eq!(status(&page.post("drain", &lines, &forged)), 403);
        assert_lives(&mut own);

        assert_eq!(status(&page.ask("drain", A)), 202);

        assert_eq!(own.next().code(), 1012);
        own.send(FIN | CLOSE, &1012_u16.to_be_bytes());
        assert_eq!(nameless.next().code(), 1012);
        nameless.send(FIN | CLOSE, &1012_u16.to_be_bytes());
    }
    assert!(server.wait().success());
}
