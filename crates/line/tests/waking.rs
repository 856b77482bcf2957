//! Nobody is forgotten and nobody spins: every wait ends by a wake-up, and idle means idle.

mod common;

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use common::{Peer, Task, close, frame, frames, pair, pair_with, server, setup, text, transport};
use holdwire::proto::{Event, Flow, Sender};
use holdwire::{CloseCode, Config, Error, Limits, Message, Role, Setup, Stream, WebSocket};

fn queue(send_queue: usize) -> Config {
    Config::default().limits(Limits {
        send_queue,
        ..Limits::default()
    })
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_without_a_heartbeat_is_never_polled() {
    let (socket, driver, peer) = server(Config::default().heartbeat(None));
    let mut task = Task::new(driver.run(echo(socket)));
    peer.send(&text("hello"));
    assert!(task.run().is_pending());
    let (polls, reads) = (task.polls, peer.wire().reads);

    tokio::time::sleep(Duration::from_secs(24 * 60 * 60)).await;

    assert!(!task.is_woken());
    assert_eq!((task.polls, peer.wire().reads), (polls, reads));
}

#[tokio::test(start_paused = true)]
async fn the_heartbeat_costs_messages_no_poll_and_silence_two() {
    let (socket, driver, peer) = server(Config::default());
    let mut task = Task::new(driver.run(echo(socket)));
    assert!(task.run().is_pending());
    let before = task.polls;

    // An hour of talk, once a second: the timer fires once in an interval at most.
    for _ in 0..3600 {
        peer.send(&text("hello"));
        assert!(task.run_if_woken().is_pending());
        tokio::time::sleep(Duration::from_secs(1)).await;
        let _ = task.run_if_woken();
    }
    let talking = task.polls - before - 3600;
    assert!(talking <= 3600 / 19, "{talking} polls for the timer");
    let _ = peer.take();

    // An hour of silence, answered: one for the ping, one for the pong.
    let before = task.polls;
    let mut pings = 0;
    for _ in 0..36_000 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let _ = task.run_if_woken();
        for (opcode, payload) in frames(&peer.take()) {
            assert_eq!(opcode, 0x9);
            pings += 1;
            peer.send(&frame(0xa, &payload));
            let _ = task.run_if_woken();
        }
    }
    assert!((3600 / 26..=3600 / 20).contains(&pings), "{pings} pings");
    let silent = task.polls - before;
    assert!(silent <= 3 * pings, "{silent} polls for {pings} pings");
}

#[tokio::test(start_paused = true)]
async fn one_message_costs_one_poll_one_write_and_no_read_too_many() {
    let (socket, driver, peer) = server(Config::default());
    let mut task = Task::new(driver.run(echo(socket)));
    assert!(task.run().is_pending());
    let before = calls(&task, &peer);

    peer.send(&text("hello"));
    assert!(task.run_if_woken().is_pending());

    let after = calls(&task, &peer);
    // The second read is the one that finds nothing, which a TCP socket answers without a call.
    assert_eq!(after, (before.0 + 1, before.1 + 2, before.2 + 1));
}

