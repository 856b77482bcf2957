//! A server that says no: its status, headers and body reach the caller, within bounds.

use holdwire::{Client, ConnectError, Refused};

use crate::peer::Peer;

const MAX_BODY: usize = 64 * 1024;

/// What the client tells of an answer; the peer closes after it.
async fn refused(answer: impl AsRef<[u8]>) -> Box<Refused> {
    let (io, mut peer) = Peer::pipe();
    peer.say(answer).await;
    let client = Client::new();
    let (result, ()) = tokio::join!(client.over(io, "ws://a.example"), async {
        peer.head().await;
        drop(peer);
    });
    told(result.unwrap_err())
}

fn told(error: ConnectError) -> Box<Refused> {
    match error {
        ConnectError::Refused(refused) => refused,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn status_headers_and_body_are_handed_over() {
    let refused = refused(
        "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 7\r\nContent-Length: 4\r\n\r\nbusymore",
    )
    .await;

    assert_eq!(refused.status(), 503);
    assert_eq!(refused.headers()["retry-after"], "7");
    assert_eq!(refused.text(), "busy");
    assert!(refused.is_complete);
}

#[tokio::test]
async fn body_without_length_ends_with_the_connection() {
    let refused = refused("HTTP/1.0 404 Not Found\r\n\r\nno such room").await;

    assert_eq!(refused.status(), 404);
    assert_eq!(refused.text(), "no such room");
    assert!(refused.is_complete);
}

#[tokio::test]
async fn chunked_body_is_decoded() {
    let refused = refused(
        "HTTP/1.1 401 Unauthorized\r\nTransfer-Encoding: chunked\r\n\r\n\
         4\r\nwho \r\n8;note=x\r\nare you?\r\n0\r\n\r\n",
    )
    .await;

    assert_eq!(refused.text(), "who are you?");
    assert!(refused.is_complete);
}

#[tokio::test]
async fn broken_chunks_are_told_as_far_as_they_go() {
    for rest in ["3\r\nabcX", "zz\r\n", "9\r\nab", "fffffffffffffffff\r\n"] {
        let refused = refused(format!(
            "HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n{rest}"
        ))
        .await;

        assert!(refused.text().starts_with("no"), "{rest:?}");
        assert!(!refused.is_complete, "{rest:?}");
    }
}

#[tokio::test]
async fn body_cut_off_is_told_as_incomplete() {
    let refused = refused("HTTP/1.1 403 Forbidden\r\nContent-Length: 10\r\n\r\nno").await;

    assert_eq!(refused.text(), "no");
    assert!(!refused.is_complete);
}

#[tokio::test]
async fn status_without_body_waits_for_none() {
    let (io, mut peer) = Peer::pipe();
    peer.say("HTTP/1.1 204 No Content\r\n\r\n").await;

    let refused = told(Client::new().over(io, "ws://a.example").await.unwrap_err());

    assert_eq!(refused.status(), 204);
    assert!(refused.body().is_empty());
    assert!(refused.is_complete);
}

#[tokio::test]
async fn long_bodies_are_cut() {
    for head in [
        "Content-Length: 100000",
        "Connection: close",
        "Content-Length: 99999999999999999999999",
    ] {
        let body = "x".repeat(100_000);

        let refused = refused(format!("HTTP/1.1 500 No\r\n{head}\r\n\r\n{body}")).await;

        assert_eq!(refused.body().len(), MAX_BODY, "{head}");
        assert!(!refused.is_complete, "{head}");
    }
}

#[tokio::test]
async fn long_chunked_body_is_cut() {
    let chunk = format!("100\r\n{}\r\n", "x".repeat(0x100));
    let chunks = chunk.repeat(400);

    let refused = refused(format!(
        "HTTP/1.1 500 No\r\nTransfer-Encoding: gzip, Chunked\r\n\r\n{chunks}"
    ))
    .await;

    assert!((MAX_BODY - chunk.len()..=MAX_BODY).contains(&refused.body().len()));
    assert!(refused.body().iter().all(|&byte| byte == b'x'));
    assert!(!refused.is_complete);
}

#[tokio::test(start_paused = true)]
async fn slow_body_is_cut_when_the_handshake_has_lasted_long_enough() {
    let (io, mut peer) = Peer::pipe();
    peer.say("HTTP/1.1 429 Too Many Requests\r\nContent-Length: 9\r\n\r\nslow")
        .await;
    let start = tokio::time::Instant::now();

    let refused = told(Client::new().over(io, "ws://a.example").await.unwrap_err());

    assert_eq!(refused.text(), "slow");
    assert!(!refused.is_complete);
    assert_eq!(start.elapsed().as_secs(), 10);
}

#[tokio::test]
async fn redirect_is_not_followed_but_told() {
    let answer = "HTTP/1.1 301 Moved Permanently\r\nLocation: wss://b.example/chat\r\n\
                  Content-Length: 0\r\n\r\n";

    let refused = refused(answer).await;

    assert_eq!(refused.location(), Some("wss://b.example/chat"));
    let told = ConnectError::Refused(refused).to_string();
    assert!(
        told.contains("301") && told.contains("wss://b.example/chat"),
        "{told}"
    );
}
