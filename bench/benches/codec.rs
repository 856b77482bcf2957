//! The codec alone, without a socket: what `holdwire-proto` adds to the kernel's cost.
#![allow(missing_docs, reason = "criterion's macros document nothing")]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use holdwire_bench::wire::{MASKING_KEY, MaskedHeader, masked_message, unmask};
use holdwire_proto::bytes::Buf;
use holdwire_proto::deflate::{
    Context as Direction, DeflateConfig, Deflater, InflateError, InflateLimits, Inflater,
    WindowBits,
};
use holdwire_proto::handshake::{
    Acceptance, Effective, HeadLimits, HeadReader, Rules, encode_response_head,
};
use holdwire_proto::mask::Mask;
use holdwire_proto::time::Tick;
use holdwire_proto::utf8::Utf8Checker;
use holdwire_proto::{
    Config, Connection, Context, Event, Flow, Handler, Output, Role, Scratch, Sender,
};

/// Payloads of the frames: the shortest that matter, the longest with a short header, a usual
/// one, and one that fills the buffer.
const PAYLOADS: [usize; 4] = [20, 125, 1024, 64 * 1024];
const BUFFER: usize = 64 * 1024;

fn unmasking(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("unmask");
    for length in PAYLOADS {
        let mut payload = vec![b'*'; length];
        group.throughput(Throughput::Bytes(length as u64));
        group.bench_function(BenchmarkId::from_parameter(length), |bencher| {
            bencher.iter(|| Mask::new(black_box(MASKING_KEY)).apply(black_box(&mut payload)));
        });
    }
}

/// A buffer full of whole binary frames, and how many they are.
///
/// It needs no refilling: a payload that is unmasked twice is masked again, and binary messages
/// are legal either way.
fn frames(payload: usize) -> (Vec<u8>, u64) {
    let frame = masked_message(&vec![b'*'; payload]);
    let count = (BUFFER / frame.len()).max(1);
    (frame.repeat(count), count as u64)
}

fn receiving(criterion: &mut Criterion) {
    let ignore = |event: Event<'_>, _: &mut Sender<'_>| {
        black_box(event);
        Flow::Continue
    };
    receive(criterion, "receive", ignore);
    let echo = |event: Event<'_>, reply: &mut Sender<'_>| {
        if let Event::Binary(payload) = event {
            reply.binary(&payload).expect("the queue takes one buffer");
        }
        Flow::Continue
    };
    receive(criterion, "receive and echo", echo);
    receive_by_hand(criterion);
}

fn receive(criterion: &mut Criterion, name: &str, mut handler: impl Handler) {
    let mut group = criterion.benchmark_group(name);
    let config = Config::default();
    let now = Tick::from_millis(0);
    for payload in PAYLOADS {
        let (mut input, count) = frames(payload);
        let mut connection = Connection::new(Role::Server);
        let mut scratch = Scratch::new(Box::new(|| MASKING_KEY));
        let mut output = Output::default();
        group.throughput(Throughput::Elements(count));
        group.bench_function(BenchmarkId::from_parameter(payload), |bencher| {
            bencher.iter(|| {
                let mut context = Context {
                    now,
                    config: &config,
                    output: &mut output,
                    scratch: &mut scratch,
                };
                connection.receive(black_box(&mut input), &mut context, &mut handler);
                let written = write_all(&mut output);
                connection.handle_written(written, 0, now, &config);
            });
        });
        assert_eq!(connection.ended(), None, "the frames are legal");
    }
}

/// Takes the output as a socket would that has room for all of it.
fn write_all(output: &mut Output) -> usize {
    let waiting = output.len();
    black_box(output.chunk());
    output.advance(waiting);
    waiting
}

/// The least that it can cost: headers read without a check, and payloads unmasked.
fn receive_by_hand(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("receive by hand, unchecked");
    for payload in PAYLOADS {
        let (mut input, count) = frames(payload);
        group.throughput(Throughput::Elements(count));
        group.bench_function(BenchmarkId::from_parameter(payload), |bencher| {
            bencher.iter(|| {
                let mut rest = black_box(&mut input[..]);
                while let Some(header) = MaskedHeader::read(rest) {
                    let (_, behind) = rest.split_at_mut(header.length);
                    let (payload, behind) = behind.split_at_mut(header.payload);
                    unmask(payload, header.key);
                    black_box(payload);
                    rest = behind;
                }
            });
        });
    }
}

