//! Compressing and inflating whole messages (RFC 7692 §7.2).

use holdwire_proto::deflate::DeflateConfig;
use holdwire_proto::{Config, Ended, Violation};

use crate::agreed::{both, both_keeping, both_with, line};
use crate::common::{Seen, assert_refused, text, wire};

#[test]
fn the_payloads_of_the_rfc_are_inflated() {
    for (payload, of) in [
        (&b"\xf2\x48\xcd\xc9\xc9\x07\x00"[..], "7.2.3.1, one block"),
        (
            b"\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00",
            "7.2.3.3, not compressed",
        ),
        (b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00", "7.2.3.4, BFINAL"),
        (
            b"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00",
            "7.2.3.5, two blocks",
        ),
    ] {
        for mut end in both().into_iter().chain(both_keeping()) {
            let length = u8::try_from(payload.len()).expect("short");
            end.hears(&[&[0xc1, length][..], payload].concat());

            assert_eq!(end.seen, [text("Hello")], "{of}");
        }
    }
}

#[test]
fn an_empty_message_may_be_compressed() {
    for mut end in both().into_iter().chain(both_keeping()) {
        end.hears(b"\xc1\x01\x00\xc2\x01\x00");

        assert_eq!(end.seen, [text(""), Seen::Binary(vec![])]);
    }
}

#[test]
fn an_empty_message_is_sent_as_it_is() {
    let eager = DeflateConfig {
        threshold: Some(0),
        ..DeflateConfig::with_context_takeover()
    };
    for mut end in both_with(eager, &Config::default()) {
        end.send("");
        end.send(Vec::new());

        assert_eq!(end.says(), b"\x81\x00\x82\x00");
    }
}

#[test]
fn messages_below_the_threshold_are_sent_as_they_are() {
    let deflate = DeflateConfig {
        threshold: Some(100),
        ..DeflateConfig::default()
    };
    for mut end in both_with(deflate, &Config::default()) {
        end.send("a".repeat(99));
        end.send("a".repeat(100));
        let said = end.says();

        let frames = wire::split(&said);
        assert_eq!(frames[0][..2], [0x81, 99]);
        assert_eq!(frames[1][0], 0xc1);
        assert!(frames[1].len() < 20);
    }
}

#[test]
fn the_four_bytes_of_the_tail_are_not_sent() {
    for mut end in both() {
        end.send("a".repeat(1000));

        assert!(!end.says().ends_with(b"\x00\x00\xff\xff"));
    }
}

#[test]
fn a_corrupt_payload_is_refused() {
    for payload in [
        &b"\xc1\x00"[..],                // no byte at all
        b"\xc1\x01\xff",                 // reserved kind of block
        b"\xc1\x03\xf2\x48\xcd",         // stops inside a block
        b"\xc1\x05\x00\x05\x00\xfa\xfe", // stored length and its complement differ
        b"\xc1\x05\xf2\x00\x11\x00\x00", // refers to what never was
    ] {
        for mut end in both().into_iter().chain(both_keeping()) {
            end.hears(payload);
            assert_refused(&mut end, Violation::InvalidDeflate, 1007);
            assert_eq!(end.seen, []);
        }
    }
}

#[test]
fn a_corrupt_payload_in_fragments_is_refused() {
    for mut end in both() {
        end.hears(b"\x41\x01\xf2\x00\x01\x48\x80\x01\xcd");
        assert_refused(&mut end, Violation::InvalidDeflate, 1007);
        assert_eq!(end.connection.held(), 0);
    }
}

#[test]
fn compressed_text_that_is_not_utf8_is_refused() {
    // Stored blocks, so that the text can be read here.
    for frames in [
        &b"\xc1\x08\x00\x02\x00\xfd\xff\xc3\x28\x00"[..],
        b"\x41\x04\x00\x02\x00\xfd\x80\x04\xff\xc3\x28\x00",
        b"\xc1\x07\x00\x01\x00\xfe\xff\xc3\x00",
    ] {
        for mut end in both().into_iter().chain(both_keeping()) {
            end.hears(frames);
            assert_refused(&mut end, Violation::InvalidUtf8, 1007);
        }
    }
}

#[test]
fn compressed_binary_need_not_be_utf8() {
    for mut end in both() {
        end.hears(b"\xc2\x08\x00\x02\x00\xfd\xff\xc3\x28\x00");

        assert_eq!(end.seen, [Seen::Binary(vec![0xc3, 0x28])]);
    }
}

#[test]
fn compressed_payloads_may_split_a_character_between_fragments() {
    for mut end in both() {
        end.hears(b"\x41\x06\x00\x02\x00\xfd\xff\xc3\x80\x02\xa9\x00");

        assert_eq!(end.seen, [text("é")]);
    }
}

#[test]
fn messages_of_many_sizes_come_back_whole_in_both_directions() {
    for deflate in [
        DeflateConfig::default(),
        DeflateConfig::with_context_takeover(),
    ] {
        let mut line = line(deflate);
        for size in [1, 31, 32, 255, 256, 5000, 70_000, 1024 * 1024] {
            let noise: Vec<u8> = (0..size)
                .map(|index: usize| index.wrapping_mul(2_654_435_761).to_le_bytes()[3])
                .collect();
            let words: String = ('a'..='z').cycle().take(size).collect();
            line.client.send(words.as_str());
            line.carry();
            line.server.send(noise.clone());
            line.carry();

            assert_eq!(line.server.seen.last(), Some(&text(&words)));
            assert_eq!(line.client.seen.last(), Some(&Seen::Binary(noise)));
        }
    }
}

#[test]
fn what_compression_saves_is_counted_in_each_direction_until_it_is_taken() {
    let mut line = line(DeflateConfig::default());
    let long = "all work and no play ".repeat(100);

    line.server.send(long.as_str());
    line.server.send("short");
    let frames = line.server.written();
    let compressed = (frames.len() - "short".len() - 2 * 2) as u64;
    line.client.receive(&frames);

    let sent = line.server.scratch.take_deflated();
    assert_eq!((sent.plain, sent.compressed), (2100, compressed));
    assert_eq!(line.client.scratch.take_inflated(), sent);
    assert!(sent.ratio().is_some_and(|ratio| ratio < 0.1));
    for end in [&mut line.server, &mut line.client] {
        let rest = (end.scratch.take_inflated(), end.scratch.take_deflated());
        assert_eq!(rest, Default::default());
        assert_eq!(rest.0.ratio(), None);
    }
}

#[test]
fn a_message_that_does_not_inflate_or_shrink_is_not_counted() {
    let noise: Vec<u8> = (0..300_u32)
        .map(|index| index.wrapping_mul(2_654_435_761).to_be_bytes()[1])
        .collect();
    for mut end in both() {
        end.send(noise.clone());
        end.hears(b"\xc1\x02\xff\xff");
        let ended = Some(Ended::Violation(Violation::InvalidDeflate));
        assert_eq!(end.connection.ended(), ended);

        let counted = (end.scratch.take_inflated(), end.scratch.take_deflated());
        assert_eq!(counted, Default::default());
    }
}
