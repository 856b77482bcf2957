//! What all control frames have in common (RFC 6455 §5.5).

use holdwire_proto::{SendError, Violation};

use crate::common::{Seen, both, both_refuse, both_see};

#[test]
fn a_control_frame_of_125_bytes_is_taken() {
    let payload = vec![b'x'; 125];

    both_see(
        &[&b"\x89\x7d"[..], &payload].concat(),
        &[Seen::Ping(payload.clone())],
    );
    both_see(
        &[&b"\x8a\x7d"[..], &payload].concat(),
        &[Seen::Pong(payload)],
    );
}

#[test]
fn a_longer_control_frame_is_refused() {
    for opcode in [0x88, 0x89, 0x8a] {
        both_refuse(&[opcode, 126], Violation::ControlFrameTooLong, 1002);
        both_refuse(&[opcode, 126, 0, 126], Violation::ControlFrameTooLong, 1002);
        both_refuse(
            &[opcode, 127, 0, 0, 0, 0, 0, 0, 0, 1],
            Violation::ControlFrameTooLong,
            1002,
        );
    }
}

#[test]
fn a_ping_or_pong_of_more_than_125_bytes_is_not_sent() {
    for mut end in both() {
        let long = [0; 126];
        let (ping, pong) = end.with(|connection, cx| {
            let mut sender = connection.sender(cx);
            (sender.ping(&long), sender.pong(&long))
        });

        assert_eq!(ping, Err(SendError::ControlTooLong));
        assert_eq!(pong, Err(SendError::ControlTooLong));
        assert!(end.output.is_empty());
    }
}

#[test]
fn a_control_frame_that_came_in_pieces_gives_its_memory_back() {
    for mut end in both() {
        let bytes = crate::common::wire::to(end.connection.role(), b"\x89\x04ping");
        end.receive_bytewise(&bytes);

        assert_eq!(end.seen, [Seen::Ping(b"ping".to_vec())]);
        assert_eq!(end.connection.held(), 0);
    }
}
