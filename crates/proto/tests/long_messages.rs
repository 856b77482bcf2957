//! Long messages: where they are assembled, and what becomes of their memory.

mod common;

use common::{Endpoint, Seen, text};
use holdwire_proto::bytes::{Buf, Bytes};
use holdwire_proto::frame::{Head, MAX_HEAD, Opcode};
use holdwire_proto::mask::Mask;
use holdwire_proto::{Ended, Flow, Violation};

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
fn a_long_message_is_the_same_wherever_it_is_received() {
    let payload = payload(MIB);
    let stream = binary(&payload);
    for step in [1000, 65_536, 300_000, 2 * MIB] {
        let mut server = Endpoint::server();

        for piece in stream.chunks(step) {
            server.receive_direct(piece);
        }

        assert!(server.seen == [Seen::Binary(payload.clone())], "{step}");
        assert_eq!(server.connection.held(), 0);
    }
}

#[test]
fn what_lies_behind_the_frame_is_the_next_message() {
    let payload = payload(100_000);
    let mut stream = binary(&payload);
    stream.extend(frame(Opcode::Text, true, b"one"));
    stream.extend(frame(Opcode::Ping, true, b"two"));
    let mut server = Endpoint::server();

    server.receive(&stream[..60_000]);
    server.receive_direct(&stream[60_000..]);

    let expected = [
        Seen::Binary(payload),
        text("one"),
        Seen::Ping(b"two".into()),
    ];
    assert!(server.seen == expected);
}

#[test]
fn fragments_are_received_behind_each_other_with_a_ping_between() {
    let payload = payload(200_000);
    let (first, second) = payload.split_at(90_000);
    let mut stream = frame(Opcode::Binary, false, first);
    stream.extend(frame(Opcode::Ping, true, b"!"));
    stream.extend(frame(Opcode::Continuation, true, second));
    let mut server = Endpoint::server();

    for piece in stream.chunks(7000) {
        server.receive_direct(piece);
    }

    assert!(server.seen == [Seen::Ping(b"!".into()), Seen::Binary(payload.clone())]);
}

#[test]
fn there_is_room_for_as_much_again_as_has_come_and_hardly_beyond_the_frame() {
    let stream = binary(&payload(MIB));
    let mut server = Endpoint::server();
    server.receive(&stream[..1014]);
    let mut came = 1000;

    while let Some(buffer) = server.connection.direct(1) {
        let room = buffer.capacity() - buffer.len();
        let left = MIB - came;
        assert!(room > 0 && room <= came && room <= left + 4096, "{room}");
        let count = room.min(left).min(10_000);
        buffer.extend_from_slice(&stream[14 + came..14 + came + count]);
        came += count;
        let mut handler =
            |_: holdwire_proto::Event<'_>, _: &mut holdwire_proto::Sender<'_>| Flow::Continue;
        server.with(|connection, cx| connection.receive_direct(count, cx, &mut handler));
    }

    assert_eq!(came, MIB);
}

#[test]
fn only_frames_with_much_to_come_are_received_directly() {
    let stream = binary(&payload(100_000));
    let mut server = Endpoint::server();
    assert!(server.connection.direct(1).is_none(), "nothing has begun");

    server.receive(&stream[..14]);
    assert!(
        server.connection.direct(1).is_none(),
        "only a head has come"
    );
    server.receive(&stream[14..84_000]);
    assert!(server.connection.direct(16_384).is_none(), "little is left");
    assert!(server.connection.direct(16_000).is_some());
    server.close(1000, "enough");
    assert!(server.connection.direct(1).is_none(), "nobody wants it");
}

#[test]
fn text_that_is_no_text_is_refused_in_the_middle_of_a_frame() {
    let mut wrong = vec![b'a'; 100_000];
    wrong[70_000] = 0xff;
    let stream = frame(Opcode::Text, true, &wrong);
    let mut server = Endpoint::server();

    server.receive(&stream[..60_000]);
    server.receive_direct(&stream[60_000..80_000]);

    let ended = Some(Ended::Violation(Violation::InvalidUtf8));
    assert_eq!(server.connection.ended(), ended);
    assert_eq!(server.connection.held(), 0);
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
