//! Closing, and how a connection ends (RFC 6455 §7.1).

use std::time::Duration;

use holdwire_proto::{CloseCode, Ended, Violation};

use crate::common::{Endpoint, Line, Seen, both, text};

#[test]
fn the_server_closes_the_transport_first() {
    let mut server = Endpoint::server();
    server.hears(b"\x88\x02\x03\xe8");
    server.written();
    assert!(server.has_half_closed());

    let mut client = Endpoint::client();
    client.close(1000, "");
    client.written();
    client.hears(b"\x88\x02\x03\xe8");
    client.written();
    assert!(!client.has_half_closed());
    assert!(!client.connection.is_over());
    client.connection.handle_eof();
    assert!(client.connection.is_over());
    let normal = Some(CloseCode::NORMAL);
    assert_eq!(client.connection.ended(), Some(Ended::Clean(normal)));
}

#[test]
fn a_client_does_not_wait_for_ever_for_the_server_to_close_the_transport() {
    let mut client = Endpoint::client();
    client.close(1000, "");
    client.hears(b"\x88\x02\x03\xe8");
    client.written();

    client.run_for(Duration::from_secs(10));

    assert!(client.connection.is_over());
    assert!(matches!(client.connection.ended(), Some(Ended::Clean(_))));
}

#[test]
fn a_transport_that_ends_without_a_close_frame_is_lost() {
    for mut end in both() {
        end.hears(b"\x81\x02hi\x81\x05He");
        end.connection.handle_eof();

        assert_eq!(end.seen, [text("hi")]);
        assert_eq!(end.connection.ended(), Some(Ended::Lost));
        assert_eq!(end.connection.poll_timeout(), None);
        assert_eq!(end.connection.held(), 0);
    }
}

#[test]
fn a_transport_that_ends_before_our_close_frame_was_answered_is_lost() {
    for mut end in both() {
        end.close(1000, "");
        end.connection.handle_eof();

        assert_eq!(end.connection.ended(), Some(Ended::Lost));
    }
}

#[test]
fn a_broken_rule_after_our_close_frame_sends_no_second_one() {
    for mut end in both() {
        end.close(1000, "");
        end.written();
        end.hears(b"\x83\x00");

        assert_eq!(end.says(), b"");
        let violation = Violation::ReservedOpcode;
        assert_eq!(end.connection.ended(), Some(Ended::Violation(violation)));
    }
}

#[test]
fn messages_sent_before_a_close_frame_are_delivered_before_it() {
    let mut line = Line::open();

    line.client.send("one");
    line.client.send("two");
    line.client.close(1000, "");
    line.carry();

    assert_eq!(
        line.server.seen,
        [
            text("one"),
            text("two"),
            Seen::Close(Some(1000), String::new())
        ]
    );
}

#[test]
fn a_paused_application_that_closes_learns_of_a_close_frame_that_had_come_before() {
    for mut end in both() {
        end.pauses = true;
        end.hears(b"\x81\x01a\x81\x01b\x88\x02\x0f\xa0");
        assert!(!end.connection.wants_resume());
        end.close(1000, "");
        assert!(end.connection.wants_resume());
        end.resume();

        assert!(!end.connection.wants_resume());
        assert_eq!(
            end.seen,
            [text("a"), Seen::Close(Some(4000), String::new())]
        );
        let code = CloseCode::new(4000);
        assert_eq!(end.connection.ended(), Some(Ended::Clean(code)));
    }
}

#[test]
fn an_ended_connection_wants_nothing_more() {
    for mut end in both() {
        end.hears(b"\x83\x00");
        end.written();
        end.run_for(Duration::from_secs(60));

        assert!(end.connection.is_over());
        assert_eq!(end.connection.poll_timeout(), None);
        assert_eq!(end.connection.held(), 0);
        assert!(!end.connection.wants_half_close());
    }
}
