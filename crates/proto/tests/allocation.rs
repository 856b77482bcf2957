//! How often memory is asked for.
//!
//! A program without the test harness, whose own threads would be counted too.

mod common;

use std::alloc::System;

use common::{Endpoint, Line};
use holdwire_proto::bytes::Buf;
use holdwire_proto::{Event, Flow, Sender};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, Stats, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// What `act` asks of the allocator.
fn counted(act: impl FnOnce()) -> Stats {
    let region = Region::new(ALLOCATOR);
    act();
    region.change()
}

fn main() {
    an_echo_of_whole_frames_allocates_nothing();
    an_echo_of_compressed_frames_allocates_nothing();
    a_prepared_message_is_compressed_and_allocated_for_the_first_of_a_thousand();
    a_message_of_many_fragments_is_moved_a_few_times();
    a_connection_gives_back_what_it_asked_for();
    a_connection_needs_no_heap_to_exist();
}

fn echo(event: Event<'_>, sender: &mut Sender<'_>) -> Flow {
    match event {
        Event::Text(text) => sender.text(&text).expect("taken"),
        Event::Binary(bytes) => sender.binary(&bytes).expect("taken"),
        _ => {}
    }
    Flow::Continue
}

/// Moves what `from` wants to write into `wire` and lets `to` receive it there.
fn carry(from: &mut Endpoint, wire: &mut [u8], to: &mut Endpoint) {
    let count = from.output.len();
    from.output.copy_to_slice(&mut wire[..count]);
    let (now, config) = (from.now, &from.config);
    from.connection.handle_written(count, 0, now, config);
    to.with(|connection, cx| connection.receive(&mut wire[..count], cx, &mut echo));
}

/// A client and a server send one another each message back, over and over.
fn echo_round(line: &mut Line, wire: &mut [u8]) {
    carry(&mut line.client, wire, &mut line.server);
    carry(&mut line.server, wire, &mut line.client);
}

fn an_echo_of_whole_frames_allocates_nothing() {
    let mut line = Line::open();
    let mut wire = vec![0; 64 * 1024];
    for size in [0, 5, 125, 126, 10_000] {
        line.client.send("x".repeat(size));
        line.client.send(vec![0xff; size]);
    }
    line.client.ping(b"are you there");
    echo_round(&mut line, &mut wire);

    let stats = counted(|| {
        for _ in 0..100 {
            echo_round(&mut line, &mut wire);
        }
    });

    assert_eq!((stats.allocations, stats.reallocations), (0, 0));
}

#[cfg(feature = "deflate")]
fn an_echo_of_compressed_frames_allocates_nothing() {
    use holdwire_proto::deflate::{DeflateConfig, accept_offer, offer};
    use holdwire_proto::{Config, Role};

    for deflate in [
        DeflateConfig::default(),
        DeflateConfig::with_context_takeover(),
    ] {
        let offers = holdwire_proto::extension::parse([offer(&deflate)]).expect("legal");
        let (params, _) = accept_offer(&deflate, &offers).expect("acceptable");
        let [client, server] = [Role::Client, Role::Server].map(|role| {
            let mut end = Endpoint::new(role, Config::default().deflate(deflate));
            end.connection = end.connection.with_deflate(params);
            end
        });
        let mut line = Line::with(client, server);
        let mut wire = vec![0; 64 * 1024];
        line.client.send("compressed ".repeat(500));
        for _ in 0..3 {
            echo_round(&mut line, &mut wire);
        }

        let stats = counted(|| {
            for _ in 0..100 {
                echo_round(&mut line, &mut wire);
            }
        });

        assert_eq!((stats.allocations, stats.reallocations), (0, 0));
    }
}

#[cfg(not(feature = "deflate"))]
fn an_echo_of_compressed_frames_allocates_nothing() {}

