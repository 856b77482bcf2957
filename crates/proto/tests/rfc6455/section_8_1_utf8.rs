//! Text is UTF-8 (RFC 6455 §8.1).

use holdwire_proto::Violation;

use crate::common::{assert_refused, both, both_refuse, both_see, text, wire};

/// No UTF-8, each with the number of bytes after which that is certain; one more than there are
/// when only the end of the message tells.
const BAD: &[(&[u8], usize)] = &[
    (b"\x80", 1),
    (b"a\xff", 2),
    (b"\xc0\xaf", 1),
    (b"\xc1\xbf", 1),
    (b"\xe0\x9f\xbf", 2),
    (b"\xf0\x8f\xbf\xbf", 2),
    (b"\xed\xa0\x80", 2),
    (b"\xed\xbf\xbf", 2),
    (b"\xf4\x90\x80\x80", 2),
    (b"\xf5\x80\x80\x80", 1),
    (b"\xc3", 2),
    (b"\xe6\xbc", 3),
    (b"\xf0\x9f\x98", 4),
    (b"\xe6\xbca", 3),
    (b"\xf0\x9f\x98\xf0", 4),
];

fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).expect("short");
    [&[first, length][..], payload].concat()
}

#[test]
fn text_that_is_not_utf8_is_refused_with_1007() {
    for (payload, _) in BAD {
        both_refuse(&frame(0x81, payload), Violation::InvalidUtf8, 1007);
    }
}

#[test]
fn long_text_that_is_not_utf8_is_refused_with_1007() {
    for (bad, _) in BAD {
        let payload = [&b"x".repeat(100), *bad].concat();
        both_refuse(&frame(0x81, &payload), Violation::InvalidUtf8, 1007);
    }
}

#[test]
fn text_that_is_not_utf8_is_refused_however_it_is_fragmented() {
    for (payload, _) in BAD {
        for at in 0..=payload.len() {
            let frames = [frame(0x01, &payload[..at]), frame(0x80, &payload[at..])].concat();
            both_refuse(&frames, Violation::InvalidUtf8, 1007);
        }
    }
}

#[test]
fn a_bad_byte_is_refused_before_the_message_is_whole() {
    for (payload, certain) in BAD {
        if *certain > payload.len() {
            continue;
        }
        for mut end in both() {
            let begin = frame(0x01, &payload[..*certain]);
            end.hears(&begin);
            assert_refused(&mut end, Violation::InvalidUtf8, 1007);
        }
        for mut end in both() {
            let role = end.connection.role();
            let begin = frame(0x81, &[&payload[..*certain], &[b'x'; 100]].concat());
            let bytes = wire::to(role, &begin);
            end.receive_bytewise(&bytes[..bytes.len() - 100]);
            assert_refused(&mut end, Violation::InvalidUtf8, 1007);
        }
    }
}

#[test]
fn characters_may_be_split_between_fragments_and_reads() {
    let payload = "κόσμε 漢字 😀 \u{10ffff}".as_bytes();
    for at in 0..=payload.len() {
        let frames = [
            frame(0x01, &payload[..at]),
            frame(0x89, b"between"),
            frame(0x80, &payload[at..]),
        ]
        .concat();
        for mut end in both() {
            end.hears(&frames);
            assert_eq!(end.seen.last(), Some(&text("κόσμε 漢字 😀 \u{10ffff}")));
        }
    }
}

#[test]
fn the_edges_of_unicode_are_text() {
    for edge in [
        "\0",
        "\u{7f}",
        "\u{80}",
        "\u{7ff}",
        "\u{800}",
        "\u{d7ff}",
        "\u{e000}",
        "\u{fffe}",
        "\u{ffff}",
        "\u{10000}",
        "\u{10ffff}",
    ] {
        both_see(&frame(0x81, edge.as_bytes()), &[text(edge)]);
    }
}