fn checking_utf8(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("utf-8");
    let texts = [
        ("ascii", "holdwire ".repeat(7282)),
        ("chinese", "线路永远不断".repeat(3641)),
    ];
    for (name, text) in &texts {
        for length in [126, 1026, 65_532] {
            let text = &text.as_bytes()[..length];
            group.throughput(Throughput::Bytes(length as u64));
            group.bench_function(BenchmarkId::new(*name, length), |bencher| {
                bencher.iter(|| {
                    let mut checker = Utf8Checker::default();
                    checker.feed(black_box(text))?;
                    checker.finish()
                });
            });
        }
    }
}

fn compressing(criterion: &mut Criterion) {
    let messages = json_messages();
    let level = DeflateConfig::default().level;
    let limits = InflateLimits::new(1 << 20);
    for (name, takeover) in [("no takeover", false), ("takeover", true)] {
        let direction = Direction::new(WindowBits::MAX, takeover);
        let mut deflater = Deflater::new(direction, level);
        let mut group = criterion.benchmark_group("deflate 1 KiB of JSON");
        let mut compressed = Vec::new();
        let mut next = messages.iter().cycle();
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                compressed.clear();
                deflater
                    .deflate(black_box(next.next()?), &mut compressed)
                    .then_some(())
            });
        });
        println!("{} B take {} B", messages[0].len(), compressed.len());
    }

    let direction = Direction::new(WindowBits::MAX, false);
    let mut deflater = Deflater::new(direction, level);
    let mut compress = |message: &Vec<u8>| {
        let mut compressed = Vec::new();
        assert!(deflater.deflate(message, &mut compressed), "JSON shrinks");
        compressed
    };
    let compressed: Vec<_> = messages.iter().map(&mut compress).collect();
    let mut inflater = Inflater::new(direction);
    let mut message = Vec::new();
    let mut next = compressed.iter().cycle();
    criterion.bench_function("inflate 1 KiB of JSON", |bencher| {
        bencher.iter(|| {
            message.clear();
            let any = |_: &[u8]| Ok::<_, InflateError>(());
            let compressed = black_box(next.next()).map_or(&[][..], Vec::as_slice);
            inflater.inflate(compressed, &mut message, limits, any)
        });
    });
}

/// Messages of 1 KiB as applications send them: the same names again and again, other values.
/// There are many, so that a history of earlier messages helps as much as it does in life.
fn json_messages() -> Vec<Vec<u8>> {
    let mut random = 12_345_u64;
    let mut draw = || {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        random >> 32
    };
    let mut message = || {
        let mut json = String::from("[");
        while json.len() < 1023 {
            let (id, trace) = (draw(), draw());
            let (price, amount) = (draw() % 99_991, draw() % 1000);
            let side = ["buy", "sell"][usize::from(draw() % 2 == 0)];
            json += &format!(
                r#"{{"id":"{id:08x}{trace:08x}","symbol":"HOLD","price":{price}.{amount:03},"side":"{side}"}},"#
            );
        }
        json.truncate(1023);
        json.push(']');
        json.into_bytes()
    };
    (0..256).map(|_| message()).collect()
}

/// A request as a browser sends it.
const REQUEST: &[u8] = b"GET /echo?room=lobby HTTP/1.1\r\n\
Host: localhost:3000\r\n\
Connection: Upgrade\r\n\
Pragma: no-cache\r\n\
Cache-Control: no-cache\r\n\
User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) \
Chrome/140.0.0.0 Safari/537.36\r\n\
Upgrade: websocket\r\n\
Origin: http://localhost:3000\r\n\
Sec-WebSocket-Version: 13\r\n\
Accept-Encoding: gzip, deflate, br, zstd\r\n\
Accept-Language: en-GB,en;q=0.9\r\n\
Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n";

fn shaking_hands(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("opening handshake");
    let read = || {
        HeadReader::new(HeadLimits::default())
            .read_request(black_box(REQUEST))
            .expect("the request is well-formed")
            .expect("the request is whole")
    };
    group.bench_function("read the request", |bencher| bencher.iter(read));
    let (rules, effective) = (Rules::default(), Effective::plain());
    group.bench_function("read, check, accept", |bencher| {
        bencher.iter(|| {
            let offer = rules
                .check(&read(), &effective)
                .expect("it obeys the rules");
            let response = offer.accept(Acceptance::default());
            encode_response_head(&response.expect("nothing was added"))
        });
    });
}

criterion_group!(
    codec,
    unmasking,
    receiving,
    checking_utf8,
    compressing,
    shaking_hands
);
criterion_main!(codec);
