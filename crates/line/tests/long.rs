//! Messages that come in many pieces, and what may happen between two of them.

mod common;

use common::{Peer, Task, frame, frames, server, setup, text, transport};
use holdwire::proto::{Ended, Event, Flow, Sender};
use holdwire::{Config, Error, Message, Role, Setup, Stream, WebSocket};

const LONG: usize = 300_000;
/// The first piece is collected, and each of the others is received behind it.
const FIRST: usize = 60_000;
const PIECE: usize = 25_000;

fn long() -> (Message, Vec<u8>) {
    let message: String = ('a'..='z').cycle().take(LONG).collect();
    let frame = text(&message);
    (message.into(), frame)
}

fn pieces(frame: &[u8]) -> impl Iterator<Item = &[u8]> {
    let (first, rest) = frame.split_at(FIRST.min(frame.len()));
    std::iter::once(first).chain(rest.chunks(PIECE))
}

async fn echo(mut socket: WebSocket) -> Result<(), Error> {
    while let Some(message) = socket.recv().await.transpose()? {
        socket.send(message).await?;
    }
    Ok(())
}

fn lent_echo(event: Event<'_>, reply: &mut Sender<'_>) -> Flow {
    if let Some(message) = event.into_message() {
        let _ = reply.message(message);
    }
    Flow::Continue
}

/// Sends each piece by itself, and lets the connection take it.
fn send_in_pieces<F: Future>(frame: &[u8], peer: &Peer, task: &mut Task<F>) {
    for piece in pieces(frame) {
        peer.send(piece);
        assert!(task.run_if_woken().is_pending());
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_in_many_pieces_comes_back_whole() {
    let (socket, driver, peer) = server(Config::default());
    let mut task = Task::new(driver.run(echo(socket)));
    assert!(task.run().is_pending());
    let (message, long) = long();

    for _ in 0..3 {
        send_in_pieces(&long, &peer, &mut task);
        assert!(frames(&peer.take()) == [(0x1, message.as_bytes().to_vec())]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_lent_message_in_many_pieces_comes_back_whole() {
    let (mut socket, driver, peer) = server(Config::default());
    let mut task = Task::new(driver.run(async move { socket.lend(lent_echo).await }));
    assert!(task.run().is_pending());
    let (message, long) = long();

    for _ in 0..3 {
        send_in_pieces(&long, &peer, &mut task);
        assert!(frames(&peer.take()) == [(0x1, message.as_bytes().to_vec())]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_lies_behind_a_long_message_follows_it() {
    let (socket, driver, peer) = server(Config::default());
    let mut task = Task::new(driver.run(echo(socket)));
    assert!(task.run().is_pending());
    let (message, long) = long();

    peer.send(&long[..FIRST]);
    assert!(task.run_if_woken().is_pending());
    peer.send(&[&long[FIRST..], &text("next"), &frame(0x9, b"ping")].concat());
    assert!(task.run_if_woken().is_pending());

    let mut answers = frames(&peer.take());
    // The ping is answered when it is read, the messages when the application has them.
    answers.sort_by_key(|(opcode, _)| *opcode);
    let expected = [
        (0x1, message.as_bytes().to_vec()),
        (0x1, b"next".to_vec()),
        (0xA, b"ping".to_vec()),
    ];
    assert!(answers == expected);
}

#[tokio::test(start_paused = true)]
async fn a_receive_that_is_dropped_between_any_two_pieces_loses_nothing() {
    let (message, long) = long();
    let count = pieces(&long).count();
    for dropped_after in 0..count {
        let (transport, peer) = transport();
        let mut socket =
            WebSocket::undriven(Stream::new(transport), Role::Server, Setup::default());

        for (number, piece) in pieces(&long).take(count - 1).enumerate() {
            peer.send(piece);
            if number <= dropped_after {
                assert!(Task::new(socket.recv()).run().is_pending());
            }
        }
        peer.send(pieces(&long).last().unwrap());

        let received = socket.recv().await.unwrap().unwrap();
        assert!(received == message, "dropped after {dropped_after}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_lease_may_end_and_a_receive_go_on_in_the_middle_of_a_message() {
    let (mut socket, driver, peer) = server(Config::default());
    let mut driver = Task::new(driver);
    let (message, long) = long();
    let mut pieces = pieces(&long).peekable();

    // By turns the lease, the driver and a receive take one piece.
    while let Some(piece) = pieces.next() {
        peer.send(piece);
        if pieces.peek().is_some() {
            assert!(Task::new(socket.lend(lent_echo)).run().is_pending());
        }
        if let Some(piece) = pieces.next() {
            peer.send(piece);
            assert!(driver.run().is_pending());
        }
    }

    assert!(driver.run().is_pending());
    assert!(socket.recv().await.unwrap().unwrap() == message);
}

#[tokio::test(start_paused = true)]
async fn an_end_in_the_middle_of_a_long_message_is_a_loss() {
    let (mut socket, driver, peer) = server(Config::default());
    let mut driver = Task::new(driver);
    let (_, long) = long();
    for piece in pieces(&long).take(3) {
        peer.send(piece);
        assert!(driver.run().is_pending());
    }

    peer.end();
    assert!(driver.run().is_ready());

    assert_eq!(socket.closed().unwrap().ended, Ended::Lost);
    assert!(socket.recv().await.unwrap().is_err());
}

#[cfg(feature = "deflate")]
#[tokio::test(start_paused = true)]
async fn a_compressed_message_in_many_pieces_is_inflated_whole() {
    use holdwire::proto::deflate::{DeflateConfig, accept_offer, offer};
    use holdwire::proto::extension::parse;

    for deflate in [
        DeflateConfig::default(),
        DeflateConfig::with_context_takeover(),
    ] {
        let offers = parse([offer(&deflate)]).unwrap();
        let mut setup = setup(Config::default().deflate(deflate));
        setup.deflate = Some(accept_offer(&deflate, &offers).unwrap().0);
        let (here, there) = tokio::io::duplex(PIECE);
        let (client, drive) = WebSocket::over(here, Role::Client, setup.clone());
        tokio::spawn(drive);
        let (mut server, drive) = WebSocket::over(there, Role::Server, setup);
        tokio::spawn(drive);
        // Digits of no period, which become smaller by half at most.
        let mut random = 1_u64;
        let digits = std::iter::repeat_with(|| {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            char::from(b'0' + u8::try_from((random >> 33) % 10).unwrap())
        });
        let message: String = digits.take(LONG).collect();

        for _ in 0..3 {
            client.send(&*message).await.unwrap();
            let received = server.recv().await.unwrap().unwrap();
            assert!(received == Message::from(&*message));
        }

        let inflated = server.stats().inflated;
        assert_eq!(inflated.plain, 3 * LONG as u64);
        assert!(inflated.compressed > 3 * PIECE as u64, "{inflated:?}");
    }
}
