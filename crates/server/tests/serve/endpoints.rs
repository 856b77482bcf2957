//! What is said on `/` and `/echo`.

use std::io::Write as _;

use crate::peer::{BINARY, FIN, Frame, PING, PONG, Peer, TEXT};
use crate::running::{Running, field};

#[test]
fn root_greets_at_once_and_sends_back_what_it_gets() {
    let server = Running::start(&[]);
    let mut peer = server.open("/");

    assert_eq!(peer.text(), "Information from the server");
    peer.say("Hello WebSockets!");
    assert_eq!(peer.text(), "Hello WebSockets!");
    peer.send(FIN | BINARY, &[0, 255, 10]);
    let answer = peer.next();

    assert_eq!(
        (answer.first, &answer.payload[..]),
        (FIN | BINARY, &[0, 255, 10][..])
    );
}

#[test]
fn greeting_is_what_the_flag_says() {
    let server = Running::start(&["--greeting", "grüß dich"]);

    assert_eq!(server.open("/").text(), "grüß dich");
}

#[test]
fn empty_greeting_sends_none() {
    let server = Running::start(&["--greeting", ""]);
    let mut peer = server.open("/");

    peer.say("first");

    assert_eq!(peer.text(), "first");
}

#[test]
fn root_keeps_messages_to_itself_when_told_so_and_echo_does_not() {
    let server = Running::start(&["--no-echo"]);
    let mut root = server.open("/");
    let mut echo = server.open("/echo");

    assert_eq!(root.text(), "Information from the server");
    root.say("kept");
    root.send(FIN | PING, b"after");
    echo.say("sent back");

    let pong = Frame {
        first: FIN | PONG,
        payload: b"after".to_vec(),
    };
    assert_eq!(root.next(), pong, "an echo would have come before");
    assert_eq!(echo.text(), "sent back");
}

#[test]
fn echo_says_nothing_of_its_own_and_keeps_the_kind_of_each_message() {
    let server = Running::start(&[]);
    let mut peer = server.open("/echo");

    peer.say("text");
    peer.send(FIN | BINARY, b"binary");
    peer.say("");

    assert_eq!(peer.text(), "text");
    assert_eq!(peer.next().first, FIN | BINARY);
    assert_eq!(peer.text(), "");
}

#[test]
fn root_chooses_the_subprotocol_that_the_server_names_first() {
    let server = Running::start(&["--subprotocol", "v2", "--subprotocol", "v1"]);
    for (offered, chosen) in [("v1, v2", Some("v2")), ("v1", Some("v1")), ("v0", None)] {
        let lines = format!("{}Sec-WebSocket-Protocol: {offered}\r\n", server.host());

        let (peer, head) = server.upgrade("/", &lines);

        assert!(peer.is_some(), "{head}");
        assert_eq!(field(&head, "sec-websocket-protocol"), chosen, "{offered}");
    }
}

#[test]
fn echo_chooses_the_subprotocol_that_the_client_offers_first() {
    let server = Running::start(&[]);
    let offer = |names: &str| {
        let lines = format!("{}Sec-WebSocket-Protocol: {names}\r\n", server.host());
        server.upgrade("/echo", &lines).1
    };

    let two = offer("zeta, alpha");
    assert_eq!(field(&two, "sec-websocket-protocol"), Some("zeta"), "{two}");
    for wrong in ["a, a", "a b", "a, (b)"] {
        let answer = offer(wrong);
        assert!(answer.starts_with("HTTP/1.1 400 "), "{wrong}: {answer}");
    }
}

#[test]
fn root_compresses_when_told_to_and_echo_always() {
    let quiet = Running::start(&[]);
    let told = Running::start(&["--deflate"]);
    let answer = |server: &Running, path| {
        let extension = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
        let (_, head) = server.upgrade(path, &format!("{}{extension}", server.host()));
        field(&head, "sec-websocket-extensions").map(str::to_owned)
    };

    assert_eq!(answer(&quiet, "/"), None);
    for (server, path) in [(&quiet, "/echo"), (&told, "/"), (&told, "/echo")] {
        let extension = answer(server, path).expect("the offer is taken");
        assert!(extension.starts_with("permessage-deflate"), "{extension}");
    }
}

#[test]
fn path_without_endpoint_is_not_found() {
    let server = Running::start(&[]);

    let (_, answer) = server.upgrade("/nothing", &server.host());

    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
}

#[test]
fn first_frame_may_come_with_the_request() {
    let server = Running::start(&[]);
    let mut stream = server.connect();
    let request = format!(
        "GET /echo HTTP/1.1\r\n{}Upgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        server.host()
    );
    let mut bytes = request.into_bytes();
    bytes.extend(Peer::frame(FIN | TEXT, b"eager"));

    stream.write_all(&bytes).unwrap();

    assert_eq!(Peer::answered(stream).text(), "eager");
}

#[test]
fn banner_says_where_to_point_the_browser() {
    let server = Running::start(&[]);
    let place = format!("http://localhost:{}", server.address.port());

    let line = server.banner.lines().find(|line| line.contains(&place));

    assert!(
        line.is_some_and(|line| line.trim().starts_with("Open ")),
        "{}",
        server.banner
    );
    assert!(server.get("/").contains("<!DOCTYPE html>"));
}
