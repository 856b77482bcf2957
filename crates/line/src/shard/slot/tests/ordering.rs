//! What others ask for: messages that wait for room, and who is told about them.

use holdwire_proto::{CloseCode, Message};
use tokio::sync::oneshot;
use tokio::sync::oneshot::error::TryRecvError;

use super::super::Turn;
use super::bench::{Bench, send_queue, text};
use crate::error::Error;
use crate::shard::mailbox::Order;

type Told = oneshot::Receiver<Result<(), Error>>;

fn send(text: &str) -> (Order, Told) {
    let (done, told) = oneshot::channel();
    (Order::Send(Message::from(text), done), told)
}

/// Asks for a message of so many bytes.
fn ask(bench: &mut Bench, length: usize) -> Told {
    let (order, told) = send(&"m".repeat(length));
    bench.order(order);
    told
}

#[test]
fn a_message_for_which_there_is_room_is_sent_and_told_at_once() {
    let mut bench = Bench::new(send_queue(100));

    let mut told = ask(&mut bench, 5);

    assert!(matches!(told.try_recv(), Ok(Ok(()))));
    assert_eq!(bench.texts(), ["mmmmm"]);
    assert!(bench.slot.cold.is_none());
}

#[test]
fn messages_wait_for_room_and_go_out_in_order() {
    let mut bench = Bench::new(send_queue(100));
    bench.wire_mut().room = 0;

    let mut first = ask(&mut bench, 90);
    let mut second = ask(&mut bench, 80);
    // There would be room for it, but it came later.
    let mut third = ask(&mut bench, 1);
    assert!(matches!(first.try_recv(), Ok(Ok(()))));
    assert!(matches!(second.try_recv(), Err(TryRecvError::Empty)));
    assert!(matches!(third.try_recv(), Err(TryRecvError::Empty)));
    bench.writable(usize::MAX);

    assert!(matches!(second.try_recv(), Ok(Ok(()))));
    assert!(matches!(third.try_recv(), Ok(Ok(()))));
    let lengths: Vec<usize> = bench.texts().iter().map(String::len).collect();
    assert_eq!(lengths, [90, 80, 1]);
    assert!(bench.slot.cold.is_none());
}

#[test]
fn a_thousand_messages_pass_a_queue_that_holds_one() {
    let mut bench = Bench::new(send_queue(100));
    bench.wire_mut().room = 0;
    let mut told: Vec<Told> = (0..1000).map(|_| ask(&mut bench, 90)).collect();

    let mut turns = 0;
    while bench.slot.queued() > 0 || bench.slot.is_anyone_waiting() {
        assert!(bench.slot.queued() <= 100);
        bench.writable(50);
        turns += 1;
        assert!(turns < 10_000);
    }

    assert!(
        told.iter_mut()
            .all(|told| matches!(told.try_recv(), Ok(Ok(()))))
    );
    assert_eq!(bench.texts().len(), 1000);
}

#[test]
fn messages_that_wait_when_the_connection_closes_are_told_so() {
    let mut bench = Bench::new(send_queue(100));
    bench.wire_mut().room = 0;
    ask(&mut bench, 90);
    let mut waiting = ask(&mut bench, 90);

    bench.order(Order::Close(CloseCode::NORMAL, String::new()));

    assert!(matches!(waiting.try_recv(), Ok(Err(Error::Closed))));
}

#[test]
fn messages_that_wait_when_the_connection_is_lost_are_told_so() {
    let mut bench = Bench::new(send_queue(100));
    bench.wire_mut().room = 0;
    ask(&mut bench, 90);
    let mut waiting = ask(&mut bench, 90);

    assert_eq!(bench.receive_end(), Turn::Over);
    drop(bench.slot.end());

    assert!(!matches!(
        waiting.try_recv(),
        Ok(Ok(())) | Err(TryRecvError::Empty)
    ));
}

#[test]
fn a_message_after_the_close_frame_is_refused() {
    let mut bench = Bench::new(send_queue(100));
    bench.order(Order::Close(CloseCode::NORMAL, String::new()));

    let mut told = ask(&mut bench, 5);

    assert!(matches!(told.try_recv(), Ok(Err(Error::Closed))));
}

#[test]
fn nobody_need_wait_for_the_answer() {
    let mut bench = Bench::new(send_queue(100));
    bench.wire_mut().room = 0;
    drop(ask(&mut bench, 90));
    drop(ask(&mut bench, 90));

    bench.writable(usize::MAX);

    assert_eq!(bench.texts().len(), 2);
}

#[test]
fn a_session_is_woken_though_its_peer_does_not_read_or_it_has_paused() {
    let mut bench = Bench::new(send_queue(100));
    bench.wire_mut().room = 0;
    bench.receive(text("ask 500"));
    bench.receive(text("pause"));

    bench.order(Order::Wake);

    assert_eq!(bench.log.lines(), ["open", "ask 500", "wake"]);
}
