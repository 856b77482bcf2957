//! RFC 8441 §5: the same rules over an HTTP/2 stream.

use holdwire_proto::handshake::{Acceptance, Effective, NoneCommon, Rules, Subprotocols};
use http::{Method, Request, StatusCode, Version};

fn request() -> http::request::Builder {
    Request::builder()
        .method(Method::CONNECT)
        .version(Version::HTTP_2)
        .uri("https://server.example.com/chat")
        .header("sec-websocket-protocol", "chat, superchat")
        .header("sec-websocket-version", "13")
        .header("origin", "https://server.example.com")
}

#[test]
fn an_extended_connect_is_accepted_by_200_without_key() {
    let rules = Rules {
        subprotocols: Subprotocols::Preferred {
            names: vec!["chat".parse().expect("token")],
            otherwise: NoneCommon::Refuse,
        },
        ..Rules::default()
    };
    let request = request().body(()).expect("legal");

    let offer = rules
        .check_extended_connect(&request, &Effective::tls())
        .expect("legal");
    let response = offer
        .accept(Acceptance::default())
        .expect("nothing asked for");

    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers().len(), 1);
    assert_eq!(response.headers()["sec-websocket-protocol"], "chat");
}

#[test]
fn another_origin_is_refused_without_headers_of_the_connection() {
    let mut request = request().body(()).expect("legal");
    request
        .headers_mut()
        .insert("origin", "https://evil.example".parse().expect("legal"));

    let refusal = Rules::default()
        .check_extended_connect(&request, &Effective::tls())
        .expect_err("another origin");

    assert_eq!(refusal.response().status(), StatusCode::FORBIDDEN);
    assert!(!refusal.response().headers().contains_key("connection"));
}

#[test]
fn another_version_is_refused_by_400_that_names_13() {
    let mut request = request().body(()).expect("legal");
    request
        .headers_mut()
        .insert("sec-websocket-version", "12".parse().expect("legal"));

    let refusal = Rules::default()
        .check_extended_connect(&request, &Effective::tls())
        .expect_err("version 12");

    let response = refusal.response();
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    assert_eq!(response.headers()["sec-websocket-version"], "13");
    assert!(!response.headers().contains_key("upgrade"));
}
