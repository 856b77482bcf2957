//! The examples of RFC 6455 §5.7, byte for byte.

use crate::common::{Endpoint, Seen, text};

#[test]
fn a_single_frame_unmasked_text_message() {
    let mut client = Endpoint::client();

    client.receive(&[0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f]);

    assert_eq!(client.seen, [text("Hello")]);
}

#[test]
fn a_single_frame_masked_text_message() {
    let mut server = Endpoint::server();

    server.receive(&[
        0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58,
    ]);

    assert_eq!(server.seen, [text("Hello")]);
}

#[test]
fn a_fragmented_unmasked_text_message() {
    let mut client = Endpoint::client();

    client.receive(&[0x01, 0x03, 0x48, 0x65, 0x6c]);
    client.receive(&[0x80, 0x02, 0x6c, 0x6f]);

    assert_eq!(client.seen, [text("Hello")]);
}

#[test]
fn an_unmasked_ping_and_its_masked_answer() {
    let mut client = Endpoint::client();
    client.receive(&[0x89, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f]);
    assert_eq!(client.seen, [Seen::Ping(b"Hello".to_vec())]);
    assert_eq!(client.says(), b"\x8a\x05Hello");

    let mut server = Endpoint::server();
    server.receive(&[
        0x8a, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58,
    ]);
    assert_eq!(server.seen, [Seen::Pong(b"Hello".to_vec())]);
}

#[test]
fn a_binary_message_of_256_bytes() {
    let mut client = Endpoint::client();
    let payload: Vec<u8> = (0..=255).collect();

    client.receive(&[&[0x82, 0x7e, 0x01, 0x00][..], &payload].concat());

    assert_eq!(client.seen, [Seen::Binary(payload)]);
}

#[test]
fn a_binary_message_of_64_kib() {
    let mut client = Endpoint::client();
    let payload = vec![0x5a; 65_536];

    client.receive(&[0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0]);
    client.receive(&payload);

    assert_eq!(client.seen, [Seen::Binary(payload)]);
}
