//! RFC 6455 §4.1: what the client asks, and what it takes for an answer.

use holdwire_proto::handshake::{
    Connect, ConnectError, Endpoint, EndpointError, HeadLimits, HeadReader, ResponseError,
    encode_request,
};
use http::header::{HeaderName, HeaderValue};

/// `the sample nonce`, the nonce of the RFC's example.
const NONCE: [u8; 16] = *b"the sample nonce";

fn connect(url: &str) -> Connect {
    Connect::new(url.parse().expect(url))
}

fn encoded(connect: Connect) -> String {
    String::from_utf8(connect.start(NONCE).expect("legal").encode()).expect("ASCII")
}

#[test]
fn the_request_is_these_bytes() {
    let mut connect = connect("ws://server.example.com/chat?room=1");
    connect.subprotocols = vec![
        "chat".parse().expect("token"),
        "superchat".parse().expect("token"),
    ];
    connect.extensions = Some(HeaderValue::from_static("permessage-deflate"));
    connect
        .headers
        .insert("origin", HeaderValue::from_static("http://example.com"));

    assert_eq!(
        encoded(connect),
        "GET /chat?room=1 HTTP/1.1\r\n\
         Host: server.example.com\r\n\
         Upgrade: websocket\r\n\
         Connection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Protocol: chat, superchat\r\n\
         Sec-WebSocket-Extensions: permessage-deflate\r\n\
         Origin: http://example.com\r\n\
         \r\n"
    );
}

#[test]
fn the_url_says_where_to_connect_and_what_to_ask_for() {
    for (url, secure, host, port, resource, header) in [
        (
            "ws://example.com",
            false,
            "example.com",
            80,
            "/",
            "example.com",
        ),
        (
            "ws://example.com:80/some/path",
            false,
            "example.com",
            80,
            "/some/path",
            "example.com",
        ),
        (
            "wss://example.com:443/",
            true,
            "example.com",
            443,
            "/",
            "example.com",
        ),
        (
            "wss://example.com:80/",
            true,
            "example.com",
            80,
            "/",
            "example.com:80",
        ),
        (
            "WSS://Example.COM/A?B=c",
            true,
            "example.com",
            443,
            "/A?B=c",
            "example.com",
        ),
        (
            "http://localhost:3000/x",
            false,
            "localhost",
            3000,
            "/x",
            "localhost:3000",
        ),
        (
            "https://localhost?x=%20&y",
            true,
            "localhost",
            443,
            "/?x=%20&y",
            "localhost",
        ),
        ("ws://[::1]:3000/", false, "::1", 3000, "/", "[::1]:3000"),
        ("ws://127.0.0.1/", false, "127.0.0.1", 80, "/", "127.0.0.1"),
    ] {
        let endpoint: Endpoint = url.parse().expect(url);
        assert_eq!(endpoint.is_secure(), secure, "{url}");
        assert_eq!((endpoint.host(), endpoint.port()), (host, port), "{url}");
        assert_eq!(endpoint.resource(), resource, "{url}");
        let text = encoded(Connect::new(endpoint));
        let start = format!("GET {resource} HTTP/1.1\r\nHost: {header}\r\n");
        assert!(text.starts_with(&start), "{url}: {text}");
    }
}

#[test]
fn urls_that_are_not_of_a_websocket_server_are_refused() {
    for (url, error) in [
        ("ws://example.com/#part", EndpointError::Fragment),
        ("ws://example.com/#", EndpointError::Fragment),
        ("ftp://example.com/", EndpointError::Scheme),
        ("example.com", EndpointError::Scheme),
        ("/chat", EndpointError::Scheme),
        ("ws://example.com:99999/", EndpointError::Host),
        ("ws://exämple.com/", EndpointError::NotAscii),
        ("ws://a%zz:b@example.com/", EndpointError::Credentials),
    ] {
        assert_eq!(url.parse::<Endpoint>().expect_err(url), error, "{url}");
    }
    for url in [
        "",
        "ws://",
        "ws:///path",
        "ws://:80/",
        "ws://exa mple.com/",
        "ws://a/b c",
    ] {
        url.parse::<Endpoint>().expect_err(url);
    }
}

