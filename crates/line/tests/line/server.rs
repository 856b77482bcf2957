//! Servers in memory: every attempt of a line arrives at the test as the other end of a pipe.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use holdwire::line::{Attempt, Builder, Event, Line, Loss, Target};
use holdwire::{CloseCode, Config, Message, Setup, WebSocket};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::peer::Peer;

/// Where the attempts of a line arrive.
pub struct Server {
    arrivals: mpsc::UnboundedReceiver<Arrival>,
    transports: Arc<AtomicUsize>,
}

/// An attempt.
pub struct Arrival {
    pub attempt: Attempt,
    pub at: Instant,
    pub peer: Peer,
}

/// A connection as the server has it.
pub struct Session {
    pub socket: WebSocket,
    driver: JoinHandle<holdwire::Closed>,
}

/// A line, not yet started, and its server.
pub fn line() -> (Builder, Server) {
    line_over(64 * 1024)
}

/// As [`line`], over pipes that hold so many bytes.
pub fn line_over(bytes: usize) -> (Builder, Server) {
    let (arrive, arrivals) = mpsc::unbounded_channel();
    let transports = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&transports);
    let builder = Line::with(move |attempt| {
        let (ours, theirs) = tokio::io::duplex(bytes);
        let arrival = Arrival {
            attempt,
            at: Instant::now(),
            peer: Peer::new(theirs),
        };
        // A test that has seen enough no longer listens.
        let _ = arrive.send(arrival);
        let target = Target::new("ws://server.example/").over(Counted::new(ours, &counted));
        async { Ok(target) }
    });
    (
        builder,
        Server {
            arrivals,
            transports,
        },
    )
}

impl Server {
    /// The next attempt.
    pub async fn arrival(&mut self) -> Arrival {
        let arrival = tokio::time::timeout(A_DAY, self.arrivals.recv()).await;
        arrival.expect("an attempt").expect("a line")
    }

    /// The next attempt, accepted.
    pub async fn accept(&mut self) -> Session {
        self.arrival().await.accept().await
    }

    /// Whether nobody comes for so long, or can come at all.
    pub async fn is_left_alone(&mut self, time: Duration) -> bool {
        let arrival = tokio::time::timeout(time, self.arrivals.recv()).await;
        !matches!(arrival, Ok(Some(_)))
    }

    /// Transports that the line holds.
    pub fn transports(&self) -> usize {
        self.transports.load(Ordering::SeqCst)
    }
}

impl Arrival {
    pub async fn accept(self) -> Session {
        self.accept_with(Config::default()).await
    }

    pub async fn accept_with(mut self, config: Config) -> Session {
        self.peer.accept("", b"").await;
        let mut setup = Setup::default();
        setup.config = Arc::new(config);
        let (socket, driver) = self.peer.open(setup);
        Session {
            socket,
            driver: tokio::spawn(driver),
        }
    }

    /// Refuses with a status and header lines.
    pub async fn refuse(mut self, status: u16, lines: &str) {
        self.peer.head().await;
        let answer = format!("HTTP/1.1 {status} No\r\nContent-Length: 0\r\n{lines}\r\n");
        self.peer.say(answer).await;
        self.peer.rest().await;
    }
}

impl Session {
    /// The next message, as text.
    pub async fn text(&mut self) -> String {
        let message = self.socket.recv().await.expect("open").expect("sound");
        message.as_text().unwrap().to_owned()
    }

    /// Ends the transport without a Close frame.
    pub async fn cut(self) {
        self.driver.abort();
        assert!(self.driver.await.unwrap_err().is_cancelled());
    }

    /// Closes and sees the closing handshake through.
    pub async fn close(self, code: u16, reason: &str) {
        let code = CloseCode::new(code).unwrap();
        let closed = self.socket.close(code, reason).await;
        assert!(closed.is_clean(), "{closed}");
    }
}

/// A transport that is counted as long as it is there.
struct Counted {
    io: DuplexStream,
    count: Arc<AtomicUsize>,
}

impl Counted {
    fn new(io: DuplexStream, count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        let count = Arc::clone(count);
        Self { io, count }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::SeqCst);
    }
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// What a line tells, as a test likes to read it.
pub trait Told {
    async fn told(&mut self) -> Event;
    async fn up(&mut self) -> u64;
    async fn up_after_losses(&mut self) -> u64;
    async fn message(&mut self) -> String;
    async fn down(&mut self) -> (Arc<Loss>, Duration);
    async fn stopped(&mut self) -> (holdwire::line::Why, Option<Arc<Loss>>);
}

impl Told for Line {
    /// The next event, which must come.
    async fn told(&mut self) -> Event {
        let event = tokio::time::timeout(A_DAY, self.next()).await;
        event.expect("an event").expect("not the end")
    }

    /// Passes by attempts up to the next `Up`; its generation.
    async fn up(&mut self) -> u64 {
        loop {
            match self.told().await {
                Event::Up { generation, .. } => return generation,
                Event::Connecting { .. } => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// Passes by attempts and losses up to the next `Up`; its generation.
    async fn up_after_losses(&mut self) -> u64 {
        loop {
            match self.told().await {
                Event::Up { generation, .. } => return generation,
                Event::Connecting { .. } | Event::Down { .. } => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// The next event, a text message.
    async fn message(&mut self) -> String {
        match self.told().await {
            Event::Message(Message::Text(text)) => text.to_string(),
            other => panic!("{other:?}"),
        }
    }

    /// Passes by attempts and openings up to the next `Down`.
    async fn down(&mut self) -> (Arc<Loss>, Duration) {
        loop {
            match self.told().await {
                Event::Down { loss, next_in } => return (loss, next_in),
                Event::Connecting { .. } | Event::Up { .. } => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// Passes by everything up to the end, and sees that nothing follows it.
    async fn stopped(&mut self) -> (holdwire::line::Why, Option<Arc<Loss>>) {
        loop {
            if let Event::Stopped { why, loss } = self.told().await {
                assert!(self.next().await.is_none());
                return (why, loss);
            }
        }
    }
}

/// Longer than anything takes that is not for ever.
const A_DAY: Duration = Duration::from_secs(24 * 3600);