#[tokio::test(start_paused = true)]
async fn one_message_to_a_lending_handler_costs_one_poll_and_one_write() {
    let (mut socket, driver, peer) = server(Config::default());
    let mut task = Task::new(driver.run(async move { socket.lend(echo_lent).await }));
    assert!(task.run().is_pending());

    for _ in 0..3 {
        let before = calls(&task, &peer);
        peer.send(&text("hello"));
        assert!(task.run_if_woken().is_pending());
        let after = calls(&task, &peer);
        assert_eq!(after, (before.0 + 1, before.1 + 2, before.2 + 1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_pong_wakes_the_task_that_sent_the_ping() {
    let (socket, driver, peer) = server(Config::default());
    let mut driver = Task::new(driver);
    let mut pinged = Task::new(socket.ping());
    assert!(pinged.run().is_pending());
    assert!(driver.run().is_pending());
    assert!(pinged.run_if_woken().is_pending());

    let [(0x9, payload)] = &frames(&peer.take())[..] else {
        panic!("no ping came");
    };
    peer.send(&frame(0xA, payload));
    assert!(driver.run_if_woken().is_pending());

    assert!(matches!(pinged.run_if_woken(), Poll::Ready(Ok(_))));
}

#[tokio::test(start_paused = true)]
async fn a_pong_wakes_a_ping_while_the_receiver_lends() {
    let (client, mut server) = pair(1024);
    let (sender, receiver) = client.split();
    let lent = tokio::spawn(async move { server.lend(echo_lent).await });
    drop(receiver);

    let pinged = tokio::time::timeout(Duration::from_secs(1), sender.ping()).await;

    assert!(pinged.expect("answered").is_ok());
    sender.close(CloseCode::NORMAL, "").await;
    assert!(lent.await.unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn reading_goes_on_once_a_queue_over_its_limit_is_written() {
    let (socket, driver, peer) = server(queue(1000));
    let mut task = Task::new(driver.run(echo(socket)));
    peer.set_room(0);
    peer.send(&text(&"x".repeat(5000)));
    assert!(task.run().is_pending());

    peer.send(&text("second"));
    assert!(task.run_if_woken().is_pending());
    peer.set_room(usize::MAX);
    assert!(task.run_if_woken().is_pending());

    let echoed = frames(&peer.take());
    assert_eq!(echoed.len(), 2);
    assert_eq!(echoed[1].1, b"second");
}

#[tokio::test(start_paused = true)]
async fn a_spawned_driver_reads_on_once_a_queue_over_its_limit_is_written() {
    let (mut socket, driver, peer) = server(queue(1000));
    let mut driver = Task::new(driver);
    peer.set_room(0);
    socket.try_send("x".repeat(5000)).unwrap();
    assert!(driver.run().is_pending());

    peer.send(&text("second"));
    assert!(driver.run_if_woken().is_pending());
    peer.set_room(usize::MAX);
    assert!(driver.run_if_woken().is_pending());

    let mut received = Task::new(socket.recv());
    assert!(
        matches!(received.run(), Poll::Ready(Some(Ok(message))) if message == Message::from("second"))
    );
}

#[tokio::test(start_paused = true)]
async fn a_lending_handler_reads_on_once_a_queue_over_its_limit_is_written() {
    let (mut socket, driver, peer) = server(queue(10_000));
    let mut task = Task::new(driver.run(async move { socket.lend(echo_lent).await }));
    for _ in 0..100 {
        peer.send(&text(&"x".repeat(60_000)));
    }

    assert!(task.run().is_pending());

    assert_eq!(frames(&peer.take()).len(), 100);
}

#[tokio::test(start_paused = true)]
async fn a_lending_handler_in_a_task_of_its_own_reads_on_when_the_driver_has_written() {
    let (mut socket, driver, peer) = server(queue(1000));
    peer.set_room(0);
    let mut driver = Task::new(driver);
    let mut lent = Task::new(async move { socket.lend(echo_lent).await });
    peer.send(&text(&"x".repeat(5000)));
    assert!(lent.run().is_pending());
    assert!(driver.run().is_pending());
    peer.send(&text("second"));
    assert!(lent.run_if_woken().is_pending());

    peer.set_room(usize::MAX);
    for _ in 0..4 {
        assert!(driver.run_if_woken().is_pending());
        assert!(lent.run_if_woken().is_pending());
    }

    assert_eq!(frames(&peer.take()).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn no_reply_of_a_lending_handler_is_refused() {
    let (mut socket, driver, peer) = server(queue(1000));
    let mut refused = 0;
    let refusals = &mut refused;
    let mut task = Task::new(driver.run(async move {
        let count = |event: Event<'_>, reply: &mut Sender<'_>| {
            if let Event::Text(text) = event {
                *refusals += usize::from(reply.text(&text).is_err());
            }
            Flow::Continue
        };
        socket.lend(count).await
    }));

    for _ in 0..100 {
        peer.send(&text(&"x".repeat(700)));
    }
    assert!(task.run().is_pending());

    drop(task);
    assert_eq!(refused, 0);
    assert_eq!(frames(&peer.take()).len(), 100);
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_the_close_does_not_spin_while_the_peer_lingers() {
    let (socket, driver, peer) = server(Config::default());
    let closing = async move { drop(socket.close(CloseCode::NORMAL, "").await) };
    let mut task = Task::new(driver.run(closing));
    assert!(task.run().is_pending());

    peer.send(&close(1000, ""));

    assert!(task.run_if_woken().is_pending());
    assert!(
        peer.wire().is_shut,
        "the peer may end now, and takes its time"
    );
    assert!(task.polls < 6, "{} polls", task.polls);
    peer.end();
    assert!(task.run_if_woken().is_ready());
}

#[tokio::test(start_paused = true)]
async fn a_flush_ends_when_the_transport_has_flushed() {
    let (socket, driver, peer) = server(Config::default());
    let mut driver = Task::new(driver);
    peer.wire().holds_flush = true;
    socket.try_send("hello").unwrap();
    assert!(driver.run().is_pending());
    let mut flush = Task::new(socket.flush());
    assert!(flush.run().is_pending());

    peer.release_flush();
    assert!(driver.run_if_woken().is_pending());

    assert!(matches!(flush.run_if_woken(), Poll::Ready(Ok(()))));
}

#[tokio::test(start_paused = true)]
async fn a_receiver_hears_of_a_message_timeout_at_once() {
    let (mut socket, driver, peer) = server(Config::default());
    let mut driver = Task::new(driver);
    peer.send(&text("half a frame")[..5]);
    assert!(driver.run().is_pending());
    let mut received = Task::new(socket.recv());
    assert!(received.run().is_pending());

    tokio::time::advance(Duration::from_secs(31)).await;
    assert!(driver.run_if_woken().is_pending());

    assert!(matches!(
        received.run_if_woken(),
        Poll::Ready(Some(Err(Error::Protocol(_))))
    ));
}

#[tokio::test(start_paused = true)]
async fn a_dropped_driver_ends_the_connection_for_who_waits() {
    let (mut socket, driver, peer) = server(Config::default());
    let mut received = Task::new(socket.recv());
    assert!(received.run().is_pending());

    drop(driver);

    assert!(matches!(
        received.run_if_woken(),
        Poll::Ready(Some(Err(Error::Lost(_))))
    ));
    assert!(peer.wire().dropped);
}

#[tokio::test(start_paused = true)]
async fn a_connection_without_driver_writes_what_another_half_sends_while_one_receives() {
    let (transport, peer) = transport();
    let socket = WebSocket::undriven(Stream::new(transport), Role::Server, Setup::default());
    let (sender, mut receiver) = socket.split();
    let mut received = Task::new(receiver.recv());
    assert!(received.run().is_pending());

    sender.try_send("hello").unwrap();
    assert!(received.run_if_woken().is_pending());

    assert_eq!(frames(&peer.take()), [(1, b"hello".to_vec())]);
}

#[tokio::test(start_paused = true)]
async fn a_connection_without_driver_goes_on_after_reading_far_ahead() {
    let (transport, peer) = transport();
    let mut socket = WebSocket::undriven(Stream::new(transport), Role::Server, Setup::default());
    for _ in 0..300 {
        peer.send(&text(&"x".repeat(1000)));
    }

    for number in 0..300 {
        let mut received = Task::new(socket.recv());
        assert!(
            matches!(received.run(), Poll::Ready(Some(Ok(_)))),
            "message {number}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_flush_of_one_half_does_not_take_the_wake_up_of_the_other() {
    let (transport, peer) = transport();
    let socket = WebSocket::undriven(Stream::new(transport), Role::Server, Setup::default());
    let (sender, mut receiver) = socket.split();
    let mut received = Task::new(receiver.recv());
    assert!(received.run().is_pending());
    sender.try_send("hello").unwrap();

    assert!(Task::new(sender.flush()).run().is_ready());
    assert!(received.run_if_woken().is_pending());
    peer.send(&text("news"));

    assert!(matches!(received.run_if_woken(), Poll::Ready(Some(Ok(_)))));
}

#[tokio::test(start_paused = true)]
async fn a_half_that_is_done_lets_the_other_move_a_connection_without_driver() {
    let (sender, mut receiver, peer) = undriven(Config::default());
    let mut received = Task::new(receiver.recv());
    assert!(received.run().is_pending());

    assert!(Task::new(sender.flush()).run().is_ready());
    assert!(received.run_if_woken().is_pending());
    peer.send(&text("news"));

    assert!(matches!(received.run_if_woken(), Poll::Ready(Some(Ok(_)))));
}

#[tokio::test(start_paused = true)]
async fn a_half_that_gives_up_lets_the_other_move_a_connection_without_driver() {
    let full = "x".repeat(2000);
    for gives_up in [Asks::Ping, Asks::Flush, Asks::Room, Asks::Close] {
        let (sender, mut receiver, peer) = undriven(queue(1000));
        let mut received = Task::new(receiver.recv());
        peer.set_room(0);
        sender.try_send(&*full).unwrap();
        assert!(received.run().is_pending());

        let mut asked = Task::new(ask(&sender, gives_up));
        assert!(asked.run().is_pending());
        drop(asked);
        assert!(received.run_if_woken().is_pending());
        peer.set_room(usize::MAX);
        assert!(received.run_if_woken().is_pending());
        let first = frames(&peer.take()).swap_remove(0);
        assert_eq!(first.1, full.as_bytes(), "{gives_up:?}");
        peer.send(&close(1000, ""));

        assert!(matches!(received.run_if_woken(), Poll::Ready(None)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_gives_up_lets_the_other_half_move_a_connection_without_driver() {
    for is_dropped in [true, false] {
        let (sender, mut receiver, peer) = undriven(Config::default());
        let mut pinged = Task::new(sender.ping());
        assert!(pinged.run().is_pending());
        let [(0x9, payload)] = &frames(&peer.take())[..] else {
            panic!("no ping came");
        };
        let mut received = Task::new(receiver.recv());
        assert!(received.run().is_pending());

        if is_dropped {
            drop(received);
        } else {
            peer.send(&text("news"));
            assert!(received.run_if_woken().is_ready());
        }
        assert!(pinged.run_if_woken().is_pending());
        peer.send(&frame(0xA, payload));

        assert!(matches!(pinged.run_if_woken(), Poll::Ready(Ok(_))));
    }
}

#[tokio::test(start_paused = true)]
async fn two_that_wait_in_one_task_do_not_wake_each_other_for_long() {
    let (sender, mut receiver, peer) = undriven(Config::default());
    let mut received = Box::pin(receiver.recv());
    for room in [usize::MAX, 0] {
        peer.set_room(room);
        sender.try_send("hello").unwrap();
        let mut task = Task::new(poll_fn(|cx| {
            let polled = received.as_mut().poll(cx);
            // Done at once, or given up at once.
            let flushed = pin!(sender.flush()).poll(cx);
            assert_eq!(flushed.is_ready(), room > 0);
            polled
        }));

        assert!(task.run().is_pending());
        assert!(task.polls < 4, "{} polls", task.polls);
    }
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_dropped_unpolled_lets_the_driver_read() {
    let (mut socket, driver, peer) = server(Config::default());
    let (stop, mut stopped) = tokio::sync::oneshot::channel::<()>();
    let mut task = Task::new(driver.run(async move {
        tokio::select! {
            biased;
            _ = &mut stopped => {}
            _ = socket.lend(echo_lent) => {}
        }
        drop(socket.recv().await);
        Ok::<(), Error>(())
    }));
    assert!(task.run().is_pending());

    peer.send(&text("news"));
    stop.send(()).unwrap();
    assert!(task.run_if_woken().is_pending());

    assert_eq!(
        frames(&peer.take()),
        [(0x8, 1000_u16.to_be_bytes().to_vec())],
        "the message came, and the handler returned"
    );
}

#[tokio::test(start_paused = true)]
async fn a_full_pipe_both_ways_resumes() {
    let (client, mut server) = pair_with(100, queue(2000));
    let echo = tokio::spawn(async move { server.lend(echo_lent).await });
    let (sender, mut receiver) = client.split();
    let all = tokio::spawn(async move {
        for _ in 0..200 {
            receiver.recv().await.unwrap().unwrap();
        }
    });
    for _ in 0..200 {
        sender.send("x".repeat(500)).await.unwrap();
    }
    all.await.unwrap();
    sender.close(CloseCode::NORMAL, "").await;
    assert!(echo.await.unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn pings_flow_while_the_handler_is_busy_and_wake_no_handler() {
    let (socket, driver, peer) = server(Config::default());
    let busy = async move {
        std::future::pending::<()>().await;
        drop(socket);
    };
    let mut task = Task::new(driver.run(busy));
    assert!(task.run().is_pending());

    peer.send(&frame(0x9, b"are you there"));
    assert!(task.run_if_woken().is_pending());

    assert_eq!(frames(&peer.take()), [(0xA, b"are you there".to_vec())]);
}

/// Polls, reads and writes so far.
fn calls<F>(task: &Task<F>, peer: &Peer) -> (usize, usize, usize) {
    let wire = peer.wire();
    (task.polls, wire.reads, wire.writes)
}

async fn echo(mut socket: WebSocket) -> Result<(), Error> {
    while let Some(message) = socket.recv().await.transpose()? {
        socket.send(message).await?;
    }
    Ok(())
}

fn echo_lent(event: Event<'_>, reply: &mut Sender<'_>) -> Flow {
    match event {
        Event::Text(text) => drop(reply.text(&text)),
        Event::Binary(payload) => drop(reply.binary(&payload)),
        _ => {}
    }
    Flow::Continue
}

/// The halves of a server's connection that nobody drives.
fn undriven(config: Config) -> (holdwire::Sender, holdwire::Receiver, Peer) {
    let (transport, peer) = transport();
    let socket = WebSocket::undriven(Stream::new(transport), Role::Server, setup(config));
    let (sender, receiver) = socket.split();
    (sender, receiver, peer)
}

/// What a sending half may wait for.
#[derive(Clone, Copy, Debug)]
enum Asks {
    Ping,
    Flush,
    Room,
    Close,
}

async fn ask(sender: &holdwire::Sender, asks: Asks) {
    match asks {
        Asks::Ping => drop(sender.ping().await),
        Asks::Flush => drop(sender.flush().await),
        Asks::Room => drop(sender.send("more").await),
        Asks::Close => drop(sender.close(CloseCode::NORMAL, "").await),
    }
}