#[test]
fn user_and_password_of_the_url_become_basic_credentials() {
    // RFC 7617 §2: Aladdin and "open sesame".
    let text = encoded(connect("ws://Aladdin:open%20sesame@example.com/"));

    assert!(
        text.contains("\r\nAuthorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n"),
        "{text}"
    );
    assert!(text.contains("\r\nHost: example.com\r\n"), "{text}");
}

#[test]
fn a_proxy_is_asked_for_a_tunnel_by_host_and_port() {
    // RFC 9110 §9.3.6: the target is host and port alone.
    let proxy: Endpoint = "http://Aladdin:open%20sesame@proxy.example:3128"
        .parse()
        .expect("legal");
    let request = http::Request::connect("server.example.com:443")
        .header("host", "server.example.com:443")
        .header("proxy-authorization", proxy.credentials().expect("some"))
        .body(())
        .expect("legal");

    assert_eq!(
        String::from_utf8(encode_request(&request)).expect("ASCII"),
        "CONNECT server.example.com:443 HTTP/1.1\r\n\
         Host: server.example.com:443\r\n\
         Proxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\
         \r\n"
    );
}

#[test]
fn a_header_given_wins_over_what_the_url_says() {
    let mut connect = connect("ws://user:password@127.0.0.1:3000/");
    connect
        .headers
        .insert("authorization", HeaderValue::from_static("Bearer token"));
    connect
        .headers
        .insert("host", HeaderValue::from_static("example.com"));

    let text = encoded(connect);

    assert!(
        text.contains("\r\nAuthorization: Bearer token\r\n"),
        "{text}"
    );
    assert!(
        text.starts_with("GET / HTTP/1.1\r\nHost: example.com\r\n"),
        "{text}"
    );
    assert!(
        !text.contains("Basic") && !text.contains("127.0.0.1"),
        "{text}"
    );
}

#[test]
fn the_handshakes_own_headers_cannot_be_given() {
    for name in [
        "upgrade",
        "connection",
        "sec-websocket-key",
        "content-length",
    ] {
        let mut connect = connect("ws://example.com/");
        connect
            .headers
            .insert(HeaderName::from_static(name), HeaderValue::from_static("x"));

        assert_eq!(
            connect.start(NONCE).expect_err(name),
            ConnectError::ReservedHeader(HeaderName::from_static(name))
        );
    }
}

#[test]
fn a_subprotocol_is_offered_once() {
    let mut connect = connect("ws://example.com/");
    connect.subprotocols = vec!["a".parse().expect("token"), "a".parse().expect("token")];

    assert!(matches!(
        connect.start(NONCE),
        Err(ConnectError::SubprotocolRepeated(_))
    ));
}

#[test]
fn credentials_are_kept_out_of_debug_output() {
    let pending = connect("ws://user:password@example.com/")
        .start(NONCE)
        .expect("legal");

    let debug = format!("{pending:?}");

    assert!(!debug.contains("dXNlcjpwYXNzd29yZA"), "{debug}");
}

#[test]
fn a_refusal_keeps_status_and_headers() {
    let pending = connect("ws://example.com/").start(NONCE).expect("legal");
    let received = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 7\r\n\r\nlater";
    let head = HeadReader::new(HeadLimits::default())
        .read_response(received)
        .expect("legal")
        .expect("whole");
    assert_eq!(&received[head.length..], b"later");

    let error = pending.verify(head).expect_err("refused");

    assert_eq!(
        error.to_string(),
        "the server refused the handshake with 503 Service Unavailable"
    );
    let ResponseError::Refused(response) = error else {
        panic!("not a refusal")
    };
    assert_eq!(response.headers()["retry-after"], "7");
}
