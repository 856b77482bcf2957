//! Two state machines on a wire: messages, closing handshakes, deadlines, pauses.

mod common;

use std::time::Duration;

use common::{Endpoint, Line, Seen, text};
use holdwire_proto::{CloseCode, Config, Ended, Limits, Prepared, Role, SendError, Violation};

#[test]
fn messages_travel_both_ways_in_order() {
    let mut line = Line::open();

    line.client.send("up");
    line.client.send(vec![1, 2, 3]);
    line.server.send("down");
    line.carry();

    assert_eq!(line.server.seen, [text("up"), Seen::Binary(vec![1, 2, 3])]);
    assert_eq!(line.client.seen, [text("down")]);
}

#[test]
fn an_idle_connection_owns_no_heap() {
    let mut line = Line::open();

    line.client.send("x".repeat(100_000));
    line.carry();

    assert_eq!(line.server.connection.held(), 0);
}

#[test]
fn a_message_that_was_read_in_pieces_is_whole_and_its_memory_given_back() {
    let mut line = Line::open();
    let long = "漢字".repeat(10_000);

    line.client.send(long.as_str());
    let bytes = line.client.written();
    for piece in bytes.chunks(777) {
        line.server.receive(piece);
    }

    assert_eq!(line.server.seen, [text(&long)]);
    assert_eq!(line.server.connection.held(), 0);
}

#[test]
fn nothing_is_reserved_for_a_length_that_was_only_declared() {
    let mut server = Endpoint::server();

    server.receive(&[
        0x82, 0xff, 0, 0, 0, 0, 0, 0x0f, 0xff, 0xff, 1, 2, 3, 4, 9, 9, 9,
    ]);

    assert!(
        server.connection.held() <= 64,
        "{} bytes",
        server.connection.held()
    );
}

#[test]
fn all_replies_to_one_read_leave_in_one_write() {
    let mut line = Line::open();
    line.server.echoes = true;

    for number in 0..16 {
        line.client.send(format!("{number}"));
    }
    let request = line.client.written();
    line.server.receive(&request);
    let reply = line.server.written();
    line.client.receive(&reply);

    assert_eq!(line.client.seen.len(), 16);
}

#[test]
fn the_closing_handshake_ends_both_sides_clean() {
    let mut line = Line::open();

    line.client.close(4001, "bye");
    line.carry();

    let code = CloseCode::new(4001);
    assert_eq!(line.server.seen, [Seen::Close(Some(4001), "bye".into())]);
    assert_eq!(line.server.connection.ended(), Some(Ended::Clean(code)));
    assert_eq!(line.client.connection.ended(), Some(Ended::Clean(code)));
    assert!(line.client.connection.is_over());
}

#[test]
fn both_sides_may_close_at_once() {
    let mut line = Line::open();

    line.client.close(1000, "");
    line.server.close(1001, "going");
    line.carry();

    assert_eq!(
        line.client.connection.ended(),
        Some(Ended::Clean(CloseCode::new(1001)))
    );
    assert_eq!(
        line.server.connection.ended(),
        Some(Ended::Clean(CloseCode::new(1000)))
    );
}

#[test]
fn nothing_is_sent_after_a_close_frame() {
    let mut line = Line::open();

    line.client.close(1000, "");
    let refused = line
        .client
        .with(|connection, cx| connection.sender(cx).text("late"));

    assert_eq!(refused, Err(SendError::Closed));
}

#[test]
fn data_that_crosses_our_close_frame_is_not_handed_on() {
    let mut line = Line::open();

    line.server.send("too late");
    line.client.close(1000, "");
    line.carry();

    assert_eq!(line.client.seen, [Seen::Close(Some(1000), String::new())]);
}

#[test]
fn a_peer_that_does_not_answer_a_close_frame_is_left_after_the_close_timeout() {
    let mut line = Line::open();
    line.cut();

    line.server.close(1000, "");
    line.carry();
    line.server.run_for(Duration::from_millis(4_999));
    assert!(!line.server.connection.is_over());
    line.server.run_for(Duration::from_millis(1));

    assert!(line.server.connection.is_over());
    assert_eq!(line.server.connection.ended(), Some(Ended::CloseTimeout));
}

#[test]
fn a_peer_that_takes_no_byte_is_left_after_the_write_stall() {
    let mut server = Endpoint::server();

    server.send("x".repeat(1000));
    server.write(10);
    server.run_for(Duration::from_secs(29));
    server.write(10);
    server.run_for(Duration::from_secs(29));
    assert!(!server.connection.is_over());
    server.run_for(Duration::from_secs(1));

    assert!(server.connection.is_over());
    assert_eq!(server.connection.ended(), Some(Ended::WriteStalled));
}