#[cfg(feature = "deflate")]
fn a_prepared_message_is_compressed_and_allocated_for_the_first_of_a_thousand() {
    use holdwire_proto::deflate::{DeflateConfig, accept_offer, offer};
    use holdwire_proto::{Config, Connection, Prepared, Role};

    let deflate = DeflateConfig::default();
    let offers = holdwire_proto::extension::parse([offer(&deflate)]).expect("legal");
    let (params, _) = accept_offer(&deflate, &offers).expect("acceptable");
    let mut server = Endpoint::new(Role::Server, Config::default().deflate(deflate));
    let mut send = |message: &Prepared, connections: u32| {
        for _ in 0..connections {
            server.connection = Connection::new(Role::Server).with_deflate(params);
            server
                .with(|connection, cx| connection.sender(cx).prepared(message))
                .expect("taken");
            let waiting = server.output.len();
            server.output.advance(waiting);
        }
        server.scratch.take_deflated().plain
    };
    let payload = "compressed once ".repeat(100);
    // The codec, and the queue of what goes out without a copy.
    send(&Prepared::text(&payload), 1000);
    let message = Prepared::text(&payload);

    let mut plain = [0; 2];
    let first = counted(|| plain[0] = send(&message, 1));
    let others = counted(|| plain[1] = send(&message, 999));

    assert_eq!(plain, [payload.len() as u64, 0]);
    // The frame, and its count of owners.
    assert_eq!((first.allocations, first.reallocations), (2, 0));
    assert_eq!((others.allocations, others.reallocations), (0, 0));
}

#[cfg(not(feature = "deflate"))]
fn a_prepared_message_is_compressed_and_allocated_for_the_first_of_a_thousand() {}

fn a_message_of_many_fragments_is_moved_a_few_times() {
    let mut client = Endpoint::client();
    let mut stream = vec![0x02, 100];
    stream.extend([0; 100]);
    for number in 1..4096 {
        stream.extend([if number == 4095 { 0x80 } else { 0 }, 100]);
        stream.extend([0; 100]);
    }
    let mut length = 0;
    let mut handler = |event: Event<'_>, _: &mut Sender<'_>| {
        if let Event::Binary(bytes) = event {
            length = bytes.len();
        }
        Flow::Continue
    };

    let stats =
        counted(|| client.with(|connection, cx| connection.receive(&mut stream, cx, &mut handler)));

    assert_eq!(length, 409_600);
    let count = stats.allocations + stats.reallocations;
    assert!(count < 20, "memory was asked for {count} times");
}

fn a_connection_gives_back_what_it_asked_for() {
    let mut client = Endpoint::client();
    let mut stream = b"\x82\x7f\x00\x00\x00\x00\x00\x08\x00\x00".to_vec();
    stream.extend([7; 512 * 1024]);
    stream.extend(b"\x01\x03Hel\x89\x04ping\x80\x02lo\x89\x04pi");

    let stats = counted(|| {
        for piece in stream.chunks_mut(10_000) {
            client.with(|connection, cx| {
                connection.receive(piece, cx, &mut |_: Event<'_>, _: &mut Sender<'_>| {
                    Flow::Continue
                });
            });
        }
        client.with(|connection, cx| {
            connection.receive(
                &mut b"ng".to_vec(),
                cx,
                &mut |_: Event<'_>, _: &mut Sender<'_>| Flow::Continue,
            );
        });
        client.output = holdwire_proto::Output::default();
    });

    assert_eq!(client.connection.held(), 0);
    assert_eq!(stats.allocations, stats.deallocations);
    assert!(stats.allocations > 0);
}

fn a_connection_needs_no_heap_to_exist() {
    let stats = counted(|| {
        let server = holdwire_proto::Connection::new(holdwire_proto::Role::Server);
        let client = holdwire_proto::Connection::new(holdwire_proto::Role::Client);
        assert_eq!(server.held() + client.held(), 0);
    });

    assert_eq!(stats.allocations, 0);
}
