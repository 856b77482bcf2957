//! RFC 6455 §10.2: whose pages may connect, and what is said when they may not.

use holdwire_proto::handshake::{Effective, HeadLimits, HeadReader, Hosts, Origin, Reason, Rules};
use http::uri::Scheme;

use super::{REQUEST, check, head, request_with};

#[test]
fn the_log_names_both_origins_and_the_fix() {
    let refusal = check(
        &Rules::default(),
        &request_with("Origin: https://a.example\r\n"),
    )
    .expect_err("another origin");

    assert_eq!(refusal.response().status(), 403);
    let line = refusal.to_string();
    assert!(line.contains("\"https://a.example\""), "{line}");
    assert!(line.contains("\"http://server.example.com\""), "{line}");
    assert!(
        line.contains("add its origin to the allowed origins"),
        "{line}"
    );
    assert!(
        line.contains("trust its forwarded host and scheme"),
        "{line}"
    );
}

#[test]
fn what_the_client_wrote_is_escaped_in_the_log() {
    let bytes = request_with("Origin: http://a\u{9b}31m\"\r\n");

    let line = check(&Rules::default(), &bytes)
        .expect_err("no origin at all")
        .to_string();

    assert!(line.chars().all(|letter| !letter.is_control()), "{line:?}");
    assert!(line.contains("\\\""), "{line}");
}

#[test]
fn a_trusted_proxys_host_and_scheme_make_the_own_origin() {
    let effective = Effective {
        scheme: Scheme::HTTPS,
        host: Some("public.example".parse().expect("a host")),
    };
    let rules = Rules::default();

    let same = head(&request_with("Origin: https://public.example\r\n"));
    let inner = head(&request_with("Origin: http://server.example.com\r\n"));

    assert!(rules.check(&same, &effective).is_ok());
    assert_eq!(
        rules
            .check(&inner, &effective)
            .expect_err("inner")
            .response()
            .status(),
        403
    );
}

#[test]
fn a_foreign_host_on_a_loopback_server_is_named_in_the_log() {
    let rules = Rules {
        hosts: Hosts::loopback(),
        ..Rules::default()
    };

    let refusal = check(&rules, REQUEST).expect_err("not a loopback host");

    assert_eq!(refusal.response().status(), 421);
    assert_eq!(
        refusal.reason(),
        &Reason::Misdirected {
            host: "server.example.com".to_owned()
        }
    );
    assert!(
        refusal
            .to_string()
            .contains("add it to the hosts of this server"),
        "{refusal}"
    );
}

#[test]
fn ordinary_requests_obey_the_hosts_too() {
    for (bytes, status) in [
        ("GET / HTTP/1.1\r\nHost: localhost:3000\r\n\r\n", None),
        ("GET / HTTP/1.0\r\n\r\n", None),
        ("GET / HTTP/1.1\r\nHost: rebound.example\r\n\r\n", Some(421)),
        (
            "GET http://rebound.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
            Some(421),
        ),
        (
            "GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n",
            Some(400),
        ),
        ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", Some(400)),
    ] {
        let refusal = Hosts::loopback().check(&head(bytes).request).err();
        let answered = refusal.map(|refusal| refusal.response().status().as_u16());
        assert_eq!(answered, status, "{bytes:?}");
    }
}

#[test]
fn an_origin_is_printed_in_its_shortest_form() {
    for (text, shortest) in [
        ("HTTPS://Example.com:443", "https://example.com"),
        ("http://example.com:443", "http://example.com:443"),
        ("http://[2001:DB8:0::1]:80", "http://[2001:db8::1]"),
        ("chrome-extension://abcdef", "chrome-extension://abcdef"),
        ("null", "null"),
    ] {
        assert_eq!(text.parse::<Origin>().expect(text).to_string(), shortest);
    }
}

#[test]
fn a_target_that_is_a_bare_word_names_no_host() {
    let request = b"GET echo HTTP/1.1\r\nHost: localhost:3000\r\n\r\n";
    let head = HeadReader::new(HeadLimits::default())
        .read_request(request)
        .expect("a head")
        .expect("complete");

    assert!(Hosts::loopback().check(&head.request).is_ok());
}
