//! One message for many connections, compressed once (RFC 7692 §7.1.1.1 and §7.1.2.1).

use holdwire_proto::deflate::{DeflateConfig, WindowBits};
use holdwire_proto::{Compression, Config, Prepared, Role, Variant};

use crate::agreed::{endpoint, params};
use crate::common::{Endpoint, Line, Seen, text, wire};

fn words() -> String {
    "all work and no play ".repeat(100)
}

/// Repeats itself once, at a distance of `period` bytes and no other.
fn repeated(period: u32) -> Vec<u8> {
    let noise: Vec<u8> = (0..period)
        .map(|index| index.wrapping_mul(2_654_435_761).to_be_bytes()[1] ^ index.to_be_bytes()[3])
        .collect();
    [&noise[..], &noise].concat()
}

fn server(deflate: DeflateConfig) -> Endpoint {
    endpoint(Role::Server, deflate, Config::default())
}

fn with_window(bits: u8) -> DeflateConfig {
    DeflateConfig {
        server_max_window_bits: WindowBits::new(bits).expect("9 to 15"),
        ..DeflateConfig::default()
    }
}

/// What `end` sends for `message`.
fn sent(end: &mut Endpoint, message: &Prepared) -> Vec<u8> {
    end.with(|connection, cx| connection.sender(cx).prepared(message))
        .expect("taken");
    end.written()
}

#[test]
fn a_thousand_connections_of_a_thread_cost_one_compression() {
    let (words, deflate) = (words(), DeflateConfig::default());
    let message = Prepared::text(&words);
    let mut server = server(deflate);
    let mut frames = Vec::new();

    for _ in 0..1000 {
        server.connection = endpoint(Role::Server, deflate, Config::default()).connection;
        frames.push(sent(&mut server, &message));
    }

    let counted = server.scratch.take_deflated();
    let payload = (frames[0].len() - 2) as u64;
    assert_eq!((counted.plain, counted.compressed), (2100, payload));
    let all = server.scratch.take_sent();
    assert_eq!((all.messages, all.payload), (1000, 2_100_000));
    for frame in frames {
        let mut client = endpoint(Role::Client, deflate, Config::default());
        client.receive(&frame);
        assert_eq!(client.seen, [text(&words)]);
    }
}

#[test]
fn connections_of_several_threads_share_one_compression() {
    let message = Prepared::text(&words());

    let counted: Vec<Compression> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let message = message.clone();
                scope.spawn(move || {
                    let mut server = server(DeflateConfig::default());
                    for _ in 0..10 {
                        sent(&mut server, &message);
                    }
                    server.scratch.take_deflated()
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("no panic"))
            .collect()
    });

    let plain: u64 = counted.iter().map(|counted| counted.plain).sum();
    assert_eq!(plain, 2100);
}

#[test]
fn the_frame_is_the_one_that_the_message_has_when_it_is_sent_alone() {
    for bits in 9..=15 {
        for message in [words().into_bytes(), repeated(600), repeated(20_000)] {
            let prepared = Prepared::binary(&message);
            let mut alone = server(with_window(bits));
            alone.send(message);

            let frame = sent(&mut server(with_window(bits)), &prepared);

            assert_eq!(frame, alone.written(), "a window of {bits} bits");
        }
    }
}

#[test]
fn a_window_that_the_message_does_not_fit_in_gets_a_frame_that_refers_no_farther() {
    let message = repeated(2000);
    let prepared = Prepared::binary(&message);

    let [wide, fitting, narrow] = [15, 12, 10].map(|bits| {
        let mut server = server(with_window(bits));
        let frame = sent(&mut server, &prepared);
        (frame, server.scratch.take_deflated().plain)
    });

    assert!(wide.0.len() < 2300, "{} bytes", wide.0.len());
    assert_eq!(wide.1, 4000);
    assert_eq!(fitting, (wide.0, 0));
    assert!(narrow.0.len() > 3500, "{} bytes", narrow.0.len());
    let mut client = endpoint(Role::Client, with_window(10), Config::default());
    client.receive(&narrow.0);
    assert_eq!(client.seen, [Seen::Binary(message)]);
}

