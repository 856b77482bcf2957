//! Context takeover in each direction (RFC 7692 §7.1.1).

use holdwire_proto::deflate::DeflateConfig;
use holdwire_proto::{Config, Role, Violation};

use crate::agreed::{both, both_keeping, endpoint, line};
use crate::common::{Line, Seen, assert_refused, text, wire};

const HELLO: &[u8] = b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00";
/// "Hello", referring to the "Hello" before it (RFC 7692 §7.2.3.2).
const HELLO_AGAIN: &[u8] = b"\xc1\x05\xf2\x00\x11\x00\x00";

#[test]
fn with_context_takeover_a_message_may_refer_to_the_one_before() {
    for mut end in both_keeping() {
        end.hears(&[HELLO, HELLO_AGAIN].concat());

        assert_eq!(end.seen, [text("Hello"), text("Hello")]);
    }
}

#[test]
fn without_context_takeover_it_may_not() {
    for mut end in both() {
        end.hears(&[HELLO, HELLO, HELLO_AGAIN].concat());

        assert_eq!(end.seen, [text("Hello"), text("Hello")]);
        assert_refused(&mut end, Violation::InvalidDeflate, 1007);
    }
}

/// The lengths of the frames in which one text is sent three times.
fn lengths(line: &mut Line, is_up: bool) -> Vec<usize> {
    let message: String = (0..200)
        .map(|number| format!("{}", number * number))
        .collect();
    let mut lengths = Vec::new();
    for _ in 0..3 {
        let (from, to) = if is_up {
            (&mut line.client, &mut line.server)
        } else {
            (&mut line.server, &mut line.client)
        };
        from.send(message.as_str());
        let bytes = from.written();
        to.receive(&bytes);
        assert_eq!(to.seen.last(), Some(&text(&message)));
        lengths.push(bytes.len());
    }
    lengths
}

#[test]
fn each_direction_keeps_its_context_as_agreed() {
    for client_forgets in [false, true] {
        for server_forgets in [false, true] {
            let mut line = line(DeflateConfig {
                client_no_context_takeover: client_forgets,
                server_no_context_takeover: server_forgets,
                ..DeflateConfig::default()
            });
            for (is_up, forgets) in [(true, client_forgets), (false, server_forgets)] {
                let lengths = lengths(&mut line, is_up);
                for later in &lengths[1..] {
                    if forgets {
                        assert_eq!(*later, lengths[0]);
                    } else {
                        assert!(*later < lengths[0] / 4, "{lengths:?}");
                    }
                }
            }
        }
    }
}

#[test]
fn messages_that_are_sent_uncompressed_leave_the_context_alone() {
    let mut line = line(DeflateConfig::with_context_takeover());
    let long = "a message that is long enough to be compressed".repeat(3);

    for _ in 0..3 {
        line.server.send(long.as_str());
        line.server.send("short");
        line.server.send(Vec::new());
        line.server
            .with(|connection, cx| {
                let prepared = holdwire_proto::Prepared::text(&long);
                connection.sender(cx).prepared(&prepared)
            })
            .expect("taken");
    }
    line.carry();

    let round = [
        text(&long),
        text("short"),
        Seen::Binary(vec![]),
        text(&long),
    ];
    assert_eq!(line.client.seen, [&round[..]; 3].concat());
}

#[test]
fn connections_that_share_a_scratch_learn_nothing_of_one_another() {
    let deflate = DeflateConfig::default();
    let mut line = line(deflate);
    let (secret, other) = ("the secret ".repeat(100), "some other".repeat(100));

    line.server.send(secret.as_str());
    let first = line.server.written();
    // Another connection of the same thread takes the same codecs.
    let fresh = crate::agreed::endpoint(
        line.server.connection.role(),
        deflate,
        line.server.config.clone(),
    );
    line.server.connection = fresh.connection;
    line.server.send(other.as_str());
    line.server.send(secret.as_str());
    let then = line.server.written();

    let frames = wire::split(&then);
    assert_eq!(frames[1], first);
    line.client.receive(&then);
    assert_eq!(line.client.seen, [text(&other), text(&secret)]);
}

#[test]
fn a_message_that_was_refused_for_a_full_queue_leaves_the_context_alone() {
    let mut line = line(DeflateConfig::with_context_takeover());
    line.server.config.limits.send_queue = 100;
    let long = "refused or not, the context is that of what was sent".repeat(4);

    line.server.send(long.as_str());
    let refused = line
        .server
        .with(|connection, cx| connection.sender(cx).text(&long.to_uppercase()));
    assert!(refused.is_err());
    line.carry();
    line.server.send(long.as_str());
    line.carry();

    assert_eq!(line.client.seen, [text(&long), text(&long)]);
}

#[test]
fn a_shared_compressor_keeps_to_the_window_of_each_connection() {
    use holdwire_proto::deflate::WindowBits;

    let wide = DeflateConfig::default();
    let narrow = DeflateConfig {
        server_max_window_bits: WindowBits::MIN,
        ..wide
    };
    // Repeats itself beyond a window of 512 bytes, and nowhere else.
    let noise: Vec<u8> = (0..2000_u32)
        .map(|index| index.wrapping_mul(2_654_435_761).to_be_bytes()[1] ^ index.to_be_bytes()[3])
        .collect();
    let message = [&noise[..], &noise].concat();
    let [mut server, _] = crate::agreed::both_with(wide, &holdwire_proto::Config::default());
    server.send(message.clone());
    let with_wide = server.written().len();

    let [other, _] = crate::agreed::both_with(narrow, &holdwire_proto::Config::default());
    server.connection = other.connection;
    server.send(message.clone());
    let with_narrow = server.written().len();

    assert!(with_wide < 2500, "{with_wide} bytes");
    assert!(with_narrow > 3500, "{with_narrow} bytes");
}

#[test]
fn a_shared_compressor_keeps_to_the_level_of_each_connection() {
    let at = |level| DeflateConfig {
        level,
        ..DeflateConfig::default()
    };
    let message: String = (0..2000).map(|n| format!("{},", n * n % 1009)).collect();
    let alone = |level| {
        let mut end = endpoint(Role::Server, at(level), Config::default());
        end.send(message.as_str());
        end.written()
    };
    assert_ne!(alone(1), alone(9));

    let mut shared = endpoint(Role::Server, at(1), Config::default());
    for level in [1, 9, 9, 1] {
        let own = endpoint(Role::Server, at(level), Config::default());
        (shared.connection, shared.config) = (own.connection, own.config);
        shared.send(message.as_str());

        assert_eq!(shared.written(), alone(level), "level {level}");
    }
}
