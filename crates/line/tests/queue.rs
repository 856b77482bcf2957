//! Queues in both directions: bounded, in order, and nothing lost when they are full.

mod common;

use std::task::Poll;
use std::time::Duration;

use common::{Task, frame, frames, pair, pair_with, server, text};
use holdwire::{CloseCode, Config, Error, Limits, Message, WebSocket};

fn queue(send_queue: usize) -> Config {
    Config::default().limits(Limits {
        send_queue,
        ..Limits::default()
    })
}

#[tokio::test(start_paused = true)]
async fn messages_arrive_whole_in_order_and_in_both_kinds() {
    let (mut client, server) = pair(64);
    tokio::spawn(async move {
        server.send("text").await.unwrap();
        server.send(vec![0_u8, 1, 2]).await.unwrap();
        server.send("x".repeat(100_000)).await.unwrap();
        server.close(CloseCode::NORMAL, "").await;
    });

    let mut received = Vec::new();
    while let Some(message) = client.recv().await {
        received.push(message.unwrap());
    }

    assert_eq!(
        received,
        [
            Message::from("text"),
            Message::from(vec![0_u8, 1, 2]),
            Message::from("x".repeat(100_000))
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn sixteen_pipelined_messages_are_answered_with_one_write() {
    let (mut socket, driver, peer) = server(Config::default());
    let mut task = Task::new(driver.run(async move {
        while let Some(message) = socket.recv().await.transpose()? {
            socket.send(message).await?;
        }
        Ok::<(), Error>(())
    }));
    assert!(task.run().is_pending());

    let sixteen: Vec<u8> = (0..16)
        .flat_map(|number| text(&format!("{number}")))
        .collect();
    peer.send(&sixteen);
    assert!(task.run_if_woken().is_pending());

    assert_eq!(peer.wire().writes, 1);
    assert_eq!(frames(&peer.take()).len(), 16);
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_gives_the_message_back_and_send_waits_for_room() {
    let (socket, driver, peer) = server(queue(1000));
    let mut driver = Task::new(driver);
    peer.set_room(0);
    socket.try_send("x".repeat(900)).unwrap();
    assert!(driver.run().is_pending());

    let Err(Error::Full(back)) = socket.try_send("y".repeat(200)) else {
        panic!("the queue is not full");
    };
    assert_eq!(back, Message::from("y".repeat(200)));
    let mut sending = Task::new(socket.send(back));
    assert!(sending.run().is_pending());
    peer.set_room(usize::MAX);
    assert!(driver.run_if_woken().is_pending());
    assert!(matches!(sending.run_if_woken(), Poll::Ready(Ok(()))));
    assert!(driver.run_if_woken().is_pending());

    assert_eq!(frames(&peer.take())[1].1, "y".repeat(200).as_bytes());
}

#[tokio::test(start_paused = true)]
async fn each_sender_keeps_its_order_among_several() {
    let (client, mut server) = pair_with(256, queue(500));
    let (sender, _receiver) = client.split();
    for task in 0..8 {
        let sender = sender.clone();
        tokio::spawn(async move {
            for number in 0..50 {
                sender.send(format!("{task} {number}")).await.unwrap();
            }
        });
    }

    let mut next = [0; 8];
    for _ in 0..400 {
        let message = server.recv().await.unwrap().unwrap();
        let Message::Text(text) = message else {
            panic!("not text");
        };
        let (task, number) = text.split_once(' ').unwrap();
        let next = &mut next[task.parse::<usize>().unwrap()];
        assert_eq!(number.parse::<usize>().unwrap(), *next);
        *next += 1;
    }
}

#[tokio::test(start_paused = true)]
async fn reading_ahead_is_bounded_and_resumes_without_loss() {
    for size in [0, 1, 1000] {
        let (mut socket, driver, peer) = server(Config::default());
        let mut driver = Task::new(driver);
        let message = text(&"x".repeat(size));
        let count = 400_000 / message.len();
        peer.send(&message.repeat(count));
        assert!(driver.run().is_pending());
        let waiting = socket.stats().received.messages;
        assert!(
            waiting < 2000,
            "{waiting} messages of {size} bytes read ahead"
        );
        assert!(
            !peer.wire().to_us.is_empty(),
            "and the rest left where it is"
        );

        let mut received = 0;
        while received < count {
            let mut next = Task::new(socket.recv());
            match next.run() {
                Poll::Ready(Some(Ok(_))) => received += 1,
                Poll::Ready(end) => panic!("ended after {received}: {end:?}"),
                Poll::Pending => assert!(driver.run_if_woken().is_pending()),
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_handler_busy_for_longer_than_all_deadlines_keeps_its_line() {
    let (mut socket, driver, peer) = server(Config::default());
    let mut task = tokio::spawn(driver.run(async move {
        tokio::time::sleep(Duration::from_secs(3600)).await;
        for _ in 0..2000 {
            socket.recv().await.unwrap().unwrap();
        }
        socket.send("all there").await
    }));
    peer.send(&text(&"x".repeat(100)).repeat(2000));
    peer.send(&frame(0x9, b"late"));

    tokio::time::sleep(Duration::from_secs(3599)).await;
    assert_eq!(peer.take(), b"", "the line is kept");
    tokio::time::sleep(Duration::from_secs(2)).await;

    let written = frames(&peer.take());
    assert!(
        written.contains(&(0x1, b"all there".to_vec())),
        "{written:?}"
    );
    assert!(written.contains(&(0xA, b"late".to_vec())), "{written:?}");
    peer.end();
    (&mut task).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_sends_pings_and_reads_nothing_cannot_fill_our_memory() {
    let (socket, driver, peer) = server(Config::default());
    let mut driver = Task::new(driver);
    peer.set_room(0);

    for _ in 0..1000 {
        peer.send(&frame(0x9, &[b'x'; 125]).repeat(10));
        assert!(driver.run().is_pending());
    }

    assert!(socket.stats().queued < 4096, "{}", socket.stats().queued);
}

#[tokio::test(start_paused = true)]
async fn stats_count_messages_payload_and_wire_bytes() {
    let (mut client, server) = pair(4096);
    let echo = tokio::spawn(async move {
        let mut server: WebSocket = server;
        let message = server.recv().await.unwrap().unwrap();
        server.send(message).await.unwrap();
        server.flush().await.unwrap();
        server
    });
    client.send("hello").await.unwrap();
    client.recv().await.unwrap().unwrap();
    let server = echo.await.unwrap();

    let (client, server) = (client.stats(), server.stats());

    assert_eq!(
        (client.sent.messages, client.sent.payload, client.sent.bytes),
        (1, 5, 11)
    );
    assert_eq!(
        (server.sent.messages, server.sent.payload, server.sent.bytes),
        (1, 5, 7)
    );
    assert_eq!((client.received, client.queued), (server.sent, 0));
    assert_eq!(server.received, client.sent);
    assert_eq!(client.deflated.ratio(), None);
}
