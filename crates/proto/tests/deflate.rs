//! permessage-deflate from outside: limits, shared and own contexts, windows, every combination.
#![cfg(feature = "deflate")]

use holdwire_proto::deflate::{
    Context, DeflateConfig, Deflater, InflateError, InflateLimits, Inflater, WindowBits,
    accept_offer, offer, verify,
};
use holdwire_proto::extension::parse;
use proptest::prelude::*;

const KIB: usize = 1024;

fn forgetful() -> Context {
    Context::new(WindowBits::MAX, false)
}

fn keeping() -> Context {
    Context::new(WindowBits::MAX, true)
}

fn window(bits: u8, takeover: bool) -> Context {
    Context::new(WindowBits::new(bits).expect("9 to 15"), takeover)
}

fn deflate(deflater: &mut Deflater, payload: &[u8]) -> Option<Vec<u8>> {
    let mut output = Vec::new();
    deflater.deflate(payload, &mut output).then_some(output)
}

fn inflate(
    inflater: &mut Inflater,
    payload: &[u8],
    limits: InflateLimits,
) -> Result<Vec<u8>, InflateError> {
    let mut output = Vec::new();
    inflater.inflate(payload, &mut output, limits, |_| Ok::<_, InflateError>(()))?;
    Ok(output)
}

/// Bytes without any repetition that deflate could use.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()[1]
    };
    (0..length).map(|_| next()).collect()
}

/// About one KiB of JSON as a feed of prices sends it.
fn json() -> Vec<u8> {
    let row = |i: u32| {
        format!(
            r#"{{"id":{i},"name":"user{}","price":{}.5}},"#,
            i * 7919 % 997,
            i * 31
        )
    };
    (0..24).map(row).collect::<String>().into_bytes()
}

/// A message of `length` zeros, compressed.
fn bomb(length: usize) -> Vec<u8> {
    deflate(&mut Deflater::new(forgetful(), 9), &vec![0; length]).expect("zeros shrink")
}

#[test]
fn message_of_exactly_the_limit_passes_and_one_byte_more_does_not() {
    for length in [1, 5, 511, 512, 513, 16 * KIB, 16 * KIB + 1, 100_000] {
        let message = &[b"ab".repeat(length / 2), vec![b'c'; length % 2]].concat();
        let payload = deflate(&mut Deflater::new(keeping(), 6), message).expect("takeover");
        let mut inflater = Inflater::new(forgetful());

        let exact = inflate(&mut inflater, &payload, InflateLimits::new(length));
        let above = inflate(&mut inflater, &payload, InflateLimits::new(length - 1));

        assert_eq!(exact.as_ref(), Ok(message), "{length}");
        assert_eq!(above, Err(InflateError::TooLong), "{length}");
    }
}

#[test]
fn limit_counts_the_message_and_not_what_stands_before_it() {
    let mut output = vec![b'x'; 1000];
    let limits = InflateLimits::new(5);
    let payload = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];

    let result = Inflater::new(forgetful())
        .inflate(&payload, &mut output, limits, |_| Ok::<_, InflateError>(()));

    assert_eq!(result, Ok(()));
    assert_eq!(output[1000..], *b"Hello");
}

#[test]
fn bomb_stops_at_the_limit_in_length_and_in_memory() {
    let payload = bomb(16 * KIB * KIB);
    let mut output = Vec::new();
    let mut seen = 0;

    let result = Inflater::new(forgetful()).inflate(
        &payload,
        &mut output,
        InflateLimits::new(100_000),
        |chunk| {
            seen += chunk.len();
            Ok(())
        },
    );

    assert_eq!(result, Err(InflateError::TooLong));
    assert_eq!(seen, 100_000);
    assert!(output.is_empty());
    assert!(output.capacity() <= 100_000, "{}", output.capacity());
}

#[test]
fn bomb_of_a_thousand_to_one_stops_at_the_ratio() {
    let payload = bomb(8 * KIB * KIB);
    let limits = InflateLimits {
        max_message: 16 * KIB * KIB,
        max_ratio: 200,
    };
    let mut output = Vec::new();
    let mut seen = 0;

    let result = Inflater::new(forgetful()).inflate(&payload, &mut output, limits, |chunk| {
        seen += chunk.len();
        Ok(())
    });

    assert_eq!(result, Err(InflateError::RatioExceeded));
    assert_eq!(seen, payload.len() * 200);
    assert!(output.capacity() <= payload.len() * 200);
}

