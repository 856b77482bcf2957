//! Bombs, and what else compression lets a peer do (RFC 7692 §8).

use holdwire_proto::deflate::DeflateConfig;
use holdwire_proto::{Config, Role, Violation};

use crate::agreed::{both_with, endpoint};
use crate::common::{Endpoint, assert_refused, text, wire};

/// A frame with `length` equal letters, compressed.
fn bomb(length: usize) -> Vec<u8> {
    let roomy = Config::default().max_message(usize::MAX);
    let mut server = endpoint(Role::Server, DeflateConfig::default(), roomy);
    server.send("a".repeat(length));
    server.says()
}

fn both_limited(max_message: usize, max_inflate_ratio: u32) -> [Endpoint; 2] {
    let deflate = DeflateConfig {
        max_inflate_ratio,
        ..DeflateConfig::default()
    };
    both_with(deflate, &Config::default().max_message(max_message))
}

#[test]
fn a_message_that_inflates_to_exactly_the_limit_is_taken_and_to_more_is_refused() {
    for mut end in both_limited(10_000, u32::MAX) {
        end.hears(&bomb(10_000));
        assert_eq!(end.seen, [text(&"a".repeat(10_000))]);

        end.hears(&bomb(10_001));
        assert_refused(&mut end, Violation::MessageTooBig, 1009);
    }
}

#[test]
fn the_limit_holds_for_compressed_fragments_together() {
    let whole = bomb(10_001);
    let payload = &wire::split(&whole)[0][2..];
    let (first, rest) = payload.split_at(5);
    let frames = [
        &[0x41, 5][..],
        first,
        &[0x80, u8::try_from(rest.len()).expect("short")],
        rest,
    ]
    .concat();

    for mut end in both_limited(10_000, u32::MAX) {
        end.hears(&frames);
        assert_refused(&mut end, Violation::MessageTooBig, 1009);
    }
}

#[test]
fn a_message_that_inflates_beyond_the_ratio_is_refused() {
    for mut end in both_limited(4 * 1024 * 1024, 200) {
        end.hears(&bomb(1_000_000));
        assert_eq!(end.seen.len(), 1);

        end.hears(&bomb(4_000_000));
        assert_refused(&mut end, Violation::InflateRatio, 1009);
    }
}

#[test]
fn a_compressed_frame_beyond_the_limit_is_refused_by_its_head() {
    for mut end in both_limited(10_000, u32::MAX) {
        end.hears(&[0xc2, 126, 0x2b, 0x00]);
        assert_refused(&mut end, Violation::FrameTooBig, 1009);
    }
}

#[test]
fn a_message_that_deflate_made_longer_is_taken_though_the_limit_is_its_length() {
    // Stored blocks of 1,000 bytes: five bytes more for each.
    let mut payload = Vec::new();
    for _ in 0..10 {
        payload.extend([0, 0xe8, 0x03, 0x17, 0xfc]);
        payload.extend([b'a'; 1000]);
    }
    payload.push(0);
    let length = u16::try_from(payload.len()).expect("short").to_be_bytes();

    for mut end in both_limited(10_000, u32::MAX) {
        end.hears(&[&[0xc1, 126][..], &length, &payload].concat());
        assert_eq!(end.seen, [text(&"a".repeat(10_000))]);
    }
}

/// What the buffers of a thread may keep between two uses.
const KEPT: usize = 3 * 64 * 1024;

#[test]
fn what_a_refused_message_inflated_to_is_given_back() {
    let not_utf8 = {
        let [mut server, _] = both_limited(4 * 1024 * 1024, u32::MAX);
        server.send(vec![0xff; 1_000_000]);
        let mut frame = server.says();
        frame[0] = 0xc1;
        frame
    };
    for (frame, violation, close_code) in [
        (bomb(4_000_000), Violation::InflateRatio, 1009),
        (not_utf8, Violation::InvalidUtf8, 1007),
    ] {
        for mut end in both_limited(4 * 1024 * 1024, 200) {
            end.hears(&frame);

            assert!(end.scratch.held() <= KEPT, "{}", end.scratch.held());
            assert_refused(&mut end, violation, close_code);
        }
    }
}

#[test]
fn what_a_long_message_was_compressed_to_is_given_back() {
    let message: String = (0..200_000_u32)
        .map(|number| number.wrapping_mul(2_654_435_761).to_string())
        .collect();

    for mut end in both_limited(4 * 1024 * 1024, 200) {
        end.send(message.as_str());

        assert!(end.says().len() > KEPT, "the message shrinks too much");
        assert!(end.scratch.held() <= KEPT, "{}", end.scratch.held());
    }
}