#[test]
fn an_unfinished_message_is_refused_after_its_time_though_pings_go_on() {
    let mut line = Line::open();
    let begin = [0x01, 0x81, 0, 0, 0, 0, b'a'];
    line.server.receive(&begin);

    for _ in 0..29 {
        line.server.run_for(Duration::from_secs(1));
        line.client.ping(b"");
        let ping = line.client.written();
        line.server.receive(&ping);
    }
    assert_eq!(line.server.connection.ended(), None);
    line.server.run_for(Duration::from_secs(1));

    assert_eq!(
        line.server.connection.ended(),
        Some(Ended::Violation(Violation::MessageTimeout))
    );
}

#[test]
fn a_dribble_of_whole_frames_is_never_late() {
    let mut server = Endpoint::server();
    let mut client = Endpoint::client();

    let mut stream = Vec::new();
    for _ in 0..50 {
        client.ping(b"alive");
        stream.extend(client.written());
    }
    // Every read ends inside a frame, for far longer than one message may take.
    for piece in stream.chunks(7) {
        server.receive(piece);
        server.run_for(Duration::from_secs(5));
    }

    assert_eq!(server.connection.ended(), None);
}

#[test]
fn a_pause_keeps_the_rest_and_suspends_the_deadline() {
    let mut line = Line::open();
    line.server.pauses = true;

    line.client.send("one");
    line.client.send("two");
    let mut bytes = line.client.written();
    bytes.extend([0x81, 0x85, 0, 0]);
    line.server.receive(&bytes);
    assert_eq!(line.server.seen, [text("one")]);
    assert!(line.server.connection.is_paused());
    line.server.run_for(Duration::from_secs(3600));
    line.server.resume();
    assert_eq!(line.server.seen, [text("one"), text("two")]);
    line.server.resume();
    line.server.receive(&[0, 0, b'h', b'e', b'l', b'l', b'o']);

    assert_eq!(line.server.seen.last(), Some(&text("hello")));
    assert_eq!(line.server.connection.ended(), None);
}

#[test]
fn closing_while_paused_still_finds_the_peers_close_frame() {
    let mut line = Line::open();
    line.server.pauses = true;

    line.client.send("one");
    line.client.send("two");
    line.carry();
    line.server.close(1000, "");
    line.carry();

    assert!(matches!(
        line.server.connection.ended(),
        Some(Ended::Clean(_))
    ));
    assert_eq!(
        line.server.seen,
        [text("one"), Seen::Close(Some(1000), String::new())]
    );
}

#[test]
fn a_full_queue_refuses_but_an_empty_one_takes_a_message_of_any_size() {
    let limits = Limits {
        send_queue: 100,
        ..Limits::default()
    };
    let mut server = Endpoint::new(Role::Server, Config::default().limits(limits));

    server.send("x".repeat(5000));
    let full = server.with(|connection, cx| connection.sender(cx).text("y"));
    server.written();
    server.send("y");

    assert_eq!(full, Err(SendError::Full));
}

#[test]
fn a_prepared_message_reaches_many_and_is_masked_by_a_client() {
    let news = Prepared::text("news");
    let mut line = Line::open();

    line.server
        .with(|connection, cx| connection.sender(cx).prepared(&news))
        .expect("taken");
    line.client
        .with(|connection, cx| connection.sender(cx).prepared(&news))
        .expect("taken");
    line.carry();

    assert_eq!(line.client.seen, [text("news")]);
    assert_eq!(line.server.seen, [text("news")]);
}

#[test]
fn a_connection_is_open_for_data_until_its_close_frame_or_the_end_of_the_transport() {
    for mut end in [Endpoint::server(), Endpoint::client()] {
        assert!(end.connection.is_open_for_data());

        end.with(|connection, cx| connection.sender(cx).close(CloseCode::NORMAL, ""));
        assert!(!end.connection.is_open_for_data());
    }
    for mut end in [Endpoint::server(), Endpoint::client()] {
        end.hears(b"\x88\x00");
        assert!(!end.connection.is_open_for_data());
    }
    for mut end in [Endpoint::server(), Endpoint::client()] {
        end.connection.handle_eof();
        assert!(!end.connection.is_open_for_data());
    }
}

#[test]
fn the_end_of_the_transport_without_a_closing_handshake_is_a_loss() {
    let mut server = Endpoint::server();

    server.connection.handle_eof();

    assert_eq!(server.connection.ended(), Some(Ended::Lost));
    assert!(server.connection.is_over());
}

#[test]
fn after_a_violation_the_peer_may_read_the_close_frame_before_the_transport_goes() {
    let mut server = Endpoint::server();

    server.receive(&[0x81, 0x01, b'a']);
    let close = server.written();

    assert_eq!(close[..4], [0x88, 2 + 26, 0x03, 0xea]);
    assert!(server.has_half_closed());
    assert!(!server.connection.is_over());
    server.receive(&[0; 1000]);
    assert!(!server.connection.is_over());
    server.run_for(Duration::from_secs(2));
    assert!(server.connection.is_over());
}