#[test]
fn eight_to_one_is_no_bomb() {
    let message = noise(32 * KIB)
        .iter()
        .flat_map(|&byte| [byte; 8])
        .collect::<Vec<_>>();
    let payload = deflate(&mut Deflater::new(forgetful(), 6), &message).expect("it shrinks");
    let limits = InflateLimits {
        max_message: KIB * KIB,
        max_ratio: 200,
    };

    assert!(message.len() / payload.len() >= 4);
    assert_eq!(
        inflate(&mut Inflater::new(forgetful()), &payload, limits),
        Ok(message)
    );
}

#[test]
fn any_ratio_passes_up_to_1_mib() {
    let limits = InflateLimits {
        max_message: 2 * KIB * KIB,
        max_ratio: 2,
    };
    let mut inflater = Inflater::new(forgetful());

    let free = inflate(&mut inflater, &bomb(InflateLimits::RATIO_FREE), limits);
    let above = inflate(&mut inflater, &bomb(InflateLimits::RATIO_FREE + 1), limits);

    assert_eq!(free, Ok(vec![0; InflateLimits::RATIO_FREE]));
    assert_eq!(above, Err(InflateError::RatioExceeded));
}

#[test]
fn chunks_are_the_message_in_order_and_at_most_16_kib() {
    let message = noise(50_000);
    let payload = deflate(&mut Deflater::new(keeping(), 1), &message).expect("takeover");
    let mut output = Vec::with_capacity(200_000);
    let mut chunks: Vec<Vec<u8>> = Vec::new();

    Inflater::new(forgetful())
        .inflate(&payload, &mut output, InflateLimits::new(50_000), |chunk| {
            chunks.push(chunk.to_vec());
            Ok::<_, InflateError>(())
        })
        .expect("a whole message");

    assert!(
        chunks
            .iter()
            .all(|chunk| (1..=16 * KIB).contains(&chunk.len()))
    );
    assert_eq!(chunks.concat(), message);
    assert_eq!(output, message);
}

#[test]
fn refusal_of_a_chunk_ends_the_work_at_once() {
    #[derive(Debug, PartialEq)]
    enum Refusal {
        Utf8,
        Inflate(InflateError),
    }
    impl From<InflateError> for Refusal {
        fn from(error: InflateError) -> Self {
            Self::Inflate(error)
        }
    }
    let mut output = Vec::new();
    let mut chunks = 0;

    let result = Inflater::new(forgetful()).inflate(
        &bomb(KIB * KIB),
        &mut output,
        InflateLimits::new(2 * KIB * KIB),
        |_| {
            chunks += 1;
            Err(Refusal::Utf8)
        },
    );

    assert_eq!(result, Err(Refusal::Utf8));
    assert_eq!((chunks, output.len()), (1, 0));
}

#[test]
fn payload_cut_at_any_byte_is_corrupt() {
    let payload = deflate(&mut Deflater::new(forgetful(), 6), &json()).expect("text shrinks");
    let mut inflater = Inflater::new(forgetful());
    let limits = InflateLimits::new(KIB * KIB);

    for length in 0..payload.len() {
        let result = inflate(&mut inflater, &payload[..length], limits);

        assert_eq!(result, Err(InflateError::Corrupt), "cut at {length}");
    }
    assert_eq!(inflate(&mut inflater, &payload, limits), Ok(json()));
}

#[test]
fn own_history_makes_the_second_message_shorter() {
    let mut deflater = Deflater::new(keeping(), 6);

    let first = deflate(&mut deflater, &json()).expect("takeover");
    let second = deflate(&mut deflater, &json()).expect("takeover");

    assert!(
        second.len() * 10 < first.len(),
        "{} {}",
        first.len(),
        second.len()
    );
}

#[test]
fn shared_deflater_tells_one_connection_nothing_of_another() {
    let mut shared = Deflater::new(forgetful(), 6);
    let alone = deflate(&mut shared, &json());
    let secret = deflate(&mut shared, &noise(KIB));

    shared.switch_to(keeping(), 6);
    let first_with_takeover = deflate(&mut shared, &json());
    shared.switch_to(forgetful(), 6);
    let after = deflate(&mut shared, &json());

    assert_eq!(secret, None);
    assert_eq!(first_with_takeover, alone);
    assert_eq!(after, alone);
}

