//! A client masks all its frames, a server none (RFC 6455 §5.1).

use holdwire_proto::Violation;

use crate::common::{Endpoint, assert_refused, both};

#[test]
fn a_server_refuses_an_unmasked_frame_of_any_kind() {
    for frame in [
        &b"\x81\x05Hello"[..],
        b"\x82\x01\x00",
        b"\x01\x00",
        b"\x88\x00",
        b"\x89\x00",
        b"\x8a\x00",
    ] {
        let mut server = Endpoint::server();
        server.receive(frame);
        assert_refused(&mut server, Violation::UnmaskedFrame, 1002);
        assert_eq!(server.seen, []);
    }
}

#[test]
fn a_client_refuses_a_masked_frame_of_any_kind() {
    for first in [0x81, 0x82, 0x01, 0x88, 0x89, 0x8a] {
        let mut client = Endpoint::client();
        client.receive(&[first, 0x80, 0, 0, 0, 0]);
        assert_refused(&mut client, Violation::MaskedFrame, 1002);
        assert_eq!(client.seen, []);
    }
}

#[test]
fn a_wrong_mask_bit_is_refused_before_the_length_has_come() {
    let mut server = Endpoint::server();
    server.receive(&[0x82, 0x7f]);
    assert_refused(&mut server, Violation::UnmaskedFrame, 1002);

    let mut client = Endpoint::client();
    client.receive(&[0x82, 0xff]);
    assert_refused(&mut client, Violation::MaskedFrame, 1002);
}

#[test]
fn every_frame_of_a_client_is_masked_and_none_of_a_server() {
    for mut end in both() {
        end.send("text");
        end.send(vec![7; 300]);
        end.send(vec![7; 70_000]);
        end.ping(b"ping");
        end.hears(b"\x89\x04pong");
        end.close(1000, "bye");

        // Looks at the mask bit of each.
        let said = end.says();

        assert!(said.starts_with(b"\x81\x04text\x82\x7e\x01\x2c\x07"));
        assert!(said.ends_with(b"\x89\x04ping\x8a\x04pong\x88\x05\x03\xe8bye"));
    }
}