#[test]
fn a_peer_that_keeps_sending_after_a_violation_is_left_after_a_message_and_256_kib() {
    let mut server = Endpoint::server();
    server.receive(&[0x81, 0x01, b'a']);
    server.written();

    for _ in 0..20 {
        server.receive(&[0; 64 * 1024]);
    }
    assert!(!server.connection.is_over());
    server.receive(&[0; 1]);

    assert!(server.connection.is_over());
}

#[test]
fn what_comes_before_our_close_frame_is_written_does_not_end_the_connection() {
    let mut server = Endpoint::server();

    server.receive(&[0x81, 0x01, b'a']);
    for _ in 0..100 {
        server.receive(&[0; 64 * 1024]);
    }
    assert!(!server.connection.is_over());

    assert_eq!(server.written()[0], 0x88);
}

#[test]
fn what_came_before_a_close_frame_can_be_answered_before_it_is() {
    let mut line = Line::open();
    line.server.has_unseen = true;

    line.client.send("last words");
    line.client.close(1000, "");
    line.carry();
    assert_eq!(line.server.connection.ended(), None);
    line.server.send("heard");
    line.server.has_unseen = false;
    line.server.resume();
    line.carry();

    assert_eq!(
        line.server.connection.ended(),
        Some(Ended::Clean(CloseCode::new(1000)))
    );
    assert_eq!(
        line.client.connection.ended(),
        Some(Ended::Clean(CloseCode::new(1000)))
    );
}

#[test]
fn what_came_before_a_violation_can_be_answered_before_it_is() {
    let mut line = Line::open();
    line.server.has_unseen = true;

    line.client.send("good");
    let mut bytes = line.client.written();
    bytes.extend([0x83, 0x80]);
    line.server.receive(&bytes);
    line.server.send("good");
    line.server.resume();

    let written = line.server.written();
    assert!(written.starts_with(b"\x81\x04good\x88"), "{written:x?}");
    let violation = Ended::Violation(Violation::ReservedOpcode);
    assert_eq!(line.server.connection.ended(), Some(violation));
}

#[test]
fn an_application_that_stays_busy_holds_the_closing_handshake_for_half_its_time() {
    let mut line = Line::open();
    line.server.has_unseen = true;

    line.client.send("unseen");
    line.client.close(1000, "");
    line.carry();
    line.server.run_for(Duration::from_millis(2_499));
    assert_eq!(line.server.connection.ended(), None);
    line.server.run_for(Duration::from_millis(1));
    line.carry();

    assert!(line.client.connection.is_over());
    assert_eq!(
        line.client.connection.ended(),
        Some(Ended::Clean(CloseCode::new(1000)))
    );
}

#[test]
fn closing_while_the_peers_close_frame_waits_completes_the_handshake() {
    let mut line = Line::open();
    line.server.has_unseen = true;

    line.client.send("unseen");
    line.client.close(1000, "");
    line.carry();
    line.server.close(1001, "");
    assert!(line.server.connection.wants_resume());
    line.server.resume();
    line.carry();

    assert_eq!(
        line.server.connection.ended(),
        Some(Ended::Clean(CloseCode::new(1000)))
    );
    assert!(line.client.connection.is_over());
}

#[test]
fn an_answer_inside_a_handler_is_taken_though_the_queue_is_full() {
    let limits = Limits {
        send_queue: 100,
        ..Limits::default()
    };
    let server = Endpoint::new(Role::Server, Config::default().limits(limits));
    let mut line = Line::with(Endpoint::client(), server);
    line.server.echoes = true;

    for _ in 0..10 {
        line.client.send("x".repeat(50));
    }
    line.carry();

    assert_eq!(line.client.seen.len(), 10);
}

#[test]
fn nothing_is_sent_on_a_connection_that_is_over() {
    for end in ["eof", "error", "stall"] {
        let mut server = Endpoint::server();
        match end {
            "eof" => server.connection.handle_eof(),
            "error" => server
                .connection
                .handle_io_error(std::io::ErrorKind::ConnectionReset),
            _ => {
                server.send("unread");
                server.write(1);
                server.run_for(Duration::from_secs(30));
            }
        }

        let refused = server.with(|connection, cx| connection.sender(cx).text("late"));

        assert_eq!(refused, Err(SendError::Closed), "{end}");
    }
}

#[test]
fn a_slow_peer_has_the_whole_queue_before_the_close_timeout_begins() {
    let mut server = Endpoint::server();
    server.send("x".repeat(1000));
    server.close(1000, "");

    // A hundred bytes every four seconds: longer than the close timeout, never a stall.
    for _ in 0..9 {
        server.write(100);
        server.run_for(Duration::from_secs(4));
    }
    assert!(!server.connection.is_over());
    server.written();
    server.run_for(Duration::from_millis(4_999));
    assert!(!server.connection.is_over());
    server.run_for(Duration::from_millis(1));

    assert_eq!(server.connection.ended(), Some(Ended::CloseTimeout));
}
