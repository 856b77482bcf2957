//! Two connections joined by a wire that the test owns, with the test's own clock.
#![allow(dead_code, reason = "each test file uses its part")]

use std::time::Duration;

use bytes::Buf;
use holdwire_proto::time::Tick;
use holdwire_proto::{
    CloseCode, Config, Connection, Context, Event, Flow, Message, Output, Role, Scratch, Sender,
};

/// What an endpoint was handed, owned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<u16>, String),
}

impl From<Event<'_>> for Seen {
    fn from(event: Event<'_>) -> Self {
        match event {
            Event::Text(text) => Self::Text(text.into_owned()),
            Event::Binary(bytes) => Self::Binary(bytes.into_owned()),
            Event::Ping(bytes) => Self::Ping(bytes.to_vec()),
            Event::Pong(bytes) => Self::Pong(bytes.to_vec()),
            Event::Close(closing) => Self::Close(
                closing.code.map(CloseCode::value),
                closing.reason.to_owned(),
            ),
        }
    }
}

pub fn text(text: &str) -> Seen {
    Seen::Text(text.to_owned())
}

/// One end: a connection, what it was handed, and what it wants to write.
pub struct Endpoint {
    pub connection: Connection,
    pub config: Config,
    pub now: Tick,
    pub output: Output,
    pub scratch: Scratch,
    pub seen: Vec<Seen>,
    /// The handler pauses after each message.
    pub pauses: bool,
    /// The handler sends every message back.
    pub echoes: bool,
    half_closed: bool,
}

impl Endpoint {
    pub fn new(role: Role, config: Config) -> Self {
        let mut key = 0_u32;
        let keys = move || {
            key = key.wrapping_add(0x9e37_79b9);
            key.to_be_bytes()
        };
        Self {
            connection: Connection::new(role),
            config,
            now: Tick::from_millis(1000),
            output: Output::default(),
            scratch: Scratch::new(Box::new(keys)),
            seen: Vec::new(),
            pauses: false,
            echoes: false,
            half_closed: false,
        }
    }

    pub fn server() -> Self {
        Self::new(Role::Server, Config::default())
    }

    pub fn client() -> Self {
        Self::new(Role::Client, Config::default())
    }

    /// Lends the connection its context and runs `act`.
    pub fn with<T>(&mut self, act: impl FnOnce(&mut Connection, &mut Context<'_>) -> T) -> T {
        let mut cx = Context {
            now: self.now,
            config: &self.config,
            output: &mut self.output,
            scratch: &mut self.scratch,
        };
        act(&mut self.connection, &mut cx)
    }

    fn deliver(&mut self, act: impl FnOnce(&mut Connection, &mut Context<'_>, &mut Recorder<'_>)) {
        let mut recorder = Recorder {
            seen: &mut self.seen,
            pauses: self.pauses,
            echoes: self.echoes,
        };
        let mut cx = Context {
            now: self.now,
            config: &self.config,
            output: &mut self.output,
            scratch: &mut self.scratch,
        };
        act(&mut self.connection, &mut cx, &mut recorder);
    }

    pub fn receive(&mut self, bytes: &[u8]) {
        let mut input = bytes.to_vec();
        self.deliver(|connection, cx, recorder| connection.receive(&mut input, cx, recorder));
    }

    pub fn receive_shared(&mut self, bytes: &[u8]) {
        self.deliver(|connection, cx, recorder| connection.receive_shared(bytes, cx, recorder));
    }

    pub fn receive_bytewise(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.receive(&[*byte]);
        }
    }

    pub fn resume(&mut self) {
        self.deliver(|connection, cx, recorder| connection.resume(cx, recorder));
    }

    pub fn send(&mut self, message: impl Into<Message>) {
        let message = message.into();
        self.with(|connection, cx| connection.sender(cx).message(message))
            .expect("message is taken");
    }

    pub fn ping(&mut self, payload: &[u8]) {
        self.with(|connection, cx| connection.sender(cx).ping(payload))
            .expect("ping is taken");
    }

    pub fn close(&mut self, code: u16, reason: &str) {
        let code = CloseCode::new(code).expect("code may be sent");
        self.with(|connection, cx| connection.sender(cx).close(code, reason));
    }

    /// Takes up to `most` bytes off the output, as a socket would.
    pub fn write(&mut self, most: usize) -> Vec<u8> {
        let mut written = Vec::new();
        while self.output.has_remaining() && written.len() < most {
            let chunk = self.output.chunk();
            let step = chunk.len().min(most - written.len());
            written.extend_from_slice(&chunk[..step]);
            self.output.advance(step);
        }
        let waiting = self.output.len();
        self.connection
            .handle_written(written.len(), waiting, self.now, &self.config);
        if waiting == 0 && self.connection.wants_half_close() {
            self.half_closed = true;
            self.connection.handle_half_closed(self.now);
        }
        written
    }

    pub fn written(&mut self) -> Vec<u8> {
        self.write(usize::MAX)
    }

    /// Lets time pass, deadline by deadline.
    pub fn run_for(&mut self, duration: Duration) {
        let end = self.now.after(duration);
        while let Some(next) = self.connection.poll_timeout() {
            if end.is_before(next) {
                break;
            }
            if self.now.is_before(next) {
                self.now = next;
            }
            self.with(|connection, cx| connection.handle_timeout(cx));
        }
        self.now = end;
    }

    /// Whether the transport's write side was shut down.
    pub fn has_half_closed(&self) -> bool {
        self.half_closed
    }
}

struct Recorder<'a> {
    seen: &'a mut Vec<Seen>,
    pauses: bool,
    echoes: bool,
}

impl holdwire_proto::Handler for Recorder<'_> {
    fn on_event(&mut self, event: Event<'_>, sender: &mut Sender<'_>) -> Flow {
        if self.echoes {
            match &event {
                Event::Text(text) => sender.text(text).expect("echo is taken"),
                Event::Binary(bytes) => sender.binary(bytes).expect("echo is taken"),
                _ => {}
            }
        }
        self.seen.push(event.into());
        if self.pauses {
            Flow::Pause
        } else {
            Flow::Continue
        }
    }
}

/// A client and a server, and the wire between them.
pub struct Line {
    pub client: Endpoint,
    pub server: Endpoint,
    is_cut: bool,
}

impl Line {
    pub fn open() -> Self {
        Self {
            client: Endpoint::client(),
            server: Endpoint::server(),
            is_cut: false,
        }
    }

    pub fn with(client: Endpoint, server: Endpoint) -> Self {
        Self {
            client,
            server,
            is_cut: false,
        }
    }

    /// Bytes vanish from now on, and no end is announced.
    pub fn cut(&mut self) {
        self.is_cut = true;
    }

    /// Carries bytes both ways until nothing moves.
    pub fn carry(&mut self) {
        loop {
            let up = self.client.written();
            let down = self.server.written();
            if up.is_empty() && down.is_empty() {
                break;
            }
            if !self.is_cut {
                self.server.receive(&up);
                self.client.receive(&down);
            }
        }
        if self.is_cut {
            return;
        }
        if self.client.has_half_closed() {
            self.server.connection.handle_eof();
        }
        if self.server.has_half_closed() || self.server.connection.is_over() {
            self.client.connection.handle_eof();
        }
    }
}
