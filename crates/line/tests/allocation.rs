//! How often a connection over TCP asks for memory.
//!
//! A program without the test harness, whose own threads would be counted too.
#![allow(clippy::unwrap_used, reason = "it is a test")]

mod common;

use std::alloc::System;
use std::net::Ipv4Addr;

use common::{frame, setup, unmasked};
use holdwire::proto::{Event, Flow, Sender};
use holdwire::{Config, Driver, Role, WebSocket};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Messages in one write, so that many are in one read.
const IN_FLIGHT: usize = 16;
/// Writes before it counts: buffers grow to their size, and stay.
const WARM_UP: usize = 20;
const ROUNDS: usize = 100;
/// A message of so many bytes comes in more than one read.
const LONG: usize = 1024 * 1024;
/// What messages that are handed over and sent by themselves may ask for, in one round: two for
/// each, and a few for the read. As measured; lower it with the figure.
const OWNED: usize = 2 * IN_FLIGHT + 3;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    an_echo_on_the_lending_path_allocates_nothing().await;
    an_echo_of_owned_messages_allocates_no_more_than_it_did().await;
    an_echo_of_a_long_message_lies_in_the_memory_of_the_one_before().await;
}

async fn an_echo_on_the_lending_path_allocates_nothing() {
    let (mut socket, driver, client) = connected().await;
    tokio::spawn(driver.run(async move { socket.lend(lent_echo).await }));

    let allocations = allocations_of_echoes(client).await;

    assert_eq!(allocations, 0);
}

async fn an_echo_of_owned_messages_allocates_no_more_than_it_did() {
    let (mut socket, driver, client) = connected().await;
    tokio::spawn(driver.run(async move {
        while let Some(Ok(message)) = socket.recv().await {
            socket.send(message).await.unwrap();
        }
    }));

    let allocations = allocations_of_echoes(client).await;

    let bound = ROUNDS * OWNED;
    assert!(
        allocations <= bound,
        "memory was asked for {allocations} times, not {bound}"
    );
}

async fn an_echo_of_a_long_message_lies_in_the_memory_of_the_one_before() {
    let (mut socket, driver, mut client) = connected().await;
    tokio::spawn(driver.run(async move {
        while let Some(Ok(message)) = socket.recv().await {
            socket.send(message).await.unwrap();
        }
    }));
    let question = frame(0x2, &vec![b'*'; LONG]);
    // Without the masking key.
    let mut answer = vec![0; question.len() - 4];

    let mut region = Region::new(ALLOCATOR);
    for round in 0..WARM_UP + ROUNDS {
        if round == WARM_UP {
            region.reset();
        }
        let (mut reader, mut writer) = client.split();
        let (written, read) =
            tokio::join!(writer.write_all(&question), reader.read_exact(&mut answer));
        written.unwrap();
        read.unwrap();
        assert!(answer.ends_with(&[b'*'; 1000]), "it is not the echo");
    }
    let stats = region.change();

    let bound = ROUNDS * LONG / 10;
    let bytes = stats.bytes_allocated;
    assert!(bytes < bound, "{bytes} bytes were asked for, not {bound}");
}

/// A server's connection over TCP, and the client's end of it, the handshake behind it.
async fn connected() -> (WebSocket, Driver, TcpStream) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap());
    let client = client.await.unwrap();
    let (server, _) = listener.accept().await.unwrap();
    let (socket, driver) = WebSocket::over(server, Role::Server, setup(Config::default()));
    (socket, driver, client)
}

fn lent_echo(event: Event<'_>, reply: &mut Sender<'_>) -> Flow {
    match event {
        Event::Text(text) => reply.text(&text).unwrap(),
        Event::Binary(payload) => reply.binary(&payload).unwrap(),
        _ => {}
    }
    Flow::Continue
}

/// How often memory is asked for while all messages come back, by both ends together.
async fn allocations_of_echoes(mut client: TcpStream) -> usize {
    let payload = [b'*'; 64];
    let question = frame(0x2, &payload).repeat(IN_FLIGHT);
    let expected = unmasked(0x2, &payload).repeat(IN_FLIGHT);
    let mut answer = vec![0; expected.len()];
    let mut region = Region::new(ALLOCATOR);
    for round in 0..WARM_UP + ROUNDS {
        if round == WARM_UP {
            region.reset();
        }
        client.write_all(&question).await.unwrap();
        client.read_exact(&mut answer).await.unwrap();
        assert!(answer == expected, "it is not the echo");
    }
    let stats = region.change();
    stats.allocations + stats.reallocations
}
