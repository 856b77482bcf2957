//! Names, addresses and TCP.

use std::io::ErrorKind;
use std::net::TcpStream;
use std::time::Duration;

use holdwire::{Client, ConnectError, Phase, connect};

use tokio::net::TcpSocket;

use crate::peer::{Peer, listen};

#[tokio::test]
async fn closed_port_is_an_error_of_connecting() {
    // Nobody listens there, and nobody else is given the port meanwhile.
    let bound = TcpSocket::new_v4().unwrap();
    bound.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = bound.local_addr().unwrap();

    let error = connect(format!("ws://{address}")).await.unwrap_err();

    let ConnectError::Connect(error) = error else {
        panic!("{error:?}");
    };
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn name_without_address_is_an_error_of_dns() {
    const TOO_LONG: usize = 64; // a label has at most 63 bytes, so nobody is asked (RFC 1035 §2.3.4)
    let url = format!("ws://{}.example", "a".repeat(TOO_LONG));

    let error = connect(url).await.unwrap_err();

    assert!(matches!(error, ConnectError::Dns(_)), "{error:?}");
}

#[tokio::test]
async fn localhost_is_found_on_whichever_family_listens() {
    let (address, server) = listen(async |mut peer: Peer| {
        peer.accept("", b"").await;
        peer
    })
    .await;

    let socket = connect(format!("ws://localhost:{}", address.port())).await;

    assert!(socket.is_ok(), "{socket:?}");
    drop(server.await.unwrap());
}

#[tokio::test]
async fn host_that_does_not_answer_ends_the_attempt_in_time() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    // The kernel drops what its queue of connections nobody accepts cannot take.
    while let Ok(tcp) = TcpStream::connect_timeout(&address, Duration::from_millis(50)) {
        waiting.push(tcp);
        assert!(waiting.len() < 100, "the queue takes everything");
    }
    let client = Client::new().connect_timeout(Duration::from_millis(50));

    let error = client.connect(format!("ws://{address}")).await.unwrap_err();

    assert!(
        matches!(error, ConnectError::Timeout(Phase::Connect)),
        "{error:?}"
    );
}