#[test]
fn shared_inflater_tells_one_connection_nothing_of_another() {
    let mut deflater = Deflater::new(keeping(), 6);
    let first = deflate(&mut deflater, &json()).expect("takeover");
    let referring = deflate(&mut deflater, &json()).expect("takeover");
    let mut shared = Inflater::new(forgetful());
    let limits = InflateLimits::new(KIB * KIB);

    assert_eq!(inflate(&mut shared, &first, limits), Ok(json()));
    assert_eq!(
        inflate(&mut shared, &referring, limits),
        Err(InflateError::Corrupt)
    );
}

#[test]
fn what_does_not_shrink_is_not_compressed() {
    let mut deflater = Deflater::new(forgetful(), 6);
    for message in [vec![], b"Hello".to_vec(), noise(100), noise(100_000)] {
        let mut output = b"before".to_vec();

        assert!(!deflater.deflate(&message, &mut output));
        assert_eq!(output, b"before");
    }
}

#[test]
fn what_did_not_shrink_leaves_no_trace_in_the_next_message() {
    for level in 1..=9 {
        let mut deflater = Deflater::new(forgetful(), level);
        let alone = deflate(&mut deflater, &json());
        for length in (100..20_000).step_by(700) {
            assert_eq!(deflate(&mut deflater, &noise(length)), None);
            assert_eq!(deflate(&mut deflater, &json()), alone, "{level} {length}");
        }
    }
}

#[test]
fn window_of_eight_bits_is_never_compressed_with() {
    let config = DeflateConfig::with_context_takeover();
    let answer = parse(["permessage-deflate; client_max_window_bits=8"]).expect("grammar");
    let params = verify(&config, &answer).expect("legal").expect("accepted");

    assert_eq!(
        deflate(&mut Deflater::new(params.client_to_server(), 6), &json()),
        None
    );
}

#[test]
fn window_bounds_how_far_back_a_message_refers() {
    for bits in 9..=14 {
        let block = noise(1 << bits);
        let twice = [&block[..], &block[..]].concat();
        let mut shared = Deflater::new(forgetful(), 6);

        let wide = deflate(&mut shared, &twice).expect("32 KiB reach the first block");
        shared.switch_to(window(bits, false), 6);
        let narrow = deflate(&mut shared, &twice);
        let own = deflate(&mut Deflater::new(window(bits, true), 6), &twice).expect("takeover");

        assert!(wide.len() < block.len() + block.len() / 4, "{bits}");
        assert_eq!(narrow, None, "{bits}");
        assert!(own.len() > twice.len(), "{bits}");
    }
}

#[test]
fn released_memory_comes_back_with_the_next_message() {
    let mut deflater = Deflater::new(keeping(), 6);
    let mut inflater = Inflater::new(keeping());
    let limits = InflateLimits::new(KIB * KIB);
    for _ in 0..2 {
        let payload = deflate(&mut deflater, &json()).expect("takeover");

        assert_eq!(inflate(&mut inflater, &payload, limits), Ok(json()));
        deflater.release();
        inflater.release();
        let referring = deflate(&mut deflater, &json()).expect("takeover");
        assert_eq!(inflate(&mut inflater, &referring, limits), Ok(json()));
    }
}

#[test]
fn threshold_depends_on_the_context_unless_given() {
    let config = DeflateConfig::default();
    let given = DeflateConfig {
        threshold: Some(7),
        ..config
    };

    assert_eq!(config.threshold_for(forgetful()), 256);
    assert_eq!(config.threshold_for(keeping()), 32);
    assert_eq!(given.threshold_for(forgetful()), 7);
}

fn any_config() -> impl Strategy<Value = DeflateConfig> {
    (any::<[bool; 2]>(), 9..=15u8, 9..=15u8, 1..=9u8).prop_map(
        |([server, client], server_bits, client_bits, level)| DeflateConfig {
            server_no_context_takeover: server,
            client_no_context_takeover: client,
            server_max_window_bits: WindowBits::new(server_bits).expect("9 to 15"),
            client_max_window_bits: WindowBits::new(client_bits).expect("9 to 15"),
            level,
            ..DeflateConfig::default()
        },
    )
}