#[test]
fn connections_that_agreed_on_nothing_or_keep_their_context_get_it_uncompressed() {
    let (words, keeping) = (words(), DeflateConfig::with_context_takeover());
    let message = Prepared::text(&words);
    sent(&mut server(DeflateConfig::default()), &message);

    for mut end in [server(keeping), Endpoint::server()] {
        assert_eq!(end.connection.variant(), Variant::PLAIN);
        let frame = sent(&mut end, &message);

        assert_eq!(wire::split(&frame).len(), 1);
        assert_eq!(frame[0], 0x81);
        assert_eq!(end.scratch.take_deflated(), Compression::default());
    }
}

#[test]
fn it_goes_between_messages_of_a_connection_that_keeps_its_context() {
    let keeping = DeflateConfig::with_context_takeover();
    let [client, server] =
        [Role::Client, Role::Server].map(|role| endpoint(role, keeping, Config::default()));
    let mut line = Line::with(client, server);
    let (words, message) = (
        words(),
        Prepared::text("for everybody ".repeat(50).as_str()),
    );

    for _ in 0..3 {
        line.server.send(words.as_str());
        line.server
            .with(|connection, cx| connection.sender(cx).prepared(&message))
            .expect("taken");
        line.carry();
    }

    let round = [text(&words), text(&"for everybody ".repeat(50))];
    assert_eq!(line.client.seen, [&round[..]; 3].concat());
}

#[test]
fn a_client_sends_it_masked_and_uncompressed() {
    let (words, deflate) = (words(), DeflateConfig::default());
    let message = Prepared::text(&words);
    sent(&mut server(deflate), &message);
    let mut client = endpoint(Role::Client, deflate, Config::default());

    let frame = sent(&mut client, &message);

    assert_eq!(frame[..2], [0x81, 0xfe]);
    assert_eq!(wire::from(Role::Client, &frame)[4..], *words.as_bytes());
}

#[test]
fn what_is_short_or_does_not_shrink_goes_out_as_it_is() {
    let noise = repeated(300)[..300].to_vec();
    for payload in [b"short".to_vec(), vec![b'a'; 255], noise] {
        let message = Prepared::binary(&payload);
        let mut server = server(DeflateConfig::default());

        let frames = [(); 2].map(|()| sent(&mut server, &message));

        for frame in frames {
            assert_eq!(frame[0], 0x82);
            assert!(frame.ends_with(&payload));
        }
        assert_eq!(server.scratch.take_deflated(), Compression::default());
    }
}

#[test]
fn the_first_connection_that_needs_it_decides_on_the_level() {
    let at = |level| {
        server(DeflateConfig {
            level,
            ..DeflateConfig::default()
        })
    };
    let text: String = (0..2000).map(|n| format!("{},", n * n % 1009)).collect();
    let first_at = |level| {
        let message = Prepared::text(&text);
        let frames = [level, 1, 9].map(|level| sent(&mut at(level), &message));
        assert_eq!(frames[0], frames[1]);
        assert_eq!(frames[0], frames[2]);
        frames[0].clone()
    };

    assert_ne!(first_at(1), first_at(9));
}

#[test]
fn a_driver_fetches_for_each_variant_what_its_connections_would_send() {
    let message = Prepared::binary(&repeated(2000));
    let mut indices = Vec::new();
    let mut ends: Vec<Endpoint> = (9..=15).map(|bits| server(with_window(bits))).collect();
    ends.push(Endpoint::server());

    for end in &mut ends {
        let variant = end.connection.variant();
        let encoded = message.encoded(variant, &end.config, &mut end.scratch);
        let encoded = encoded.to_vec();
        indices.push(variant.index());

        assert_eq!(sent(end, &message), encoded);
    }

    indices.sort_unstable();
    assert_eq!(indices, Vec::from_iter(0..Variant::COUNT));
    assert_eq!(Variant::PLAIN.index(), 0);
}

#[test]
fn a_connection_whose_configuration_lost_compression_gets_the_plain_frame() {
    let words = words();
    let message = Prepared::text(&words);
    let mut end = Endpoint::server();
    end.connection = end
        .connection
        .with_deflate(params(&DeflateConfig::default()));

    let frame = sent(&mut end, &message);

    assert_eq!(frame[0], 0x81);
    assert!(frame.ends_with(words.as_bytes()));
}
