//! Long messages: where they are assembled, and what becomes of their memory.

mod common;

use common::Endpoint;
use holdwire_proto::Flow;
use holdwire_proto::bytes::{Buf, Bytes};
use holdwire_proto::frame::{Head, MAX_HEAD, Opcode};
use holdwire_proto::mask::Mask;

const MIB: usize = 1024 * 1024;
const KEY: [u8; 4] = [1, 2, 3, 4];

/// A masked frame, whole.
fn frame(opcode: Opcode, fin: bool, payload: &[u8]) -> Vec<u8> {
    let head = Head {
        fin,
        rsv1: false,
        opcode,
        mask: Some(KEY),
        length: payload.len() as u64,
    };
    let mut bytes = [0; MAX_HEAD];
    let length = head.encode(&mut bytes);
    let mut frame = bytes[..length].to_vec();
    frame.extend_from_slice(payload);
    Mask::new(KEY).apply(&mut frame[length..]);
    frame
}

fn payload(length: usize) -> Vec<u8> {
    (0_u8..=250).cycle().take(length).collect()
}

fn binary(payload: &[u8]) -> Vec<u8> {
    frame(Opcode::Binary, true, payload)
}

/// Receives a message and sends it back by reference: where its payload lay.
fn echo(server: &mut Endpoint, stream: &[u8]) -> *const u8 {
    let mut place = std::ptr::null();
    let mut handler = |event: holdwire_proto::Event<'_>,
                       sender: &mut holdwire_proto::Sender<'_>| {
        let message = event.into_message().expect("a message");
        place = message.as_bytes().as_ptr();
        sender.message(message).expect("an answer is taken");
        Flow::Continue
    };
    for piece in stream.chunks(200_000) {
        let mut piece = piece.to_vec();
        server.with(|connection, cx| connection.receive(&mut piece, cx, &mut handler));
    }
    place
}

/// Writes everything, and lets the memory be used again.
fn write(server: &mut Endpoint) {
    while server.output.has_remaining() {
        let step = server.output.chunk().len().min(300_000);
        server.output.advance_reclaiming(step, &mut server.scratch);
    }
}

#[test]
fn the_memory_of_a_message_that_was_written_serves_the_next_one() {
    let payload = payload(MIB);
    let stream = binary(&payload);
    let mut server = Endpoint::server();
    let first = echo(&mut server, &stream);
    assert_eq!(server.scratch.held(), 0);

    write(&mut server);
    let kept = server.scratch.held();
    assert!((MIB..=MIB + 4096).contains(&kept), "{kept} bytes");
    let second = echo(&mut server, &stream);

    assert_eq!(second, first);
    assert_eq!(server.scratch.held(), 0);
    assert_eq!(server.written()[10..], payload);
    assert_eq!(server.scratch.held(), 0, "a plain advance keeps nothing");
}

#[test]
fn bytes_that_somebody_else_has_too_are_not_used_again() {
    let mut server = Endpoint::server();
    let bytes = Bytes::from(vec![7; MIB]);
    server.output.push_shared(bytes.clone());
    server.output.push_shared(Bytes::from_static(&[1; 100]));

    write(&mut server);

    assert_eq!(server.scratch.held(), 0);
    assert_eq!(bytes, vec![7; MIB]);
}

#[test]
fn a_thread_keeps_at_most_4_mib_for_long_messages() {
    let mut server = Endpoint::server();
    for _ in 0..10 {
        server.output.push_shared(Bytes::from(vec![7; MIB]));
    }

    write(&mut server);

    assert_eq!(server.scratch.held(), 4 * MIB);
}
