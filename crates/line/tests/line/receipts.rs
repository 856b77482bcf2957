//! Messages leave in order and never twice, and each receipt says what is true.

use std::time::Duration;

use holdwire::line::{Dropped, Line, Outbox, Outcome, Overflow, Receipt, SendError};
use holdwire::{CloseCode, Role, Setup, WebSocket};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

use crate::server::{Session, Told, line, line_over};

/// Sends numbers; their receipts.
fn send(line: &Line, numbers: std::ops::Range<u32>) -> Vec<Receipt> {
    let send = |number: u32| line.send(number.to_string()).unwrap();
    numbers.map(send).collect()
}

async fn expect(session: &mut Session, numbers: std::ops::Range<u32>) {
    for number in numbers {
        assert_eq!(session.text().await, number.to_string());
    }
}

#[tokio::test(start_paused = true)]
async fn what_waits_is_sent_in_order_when_the_line_is_up() {
    let (builder, mut server) = line();
    let line = builder.start();
    let receipts = send(&line, 0..100);
    assert_eq!(receipts[99].outcome(), None);
    assert_eq!(line.counters().waiting, 100);

    let mut session = server.accept().await;
    expect(&mut session, 0..100).await;

    for receipt in &receipts {
        assert_eq!(receipt.written().await, Ok(()));
    }
    assert_eq!(line.counters().written, 100);
}

#[tokio::test(start_paused = true)]
async fn pong_after_a_message_proves_it() {
    let (builder, mut server) = line();
    let mut line = builder.start();
    let mut session = server.accept().await;
    line.up().await;

    let receipt = line.send("hello").unwrap();
    assert_eq!(session.text().await, "hello");

    assert_eq!(receipt.settled().await, Outcome::Written);
    assert!(line.round_trip().is_some());
    assert_eq!(line.state(), holdwire::line::State::Open { generation: 1 });
}

