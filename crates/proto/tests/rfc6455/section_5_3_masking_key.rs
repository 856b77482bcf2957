//! Masking keys (RFC 6455 §5.3).

use holdwire_proto::{Config, Connection, Context, Output, Role, Scratch, time::Tick};

use crate::common::{Endpoint, Seen, text};

#[test]
fn a_payload_is_unmasked_byte_i_with_key_byte_i_modulo_4() {
    let mut server = Endpoint::server();

    server.receive(b"\x82\x89\x01\x02\x03\x04\x01\x02\x03\x04\x00\x00\x00\x00\xff");

    assert_eq!(
        server.seen,
        [Seen::Binary(vec![0, 0, 0, 0, 1, 2, 3, 4, 0xfe])]
    );
}

#[test]
fn the_mask_goes_on_where_a_piece_of_the_payload_ended() {
    let frame = b"\x81\x8b\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58\xda\x56\x52\x45\x96\x45";
    for at in 0..=frame.len() {
        for then in at..=frame.len() {
            let mut server = Endpoint::server();
            for piece in [&frame[..at], &frame[at..then], &frame[then..]] {
                server.receive(piece);
            }
            assert_eq!(
                server.seen,
                [text("Hello world")],
                "split at {at} and {then}"
            );
        }
    }
}

#[test]
fn the_mask_begins_anew_with_each_frame() {
    let mut server = Endpoint::server();

    server.receive(b"\x01\x83\x01\x00\x00\x00\x60\x62\x63\x80\x83\x01\x00\x00\x00\x65\x65\x66");

    assert_eq!(server.seen, [text("abcdef")]);
}

#[test]
fn a_mask_of_zeros_is_a_mask() {
    let mut server = Endpoint::server();

    server.receive(b"\x81\x82\x00\x00\x00\x00ok");

    assert_eq!(server.seen, [text("ok")]);
}

#[test]
fn each_frame_of_a_client_has_a_key_of_its_own() {
    let mut drawn = 0;
    let keys = move || {
        drawn += 1;
        [drawn, 0, 0, 0]
    };
    let (config, mut output) = (Config::default(), Output::default());
    let mut scratch = Scratch::new(Box::new(keys));
    let mut client = Connection::new(Role::Client);
    let mut cx = Context {
        now: Tick::from_millis(0),
        config: &config,
        output: &mut output,
        scratch: &mut scratch,
    };

    let mut sender = client.sender(&mut cx);
    sender.text("a").expect("taken");
    sender.binary(b"b").expect("taken");
    sender.ping(b"c").expect("taken");
    sender.close(holdwire_proto::CloseCode::NORMAL, "");

    let written = holdwire_proto::bytes::Buf::copy_to_bytes(&mut output, 29);
    assert_eq!(
        &written[..],
        b"\x81\x81\x01\0\0\0\x60\x82\x81\x02\0\0\0\x60\x89\x81\x03\0\0\0\x60\x88\x82\x04\0\0\0\x07\xe8"
    );
    assert!(output.is_empty());
}