/// Text that refers back, noise that does not, and runs, of very different lengths.
fn any_message() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..300),
        (1..60usize, 0..400usize).prop_map(|(period, times)| noise(period).repeat(times)),
        (0..40_000usize).prop_map(noise),
        (0..200_000usize).prop_map(|length| vec![b'a'; length]),
        Just(json()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn whatever_is_negotiated_both_directions_carry_every_message(
        client in any_config(),
        server in any_config(),
        messages in proptest::collection::vec(any_message(), 1..6),
    ) {
        let offers = parse([offer(&client)]).expect("our own offer");
        let (params, answer) = accept_offer(&server, &offers).expect("a legal offer");
        let answer = parse([answer]).expect("our own answer");
        prop_assert_eq!(verify(&client, &answer), Ok(Some(params)));

        for (context, level) in [
            (params.server_to_client(), server.level),
            (params.client_to_server(), client.level),
        ] {
            let mut deflater = Deflater::new(context, level);
            let mut inflater = Inflater::new(context);
            for message in &messages {
                let Some(payload) = deflate(&mut deflater, message) else {
                    prop_assert!(message.is_empty() || !context.takeover());
                    continue;
                };
                let limits = InflateLimits::new(message.len());
                let inflated = inflate(&mut inflater, &payload, limits);
                prop_assert!(inflated.as_ref() == Ok(message), "{:?}", inflated.err());
            }
        }
    }

    #[test]
    fn one_inflater_serves_connections_of_any_window(
        contexts in proptest::collection::vec(9..=15u8, 1..8),
        message in any_message(),
    ) {
        let mut deflater = Deflater::new(forgetful(), 6);
        let mut inflater = Inflater::new(forgetful());
        for bits in contexts {
            deflater.switch_to(window(bits, false), 6);
            if let Some(payload) = deflate(&mut deflater, &message) {
                let inflated = inflate(&mut inflater, &payload, InflateLimits::new(message.len()));
                prop_assert!(inflated.as_ref() == Ok(&message));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    #[test]
    fn no_payload_panics_passes_the_limit_or_spoils_the_next(
        payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 1..4),
        limit in 0..3000usize,
        takeover in any::<bool>(),
    ) {
        let mut inflater = Inflater::new(window(15, takeover));
        for payload in payloads {
            let mut output = Vec::new();
            let limits = InflateLimits::new(limit);
            let result =
                inflater.inflate(&payload, &mut output, limits, |_| Ok::<_, InflateError>(()));
            prop_assert!(output.len() <= limit && output.capacity() <= limit);
            prop_assert!(result.is_ok() || output.is_empty());
        }
        if !takeover {
            let payload = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
            let hello = inflate(&mut inflater, &payload, InflateLimits::new(5));
            prop_assert_eq!(hello, Ok(b"Hello".to_vec()));
        }
    }

    #[test]
    fn flipped_bits_never_panic_or_pass_the_limit(
        at in any::<prop::sample::Index>(),
        bit in 0..8u32,
    ) {
        let mut payload = deflate(&mut Deflater::new(forgetful(), 6), &json()).expect("text shrinks");
        let at = at.index(payload.len());
        payload[at] ^= 1 << bit;
        let limit = 2 * json().len();
        let inflated = inflate(&mut Inflater::new(forgetful()), &payload, InflateLimits::new(limit));
        prop_assert!(inflated.map_or(true, |message| message.len() <= limit));
    }

    #[test]
    fn no_header_panics(line in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(extensions) = parse([line]) {
            prop_assert!(extensions.iter().all(|extension| !extension.name.is_empty()));
        }
    }

    #[test]
    fn grammar_gives_back_what_was_written(
        names in proptest::collection::vec(("[a-z!#$%&'*+.^_`|~-]{1,9}", "[0-9A-Za-z]{1,4}"), 1..9),
        quoted in any::<bool>(),
    ) {
        let quote = if quoted { "\"" } else { "" };
        let line = names
            .iter()
            .map(|(name, value)| format!("{name} ;p={quote}{value}{quote}; flag"))
            .collect::<Vec<_>>()
            .join(" ,\t");

        let extensions = parse([&line]).expect("legal");

        for (extension, (name, value)) in extensions.iter().zip(&names) {
            prop_assert_eq!(&extension.name, name);
            prop_assert_eq!(&extension.params[0], &("p".into(), Some(value.clone())));
            prop_assert_eq!(&extension.params[1], &("flag".into(), None));
        }
        prop_assert_eq!(extensions.len(), names.len());
    }
}