#[tokio::test(start_paused = true)]
async fn no_ping_is_sent_when_nobody_holds_a_receipt() {
    let (builder, mut server) = line();
    let mut line = builder.start();
    let mut arrival = server.arrival().await;
    arrival.peer.accept("", b"").await;
    line.up().await;

    for _ in 0..3 {
        line.send("hello").unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    line.stop();

    let frames = arrival.peer.rest().await;
    let opcodes: Vec<u8> = client_frames(&frames).map(|(opcode, _)| opcode).collect();
    assert_eq!(opcodes, [0x1, 0x1, 0x1, 0x8]);
}

#[tokio::test(start_paused = true)]
async fn one_ping_at_a_time_proves_any_number_of_messages() {
    let (builder, mut server) = line();
    let mut line = builder.start();
    let mut arrival = server.arrival().await;
    arrival.peer.accept("", b"").await;
    line.up().await;

    let mut receipts = Vec::new();
    for _ in 0..3 {
        receipts.push(line.send("hello").unwrap());
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    line.stop();

    let frames = arrival.peer.rest().await;
    let opcodes: Vec<u8> = client_frames(&frames).map(|(opcode, _)| opcode).collect();
    assert_eq!(
        opcodes,
        [0x1, 0x9, 0x1, 0x1, 0x8],
        "it has no pong to the first"
    );
    for receipt in receipts {
        assert_eq!(receipt.settled().await, Outcome::Unknown);
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_written_just_before_a_cut_is_unknown_and_not_sent_again() {
    let (builder, mut server) = line();
    let mut line = builder.start();
    let mut arrival = server.arrival().await;
    arrival.peer.accept("", b"").await;
    line.up().await;

    let before = line.send("before").unwrap();
    assert_eq!(before.written().await, Ok(()));
    drop(arrival);
    line.down().await;
    let after = line.send("after").unwrap();

    assert_eq!(before.settled().await, Outcome::Unknown);
    let mut session = server.accept().await;
    assert_eq!(session.text().await, "after");
    assert_eq!(after.settled().await, Outcome::Written);
}

#[tokio::test(start_paused = true)]
async fn close_by_the_server_proves_nothing() {
    let (builder, mut server) = line();
    let mut line = builder.start();
    let mut arrival = server.arrival().await;
    arrival.peer.accept("", b"").await;
    line.up().await;
    let receipt = line.send("hello").unwrap();
    receipt.written().await.unwrap();

    arrival.peer.say(b"\x88\0").await;

    assert_eq!(receipt.settled().await, Outcome::Unknown);
}

#[tokio::test(start_paused = true)]
async fn clean_end_that_the_line_began_proves_what_was_sent_before() {
    let (builder, mut server) = line();
    let mut line = builder.start();
    let mut session = server.accept().await;
    line.up().await;

    let receipt = line.send("last words").unwrap();
    receipt.written().await.unwrap();
    line.stop();

    assert_eq!(session.text().await, "last words");
    assert!(session.socket.recv().await.is_none());
    assert_eq!(receipt.settled().await, Outcome::Written);
}

#[tokio::test(start_paused = true)]
async fn message_of_which_no_byte_left_goes_out_on_the_next_connection() {
    let (builder, mut server) = line_over(1000);
    let mut line = builder.start();
    let mut arrival = server.arrival().await;
    arrival.peer.accept("", b"").await;
    line.up().await;

    let begun = line.send("x".repeat(5000)).unwrap();
    let waiting = send(&line, 0..10);
    tokio::time::sleep(Duration::from_secs(1)).await;
    drop(arrival);

    assert_eq!(begun.settled().await, Outcome::Unknown);
    let mut session = server.accept().await;
    expect(&mut session, 0..10).await;
    for receipt in waiting {
        assert_eq!(receipt.settled().await, Outcome::Written);
    }
}

#[tokio::test(start_paused = true)]
async fn no_message_comes_twice_or_out_of_order_over_many_drops() {
    const COUNT: u32 = 2000;
    let (builder, mut server) = line_over(64);
    let outbox = Outbox::default().max_messages(COUNT as usize);
    let line = builder.outbox(outbox).start();
    let receipts = send(&line, 0..COUNT);
    let mut seen: Vec<u32> = Vec::new();

    // Each connection is cut after a few messages, some of them in the middle of one.
    while line.counters().waiting > 0 {
        let mut peer = server.arrival().await.peer;
        peer.accept("", b"").await;
        // Nothing is read ahead.
        let mut socket = WebSocket::undriven(peer.into_io(), Role::Server, Setup::default());
        for _ in 0..40 {
            let next = tokio::time::timeout(Duration::from_secs(5), socket.recv()).await;
            let Ok(Some(Ok(message))) = next else { break };
            seen.push(message.as_text().unwrap().parse().unwrap());
        }
    }

    assert!(seen.is_sorted_by(|a, b| a < b), "twice, or out of order");
    assert!(line.counters().connections > 10, "there were drops");
    for (number, receipt) in (0..COUNT).zip(receipts) {
        match receipt.settled().await {
            Outcome::Written => assert!(seen.contains(&number), "{number} was proved"),
            Outcome::Unknown => {}
            dropped => panic!("{number}: {dropped}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn message_that_waits_too_long_expires() {
    let (builder, mut server) = line();
    let outbox = Outbox::default().expiry(Duration::from_secs(3));
    let line = builder.outbox(outbox).start();
    let start = Instant::now();
    let old = line.send("old").unwrap();

    assert_eq!(old.written().await, Err(Dropped::Expired));

    assert_eq!(start.elapsed(), Duration::from_secs(3));
    assert_eq!(old.settled().await, Outcome::Dropped(Dropped::Expired));
    line.send("new").unwrap();
    assert_eq!(server.accept().await.text().await, "new");
    assert_eq!(line.counters().dropped, 1);
}

#[tokio::test(start_paused = true)]
async fn full_outbox_gives_the_message_back_or_drops_the_oldest() {
    let (builder, _server) = line();
    let line = builder.outbox(Outbox::default().max_messages(1)).start();
    line.send("one").unwrap();
    let error = line.send("two").unwrap_err();
    assert_eq!(error, SendError::Full("two".into()));
    assert_eq!(error.into_message().as_text(), Some("two"));

    let (builder, mut server) = self::line();
    let outbox = Outbox::default().max_messages(1);
    let line = builder
        .outbox(outbox.overflow(Overflow::DropOldest))
        .start();
    let one = line.send("one").unwrap();
    line.send("two").unwrap();

    let overflow = Outcome::Dropped(Dropped::Overflow);
    assert_eq!(one.settled().await, overflow);
    assert_eq!(server.accept().await.text().await, "two");
}

#[tokio::test(start_paused = true)]
async fn message_that_can_never_be_sent_is_refused_at_once() {
    let (builder, _server) = line();
    let line = builder.outbox(Outbox::default().max_bytes(10)).start();

    let error = line.send("x".repeat(11)).unwrap_err();

    assert!(matches!(error, SendError::TooBig(_)), "{error}");
    assert!(line.send("x".repeat(10)).is_ok());
}

#[tokio::test(start_paused = true)]
async fn message_larger_than_the_connections_queue_is_sent() {
    let (builder, mut server) = line();
    let outbox = Outbox::default().max_bytes(1024 * 1024);
    let line = builder.outbox(outbox).start();
    let huge = "x".repeat(1024 * 1024);
    line.send(huge.as_str()).unwrap();
    let last = line.send("last");
    assert!(last.is_err(), "the outbox is full by bytes");

    let mut session = server.accept().await;

    assert_eq!(session.text().await, huge);
    line.send("last").unwrap();
    assert_eq!(session.text().await, "last");
    session.socket.close(CloseCode::NORMAL, "").await;
}

#[tokio::test(start_paused = true)]
async fn each_connection_begins_with_its_greeting() {
    let (builder, mut server) = line();
    let line = builder
        .on_up(|generation| [format!("log in {generation}")])
        .start();
    line.send("waited").unwrap();
    let mut session = server.accept().await;
    assert_eq!(session.text().await, "log in 1");
    assert_eq!(session.text().await, "waited");

    session.cut().await;
    line.send("waited again").unwrap();

    let mut session = server.accept().await;
    assert_eq!(session.text().await, "log in 2");
    assert_eq!(session.text().await, "waited again");
}

#[tokio::test(start_paused = true)]
async fn message_for_one_connection_is_sent_on_that_one_or_never() {
    let (builder, mut server) = line();
    let mut line = builder.start();
    assert!(matches!(line.send_on(1, "early"), Err(SendError::Gone(_))));
    let mut session = server.accept().await;
    line.up().await;

    line.send_on(1, "here").unwrap();
    assert_eq!(session.text().await, "here");
    // Whether it leaves is not known any more when the connection is cut.
    session.cut().await;
    let _ = line.send_on(1, "perhaps");
    line.send("for whichever").unwrap();

    let mut session = server.accept().await;
    line.up_after_losses().await;
    assert!(matches!(line.send_on(1, "late"), Err(SendError::Gone(_))));
    line.send_on(2, "now").unwrap();
    let both = [session.text().await, session.text().await];
    assert!(both.contains(&"now".to_owned()), "{both:?}");
    assert!(both.contains(&"for whichever".to_owned()), "{both:?}");
}

/// Opcodes and lengths of short masked frames.
fn client_frames(mut bytes: &[u8]) -> impl Iterator<Item = (u8, usize)> {
    std::iter::from_fn(move || {
        let [first, second, rest @ ..] = bytes else {
            return None;
        };
        let length = usize::from(second & 0x7F);
        bytes = &rest[4 + length..];
        Some((first & 0x0F, length))
    })
}

#[tokio::test(start_paused = true)]
async fn message_that_went_out_before_a_kept_pong_is_not_sent_again() {
    const PIPE: usize = 1000;
    let (builder, mut server) = line_over(PIPE);
    let mut line = builder.start();
    let mut arrival = server.arrival().await;
    arrival.peer.accept("", b"").await;
    line.up().await;
    let mut io = arrival.peer.into_io();
    let second = Duration::from_secs(1);
    let mut seen = vec![0; PIPE];

    // The pipe is full, and more pongs wait than have a place of their own.
    line.send("x".repeat(PIPE - 8)).unwrap();
    tokio::time::sleep(second).await;
    for _ in 0..20 {
        let ping = [[0x89, 100].as_slice(), &[0; 100]].concat();
        io.write_all(&ping).await.unwrap();
        tokio::time::sleep(second).await;
    }
    let receipt = line.send("once").unwrap();
    tokio::time::sleep(second).await;
    // All of it leaves, and not the pong that was kept.
    io.read_exact(&mut seen).await.unwrap();
    let pongs = 16 * (100 + 6);
    for count in [pongs + 10 + 50 - PIPE, PIPE] {
        tokio::time::sleep(second).await;
        seen.resize(count, 0);
        io.read_exact(&mut seen).await.unwrap();
    }
    assert_eq!(seen[PIPE - 60], 0x81, "the message came");
    drop(io);

    let mut session = server.accept().await;
    let again = tokio::time::timeout(second, session.socket.recv()).await;
    assert!(again.is_err(), "{again:?}");
    assert_eq!(receipt.outcome(), Some(Outcome::Unknown));
}

#[tokio::test(start_paused = true)]
async fn message_that_finds_no_room_behind_a_pong_leaves_right_after_it() {
    let (builder, mut server) = line_over(1000);
    let mut line = builder.start();
    let mut arrival = server.arrival().await;
    arrival.peer.accept("", b"").await;
    line.up().await;
    let second = Duration::from_secs(1);
    line.send("x".repeat(1000 - 8)).unwrap();
    tokio::time::sleep(second).await;
    arrival.peer.say(b"\x89\x04ping").await;
    tokio::time::sleep(second).await;
    line.send("x".repeat(1024 * 1024)).unwrap();
    tokio::time::sleep(second).await;

    let mut io = arrival.peer.into_io();
    let mut seen = vec![0; 1000 + 10 + 1024 * 1024];
    let read = tokio::time::timeout(second, io.read_exact(&mut seen)).await;

    assert!(read.is_ok(), "it does not wait for the heartbeat");
}

#[tokio::test(start_paused = true)]
async fn close_of_the_server_that_crosses_ours_proves_nothing() {
    let (builder, mut server) = line();
    let mut line = builder.start();
    let mut arrival = server.arrival().await;
    arrival.peer.accept("", b"").await;
    line.up().await;
    let receipt = line.send("unread").unwrap();
    receipt.written().await.unwrap();

    // Both in one instant; the server never reads.
    arrival.peer.say(unmasked_close(1012)).await;
    line.stop();

    assert_eq!(receipt.settled().await, Outcome::Unknown);
}

fn unmasked_close(code: u16) -> Vec<u8> {
    [[0x88, 2], code.to_be_bytes()].concat()
}
